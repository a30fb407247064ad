"""Outlines of the ten figures of ``factors``: for every pixel, how deep it lies inside, in units of the figure's radius.

Pixels take part in nothing but arithmetic and square roots, which every processor rounds alike; sines would differ.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Shape = Callable[[Array, Array], Array]


def disc(x: Array, y: Array) -> Array:
    """A full circle; it looks the same at any rotation."""
    return 0.88 - _length(x, y)


def ring(x: Array, y: Array) -> Array:
    """A circle with a hole; it looks the same at any rotation."""
    return 0.2 - abs(_length(x, y) - 0.74)


def square(x: Array, y: Array) -> Array:
    """Four equal sides; it looks the same after a quarter turn."""
    return 0.7 - np.maximum(abs(x), abs(y))


def triangle(x: Array, y: Array) -> Array:
    """Three equal sides; it looks the same after a third of a turn."""
    return 0.52 - _polygon(x, y, 3)


def hexagon(x: Array, y: Array) -> Array:
    """Six equal sides; it looks the same after a sixth of a turn."""
    return 0.82 - _polygon(x, y, 6)


def star(x: Array, y: Array) -> Array:
    """Five points; it looks the same after a fifth of a turn."""
    inner_x, inner_y = 0.46 * np.cos(np.pi / 5), 0.46 * np.sin(np.pi / 5)
    length = np.hypot(1 - inner_x, inner_y)
    depth = np.full_like(x, -np.inf)
    for along, off in _axes(x, y, 5):
        # One point: between its two edges, and not far behind the middle, where the edges leave the star.
        edges = (1 - along) * np.float32(inner_y / length) - abs(off) * np.float32((1 - inner_x) / length)
        depth = np.maximum(depth, np.minimum(edges, along + np.float32(0.1)))
    return depth


def cross(x: Array, y: Array) -> Array:
    """Two bars that cross; it looks the same after a quarter turn."""
    width, length = np.minimum(abs(x), abs(y)), np.maximum(abs(x), abs(y))
    depth: Array = np.minimum(0.31 - width, 0.92 - length)
    return depth


def crescent(x: Array, y: Array) -> Array:
    """A waning moon."""
    depth: Array = np.minimum(0.94 - _length(x, y), _length(x - 0.42, y) - 0.72)
    return depth


def arrow(x: Array, y: Array) -> Array:
    """A shaft and a head, which points along x."""
    head = np.minimum(x - 0.06, ((0.92 - x) - 1.08 * abs(y)) * np.float32(0.68))
    shaft = np.minimum(0.25 - abs(y), np.minimum(x + 0.9, 0.2 - x))
    depth: Array = np.maximum(head, shaft)
    return depth


def heart(x: Array, y: Array) -> Array:
    """Two lobes and a tip, which points along y."""
    across = abs(x)
    lobe = 0.47 - _length(across - 0.4, y + 0.3)
    # Below, the lobes' common tangents meet at the tip.
    flank = (0.92 - y - 1.27 * across) * np.float32(0.62)
    body = np.minimum(flank, np.minimum(y + 0.36, 0.84 - across))
    depth: Array = np.maximum(lobe, body)
    return depth


SHAPES: dict[str, Shape] = {
    f.__name__: f for f in (disc, ring, square, triangle, hexagon, star, cross, crescent, arrow, heart)
}


def _length(x: Array, y: Array) -> Array:
    length: Array = np.sqrt(x * x + y * y)
    return length


def _polygon(x: Array, y: Array, n: int) -> Array:
    """Distance from the middle, measured at right angles to the nearest of ``n`` sides."""
    distance = np.full_like(x, -np.inf)
    for along, _ in _axes(x, y, n):
        distance = np.maximum(distance, along)
    return distance


def _axes(x: Array, y: Array, n: int) -> Iterator[tuple[Array, Array]]:
    """Coordinates along and off the axes that point to the ``n``-th parts of a turn."""
    for angle in 2 * np.pi * np.arange(n) / n:
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        yield cos * x + sin * y, cos * y - sin * x
