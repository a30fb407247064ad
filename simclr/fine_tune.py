"""Fine-tuning: encoder and linear classifier trained together on labels; the epoch that is best on validation is kept."""

import copy
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from simclr.augment import draw_views
from simclr.config import FineTuneConfig
from simclr.datasets.store import Dataset
from simclr.device import Device
from simclr.embed import encode_images
from simclr.encoders import Encoder, ImageFacts, adapt
from simclr.events import Emit, Log, ShouldStop
from simclr.loop import Part, Training, fit
from simclr.memory import naming_what_fits
from simclr.metrics import accuracy
from simclr.optim import adamw, schedule, warmup_cosine
from simclr.randomness import stream
from simclr.resume import Keeper, Saved, State
from simclr.training import Batches, ImagePool, Watch


class FineTuned(nn.Module):
    """Encoder and linear layer: normalised images, (N, C, S, S), to logits, (N, classes)."""

    def __init__(self, encoder: Encoder, classes: int, seed: int) -> None:
        super().__init__()
        self.encoder = encoder
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.classifier = nn.Linear(encoder.feature_dim, classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.encoder(images))
        return logits


def fine_tune(
    config: FineTuneConfig,
    encoder: Encoder,
    facts: ImageFacts,
    dataset: Dataset,
    device: Device,
    emit: Emit,
    should_stop: ShouldStop,
    keeper: Keeper,
    saved: Saved | None = None,
) -> tuple[FineTuned, int]:
    """Train a copy of ``encoder`` and a classifier on the labelled training images; ``encoder`` itself is left as it was.

    With ``saved``, which must belong to this config, encoder and set, the training goes on from there.

    Returns:
        The model of the epoch with the highest validation accuracy, the earliest of equals, and that epoch, from 1.

    Raises:
        ValueError: the batch is larger than the labelled training split, or the loss became NaN.
        OutOfMemory: which batch size fits.
        Stopped: ``should_stop`` said so; a checkpoint of this very step was written.
        OSError: a checkpoint could not be written.
    """
    train = dataset.indices("train", labelled=True)
    batches = Batches(train, config.batch_size, stream(config.seed, "order"))
    classes = len(dataset.classes)
    watch = Watch(batches, config.epochs, emit, should_stop, chance=math.log(classes))
    model = FineTuned(copy.deepcopy(encoder), classes, config.seed).to(memory_format=torch.channels_last)
    module = FineTuning(config, model, facts, dataset, batches, watch, device, keeper)
    model.to(device.device)
    with naming_what_fits(module.try_step, config.batch_size):
        fit(module, device, saved=saved)
    model.load_state_dict(module.best)
    return model, module.best_epoch


def probabilities(
    model: FineTuned, facts: ImageFacts, dataset: Dataset, indices: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Of every class, shape (N, classes), for the images at ``indices``."""
    scores: NDArray[np.float32] = encode_images(model, facts, dataset.images[indices]).softmax(dim=1).numpy()
    return scores


class FineTuning(Training):
    """Cross entropy on one view of every labelled image; batches are indices of images."""

    def __init__(
        self,
        config: FineTuneConfig,
        model: FineTuned,
        facts: ImageFacts,
        dataset: Dataset,
        batches: Batches,
        watch: Watch,
        device: Device,
        keeper: Keeper,
    ) -> None:
        super().__init__(batches, watch, stream(config.seed, "views", device.device), keeper)
        self.config = config
        self.work = device
        self.model = model
        self.facts = facts
        self.dataset = dataset
        self.pool = ImagePool(dataset.images, device.device)
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
        return functional.cross_entropy(logits.float(), labels.to(logits.device))

    def try_step(self, batch: int) -> None:
        """All but the optimiser's part of a step with the first ``batch`` images of the set, all of one class."""
        self.model.to(self.work.device).zero_grad()
        with self.work.autocast():
            loss = self.loss(self.pool[torch.arange(batch)], torch.zeros(batch, dtype=torch.int64))
        loss.backward()  # type: ignore[no-untyped-call]
        self.model.zero_grad()

    def build_optimizer(self) -> Optimizer:
        return adamw(self.model, self.config.learning_rate, self.config.weight_decay)

    def build_scheduler(self, done: int) -> LRScheduler:
        return schedule(self.optimizer, 0, self.watch.steps, done=done)

    def rate(self, step: int) -> float:
        return warmup_cosine(step, 0, self.watch.steps) * self.config.learning_rate

    def end_epoch(self, epoch: int) -> None:
        if epoch == 0:
            return
        chosen = self.dataset.indices("val", labelled=True)
        with self.watch.aside():
            reached = accuracy(probabilities(self.model, self.facts, self.dataset, chosen), self.dataset.labels[chosen])
        self.watch.emit(Log(message=f"Epoch {epoch} of {self.config.epochs}: validation accuracy {reached:.3f}."))
        if reached > self.best_accuracy:
            self.best_accuracy, self.best_epoch = reached, epoch
            self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}

    def parts(self) -> dict[str, Part]:
        return {"model": self.model}

    def found(self) -> State:
        return {"best": self.best, "best_epoch": self.best_epoch, "best_accuracy": self.best_accuracy}

    def find(self, found: State) -> None:
        self.best = dict(found["best"])
        self.best_epoch, self.best_accuracy = int(found["best_epoch"]), float(found["best_accuracy"])
        if self.ended_epoch > 0:
            # A loaded encoder keeps its batch norm's statistics during the first epoch, after which all of it trains.
            self.model.train()
