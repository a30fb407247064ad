"""Reads the files of published sets: CIFAR's and STL-10's binary versions, MNIST's idx form, and the others by their formats."""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simclr.datasets.archive import Progress, ignore, import_archive
from simclr.datasets.buffers import check_image_size, resized_note, room_for
from simclr.datasets.errors import DatasetError
from simclr.datasets.images import Fit, to_square
from simclr.datasets.inflow import Inflow
from simclr.datasets.limits import LIMITS, MIB, Limits
from simclr.datasets.npz import import_npz
from simclr.datasets.origin import Origin, SizeCount
from simclr.datasets.sources import SOURCES, Source
from simclr.datasets.splits import fill_splits
from simclr.datasets.store import SPLITS, UNLABELLED, Dataset
from simclr.datasets.tars import entries, open_tar

BLOCK_BYTES = 8 * MIB
ROWS = 4096


def read_source(
    name: str,
    folder: Path,
    *,
    image_size: int | None = None,
    fit: Fit = "crop",
    progress: Progress = ignore,
    limits: Limits = LIMITS,
    scratch: Path | None = None,
) -> Dataset:
    """The set that the downloaded files of a source hold; see ``archive.import_archive`` for the other arguments.

    Args:
        name: One of ``sources.SOURCES``.
        folder: Holds the files, as ``download.download`` leaves them.

    Raises:
        DatasetError: ``files_missing``, ``broken_archive``, and what the readers of archives and arrays refuse.
    """
    source = SOURCES[name]
    check_image_size(image_size)
    if missing := [file.name for file in source.files if not (folder / file.name).exists()]:
        raise DatasetError("files_missing", f"{', '.join(missing)} is not in {folder}: download {source.title} first")
    first = folder / source.files[0].name
    reading = _Reading(source, image_size, fit, progress, limits, scratch)
    if source.kind == "cifar":
        return reading.cifar(first)
    if source.kind == "stl10":
        return reading.stl10(first)
    if source.kind == "idx":
        return reading.idx(folder)
    if source.kind == "npz":
        made = import_npz(first, image_size=image_size, limits=limits, scratch=scratch, class_names=source.classes)
        return replace(made, source=name)
    made = import_archive(
        first, image_size=image_size, fit=fit, progress=progress, limits=limits, scratch=scratch, val_is_test=True
    )
    return replace(made, source=name, classes=source.classes or made.classes)


@dataclass
class _Reading:
    source: Source
    image_size: int | None
    fit: Fit
    progress: Progress
    limits: Limits
    scratch: Path | None

    def cifar(self, path: Path) -> Dataset:
        """Records of one label (of CIFAR-100 two: superclass and class) and 3 × 32 × 32 bytes. Source: Krizhevsky's page."""
        label_bytes = 1 if self.source.name == "cifar10" else 2
        record = label_bytes + 3 * 32 * 32
        sizes, texts = _survey(path, ("batches.meta.txt", "fine_label_names.txt"), self.limits)
        names = _words(texts, "batches.meta.txt" if label_bytes == 1 else "fine_label_names.txt")
        counts = {name: _whole(name, sizes[name], record) for name in sorted(sizes) if name.endswith(".bin")}
        total = sum(counts.values())
        labels, room = np.empty((total, label_bytes), np.int64), self._room(total, 3, 32)
        for at, block in _records(path, counts, record, self.limits):
            labels[at : at + len(block)] = block[:, :label_bytes]
            self._put(room, at, block[:, label_bytes:].reshape(-1, 3, 32, 32))
        factors = {"superclass": labels[:, 0]} if label_bytes == 2 else {}
        return self._dataset(room, labels[:, -1], _codes(counts), names, (32, 32), factors)

    def stl10(self, path: Path) -> Dataset:
        """Images of 3 × 96 × 96 bytes whose columns come first; labels from 1. Source: Coates's page."""
        record = 3 * 96 * 96
        sizes, texts = _survey(path, ("train_y.bin", "test_y.bin", "class_names.txt"), self.limits)
        images = [name for name in ("train_X.bin", "test_X.bin", "unlabeled_X.bin") if name in sizes]
        counts: dict[str, int] = {name: _whole(name, sizes[name], record) for name in images}
        if not counts:
            raise _broken(path.name, "train_X.bin is missing")
        labels = np.concatenate([_stl_labels(name, n, texts) for name, n in counts.items()])
        room = self._room(sum(counts.values()), 3, 96)
        for at, block in _records(path, counts, record, self.limits):
            self._put(room, at, block.reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2))
        return self._dataset(room, labels, _codes(counts), _words(texts, "class_names.txt"), (96, 96), {})

    def idx(self, folder: Path) -> Dataset:
        """Arrays behind a head of big-endian numbers: kind, dimensions. Source: LeCun's page on MNIST."""
        stems = {"train": "train", "test": "t10k"}
        known = [_idx(folder / f"{stem}-labels-idx1-ubyte.gz", 1, self.limits) for stem in stems.values()]
        counts = {split: len(part) for split, part in zip(stems, known, strict=True)}
        paths = {split: folder / f"{stem}-images-idx3-ubyte.gz" for split, stem in stems.items()}
        published = _idx_sides(paths["train"], self.limits)
        room = self._room(sum(counts.values()), 1, min(published))
        at = 0
        for split, path in paths.items():
            images = _idx(path, 3, self.limits)
            if images.shape != (counts[split], *published):
                raise _broken(path.name, f"it holds {images.shape}, but there are {counts[split]} labels")
            for start in range(0, len(images), ROWS):
                self._put(room, at + start, images[start : start + ROWS, None])
            at += len(images)
        labels = np.concatenate(known).astype(np.int64)
        return self._dataset(room, labels, _codes(counts), self.source.classes, published, {})

    def _room(self, n: int, channels: int, published_px: int) -> NDArray[np.uint8]:
        size_px = self.image_size or min(published_px, 64)
        return room_for((n, channels, size_px, size_px), self.limits, self.scratch)

    def _put(self, room: NDArray[np.uint8], at: int, images: NDArray[np.uint8]) -> None:
        """Store a block from position ``at`` on, resized where it must be."""
        room[at : at + len(images)] = _resized(images, room.shape[2], self.fit)
        self.progress(at + len(images), len(room))

    def _dataset(
        self, images: NDArray[np.uint8], labels: NDArray[np.int64], codes: NDArray[np.uint8], names: tuple[str, ...],
        published: tuple[int, ...], factors: dict[str, NDArray[np.int64]],
    ) -> Dataset:  # fmt: skip
        if labels.min() < UNLABELLED or labels.max() >= len(names):
            raise _broken(self.source.files[0].name, f"a label is {labels.max()}, but there are {len(names)} classes")
        splits = fill_splits(labels, codes, names)
        height, width = published
        size = SizeCount(width=width, height=height, n=len(images))
        return Dataset(
            images, labels, splits.codes, names, source=self.source.name,
            factors={name: np.ascontiguousarray(values) for name, values in factors.items()},
            notes=(*resized_note((height, width) != images.shape[2:], images.shape[2], self.fit), *splits.notes),
            origin=Origin(sizes=[size]),
        )  # fmt: skip


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _whole(name: str, size: int, record: int) -> int:
    count, rest = divmod(size, record)
    if rest or not count:
        raise _broken(name, f"its {size:,} bytes are no records of {record:,}")
    return count


