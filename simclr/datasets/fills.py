"""What figures and backgrounds of ``factors`` are filled with: tones in [-1, 1], and the colours that carry them.

Like the outlines, they take pixels through arithmetic and square roots alone, so that the same bytes come out everywhere.
"""

from collections.abc import Callable

import numpy as np

from simclr.datasets.shapes import Array

Texture = Callable[[Array, Array], Array]
Background = Callable[[Array, Array, Array], Array]
# Weights of red, green and blue in luma (ITU-R BT.601).
LUMA = (np.float32(0.299), np.float32(0.587), np.float32(0.114))


def _plain(u: Array, v: Array) -> Array:
    return np.zeros(np.broadcast_shapes(u.shape, v.shape), dtype=np.float32)


def _stripes(u: Array, _: Array) -> Array:
    return _edge(_offset(u, 7.0), 1.75)


def _checks(u: Array, v: Array) -> Array:
    return _edge(_offset(u, 9.0), 2.25) * _edge(_offset(v, 9.0), 2.25)


def _dots(u: Array, v: Array) -> Array:
    return _edge(_length(_offset(u, 7.5), _offset(v, 7.5)), 2.1)


def _rings(u: Array, v: Array) -> Array:
    return _edge(_offset(_length(u, v), 6.5), 1.6)


def _glow(u: Array, v: Array) -> Array:
    """Bright on one side, dark on the other."""
    return np.clip((u + v) / np.float32(22), -1, 1)


# Textures turn and move with their figure.
TEXTURES: dict[str, Texture] = {
    "plain": _plain, "stripes": _stripes, "checks": _checks, "dots": _dots, "rings": _rings, "glow": _glow,
}  # fmt: skip


def _even(x: Array, y: Array, _: Array) -> Array:
    return _plain(x, y)


def _slope(x: Array, y: Array, start: Array) -> Array:
    cos, sin = directions(start)
    return (cos * x + sin * y) / np.float32(36)


def _spot(x: Array, y: Array, start: Array) -> Array:
    """Brightest at a point near the middle."""
    cos, sin = directions(start)
    return 1 - _length(x - 14 * cos, y - 14 * sin) / np.float32(24)


def _waves(x: Array, y: Array, start: Array) -> Array:
    return _swing((y + 3 * _swing(x / np.float32(38))) / np.float32(16) + start)


def _grid(x: Array, y: Array, start: Array) -> Array:
    line = np.minimum(abs(_offset(x + 12 * start, 12.0)), abs(_offset(y + 12 * start, 12.0)))
    return np.clip(2 * (np.float32(1.0) - line), -1, 1)


def _confetti(x: Array, y: Array, start: Array) -> Array:
    """Small discs in staggered rows."""
    down = y + 10 * start
    row = np.rint(down / np.float32(8))
    return _edge(_length(_offset(x + 5 * (row % 2) + 7 * start, 10.0), down - 8 * row), 2.2)


# Backgrounds stay upright; where their pattern begins is a toss.
BACKGROUNDS: dict[str, Background] = {
    "even": _even, "slope": _slope, "spot": _spot, "waves": _waves, "grid": _grid, "confetti": _confetti,
}  # fmt: skip


def colour(hue: Array, saturation: float, luma: Array) -> Array:
    """RGB of the given luma (before clipping), shape (N, 3, 1, 1), float32.

    Args:
        hue: [0, 1), shape (N,).
        saturation: From 0, grey, to 1.
        luma: [0, 1], shape (N,).
    """
    pure = np.clip(abs((hue[:, None] + np.array([0, 2 / 3, 1 / 3], dtype=np.float32)) % 1 * 6 - 3) - 1, 0, 1)
    own_luma = pure[:, 0] * LUMA[0] + pure[:, 1] * LUMA[1] + pure[:, 2] * LUMA[2]
    rgb: Array = luma[:, None] + np.float32(saturation) * (pure - own_luma[:, None])
    return rgb[:, :, None, None]


def directions(turn: Array) -> tuple[Array, Array]:
    """Cosine and sine of a part of a turn; from the longer floats, so that processors agree on the shorter ones."""
    angle = 2 * np.pi * turn.astype(np.float64)
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def _swing(turn: Array) -> Array:
    """What a sine does in ``turn`` turns, of parabolas: from -1 to 1 and back."""
    part = turn - np.rint(turn)
    swing: Array = 16 * part * (np.float32(0.5) - abs(part))
    return swing


def _length(u: Array, v: Array) -> Array:
    length: Array = np.sqrt(u * u + v * v)
    return length


def _offset(x: Array, period: float) -> Array:
    """Signed distance to the nearest multiple of ``period``."""
    p = np.float32(period)
    offset: Array = x - p * np.rint(x / p)
    return offset


def _edge(distance: Array, at: float) -> Array:
    """1 nearer than ``at`` to a pattern's middle, -1 beyond, with an edge one pixel wide between."""
    edge: Array = np.clip(2 * (np.float32(at) - abs(distance)), -1, 1)
    return edge
