"""Contrastive pretraining: two views of every image, an encoder and a projection head, NT-Xent."""

import time
from dataclasses import dataclass

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from simclr.augment import draw_views
from simclr.config import KnnConfig, PretrainConfig
from simclr.datasets.store import Dataset, content_hash
from simclr.device import Device, choose_device
from simclr.embed import encode_images
from simclr.encoders import EncoderFile, ImageFacts, ProjectionHead, image_facts, normalise, save_encoder, seeded
from simclr.events import Emit, Evaluation, Log, ShouldStop
from simclr.loss import chance_level, nt_xent
from simclr.metrics import accuracy, knn_scores
from simclr.optim import adamw, schedule, warmup_cosine
from simclr.results import PretrainResult
from simclr.runs import Run
from simclr.training import Batches, ImagePool, Watch, fit

# Images that a look at the features uses at most, so that it stays a small part of an epoch.
KNN_TRAIN, KNN_VAL = 5000, 1000


def pretrain(config: PretrainConfig, dataset: Dataset, run: Run, emit: Emit, should_stop: ShouldStop) -> PretrainResult:
    """Pretrain an encoder on the training images, labelled or not, and write it to ``run.encoder``.

    On a CPU the same config, images and number of threads give the same weights, bit for bit.

    Raises:
        ValueError: the batch is larger than the training split, or the loss became NaN.
        Stopped: ``should_stop`` said so; no encoder was written.

    Source: Chen et al. 2020, arXiv:2002.05709, Algorithm 1. Departs: AdamW for LARS, which pays only for large batches.
    """
    device = choose_device()
    facts = image_facts(dataset)
    train = dataset.indices("train")
    batches = Batches(train, config.batch_size, torch.Generator().manual_seed(config.seed))
    chance = chance_level(config.batch_size)
    watch = Watch(batches, config.epochs, emit, should_stop, chance=chance)
    run.begin(config, kind="pretrain", dataset=content_hash(dataset))
    emit(Log(message=device.reason))
    look = KnnLook.at(dataset, facts, config.seed, emit)
    module = Contrastive(config, facts, ImagePool(dataset.images, device.device), watch, look, device)
    began = time.monotonic()
    fit(module, batches, config.epochs, device)
    file = EncoderFile(
        **facts.model_dump(), origin="pretrained", architecture=config.encoder, feature_dim=module.encoder.feature_dim
    )
    save_encoder(run.encoder, module.encoder, file)
    result = PretrainResult(
        epochs=config.epochs,
        steps=watch.steps,
        loss=watch.loss,
        chance=chance,
        knn_accuracy=module.knn_accuracy,
        feature_dim=file.feature_dim,
        images_per_s=module.images_per_s,
        seconds=time.monotonic() - began,
        device=device.name,
    )
    run.finish(result)
    return result


@dataclass(frozen=True)
class KnnLook:
    """Labelled images with which the features are looked at during training: a bank of training images, queries of validation."""

    dataset: Dataset
    facts: ImageFacts
    bank: NDArray[np.int64]
    queries: NDArray[np.int64]

    @classmethod
    def at(cls, dataset: Dataset, facts: ImageFacts, seed: int, emit: Emit) -> "KnnLook | None":
        """A bounded sample of both splits, drawn with ``seed``; None, and a sentence why, where labels are missing."""
        random = np.random.default_rng(seed)
        bank = np.sort(random.permutation(dataset.indices("train", labelled=True))[:KNN_TRAIN])
        queries = np.sort(random.permutation(dataset.indices("val", labelled=True))[:KNN_VAL])
        if len(bank) and len(queries):
            return cls(dataset, facts, bank, queries)
        missing = "training" if len(bank) == 0 else "validation"
        emit(
            Log(
                message=f"No {missing} image has a label, so k-NN accuracy cannot be followed; training needs no labels."
            )
        )
        return None

    def accuracy(self, encoder: torch.nn.Module, watch: Watch, device: Device) -> float:
        """k-NN accuracy of the encoder's features on validation, in [0, 1]."""
        knn = KnnConfig()
        with device.autocast():
            bank, queries = (
                encode_images(encoder, self.facts, self.dataset.images[chosen], on_batch=lambda _done: watch.check())
                for chosen in (self.bank, self.queries)
            )
        labels = self.dataset.labels
        scores = knn_scores(
            bank,
            torch.from_numpy(labels[self.bank]),
            queries,
            classes=len(self.dataset.classes),
            k=knn.k,
            temperature=knn.temperature,
        )
        return accuracy(scores.numpy(), labels[self.queries])


class Contrastive(pl.LightningModule):
    """Encoder and projection head under NT-Xent; batches are indices of images."""

    def __init__(
        self,
        config: PretrainConfig,
        facts: ImageFacts,
        pool: ImagePool,
        watch: Watch,
        look: KnnLook | None,
        device: Device,
    ) -> None:
        super().__init__()
        self.config = config
        self.facts = facts
        self.pool = pool
        self.watch = watch
        self.look = look
        self.work = device
        self.encoder = seeded(config.encoder, facts.channels, config.seed).to(memory_format=torch.channels_last)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.head = ProjectionHead(self.encoder.feature_dim, config.projection_width, config.projection_dim)
        # Not the seed itself: views and the order of images should not share their random numbers.
        self.views = torch.Generator(pool.device).manual_seed(config.seed + 2**32)
        # Warm-up never takes more than half of a short training.
        self.warmup_steps = min(round(config.warmup_epochs * watch.steps_per_epoch), watch.steps // 2)
        self.knn_accuracy: float | None = None
        self.images_per_s = 0.0

    def training_step(self, indices: Tensor, _batch: int) -> Tensor:
        self.watch.check()
        images = self.pool[indices]
        first, second = (draw_views(images, self.config.augment, self.views) for _ in range(2))
        pixels = normalise(torch.cat((first, second)), self.facts)
        projections = self.head(self.encoder(pixels.contiguous(memory_format=torch.channels_last)))
        first_z, second_z = projections.chunk(2)
        return nt_xent(first_z, second_z, self.config.temperature)

    def configure_optimizers(self) -> dict[str, object]:  # type: ignore[override]
        optimizer = adamw(self, self.config.learning_rate, self.config.weight_decay)
        scheduler = schedule(optimizer, self.warmup_steps, self.watch.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_train_start(self) -> None:
        self._evaluate(epoch=0)

    def on_train_batch_end(self, outputs: dict[str, Tensor], _batch: Tensor, _number: int) -> None:  # type: ignore[override]
        share = warmup_cosine(self.watch.step, self.warmup_steps, self.watch.steps)
        self.watch.stepped(outputs["loss"], share * self.config.learning_rate)

    def on_train_epoch_end(self) -> None:
        epoch = self.current_epoch + 1
        if epoch % self.config.knn_every == 0 or epoch == self.config.epochs:
            self._evaluate(epoch)
        self.images_per_s = self.watch.images_per_s

    def _evaluate(self, epoch: int) -> None:
        if self.look is None:
            return
        with self.watch.aside():
            self.knn_accuracy = self.look.accuracy(self.encoder, self.watch, self.work)
        self.watch.emit(
            Evaluation(epoch=epoch, step=self.watch.step, knn_accuracy=self.knn_accuracy, n=len(self.look.queries))
        )
