"""Figures before backgrounds, drawn from numbers alone: every cause of an image is known and kept as a label."""

import numpy as np
from numpy.typing import NDArray

from simclr.datasets.download import Progress, ignore
from simclr.datasets.fills import BACKGROUNDS, TEXTURES, colour, directions
from simclr.datasets.shapes import SHAPES, Array
from simclr.datasets.store import SPLITS, Dataset

# Images unless told otherwise, and their side.
FACTORS, SIZE_PX = 10_000, 64
# Of every ten images of a class: 7 train, 1 val, 2 test.
PARTS = np.repeat(np.arange(len(SPLITS), dtype=np.uint8), [7, 1, 2])
# As many images at once as the caches hold.
BLOCK = 64
SHADOW_PX, SHADOW_DEPTH = 2, 0.35
# What the integers among the factors stand for.
FACTOR_VALUES = {"shape": tuple(SHAPES), "texture": tuple(TEXTURES), "background": tuple(BACKGROUNDS)}


def factors(
    n: int = FACTORS, seed: int = 0, *, images: NDArray[np.uint8] | None = None, progress: Progress = ignore
) -> Dataset:
    """Draw ``n`` RGB images of 64×64: a figure of one of ten shapes, before a background.

    All factors are drawn independently of each other; shapes come out as evenly as ``n`` allows, and the first images are the
    same whatever ``n`` is. The class is the shape. ``Dataset.factors`` holds, each of shape (n,):

    - ``shape``, ``texture``, ``background``: int64, places in ``FACTOR_VALUES``;
    - ``hue``, ``background_hue``: [0, 1), a circle; ``rotation``: degrees, [0, 360), a circle, clockwise on the screen (discs
      and rings don't show it; the docstrings in ``shapes`` tell after which turn the others repeat);
    - ``size``: the figure's radius in pixels, 9 to 20; ``x``, ``y``: its middle, in pixels from the image's middle, such that
      the whole figure is seen: ±(30 − size) at most.

    Args:
        n: Images, at least 1.
        seed: Same seed, same images to the byte.
        images: Where to draw them, uint8, shape (n, 3, 64, 64); by default in memory.
        progress: Called with the images drawn and ``n``.

    Raises:
        ValueError: ``n`` is not positive.

    After the idea of dSprites (Matthey et al. 2017) and 3D Shapes (Burgess & Kim 2018), with colour and texture.
    """
    if n <= 0:
        raise ValueError(f"n is {n}, but must be at least 1")
    drawn = _draw_factors(n, seed)
    if images is None:
        images = np.empty((n, 3, SIZE_PX, SIZE_PX), dtype=np.uint8)
    for start in range(0, n, BLOCK):
        part = slice(start, min(n, start + BLOCK))
        images[part] = _paint({name: values[part] for name, values in drawn.items()})
        progress(part.stop, n)
    labels = drawn["shape"].astype(np.int64)
    return Dataset(images, labels, _splits(labels), tuple(SHAPES), source="factors", factors=_kept(drawn))


def _draw_factors(n: int, seed: int) -> dict[str, Array]:
    """Every cause of every image, float32, each of shape (n,); row i depends on the seed and i alone."""
    order, causes = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    rounds = -(-n // len(SHAPES))
    shape = order.random((rounds, len(SHAPES))).argsort(axis=1).reshape(-1)[:n]
    u = causes.random((n, 10)).T
    size = 9 + 11 * u[3]
    reach = 30 - size
    return {
        name: np.asarray(values, dtype=np.float32)
        for name, values in {
            "shape": shape,
            "hue": u[0],
            "texture": np.floor(u[1] * len(TEXTURES)),
            "background": np.floor(u[2] * len(BACKGROUNDS)),
            "size": size,
            "x": reach * (2 * u[4] - 1),
            "y": reach * (2 * u[5] - 1),
            "rotation": 360 * u[6],
            "background_hue": u[7],
            # No factors to ask for: which of the two is the brighter, and where the background's pattern begins.
            "_bright": u[8],
            "_start": u[9],
        }.items()
    }


def _kept(drawn: dict[str, Array]) -> dict[str, NDArray[np.generic]]:
    return {
        name: values.astype(np.int64) if name in FACTOR_VALUES else values
        for name, values in drawn.items()
        if not name.startswith("_")
    }


def _splits(labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Codes by an image's rank within its class, so that every class is divided alike."""
    codes = np.empty(len(labels), dtype=np.uint8)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        codes[places] = PARTS[np.arange(len(places)) % len(PARTS)]
    return codes


def _paint(f: dict[str, Array]) -> NDArray[np.uint8]:
    """Background, a soft shadow, the figure with an edge one pixel wide: uint8, (N, 3, S, S)."""
    n = len(f["size"])
    column = {name: values[:, None, None] for name, values in f.items()}
    centres = np.arange(SIZE_PX, dtype=np.float32) - np.float32((SIZE_PX - 1) / 2)
    x, y = centres[None, None, :], centres[None, :, None]
    cos, sin = directions(column["rotation"] / 360)
    from_x, from_y = x - column["x"], y - column["y"]
    across, down = cos * from_x + sin * from_y, cos * from_y - sin * from_x
    inside, tone, ground_tone = (np.empty((n, SIZE_PX, SIZE_PX), dtype=np.float32) for _ in range(3))
    for k, shape in enumerate(SHAPES.values()):
        if len(rows := np.flatnonzero(f["shape"] == k)):
            size = column["size"][rows]
            inside[rows] = shape(across[rows] / size, down[rows] / size) * size
    for k, texture in enumerate(TEXTURES.values()):
        if len(rows := np.flatnonzero(f["texture"] == k)):
            tone[rows] = texture(across[rows], down[rows])
    for k, background in enumerate(BACKGROUNDS.values()):
        if len(rows := np.flatnonzero(f["background"] == k)):
            ground_tone[rows] = background(x, y, column["_start"][rows])
    shade = 1 - SHADOW_DEPTH * np.clip(_moved(inside) / 4 + 0.5, 0, 1)
    ground = (
        _shaded(f["background_hue"], 0.45, np.where(f["_bright"] < 0.5, 0.72, 0.34), 0.16, ground_tone) * shade[:, None]
    )
    figure = _shaded(f["hue"], 0.85, np.where(f["_bright"] < 0.5, 0.42, 0.7), 0.3, tone)
    cover = np.clip(inside + 0.5, 0, 1)[:, None]
    image = ground + (figure - ground) * cover
    pixels: NDArray[np.uint8] = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    return pixels


def _moved(depth: Array) -> Array:
    """The figure's depth as a shadow sees it: down and to the right."""
    moved = np.full_like(depth, -np.inf)
    moved[:, SHADOW_PX:, SHADOW_PX:] = depth[:, :-SHADOW_PX, :-SHADOW_PX]
    return moved


def _shaded(hue: Array, saturation: float, lightness: NDArray[np.float64], swing: float, tone: Array) -> Array:
    """A hue whose lightness follows ``tone`` in [-1, 1] by ±``swing``/2: float32, (N, 3, S, S)."""
    middle = colour(hue, saturation, lightness.astype(np.float32))
    return middle + np.float32(swing / 2) * tone[:, None]
