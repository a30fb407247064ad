"""lightly as its documentation shows it: its transform and loss, a DataLoader with two workers, plain Lightning."""

import time

import numpy as np
import pytorch_lightning as pl
import torch
from lightly.loss.ntx_ent_loss import NTXentLoss
from lightly.models.modules.heads import SimCLRProjectionHead
from lightly.transforms.simclr_transform import SimCLRTransform
from lightly.transforms.utils import IMAGENET_NORMALIZE
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from simclr.config import PretrainConfig
from simclr.cores import usable_cores
from simclr.encoders import build_encoder

WORKERS = 2


class Pairs(Dataset[list[Tensor]]):
    """Two views of every image by lightly's transform, which takes PIL images."""

    def __init__(self, images: NDArray[np.uint8], transform: SimCLRTransform) -> None:
        self._images = images.transpose(0, 2, 3, 1)
        self._transform = transform

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> list[Tensor]:
        return [torch.as_tensor(view) for view in self._transform(Image.fromarray(self._images[index]))]


def loader(
    images: NDArray[np.uint8], config: PretrainConfig, normalize: dict[str, list[float]] | None = IMAGENET_NORMALIZE
) -> "DataLoader[list[Tensor]]":
    """Batches of two views, with the same operations and strengths as ``config.augment``."""
    augment = config.augment
    transform = SimCLRTransform(
        input_size=images.shape[-1],
        cj_prob=augment.jitter_p,
        cj_strength=augment.jitter_strength,
        min_scale=augment.crop_scale_min,
        random_gray_scale=augment.grey_p,
        gaussian_blur=augment.blur_p,
        hf_prob=augment.flip_p,
        normalize=normalize,
    )
    return DataLoader(
        Pairs(images, transform),
        batch_size=config.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=WORKERS,
        persistent_workers=True,
    )


class LightlySimCLR(pl.LightningModule):
    """lightly's example with our encoder, so that only the pipeline differs."""

    def __init__(self, config: PretrainConfig, channels: int) -> None:
        super().__init__()
        self.encoder = build_encoder(config.encoder, channels)
        width = self.encoder.feature_dim
        self.head = SimCLRProjectionHead(width, config.projection_width, config.projection_dim)
        self.criterion = NTXentLoss(temperature=config.temperature)
        self.learning_rate = config.learning_rate
        self.epoch_ends: list[float] = []

    def training_step(self, batch: list[Tensor], _number: int) -> Tensor:
        first, second = (self.head(self.encoder(view)) for view in batch)
        loss: Tensor = self.criterion(first, second)
        return loss

    def on_train_epoch_end(self) -> None:
        self.epoch_ends.append(time.perf_counter())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=self.learning_rate)


def training_images_per_s(images: NDArray[np.uint8], config: PretrainConfig) -> float:
    """Speed of the second and later epochs: starting the workers is not counted against lightly."""
    torch.set_num_threads(usable_cores())  # torch's own default; ours leaves one core free
    module = LightlySimCLR(config, images.shape[1])
    trainer = pl.Trainer(accelerator="auto", devices=1, max_epochs=config.epochs, barebones=True)
    trainer.fit(module, loader(images, config))
    seconds = module.epoch_ends[-1] - module.epoch_ends[0]
    steps = len(images) // config.batch_size * (config.epochs - 1)
    return steps * config.batch_size / seconds


def views_per_s(images: NDArray[np.uint8], config: PretrainConfig) -> float:
    """Views a second out of the DataLoader, its workers running already."""
    batches = loader(images, config)
    for _ in batches:
        pass
    began, views = time.perf_counter(), 0
    for pair in batches:
        views += sum(len(view) for view in pair)
    return views / (time.perf_counter() - began)
