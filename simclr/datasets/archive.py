"""Class folders, with or without split folders, or images alone: in a zip, a tar or a folder."""

import heapq
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simclr.datasets.buffers import SMALLEST_PX, check_image_size, default_size, resized_note, room_for
from simclr.datasets.errors import DatasetError
from simclr.datasets.images import Fit, decode_image, decode_sized, image_sides, to_square
from simclr.datasets.layout import Layout, read_layout, table_paths
from simclr.datasets.limits import LIMITS, Limits
from simclr.datasets.members import Members, open_members
from simclr.datasets.names import quote
from simclr.datasets.origin import Skipped, origin_of
from simclr.datasets.originals import Keeper
from simclr.datasets.splits import fill_splits
from simclr.datasets.store import SPLITS, UNLABELLED, Dataset

SAMPLED = 200
PROGRESS_EVERY = 50
MOVED_AT_ONCE = 1024

Progress = Callable[[int, int], None]


def ignore(done: int, total: int, /) -> None:
    """A ``Progress`` for callers who do not watch."""


def import_archive(
    path: Path,
    *,
    image_size: int | None = None,
    fit: Fit = "crop",
    progress: Progress = ignore,
    limits: Limits = LIMITS,
    scratch: Path | None = None,
    originals: Keeper | None = None,
    val_is_test: bool = False,
) -> Dataset:
    """Decode every image of an archive or a folder into one set; the archive is streamed, never unpacked to disk.

    The set is grey only if every image is. Damaged images are left out and noted while they stay below a tenth.

    Args:
        path: A zip, tar, tar.gz or tar.xz, known by its bytes, or a folder; see ``layout.read_layout`` for what may lie in it.
        image_size: Side in pixels, 8 to 224; by default the images' own (the median, 64 at most).
        fit: How an image becomes a square; see ``images.to_square``.
        progress: Called now and then with the images read and their number.
        limits: Caps on what the archive may cost.
        scratch: A file that holds the pixels instead of memory while the set lives; the caller removes it.
        originals: Takes the originals of images that are stored smaller; without it they are not kept.
        val_is_test: The folder of validation is what others score on, so it becomes the test split.

    Raises:
        DatasetError: the archive or its images are refused; see ``members.open_members``, ``layout.read_layout``,
            ``splits.fill_splits`` and, of its own, ``not_an_image``, ``too_many_pixels``, ``image_size``, ``too_large``,
            ``disk_full``.
    """
    check_image_size(image_size)
    with open_members(path, limits) as members:
        layout = read_layout(list(members.sizes), limits.classes, _tables(members, limits))
        if val_is_test:
            places = (replace(p, split="test") if p.split == "val" else p for p in layout.places)
            layout = replace(layout, places=tuple(places))
        size_px = image_size or _guess_size(members, layout)
        reader = _Reader(layout, size_px, fit, limits, originals)
        images = room_for((len(layout.places), 3, size_px, size_px), limits, scratch)
        reader.read(members, images, progress)
        return _dataset(layout, reader, images, members.kind)


@dataclass
class _Reader:
    """Decodes images to their places; ``is_kept`` marks those that were images, ``bad`` tells what was wrong with the rest."""

    layout: Layout
    size_px: int
    fit: Fit
    limits: Limits
    originals: Keeper | None
    is_grey: bool = True
    is_resized: bool = False
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    bad: dict[str, DatasetError] = field(default_factory=dict)

    def read(self, members: Members, images: NDArray[np.uint8], progress: Progress) -> None:
        position = {place.path: i for i, place in enumerate(self.layout.places)}
        for done, (path, data) in enumerate(members.read(position)):
            if done % PROGRESS_EVERY == 0:
                progress(done, len(position))
            try:
                image, sides = decode_sized(data, max_pixels=self.limits.pixels, needed_px=self.size_px)
            except DatasetError as error:
                self._note_bad(path, error)
                continue
            self.is_grey &= image.mode == "L"
            self.is_resized |= image.size != (self.size_px, self.size_px)
            self.sizes[sides] += 1
            if self.originals and min(sides) > self.size_px:
                # Decoded once more: whether originals are kept must not change the set.
                largest_px = self.originals.longest_px
                original = decode_image(data, max_pixels=self.limits.pixels, needed_px=largest_px)
                self.originals.keep(position[path], original)
            images[position[path]] = to_square(image, 3, self.size_px, self.fit)
        if len(self.bad) == len(position):
            self._refuse()
        progress(len(position), len(position))

    def _note_bad(self, path: str, error: DatasetError) -> None:
        self.bad[path] = error
        if len(self.bad) >= self.limits.bad_share * len(self.layout.places):
            self._refuse()

    def _refuse(self) -> None:
        path, error = next(iter(self.bad.items()))
        more = f" ({len(self.bad)} such files so far, too many to leave out)" if len(self.bad) > 1 else ""
        raise DatasetError(error.code, f"{quote(path)}: {error}{more}") from error


