"""Shortcut audit: could the contrastive task of a policy be solved without learning to see?

Crops of one image share its colours, so a network can match them by a histogram of colours and learn nothing else; strong colour
jitter takes that away. This solves the very task of training with such trivial features instead of an encoder. A high score
warns; a low one is no proof, since a network may combine them.

Source: Chen et al. 2020, arXiv:2002.05709, sec. 3.1 and Fig. 6 (histograms of crops with and without colour distortion).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from simclr.augment import draw_views
from simclr.config import AugmentConfig
from simclr.intervals import wilson_interval
from simclr.views.colours import LUMA

COLOUR_BINS, THUMBNAIL, ORIENTATIONS = 16, 4, 12
# Similarities nearer than this are equal, and equals share the hit.
TIE = 1e-5


@dataclass(frozen=True)
class Shortcut:
    """How often a trivial feature finds a view's partner first, with its 95 % interval."""

    feature: str
    top1: float
    low: float
    high: float


@dataclass(frozen=True)
class Audit:
    """What trivial features reach among ``views`` views, where guessing reaches ``chance``."""

    views: int
    chance: float
    shortcuts: tuple[Shortcut, ...]


def audit_shortcuts(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Audit:
    """Solve the contrastive task with each trivial feature.

    Two views of each of the N images are drawn as in training. Each of the 2N views then has to find its partner among the
    2N - 1 others, by the smallest distance between standardised features: what NT-Xent asks of an encoder.

    Args:
        images: uint8, shape (N, 1 or 3, S, S), N at least 2.
        config: The policy.
        generator: Where the views come from.

    Raises:
        ValueError: fewer than two images, or of another dtype or shape.
    """
    if len(images) < 2:
        raise ValueError(f"{len(images)} images make no contrastive task: give at least 2")
    views = torch.cat([draw_views(images, config, generator) for _ in range(2)])
    found = []
    for name, feature in FEATURES.items():
        hits = partner_hits(feature(views))
        low, high = wilson_interval(round(float(hits.sum())), len(hits))
        found.append(Shortcut(name, float(hits.mean()), low, high))
    return Audit(len(views), 1 / (len(views) - 1), tuple(found))


def colour_histogram(views: Tensor) -> Tensor:
    """Shares of 16 levels in every channel; a pixel between two levels counts for both. (N, 16 · C)."""
    n, channels = views.shape[:2]
    # A hue is turned exactly but for rounding, which may end a hair below black or above white.
    place = views.flatten(2).clamp(0, 1) * (COLOUR_BINS - 1)
    below = place.floor().clamp_max(COLOUR_BINS - 2)
    above_share = place - below
    counts = torch.zeros(n, channels, COLOUR_BINS)
    counts.scatter_add_(2, below.long(), 1 - above_share)
    counts.scatter_add_(2, below.long() + 1, above_share)
    return (counts / place.shape[2]).flatten(1)


def thumbnail(views: Tensor) -> Tensor:
    """The view at 4 × 4 pixels. (N, 16 · C)."""
    return functional.adaptive_avg_pool2d(views, THUMBNAIL).flatten(1)


def edge_histogram(views: Tensor) -> Tensor:
    """How much edge there is in each of 12 directions, without its sign, and in all. (N, 13)."""
    luma = views[:, 0] if views.shape[1] == 1 else (views * torch.tensor(LUMA).view(3, 1, 1)).sum(dim=1)
    down, across = luma[:, 2:, 1:-1] - luma[:, :-2, 1:-1], luma[:, 1:-1, 2:] - luma[:, 1:-1, :-2]
    strength = (down.square() + across.square()).sqrt().flatten(1)
    # Directions are a half circle: an edge from dark to light is the same as one from light to dark.
    place = torch.atan2(down, across).flatten(1).div(torch.pi).remainder(1) * ORIENTATIONS
    counts = torch.zeros(len(views), ORIENTATIONS)
    below = place.floor()
    counts.scatter_add_(1, below.long() % ORIENTATIONS, strength * (1 - (place - below)))
    counts.scatter_add_(1, (below.long() + 1) % ORIENTATIONS, strength * (place - below))
    total = counts.sum(dim=1, keepdim=True)
    return torch.cat((counts / total.clamp_min(1e-6), total / max(1, strength.shape[1])), dim=1)


# By their names on the page and the command line; each takes float views (N, C, S, S) in [0, 1].
FEATURES: dict[str, Callable[[Tensor], Tensor]] = {
    "colour histogram": colour_histogram,
    "4 × 4 thumbnail": thumbnail,
    "edge histogram": edge_histogram,
}


def partner_hits(features: Tensor) -> Tensor:
    """Whether each of 2N views, (2N, D), lies nearest to its partner N rows away, in [0, 1]; equals share the hit.

    Features are standardised over all views first, so that none counts for more because of its unit.
    """
    spread = features.std(dim=0, correction=0)
    standard = (features - features.mean(dim=0)) / torch.where(spread > 1e-6, spread, 1.0)
    standard = torch.where(spread > 1e-6, standard, 0.0)
    distance = torch.cdist(standard, standard).fill_diagonal_(torch.inf)
    nearest = distance <= distance.amin(dim=1, keepdim=True) + TIE
    partner = torch.arange(len(features)).roll(len(features) // 2)
    return nearest[torch.arange(len(features)), partner] / nearest.sum(dim=1)
