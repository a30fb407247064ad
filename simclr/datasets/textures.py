"""Shapes of the ten texture families: for every pixel, how many pixels deep it lies inside the figure."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """Where the pixels of a batch of images lie in the frame of their texture, in pixels.

    Attributes:
        u: First coordinate after rotation and shift, shape (N, S, S).
        v: Second coordinate, same shape.
        period: Size of the motif, shape (N, 1, 1).
        fill: In [0, 1], how much of the motif the figure takes, shape (N, 1, 1).
        from_x: How far right of a centre that lies within the image, shape (N, S, S).
        from_y: How far below it, same shape.
        turn: Rotation of the texture, radians, shape (N, 1, 1).
        rng: Draws what only one family needs.
    """

    u: Array
    v: Array
    period: Array
    fill: Array
    from_x: Array
    from_y: Array
    turn: Array
    rng: np.random.Generator

    def radius(self) -> Array:
        """Distance from the centre, shape (N, S, S)."""
        return np.hypot(self.from_x, self.from_y)

    def angle(self) -> Array:
        """Direction from the centre, radians, shape (N, S, S)."""
        return np.arctan2(self.from_y, self.from_x) + self.turn


def stripes(p: Plane) -> Array:
    """Straight parallel bars."""
    return _bar(p.u, p.period, 0.35 + 0.3 * p.fill)


def waves(p: Plane) -> Array:
    """Parallel bars that swing to and fro."""
    swing = 0.45 * p.period * np.sin(2 * np.pi * p.v / (1.8 * p.period))
    return _bar(p.u + swing, p.period, 0.35 + 0.3 * p.fill)


def rings(p: Plane) -> Array:
    """Circles around one centre."""
    return _bar(p.radius() + p.fill * p.period, p.period, 0.5)


def sunburst(p: Plane) -> Array:
    """Rays from one centre; smaller motifs make more rays."""
    rays = np.round(96 / p.period)
    turn = p.angle() / (2 * np.pi) * rays + p.fill
    return _bar(turn, 1.0, 0.5) * (2 * np.pi * p.radius() / rays)


def checks(p: Plane) -> Array:
    """A chequerboard."""
    first, second = _bar(p.u, p.period, 0.5), _bar(p.v, p.period, 0.5)
    depth: Array = np.sign(first * second) * np.minimum(abs(first), abs(second))
    return depth


def triangles(p: Plane) -> Array:
    """Equilateral triangles, alternately filled."""
    side = p.period * 1.3
    b = p.v / np.sqrt(0.75) / side
    a = p.u / side - b / 2
    inside = _fraction(a) + _fraction(b) < 1
    edge = np.minimum(np.minimum(_to_line(a), _to_line(b)), _to_line(a + b)) * side * np.sqrt(0.75)
    depth: Array = np.where(inside, edge, -edge)
    return depth


def dots(p: Plane) -> Array:
    """Discs on a square lattice."""
    from_middle: Array = np.hypot(_offset(p.u, p.period), _offset(p.v, p.period))
    return (0.26 + 0.14 * p.fill) * p.period - from_middle


def grid(p: Plane) -> Array:
    """Thin lines that cross at right angles."""
    line = np.minimum(abs(_offset(p.u, p.period)), abs(_offset(p.v, p.period)))
    return (0.09 + 0.05 * p.fill) * p.period - line


def bricks(p: Plane) -> Array:
    """Thin joints of a wall whose courses are shifted by half a brick."""
    height, length = 0.75 * p.period, 1.5 * p.period
    course = np.floor(p.v / height + 0.5)
    joint = abs(_offset(p.u + 0.5 * length * (course % 2), length))
    # A course reaches from one bed joint to the next, so the head joint is looked up half a course further on.
    bed = 0.5 * height - abs(_offset(p.v, height))
    return (0.08 + 0.04 * p.fill) * p.period - np.minimum(joint, bed)


def blots(p: Plane) -> Array:
    """Blots without order: the positive part of waves that run in random directions."""
    waves_n, n = 7, len(p.u)
    direction = np.pi * (np.arange(waves_n) + p.rng.uniform(0, 1, (n, waves_n))) / waves_n
    shift = p.rng.uniform(0, 2 * np.pi, (n, waves_n))
    field = np.zeros_like(p.u)
    for k in range(waves_n):
        towards, start = direction[:, k, None, None], shift[:, k, None, None]
        along = np.cos(towards) * p.u + np.sin(towards) * p.v
        field += np.sin(2 * np.pi / (1.3 * p.period) * along + start)
    depth: Array = field / np.sqrt(waves_n) * p.period * 0.25 + (p.fill - 0.5)
    return depth


FAMILIES: dict[str, Callable[[Plane], Array]] = {
    f.__name__: f for f in (stripes, waves, rings, sunburst, checks, triangles, dots, grid, bricks, blots)
}


def _fraction(x: Array) -> Array:
    fraction: Array = x - np.floor(x)
    return fraction


def _to_line(x: Array) -> Array:
    """Distance to the nearest integer, in [0, 0.5]."""
    return abs(x - np.rint(x))


def _offset(x: Array, period: Array) -> Array:
    """Signed distance to the nearest multiple of ``period``."""
    offset: Array = x - period * np.rint(x / period)
    return offset


def _bar(x: Array, period: Array | float, share: Array | float) -> Array:
    """Depth inside bars that repeat every ``period`` and fill ``share`` of it; negative between them."""
    depth: Array = (share / 2 - _to_line(x / period)) * period
    return depth