def _tables(members: Members, limits: Limits) -> dict[str, bytes]:
    """What may hold labels, while all of it together is no larger than one file may be."""
    paths = table_paths(list(members.sizes))
    return dict(members.read(paths)) if sum(members.sizes[p] for p in paths) <= limits.member_bytes else {}


def _guess_size(members: Members, layout: Layout) -> int:
    """The median short side of a sample, held to what trains on two cores."""
    # Chosen by a hash of the names: another order of the files chooses no others.
    names = (place.path for place in layout.places)
    sample = heapq.nsmallest(SAMPLED, names, key=lambda name: (zlib.crc32(name.encode()), name))
    sides = [sides for _, data in members.read(sample) if (sides := image_sides(data))]
    median = int(np.median([min(pair) for pair in sides])) if sides else SMALLEST_PX
    return default_size(median)


def _dataset(layout: Layout, reader: _Reader, images: NDArray[np.uint8], kind: str) -> Dataset:
    number = {name: label for label, name in enumerate(layout.classes)}
    kept = [i for i, place in enumerate(layout.places) if place.path not in reader.bad]
    _close_gaps(images, kept)
    places = [layout.places[position] for position in kept]
    labels = np.array([UNLABELLED if p.class_name is None else number[p.class_name] for p in places], dtype=np.int64)
    codes = np.array([SPLITS.index(p.split) for p in places], dtype=np.uint8)
    splits = fill_splits(labels, codes, layout.classes)
    channels = 1 if reader.is_grey else 3
    resized = resized_note(reader.is_resized, reader.size_px, reader.fit)
    return Dataset(
        images[: len(places), :channels],
        labels,
        splits.codes,
        layout.classes,
        source=kind,
        notes=(*layout.notes, *_bad_note(sorted(reader.bad)), *resized, *splits.notes),
        origin=origin_of([place.path for place in places], reader.sizes, _skipped(layout, reader)),
        originals=reader.originals.done(kept) if reader.originals else None,
    )


def _close_gaps(images: NDArray[np.uint8], kept: list[int]) -> None:
    """Move the images at the ascending positions ``kept`` to the front, block by block."""
    for start in range(0, len(kept), MOVED_AT_ONCE):
        block = kept[start : start + MOVED_AT_ONCE]
        if block[-1] != start + len(block) - 1:
            images[start : start + len(block)] = images[block]


def _skipped(layout: Layout, reader: _Reader) -> list[Skipped]:
    suffix = "its name has no suffix of PNG, JPEG, WebP, BMP or GIF"
    return [
        *(Skipped(name=path, code=error.code, reason=str(error)) for path, error in reader.bad.items()),
        *(Skipped(name=path, code="no_image_suffix", reason=suffix) for path in layout.left_out),
    ]


def _bad_note(bad: list[str]) -> list[str]:
    if not bad:
        return []
    examples = ", ".join(map(quote, bad[:5])) + (", ..." if len(bad) > 5 else "")
    return [f"{len(bad)} damaged {'image was' if len(bad) == 1 else 'images were'} left out: {examples}."]