def _words(texts: dict[str, bytes], name: str) -> tuple[str, ...]:
    if name not in texts:
        raise _broken(name, "it is missing")
    return tuple(line.strip() for line in texts[name].decode(errors="replace").splitlines() if line.strip())


def _stl_labels(name: str, n: int, texts: dict[str, bytes]) -> NDArray[np.int64]:
    if name.startswith("unlabeled"):
        return np.full(n, UNLABELLED, np.int64)
    known = np.frombuffer(texts.get(name.replace("_X", "_y"), b""), np.uint8).astype(np.int64) - 1
    if len(known) != n:
        raise _broken(name, f"it holds {n} images, but there are {len(known)} labels")
    return known


def _survey(path: Path, wanted: tuple[str, ...], limits: Limits) -> tuple[dict[str, int], dict[str, bytes]]:
    """Sizes of a tar's files, and the bytes of the small ones that are wanted, by their names without folders."""
    with open_tar(path, limits) as members:
        sizes = {_base(name): size for name, size in members.sizes.items()}
        small = [name for name in members.sizes if _base(name) in wanted]
        return sizes, {_base(name): data for name, data in members.read(small)}


def _records(
    path: Path, counts: dict[str, int], record: int, limits: Limits
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Blocks of records (n, record) of the files in ``counts``, each with its position when those are laid end to end."""
    starts = dict(zip(counts, np.cumsum([0, *counts.values()]).tolist(), strict=False))
    rows = max(1, BLOCK_BYTES // record)
    for entry in entries(path, limits):
        name = _base(entry.name)
        for done in range(0, counts.get(name, 0), rows):
            n = min(rows, counts[name] - done)
            yield starts[name] + done, np.frombuffer(entry.read(n * record), np.uint8).reshape(n, record)


def _codes(counts: dict[str, int]) -> NDArray[np.uint8]:
    """Split codes of files laid end to end: those whose name begins with "test" are for that."""
    codes = [SPLITS.index("test" if name.startswith("test") else "train") for name in counts]
    return np.repeat(np.array(codes, np.uint8), list(counts.values()))


def _idx_sides(path: Path, limits: Limits) -> tuple[int, ...]:
    with path.open("rb") as file:
        return _idx_head(path, Inflow(file, limits), 3, limits)[1:]


def _idx_head(path: Path, inflow: Inflow, dimensions: int, limits: Limits) -> tuple[int, ...]:
    head = inflow.read(4 + 4 * dimensions)
    if len(head) < 4 + 4 * dimensions or head[:4] != bytes([0, 0, 8, dimensions]):
        raise _broken(path.name, f"it is no idx file of bytes in {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", head[4:])
    if not 0 < math.prod(shape) <= limits.stored_bytes:
        raise _broken(path.name, f"it declares {shape}")
    return shape


def _idx(path: Path, dimensions: int, limits: Limits) -> NDArray[np.uint8]:
    with path.open("rb") as file:
        inflow = Inflow(file, limits)
        shape = _idx_head(path, inflow, dimensions, limits)
        data = inflow.read(math.prod(shape))
        if len(data) < math.prod(shape):
            raise _broken(path.name, "it ends in the middle")
        inflow.finish()
    return np.frombuffer(data, np.uint8).reshape(shape)


def _resized(images: NDArray[np.uint8], size_px: int, fit: Fit) -> NDArray[np.uint8]:
    if images.shape[2:] == (size_px, size_px):
        return images
    from PIL import Image

    channels = images.shape[1]
    flat = images[:, 0] if channels == 1 else images.transpose(0, 2, 3, 1)
    return np.stack([to_square(Image.fromarray(np.ascontiguousarray(i)), channels, size_px, fit) for i in flat])


def _broken(name: str, why: str) -> DatasetError:
    return DatasetError("broken_archive", f"{name} can't be read ({why}): download it again")
