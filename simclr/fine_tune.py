"""Fine-tuning: encoder and linear classifier trained together on labels; the epoch that is best on validation is kept."""

import copy
import math

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from simclr.augment import draw_views
from simclr.config import FineTuneConfig
from simclr.datasets.store import Dataset
from simclr.device import Device
from simclr.embed import encode_images
from simclr.encoders import Encoder, ImageFacts, adapt
from simclr.events import Emit, Log, ShouldStop
from simclr.metrics import accuracy
from simclr.optim import adamw, schedule, warmup_cosine
from simclr.randomness import stream
from simclr.training import Batches, ImagePool, Watch, fit


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
) -> tuple[FineTuned, int]:
    """Train a copy of ``encoder`` and a classifier on the labelled training images; ``encoder`` itself is left as it was.

    Returns:
        The model of the epoch with the highest validation accuracy, the earliest of equals, and that epoch, from 1.

    Raises:
        ValueError: the batch is larger than the labelled training split, or the loss became NaN.
        Stopped: ``should_stop`` said so.
    """
    train = dataset.indices("train", labelled=True)
    batches = Batches(train, config.batch_size, stream(config.seed, "order"))
    classes = len(dataset.classes)
    watch = Watch(batches, config.epochs, emit, should_stop, chance=math.log(classes))
    model = FineTuned(copy.deepcopy(encoder), classes, config.seed).to(memory_format=torch.channels_last)
    module = FineTuning(config, model, facts, dataset, ImagePool(dataset.images, device.device), watch)
    fit(module, batches, config.epochs, device)
    model.load_state_dict(module.best)
    return model, module.best_epoch


def probabilities(
    model: FineTuned, facts: ImageFacts, dataset: Dataset, indices: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Of every class, shape (N, classes), for the images at ``indices``."""
    scores: NDArray[np.float32] = encode_images(model, facts, dataset.images[indices]).softmax(dim=1).numpy()
    return scores


class FineTuning(pl.LightningModule):
    """Cross entropy on one view of every labelled image; batches are indices of images."""

    def __init__(
        self,
        config: FineTuneConfig,
        model: FineTuned,
        facts: ImageFacts,
        dataset: Dataset,
        pool: ImagePool,
        watch: Watch,
    ) -> None:
        super().__init__()
        self.config = config
        self.model = model
        self.facts = facts
        self.dataset = dataset
        self.pool = pool
        self.watch = watch
        self.views = stream(config.seed, "views", pool.device)
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0
        self.best_accuracy = -1.0

    def training_step(self, indices: Tensor, _batch: int) -> Tensor:
        self.watch.check()
        pixels = adapt(draw_views(self.pool[indices], self.config.augment, self.views), self.facts)
        logits = self.model(pixels.contiguous(memory_format=torch.channels_last))
        labels = torch.from_numpy(self.dataset.labels[indices.cpu().numpy()]).to(logits.device)
        return functional.cross_entropy(logits.float(), labels)

    def configure_optimizers(self) -> dict[str, object]:  # type: ignore[override]
        optimizer = adamw(self.model, self.config.learning_rate, self.config.weight_decay)
        scheduler = schedule(optimizer, 0, self.watch.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_train_batch_end(self, outputs: dict[str, Tensor], _batch: Tensor, _number: int) -> None:  # type: ignore[override]
        share = warmup_cosine(self.watch.step, 0, self.watch.steps)
        self.watch.stepped(outputs["loss"], share * self.config.learning_rate)

    def on_train_epoch_end(self) -> None:
        epoch = self.current_epoch + 1
        chosen = self.dataset.indices("val", labelled=True)
        with self.watch.aside():
            reached = accuracy(probabilities(self.model, self.facts, self.dataset, chosen), self.dataset.labels[chosen])
        self.watch.emit(Log(message=f"Epoch {epoch} of {self.config.epochs}: validation accuracy {reached:.3f}."))
        if reached > self.best_accuracy:
            self.best_accuracy, self.best_epoch = reached, epoch
            self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
