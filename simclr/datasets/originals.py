"""Originals of images that were stored smaller: kept for people to look at, never trained on.

They are encoded anew, without the notes that were in the stranger's file, and no larger than a screen needs.
"""

import os
import shutil
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

BYTES, INDEX = "originals.bin", "originals.npy"
MEDIA_TYPE = "image/jpeg"
QUALITY = 88


@dataclass(frozen=True)
class Originals:
    """JPEG files laid end to end in ``path``; ``index``, int64 (N, 2), holds each one's begin and length, 0 for none."""

    path: Path
    index: NDArray[np.int64]


class Keeper:
    """Takes originals while an import reads them.

    Args:
        path: A file to write; the caller removes it.
        longest_px: The longer side that they are shrunk to.
        most_bytes: From then on, no more are kept.
    """

    def __init__(self, path: Path, longest_px: int, most_bytes: int) -> None:
        self.longest_px = longest_px
        self._path, self._most_bytes, self._written = path, most_bytes, 0
        self._places: dict[int, tuple[int, int]] = {}
        path.write_bytes(b"")

    def keep(self, position: int, image: "Image.Image") -> None:
        """Keep an image, of mode "L" or "RGB", while there is room."""
        small = image.copy()
        small.thumbnail((self.longest_px, self.longest_px))
        buffer = BytesIO()
        small.save(buffer, "JPEG", quality=QUALITY)
        data = buffer.getvalue()
        if self._written + len(data) > self._most_bytes:
            return
        with self._path.open("ab") as file:
            file.write(data)
        self._places[position] = (self._written, len(data))
        self._written += len(data)

    def done(self, kept: list[int]) -> Originals | None:
        """What was kept, for the images that were at the positions ``kept``; None for nothing."""
        index = np.array([self._places.get(position, (0, 0)) for position in kept], dtype=np.int64).reshape(-1, 2)
        return Originals(self._path, index) if index[:, 1].any() else None


def write_originals(originals: Originals, folder: Path) -> None:
    """Store them beside a set."""
    share_file(originals.path, folder / BYTES)
    np.save(folder / INDEX, originals.index, allow_pickle=False)


def share_file(source: Path, target: Path) -> None:
    """Give a file that never changes a second name; a copy, where the file system knows no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def read_original(folder: Path, position: int) -> bytes | None:
    """The JPEG file of an image's original, None where what is stored is all there is.

    Raises:
        IndexError: the set has no such image.
    """
    if not (folder / INDEX).exists():
        return None
    begin, length = np.load(folder / INDEX, mmap_mode="r", allow_pickle=False)[position].tolist()
    if not length:
        return None
    with (folder / BYTES).open("rb") as file:
        file.seek(begin)
        return file.read(length)
