"""Features that were computed once, kept by content: of an encoder, a set and a depth, in a folder of bounded size."""

import hashlib
import io
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simclr.events import Emit, Log
from simclr.runs import writing

# A file is this, the sha256 of key and content in hexadecimal digits, a line's end, and what numpy.save wrote. The number
# changes with whatever changes features, such as how images are brought to an encoder's size.
MARK = b"simclr features 1 "
LIMIT_BYTES = 4 << 30
SUFFIX = ".features"


class FeatureKey(NamedTuple):
    """What features depend on.

    Attributes:
        dataset: Content hash of the set, which covers its labels and splits.
        encoder: sha256 of the encoder's file, which says how images are brought to its size, channels and normalisation.
        level: Depth, such as "2" or "z"; with a range where it is of some of the images alone, as "hz.0.2048".
        device: Kind of device, on each of which sums are rounded in their own way; with the precision, as "cpu.bfloat16", where
            that can be chosen.
    """

    dataset: str
    encoder: str
    level: str
    device: str

    @property
    def file_name(self) -> str:
        return f"{self.dataset[:16]}-{self.encoder[:16]}-{self.level}-{self.device}{SUFFIX}"


class DamagedFeatures(ValueError):
    """A kept file does not hold what was written."""


class FeatureCache:
    """A folder of features, float32 of shape (N, D); whoever was used longest ago goes first when it grows too large."""

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes

    def read(self, key: FeatureKey) -> NDArray[np.float32] | None:
        """What is kept under ``key``; None where there is nothing.

        Raises:
            DamagedFeatures: the file's bytes are not those that were written; it was deleted.
        """
        path = self.folder / key.file_name
        try:
            mark, line_end, content = path.read_bytes().partition(b"\n")
            os.utime(path)
        except OSError:
            return None
        if not line_end or mark != MARK + _digest(key, content):
            path.unlink(missing_ok=True)
            raise DamagedFeatures(f"{path.name} was damaged")
        features: NDArray[np.float32] = np.load(io.BytesIO(content), allow_pickle=False)
        return features

    def write(self, key: FeatureKey, features: NDArray[np.float32]) -> None:
        """Keep ``features``, unless they alone are larger than the folder may be; others may have to go for them.

        Raises:
            OSError: they cannot be written.
        """
        if features.nbytes > self.limit_bytes:
            return
        packed = io.BytesIO()
        np.save(packed, features, allow_pickle=False)
        content = packed.getvalue()
        place = self.folder / key.file_name
        with writing(place, len(content), synced=False) as temporary, temporary.open("wb") as file:
            file.write(MARK + _digest(key, content) + b"\n")
            file.write(content)
        self._make_room()

    def _make_room(self) -> None:
        """Others may delete at the same time."""
        found = []
        for path in self.folder.glob(f"*{SUFFIX}"):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            found.append((stat.st_mtime_ns, stat.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self.limit_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size


def kept_features(cache: FeatureCache, key: FeatureKey, emit: Emit) -> NDArray[np.float32] | None:
    """What is kept under ``key``, or None where there is nothing whole; a damaged file is told."""
    try:
        return cache.read(key)
    except DamagedFeatures as error:
        emit(Log(level="warning", message=f"Kept features could not be used ({error}): they are computed again."))
        return None


def forget_dataset(folder: Path, dataset: str) -> None:
    """Delete what is kept of a set, by its content hash; nothing else can be told of its images afterwards."""
    for path in folder.glob(f"{dataset[:16]}-*{SUFFIX}"):
        path.unlink(missing_ok=True)


def _digest(key: FeatureKey, content: bytes) -> bytes:
    return hashlib.sha256("\n".join(key).encode() + b"\n" + content).hexdigest().encode()
