"""How much two views of an image share: the overlap of the boxes that were cropped out of it."""

import torch
from torch import Tensor

from simclr.config import AugmentConfig
from simclr.views.parameters import ViewParameters, draw_parameters


def boxes(parameters: ViewParameters) -> Tensor:
    """The crops of N views as (top, left, height, width) in pixels, int64, shape (N, 4).

    They lie in the image after its rotation, which comes before the crop.
    """
    return torch.stack((parameters.top, parameters.left, parameters.height, parameters.width), dim=1)


def overlap(first: Tensor, second: Tensor) -> Tensor:
    """Area that two boxes share over the area that they cover together (IoU), in [0, 1]; float32, shape (N,).

    Args:
        first: Boxes as ``boxes`` gives them, shape (N, 4).
        second: Others, same shape; row i is compared with row i.

    Raises:
        ValueError: the shapes differ, or a box has no area.

    Source: Jaccard 1912, New Phytologist 11, 37-50.
    """
    if first.shape != second.shape or first.shape[1:] != (4,):
        raise ValueError(f"boxes must be two arrays of one shape (N, 4), not {first.shape} and {second.shape}")
    if bool((torch.cat((first, second))[:, 2:] < 1).any()):
        raise ValueError("a box must be at least 1 px high and wide")
    start, end = (torch.stack((b[:, :2], b[:, :2] + b[:, 2:])) for b in (first, second))
    sides = (torch.minimum(start[1], end[1]) - torch.maximum(start[0], end[0])).clamp_min(0)
    shared = sides.prod(dim=1)
    return shared / (first[:, 2:].prod(dim=1) + second[:, 2:].prod(dim=1) - shared)


def drawn_overlaps(config: AugmentConfig, size_px: int, draws: int, generator: torch.Generator) -> Tensor:
    """Overlaps of ``draws`` pairs of views as training draws them of images of ``size_px``; float32, shape (draws,)."""
    first, second = boxes(draw_parameters(2 * draws, size_px, config, generator)).chunk(2)
    return overlap(first, second)
