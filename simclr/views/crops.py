"""What moves pixels: rotation, crop with flips, and the rectangle that is blacked out."""

import torch
from torch import Tensor
from torch.nn import functional

from simclr.views.parameters import ViewParameters

# The parameter of Keys' cubic that Pillow, and so antialiased resizing in torch, uses.
CUBIC = -0.5


def rotate(views: Tensor, parameters: ViewParameters) -> Tensor:
    """Turn the chosen views (N, C, S, S) about their centre, counter-clockwise, bilinearly; uncovered corners are black.

    Equals torchvision's functional rotate, whose fill is None unless told. (A fill of 0 fades the edges twice there.)
    """
    chosen = parameters.rotate.nonzero()[:, 0]
    if len(chosen) == 0:
        return views
    size = views.shape[-1]
    angle = parameters.angle[chosen, None, None].deg2rad()
    # Places of the pixels in [-1, 1], where -1 and 1 are the outer edges of the first and last pixel.
    grid = (2 * torch.arange(size, device=views.device) + 1) / size - 1
    x, y = grid[None, None, :], grid[None, :, None]
    source = torch.stack((angle.cos() * x - angle.sin() * y, angle.sin() * x + angle.cos() * y), dim=3)
    turned = functional.grid_sample(views[chosen], source, mode="bilinear", align_corners=False)
    return views.index_copy(0, chosen, turned)


def crop_and_flip(views: Tensor, parameters: ViewParameters) -> Tensor:
    """Cut every view's box out, stretch it to the full size, mirror it where asked; float (N, C, S, S) in [0, 1].

    Written as rows · view · columnsᵀ, two small matrix products a view, with mirroring folded into the matrices. A box is
    never larger than the image, so antialiasing, which only acts when shrinking, has nothing to do.
    """
    size = views.shape[-1]
    p = parameters
    start, length = torch.cat((p.top, p.left)), torch.cat((p.height, p.width))
    mirrored = torch.cat((p.vertical_flip, p.flip))
    if bool(((length == size) & ~mirrored).all()):
        return views
    matrices = _lines(start, length, mirrored, size)
    cubic = p.bicubic.repeat(2).nonzero()[:, 0]
    if len(cubic):
        matrices[cubic] = _cubics(start[cubic], length[cubic], mirrored[cubic], size)
    rows, columns = matrices.chunk(2)
    # The weights of a row add up to 1 only to within rounding, and cubics overshoot.
    return between(rows, views, columns).clamp_(0, 1)


def between(rows: Tensor, views: Tensor, columns: Tensor) -> Tensor:
    """rows · view · columnsᵀ for every view and channel: ``views`` (N, C, S, S), the matrices (N, S, S)."""
    n, channels, size, _ = views.shape
    wide = torch.bmm(views.reshape(n, channels * size, size), columns.transpose(1, 2))
    return torch.matmul(rows[:, None], wide.view(n, channels, size, size))


def erase(views: Tensor, parameters: ViewParameters) -> Tensor:
    """Black out a rectangle of the chosen views (N, C, S, S)."""
    p = parameters
    chosen = (p.erase & (p.erase_height > 0) & (p.erase_width > 0)).nonzero()[:, 0]
    if len(chosen) == 0:
        return views
    grid = torch.arange(views.shape[-1], device=views.device)
    rows, columns = (
        (grid >= start[chosen, None]) & (grid < (start + length)[chosen, None])
        for start, length in ((p.erase_top, p.erase_height), (p.erase_left, p.erase_width))
    )
    kept = ~(rows[:, :, None] & columns[:, None, :])
    return views.index_copy(0, chosen, views[chosen] * kept[:, None])


def _sources(start: Tensor, length: Tensor, mirrored: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Where new pixels' centres and old pixels lie in the box, in pixels from its edge and from its first pixel; (N, size)."""
    grid = torch.arange(size, device=start.device)
    new = torch.where(mirrored[:, None], size - 1 - grid, grid)
    return (new + 0.5) * (length / size)[:, None], grid - start[:, None]


def _lines(start: Tensor, length: Tensor, mirrored: Tensor, size: int) -> Tensor:
    """Weights (N, size, size) of bilinear stretching: row i says how much of each old pixel makes up new pixel i."""
    new, old = _sources(start, length, mirrored, size)
    # Clamped, so that the box's edge pixels go on beyond its edge.
    new = new.sub_(0.5).clamp_min_(0).minimum((length - 1)[:, None])
    return torch.sub(1, (old[:, None] - new[:, :, None]).abs_()).clamp_min_(0)


def _cubics(start: Tensor, length: Tensor, mirrored: Tensor, size: int) -> Tensor:
    """The same for bicubic stretching; pixels outside the box have no weight, and the others make up for them."""
    new, old = _sources(start, length, mirrored, size)
    away = (old[:, None] - new[:, :, None]).add_(0.5).abs_()
    near = ((CUBIC + 2) * away - (CUBIC + 3)) * away * away + 1
    far = ((away - 5) * away + 8) * away * CUBIC - 4 * CUBIC
    weights = near * (away <= 1) + far * ((away > 1) & (away < 2))
    weights *= ((old >= 0) & (old < length[:, None]))[:, None]
    return weights / weights.sum(dim=2, keepdim=True)
