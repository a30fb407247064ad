"""Fine-tuning: encoder and linear classifier trained together on labels; the epoch that is best on validation is kept."""

import copy
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from simclr.augment import draw_views
from simclr.config import FineTuneConfig
from simclr.datasets.store import Dataset, Split
from simclr.encoders import Encoder, ImageFacts, adapt, seeded
from simclr.encoding import encode_images
from simclr.events import Log
from simclr.fine_tuned import FineTuned
from simclr.loop import Part, Training, fit
from simclr.memory import naming_what_fits
from simclr.metrics import accuracy
from simclr.optim import schedule, warmup_cosine
from simclr.randomness import stream
from simclr.results import EpochScore
from simclr.resume import Keeper, Saved, State
from simclr.subject import Learned, Subject
from simclr.training import Batches, ImagePool, Watch


def fine_tune(config: FineTuneConfig, subject: Subject, keeper: Keeper, saved: Saved | None = None) -> Learned:
    """Train a copy of the encoder, or of its architecture, and a classifier; the encoder itself is left as it was.

    The epoch with the highest validation accuracy is kept, the earliest of equals. With ``saved``, which must belong to this
    config, encoder and set, the training goes on from there.

    Raises:
        ValueError: the encoder is raw pixels or has too few stages, the batch is larger than the labelled training split, or
            the loss became NaN.
        OutOfMemory: which batch size fits.
        Stopped: asked to stop; a checkpoint of this very step was written.
        OSError: a checkpoint could not be written.
    """
    labelled = subject.labelled
    model = FineTuned(_start(config, subject), len(labelled.dataset.classes), config)
    batches = Batches(labelled.indices["train"], _batch_size(config, subject), stream(config.seed, "order"))
    chance = math.log(len(labelled.dataset.classes))
    watch = Watch(batches, config.epochs, subject.emit, subject.should_stop, chance=chance)
    module = FineTuning(config, model.to(memory_format=torch.channels_last), subject, batches, watch, keeper)
    model.to(subject.device.device)
    with naming_what_fits(module.try_step, batches.batch_size):
        fit(module, subject.device, saved=saved)
    model.load_state_dict(module.best)
    model.to(subject.device.device)

    def classify(split: Split) -> NDArray[np.float32]:
        return probabilities(model, subject.file, labelled.dataset, labelled.indices[split])

    return Learned(classify, {"epoch": module.best_epoch}, watch.step * batches.batch_size, module.curve)


def probabilities(
    model: FineTuned, facts: ImageFacts, dataset: Dataset, indices: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Of every class, shape (N, classes), for the images at ``indices``."""
    scores: NDArray[np.float32] = encode_images(model, facts, dataset.images[indices]).softmax(dim=1).numpy()
    return scores


def _start(config: FineTuneConfig, subject: Subject) -> Encoder:
    encoder = subject.encoder
    if not isinstance(encoder, Encoder):
        raise ValueError(
            "raw pixels have no weights to fine-tune: choose knn or linear_probe, or a pretrained or untrained encoder"
        )
    if config.start == "scratch":
        return seeded(encoder.config, encoder.channels, config.seed)
    return copy.deepcopy(encoder)


def _batch_size(config: FineTuneConfig, subject: Subject) -> int:
    """The config's, or all images where thinning left fewer: one config shall serve every share of the labels."""
    n = len(subject.labelled.indices["train"])
    is_thinned = config.labels.fraction is not None or config.labels.shots is not None
    if not is_thinned or config.batch_size <= n:
        return config.batch_size
    subject.emit(Log(message=f"batch_size is {config.batch_size}, but {n} labels are left: all are one batch."))
    return n


class FineTuning(Training):
    """Cross entropy on one view of every labelled image; batches are indices of images."""

    def __init__(
        self,
        config: FineTuneConfig,
        model: FineTuned,
        subject: Subject,
        batches: Batches,
        watch: Watch,
        keeper: Keeper,
    ) -> None:
        device = subject.device
        super().__init__(batches, watch, stream(config.seed, "views", device.device), keeper)
        self.config = config
        self.work = device
        self.model = model
        self.facts = subject.file
        self.labelled = subject.labelled
        self.dataset = subject.labelled.dataset
        self.class_weights: Tensor | None = None
        if config.class_weights:
            self.class_weights = torch.from_numpy(subject.labelled.class_weights()).to(device.device)
        self.pool = ImagePool(self.dataset.images, device.device)
        self.curve: list[EpochScore] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0
        self.best_accuracy = -1.0

    def training_step(self, indices: Tensor, _batch: int) -> Tensor:
        self.watch.check()
        labels = torch.from_numpy(self.dataset.labels[indices.cpu().numpy()])
        return self.loss(self.pool[indices], labels)

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy of a view of every image, uint8 (N, C, S, S), on the labels (N,)."""
        pixels = adapt(draw_views(images, self.config.augment, self.views), self.facts)
        logits = self.model(pixels.contiguous(memory_format=torch.channels_last))
        return functional.cross_entropy(logits.float(), labels.to(logits.device), self.class_weights)

    def try_step(self, batch: int) -> None:
        """All but the optimiser's part of a step with the first ``batch`` images of the set, all of one class."""
        self.model.to(self.work.device).zero_grad()
        with self.work.autocast():
            loss = self.loss(self.pool[torch.arange(batch)], torch.zeros(batch, dtype=torch.int64))
        loss.backward()  # type: ignore[no-untyped-call]
        self.model.zero_grad()

    def build_optimizer(self) -> Optimizer:
        return self.model.optimizer(self.config)

    def build_scheduler(self, done: int) -> LRScheduler:
        return schedule(self.optimizer, 0, self.watch.steps, done=done)

    def rate(self, step: int) -> float:
        return warmup_cosine(step, 0, self.watch.steps) * self.config.learning_rate

    def end_epoch(self, epoch: int) -> None:
        if epoch == 0:
            return
        chosen = self.labelled.indices["val"]
        with self.watch.aside():
            reached = accuracy(probabilities(self.model, self.facts, self.dataset, chosen), self.dataset.labels[chosen])
        loss = self.watch.loss
        self.curve.append(EpochScore(epoch=epoch, loss=loss if math.isfinite(loss) else None, val_accuracy=reached))
        self.watch.emit(Log(message=f"Epoch {epoch} of {self.config.epochs}: validation accuracy {reached:.3f}."))
        if reached > self.best_accuracy:
            self.best_accuracy, self.best_epoch = reached, epoch
            self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        if self.is_over(epoch):
            waited = f"{self.config.patience} epochs" if self.config.patience > 1 else "an epoch"
            self.watch.emit(Log(message=f"Stopped early, after {waited} without a better validation accuracy."))

    def is_over(self, epoch: int) -> bool:
        return 0 < self.config.patience <= epoch - self.best_epoch and self.best_epoch > 0

    def parts(self) -> dict[str, Part]:
        return {"model": self.model}

    def found(self) -> State:
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "best_accuracy": self.best_accuracy,
            "curve": [each.model_dump() for each in self.curve],
        }

    def find(self, found: State) -> None:
        self.best = dict(found["best"])
        self.best_epoch, self.best_accuracy = int(found["best_epoch"]), float(found["best_accuracy"])
        # Checkpoints of 0.1.0 have none.
        self.curve = [EpochScore.model_validate(each) for each in found.get("curve", [])]
