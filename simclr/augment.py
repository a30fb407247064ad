"""The SimCLR operations on whole batches: one set of parameters is drawn for every view, then applied without a loop over images.

In this order: rotation, crop with flips, colour jitter, greyscale, blur, solarisation, noise, erasing. Crop, flip, jitter,
greyscale and blur are the paper's; solarisation follows them as in BYOL, erasing comes last as in torchvision's recipes.

Drawing and applying are apart, so a view can be replayed, previewed step by step, and compared with torchvision.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from simclr.chunks import cores, for_each, one_thread
from simclr.config import AugmentConfig
from simclr.views.colours import drop_colours, jitter_colours, solarise
from simclr.views.crops import crop_and_flip, erase, rotate
from simclr.views.filters import add_noise, blur
from simclr.views.parameters import ViewParameters, draw_parameters

__all__ = [
    "OPERATIONS", "ViewParameters", "apply_parameters", "draw_parameters", "draw_views", "draw_with_parameters", "steps",
]  # fmt: skip

# An operation takes float views (N, C, S, S) in [0, 1] and gives others, or the very same where it has nothing to do.
OPERATIONS: dict[str, Callable[[Tensor, ViewParameters], Tensor]] = {
    "rotation": rotate,
    "crop and flips": crop_and_flip,
    "colour jitter": jitter_colours,
    "greyscale": drop_colours,
    "blur": blur,
    "solarisation": solarise,
    "noise": add_noise,
    "erasing": erase,
}
# Views worked on at a time on a CPU. 128 of 32×32 RGB are 1.6 MB: larger ones miss the second-level cache more often, in
# smaller ones the calls cost more, the more so as threads wait for Python's lock between them.
CHUNK_PIXELS, CHUNK_VIEWS = 128 * 3 * 32 * 32, 16


def draw_views(images: Tensor, config: AugmentConfig, generator: torch.Generator, threads: int | None = None) -> Tensor:
    """Draw one view of every image; call twice for pairs.

    Args:
        images: uint8, shape (N, C, S, S), C is 1 or 3.
        config: Probabilities and ranges.
        generator: Where randomness comes from. On one kind of device the same state gives the same views.
        threads: How many cores of a CPU to use, all by default; the views do not depend on it.

    Returns:
        float32, shape (N, C, S, S), in [0, 1], on the device of ``images``.

    Raises:
        ValueError: ``images`` has another dtype or shape, or ``threads`` is less than 1.

    Source: Chen et al. 2020, arXiv:2002.05709, appendix A.
    """
    return draw_with_parameters(images, config, generator, threads)[0]


def draw_with_parameters(
    images: Tensor, config: AugmentConfig, generator: torch.Generator, threads: int | None = None
) -> tuple[Tensor, ViewParameters]:
    """The same views as ``draw_views``, and the parameters that replay them."""
    _check(images)
    parameters = draw_parameters(len(images), images.shape[-1], config, generator)
    return apply_parameters(images, parameters, threads), parameters


def apply_parameters(images: Tensor, parameters: ViewParameters, threads: int | None = None) -> Tensor:
    """Do to ``images`` (uint8, shape (N, C, S, S)) what ``parameters`` say; float32 in [0, 1].

    Raises:
        ValueError: ``images`` has another dtype or shape, or another number of rows than ``parameters``, or ``threads`` is
            less than 1.
    """
    parameters = _checked(images, parameters)
    pixels = images[0].numel() if len(images) else 1
    step = max(CHUNK_VIEWS, CHUNK_PIXELS // pixels) if images.device.type == "cpu" else max(1, len(images))
    threads = cores(threads)
    if len(images) <= step:
        with one_thread():
            return _apply(images, parameters)
    views = torch.empty(images.shape, device=images.device)

    def work(rows: slice) -> None:
        views[rows] = _apply(images[rows], parameters[rows])

    for_each(work, [slice(start, start + step) for start in range(0, len(images), step)], threads)
    return views


def steps(images: Tensor, parameters: ViewParameters) -> list[tuple[str, Tensor]]:
    """The names of all operations in their order, each with the views after it: the last are those of ``apply_parameters``.

    An operation that is off gives the views of the one before it. Shapes, dtypes and errors are those of ``apply_parameters``.
    """
    seen: list[tuple[str, Tensor]] = []
    _apply(images, _checked(images, parameters), seen)
    return seen


def _apply(images: Tensor, parameters: ViewParameters, seen: list[tuple[str, Tensor]] | None = None) -> Tensor:
    """The views after the last operation; ``seen`` takes those after every one."""
    # Autocast would round the matrix products to half precision.
    with torch.autocast(images.device.type, enabled=False):
        views = images.float().mul_(1 / 255)
        for name, operation in OPERATIONS.items():
            views = operation(views, parameters)
            if seen is not None:
                seen.append((name, views))
    return views


def _checked(images: Tensor, parameters: ViewParameters) -> ViewParameters:
    _check(images)
    if len(images) != len(parameters):
        raise ValueError(f"{len(images)} images but parameters of {len(parameters)} views: give one row an image")
    return parameters.to(images.device)


def _check(images: Tensor) -> None:
    square = images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[2] == images.shape[3]
    if images.dtype != torch.uint8 or not square:
        raise ValueError(
            f"images must be uint8 of shape (N, 1 or 3, S, S), not {images.dtype} of {tuple(images.shape)}"
        )
