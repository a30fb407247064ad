"""Real images as files, as somebody would bring them: handwritten digits, packed into class folders."""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from simclr.datasets.digits import digits

HELD_OUT = 10
"""Images of the end that no archive holds: queries that the lab has never seen."""


def write_archive(path: Path, scale: int = 1) -> Path:
    """A zip of ``<digit>/<number>.png``, grey, 8 × ``scale`` pixels wide, without splits: 1,787 images."""
    images, labels = _digits(scale)
    with zipfile.ZipFile(path, "w") as archive:
        for number, (image, label) in enumerate(zip(images[:-HELD_OUT], labels, strict=False)):
            archive.writestr(f"{label}/{number:04}.png", image)
    return path


def write_queries(folder: Path) -> dict[Path, str]:
    """The held-out images as files of their own, each with its class."""
    images, labels = _digits()
    folder.mkdir()
    queries = {}
    for number, image in enumerate(images[-HELD_OUT:]):
        path = folder / f"query-{number}.png"
        path.write_bytes(image)
        queries[path] = labels[len(images) - HELD_OUT + number]
    return queries


def _digits(scale: int = 1) -> tuple[list[bytes], list[str]]:
    known = digits()
    pixels = known.images[:, 0].repeat(scale, axis=1).repeat(scale, axis=2)
    return [_png(image) for image in pixels], [str(label) for label in known.labels]


def _png(image: np.ndarray) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(image).save(packed, "PNG", compress_level=1)
    return packed.getvalue()
