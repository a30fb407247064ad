"""Small real pictures as files, and archives of them."""

import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from simclr.datasets import BUILTIN

SHARED = Path(__file__).parents[4] / "shared" / "data"
CLASSES = ("cat", "dog", "owl")


def picture(i: int = 0, channels: int = 3, size: int = 8) -> NDArray[np.uint8]:
    """Picture ``i``: unlike all others, (S, S) or (S, S, 3)."""
    shape = (size, size) if channels == 1 else (size, size, channels)
    return np.random.default_rng(i).integers(0, 256, shape, dtype=np.uint8)


def encoded(pixels: NDArray[np.uint8] | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """A picture as a file's bytes."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(i: int = 0, channels: int = 3, size: int = 8) -> bytes:
    return encoded(picture(i, channels, size))


def class_folders(per_class: int = 10, prefix: str = "", channels: int = 3, size: int = 8) -> dict[str, bytes]:
    """Files of three classes with ``per_class`` pictures each."""
    return {
        f"{prefix}{name}/{i}.png": png(100 * label + i, channels, size)
        for label, name in enumerate(CLASSES)
        for i in range(per_class)
    }


def pack(path: Path, files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def digits_archive(path: Path) -> Path:
    """scikit-learn's digits as a zip of class folders with splits: what a person would upload."""
    digits = BUILTIN["digits"]()
    names = ("train", "val", "test")
    return pack(
        path,
        {
            f"digits/{names[digits.splits[i]]}/{digits.labels[i]}/{i:04d}.png": encoded(digits.images[i, 0])
            for i in range(len(digits))
        },
    )
