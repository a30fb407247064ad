"""Which regions of two images an encoder finds alike: their cosine similarity, shared out among the places of each."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from simclr.encoder_file import ImageFacts
from simclr.encoders import prepare
from simclr.resnet import Encoder


@dataclass(frozen=True)
class SimilarityMaps:
    """What each place of two images adds to the cosine of their features: two maps, float32 (H, W), of the same sum.

    A place may add less than nothing only where feature maps do, which behind a ReLU they do not.
    """

    cosine: float
    first: Tensor
    second: Tensor


def feature_maps(encoder: nn.Module, facts: ImageFacts, images: Tensor) -> Tensor:
    """The encoder's last feature maps, of whose places h is the mean.

    Args:
        encoder: In evaluation mode.
        facts: What it expects of images.
        images: uint8, shape (N, 1 or 3, S, S).

    Returns:
        float32, shape (N, C, H, W).

    Raises:
        ValueError: the encoder has no feature maps, as raw pixels have none.
    """
    if not isinstance(encoder, Encoder):
        raise ValueError("raw pixels have no feature maps, so nothing says which regions are alike: choose a network")
    with torch.inference_mode():
        x = encoder.stem(prepare(images, facts))
        for stage in encoder.stages():
            x = stage(x)
    return x


def similarity_maps(first: Tensor, second: Tensor) -> SimilarityMaps:
    """Share the cosine similarity of two images' mean features out among the places of each.

    The mean of a dot product over all pairs of places is the dot product of the means. A place's share is the sum over its pairs
    with every place of the other image, so the places of either image add up to the cosine.

    Args:
        first: The last feature maps of an image, float, shape (C, H, W).
        second: Those of another, shape (C, H', W').

    Raises:
        ValueError: the numbers of channels differ, or one image's mean feature is zero or not finite.

    Source: Stylianou, Souvenir and Pless 2019, "Visualizing Deep Similarity Networks", arXiv:1901.00536 (average
    pooling). Sums are taken in float64.
    """
    if len(first) != len(second):
        raise ValueError(f"the feature maps have {len(first)} and {len(second)} channels: both must be of one encoder")
    here, there = first.double(), second.double()
    mean_here, mean_there = here.mean(dim=(1, 2)), there.mean(dim=(1, 2))
    lengths = float(mean_here.norm() * mean_there.norm())
    if not (lengths > 0 and lengths < float("inf")):
        raise ValueError("the encoder sees nothing in one of these images, so they are not alike in any place")
    return SimilarityMaps(
        cosine=float(mean_here @ mean_there) / lengths,
        first=_shares(here, mean_there, lengths),
        second=_shares(there, mean_here, lengths),
    )


def _shares(maps: Tensor, other_mean: Tensor, lengths: float) -> Tensor:
    _, height, width = maps.shape
    return (torch.einsum("chw,c->hw", maps, other_mean) / (lengths * height * width)).float()
