"""Features at every depth of a network: after its first layer, after each stage, and behind its projection head."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from simclr.encoder_file import EncoderFile
from simclr.resnet import Encoder

# How many stages lie below, or the projections. The features after the last stage are h.
Level = int | Literal["z"]


def level_of(features: Literal["h", "z"], block: int | None, encoder: nn.Module, head: nn.Module | None) -> Level:
    """The level that a config names, of this network.

    Raises:
        ValueError: the network has no such stage, or no projection head.
    """
    stages = len(encoder.stages()) if isinstance(encoder, Encoder) else 0
    if features == "z":
        if head is None:
            raise ValueError(
                "features is 'z', but this encoder's file has no projection head: choose 'h', or pretrain an encoder anew "
                "with a head"
            )
        return "z"
    if block is None:
        return stages
    if not isinstance(encoder, Encoder):
        raise ValueError(f"block is {block}, but raw pixels have no stages: leave it out")
    if block > stages:
        raise ValueError(
            f"block is {block}, but {encoder.config.architecture} has {stages} stages: choose 0 to {stages}"
        )
    return block


class Levels(nn.Module):
    """Features of several levels at once: normalised images, (N, C, S, S), to (N, sum of the levels' dimensions)."""

    def __init__(self, encoder: nn.Module, head: nn.Module | None, levels: Sequence[Level]) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.levels = levels

    def forward(self, images: Tensor) -> Tensor:
        found: dict[Level, Tensor] = {}
        if not isinstance(self.encoder, Encoder):
            return self.encoder(images)  # type: ignore[no-any-return]
        x = self.encoder.stem(images)
        found[0] = x.mean(dim=(2, 3))
        for number, stage in enumerate(self.encoder.stages(), start=1):
            x = stage(x)
            found[number] = x.mean(dim=(2, 3))
        if self.head is not None:
            found["z"] = self.head(found[len(self.encoder.stages())])
        return torch.cat([found[level] for level in self.levels], dim=1)


def dimensions(file: EncoderFile, encoder: nn.Module, levels: Sequence[Level]) -> list[int]:
    """Of each of ``levels``."""
    if not isinstance(encoder, Encoder):
        return [file.feature_dim]
    first = encoder.conv1.out_channels
    known: dict[Level, int] = {0: first}
    stages = len(encoder.stages())
    for number in range(1, stages + 1):
        known[number] = encoder.feature_dim >> (stages - number)
    if file.projection is not None:
        known["z"] = file.projection.dim
    return [known[level] for level in levels]
