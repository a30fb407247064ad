"""How hard a policy's positive pairs are for an encoder: their similarity against that of two different images."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from simclr.augment import draw_views
from simclr.config import AugmentConfig
from simclr.encoders import ImageFacts, adapt


@dataclass(frozen=True)
class Hardness:
    """Cosine similarities in [-1, 1] of N positive pairs, and of N pairs of views of different images; float32, shape (N,)."""

    pairs: Tensor
    others: Tensor

    @property
    def told_apart(self) -> float:
        """How often a positive pair is more similar than a pair of strangers; 0.5 is chance, 1 is always. Ties count half.

        Source: this is the area under the ROC curve; Hanley & McNeil 1982, Radiology 143, 29-36.
        """
        difference = self.pairs[:, None] - self.others[None]
        return float((difference > 0).float().mean() + (difference == 0).float().mean() / 2)


def hardness(
    encoder: nn.Module, facts: ImageFacts, images: Tensor, config: AugmentConfig, generator: torch.Generator
) -> Hardness:
    """Draw a pair of views of every image and compare their features h.

    Args:
        encoder: In evaluation mode, on the CPU.
        facts: What it expects of images.
        images: uint8, shape (N, 1 or 3, S, S), N at least 2.
        config: The policy.
        generator: Where the views come from.

    Raises:
        ValueError: fewer than two images, or of another dtype or shape.
    """
    if len(images) < 2:
        raise ValueError(f"{len(images)} images have no strangers: give at least 2")
    first, second = (
        functional.normalize(features_of(encoder, facts, draw_views(images, config, generator)), dim=1)
        for _ in range(2)
    )
    # Each first view beside the second view of another image, half the set away.
    strangers = second.roll(len(images) // 2, dims=0)
    return Hardness((first * second).sum(dim=1), (first * strangers).sum(dim=1))


def features_of(encoder: nn.Module, facts: ImageFacts, views: Tensor, batch_size: int = 128) -> Tensor:
    """Features h of float views (N, C, S, S) in [0, 1]; float32, shape (N, D), outside of any graph."""
    with torch.inference_mode():
        parts = [
            encoder(adapt(part, facts).contiguous(memory_format=torch.channels_last)).float()
            for part in torch.split(views, batch_size)
        ]
    return torch.cat(parts).clone()
