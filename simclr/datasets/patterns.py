"""Ten families of texture, drawn from numbers alone: a set on which structure decides and colour does not."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from simclr.datasets.store import SPLITS, Dataset
from simclr.datasets.textures import FAMILIES, Array, Plane

Value = TypeVar("Value", bound=np.generic)
Factors = dict[str, Array]

LUMA = np.array([0.299, 0.587, 0.114])
# Of every class: 8 parts train, 1 val, 2 test.
PARTS = {"train": 8, "val": 1, "test": 2}
CODES = np.repeat([SPLITS.index("train"), SPLITS.index("val"), SPLITS.index("test")], list(PARTS.values()))
# As many images painted at once as the caches hold.
BLOCK = 50


def patterns(n: int = 11_000, seed: int = 0, size_px: int = 32) -> Dataset:
    """Draw ``n`` RGB textures; of every class 8/11 are for training, 1/11 for validation and 2/11 for the test.

    Colours, period, orientation, shift, bend, light and noise are drawn without regard to the class and kept as factors,
    so neither a colour nor a template gives the class away: nearest neighbours over raw pixels find the class of 0.21
    of the test images (chance 0.10), those over an untrained encoder's features of 0.16.

    Args:
        n: Images, a multiple of 110 so that classes and splits come out even.
        seed: Same seed, same images to the byte.
        size_px: Side of an image; periods grow with it.

    Raises:
        ValueError: ``n`` is no positive multiple of 110, or ``size_px`` lies outside 16..256.
    """
    per_class, rest = divmod(n, len(FAMILIES))
    if rest or per_class % len(CODES) or n <= 0:
        raise ValueError(f"n is {n}, but must be a positive multiple of {len(FAMILIES) * len(CODES)}")
    if not 16 <= size_px <= 256:
        raise ValueError(f"size_px is {size_px}, but must lie in 16..256")
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    images = np.empty((n, 3, size_px, size_px), dtype=np.uint8)
    drawn = [_draw_factors(rng, per_class) for _ in FAMILIES]
    for label, (family, factors) in enumerate(zip(FAMILIES.values(), drawn, strict=True)):
        places = order[label * per_class : (label + 1) * per_class]
        depth = family(_lay_out(factors, size_px, rng))
        for start in range(0, per_class, BLOCK):
            part = slice(start, start + BLOCK)
            some = {name: values[part] for name, values in factors.items()}
            images[places[part]] = _paint(depth[part], some, rng)
    return Dataset(
        images,
        _scatter(np.repeat(np.arange(len(FAMILIES)), per_class), order),
        _scatter(np.tile(CODES, n // len(CODES)).astype(np.uint8), order),
        tuple(FAMILIES),
        source="patterns",
        factors={
            name: _scatter(np.concatenate([f[name] for f in drawn]).astype(np.float32), order) for name in drawn[0]
        },
    )


def _scatter(values: NDArray[Value], places: NDArray[np.int64]) -> NDArray[Value]:
    """``values[i]`` put at position ``places[i]``."""
    scattered = np.empty_like(values)
    scattered[places] = values
    return scattered


def _draw_factors(rng: np.random.Generator, n: int) -> Factors:
    """Everything about ``n`` images but their family, each of shape (n,).

    Periods, shifts and centres are for an image of 32 pixels. Figure and ground differ by 0.25 to 0.55 in luma, so that a
    view without colour still shows the figure; which of the two is brighter is a toss.
    """
    dark = rng.uniform(0.1, 0.4, n)
    bright = dark + rng.uniform(0.25, 0.55, n)
    swap = rng.uniform(0, 1, n) < 0.5
    factors = {
        "figure_luma": np.where(swap, dark, bright),
        "ground_luma": np.where(swap, bright, dark),
    }
    ranges = {
        "figure_hue": (0, 1), "ground_hue": (0, 1), "figure_saturation": (0.1, 0.5), "ground_saturation": (0.1, 0.5),
        "period_px": (5, 9), "orientation_deg": (0, 360), "shift_u_px": (-16, 16), "shift_v_px": (-16, 16),
        "centre_x_px": (-12, 12), "centre_y_px": (-12, 12), "fill": (0, 1),
        "stretch": (0.8, 1.25), "bend_px": (0, 3), "bend_deg": (0, 360), "bend_phase": (0, 1),
        "light_deg": (0, 360), "light_strength": (0.1, 0.5), "light_phase": (0, 1), "noise": (0.01, 0.08),
    }  # fmt: skip
    return factors | {name: rng.uniform(low, high, n) for name, (low, high) in ranges.items()}


def _lay_out(factors: Factors, size_px: int, rng: np.random.Generator) -> Plane:
    """Place the pixels in the frame of each image's texture: gently bent, turned, stretched, shifted."""
    f = {name: values[:, None, None] for name, values in factors.items()}
    unit = size_px / 32
    y, x = _pixel_centres(size_px)
    towards = np.deg2rad(f["bend_deg"])
    across = (np.cos(towards) * x + np.sin(towards) * y) / (1.5 * size_px) + f["bend_phase"]
    bend = unit * f["bend_px"] * np.sin(2 * np.pi * across)
    x, y = x - np.sin(towards) * bend, y + np.cos(towards) * bend
    angle = np.deg2rad(f["orientation_deg"])
    return Plane(
        u=(np.cos(angle) * x + np.sin(angle) * y) * f["stretch"] + unit * f["shift_u_px"],
        v=(np.cos(angle) * y - np.sin(angle) * x) / f["stretch"] + unit * f["shift_v_px"],
        period=unit * f["period_px"],
        fill=f["fill"],
        from_x=x - unit * f["centre_x_px"],
        from_y=y - unit * f["centre_y_px"],
        turn=angle,
        rng=rng,
    )


def _pixel_centres(size_px: int) -> Array:
    """Coordinates (y, x) of shape (2, S, S), in pixels from the middle of the image."""
    return np.mgrid[:size_px, :size_px] - (size_px - 1) / 2


def _paint(depth: Array, f: Factors, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Colour figure and ground with a soft edge of one pixel, then add a slow swell of light and noise: (N, 3, S, S)."""
    size_px = depth.shape[-1]
    inside = np.clip(depth + 0.5, 0, 1)[:, None]
    figure = _colour(f["figure_hue"], f["figure_saturation"], f["figure_luma"])
    ground = _colour(f["ground_hue"], f["ground_saturation"], f["ground_luma"])
    y, x = _pixel_centres(size_px) / (1.5 * size_px)
    towards = np.deg2rad(f["light_deg"])[:, None, None]
    across = np.cos(towards) * x + np.sin(towards) * y + f["light_phase"][:, None, None]
    light = 1 + f["light_strength"][:, None, None] * np.sin(2 * np.pi * across)
    image = (ground + (figure - ground) * inside) * light[:, None]
    noise = rng.standard_normal(image.shape, dtype=np.float32) * f["noise"][:, None, None, None]
    pixels: NDArray[np.uint8] = np.rint(np.clip(image + noise, 0, 1) * 255).astype(np.uint8)
    return pixels


def _colour(hue: Array, saturation: Array, luma: Array) -> Array:
    """RGB in [0, 1] of the given luma (before clipping), shape (N, 3, 1, 1)."""
    pure = np.clip(abs((hue[:, None] + np.array([0, 2 / 3, 1 / 3])) % 1 * 6 - 3) - 1, 0, 1)
    shade = luma[:, None] + saturation[:, None] * (pure - (pure @ LUMA)[:, None])
    colour: Array = np.clip(shade, 0, 1)[:, :, None, None]
    return colour
