"""A zip of class folders, with or without split folders, or of images alone."""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simclr.datasets.buffers import SMALLEST_PX, check_image_size, default_size, resized_note, room_for
from simclr.datasets.errors import DatasetError
from simclr.datasets.images import decode_image, image_sides, to_square
from simclr.datasets.layout import Layout, Place, read_layout
from simclr.datasets.limits import LIMITS, Limits
from simclr.datasets.splits import fill_splits
from simclr.datasets.store import SPLITS, UNLABELLED, Dataset
from simclr.datasets.zips import open_zip, quote, read_member

SAMPLED = 200
PROGRESS_EVERY = 500

Progress = Callable[[int, int], None]


def ignore(done: int, total: int, /) -> None:
    """A ``Progress`` for callers who do not watch."""


def import_archive(
    path: Path,
    *,
    image_size: int | None = None,
    progress: Progress = ignore,
    limits: Limits = LIMITS,
    scratch: Path | None = None,
) -> Dataset:
    """Decode every image of a zip file into one set; the archive is streamed, never unpacked to disk.

    Images are cut to their central square and resized. The set is grey only if every image is. Damaged images are left out
    and noted while they stay below a tenth.

    Args:
        path: The zip file; see ``layout.read_layout`` for the folders it may have.
        image_size: Side in pixels, 8 to 224; by default the images' own (the median, 64 at most).
        progress: Called now and then with the images read and their number.
        limits: Caps on what the archive may cost.
        scratch: A file that holds the pixels instead of memory while the set lives; the caller removes it.

    Raises:
        DatasetError: the archive or its images are refused; see ``zips.open_zip``, ``layout.read_layout``,
            ``splits.fill_splits`` and, of its own, ``not_an_image``, ``too_many_pixels``, ``image_size``, ``too_large``,
            ``disk_full``.
    """
    check_image_size(image_size)
    with open_zip(path, limits) as archive:
        members = {m.filename: m for m in archive.infolist() if not m.is_dir()}
        layout = read_layout(list(members), limits.classes)
        size_px = image_size or _guess_size(archive, [members[place.path] for place in layout.places], limits)
        reader = _Reader(archive, members, size_px, limits)
        images = room_for((len(layout.places), 3, size_px, size_px), limits, scratch)
        reader.read(layout.places, images, progress)
    return _dataset(layout, reader, images)


@dataclass
class _Reader:
    """Decodes places in order; ``kept`` are the positions of those that were images, ``bad`` what was wrong with the rest."""

    archive: zipfile.ZipFile
    members: dict[str, zipfile.ZipInfo]
    size_px: int
    limits: Limits
    is_grey: bool = True
    is_resized: bool = False
    kept: list[int] = field(default_factory=list)
    bad: list[tuple[str, DatasetError]] = field(default_factory=list)

    def read(self, places: Sequence[Place], images: NDArray[np.uint8], progress: Progress) -> None:
        for position, place in enumerate(places):
            if position % PROGRESS_EVERY == 0:
                progress(position, len(places))
            data = read_member(self.archive, self.members[place.path], self.limits.member_bytes)
            try:
                image = decode_image(data, max_pixels=self.limits.pixels, needed_px=self.size_px)
            except DatasetError as error:
                self._note_bad(place.path, error, len(places))
                continue
            self.is_grey &= image.mode == "L"
            self.is_resized |= image.size != (self.size_px, self.size_px)
            images[len(self.kept)] = to_square(image, 3, self.size_px)
            self.kept.append(position)
        if not self.kept:
            self._refuse()
        progress(len(places), len(places))

    def _note_bad(self, path: str, error: DatasetError, total: int) -> None:
        self.bad.append((path, error))
        if len(self.bad) >= self.limits.bad_share * total:
            self._refuse()

    def _refuse(self) -> None:
        path, error = self.bad[0]
        more = f" ({len(self.bad)} such files so far, too many to leave out)" if len(self.bad) > 1 else ""
        raise DatasetError(error.code, f"{quote(path)}: {error}{more}") from error


def _guess_size(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], limits: Limits) -> int:
    """The median short side of a sample, held to what trains on two cores."""
    sample = members[:: max(1, len(members) // SAMPLED)]
    sides = [sides for m in sample if (sides := image_sides(read_member(archive, m, limits.member_bytes)))]
    median = int(np.median([min(pair) for pair in sides])) if sides else SMALLEST_PX
    return default_size(median)


def _dataset(layout: Layout, reader: _Reader, images: NDArray[np.uint8]) -> Dataset:
    number = {name: label for label, name in enumerate(layout.classes)}
    places = [layout.places[position] for position in reader.kept]
    labels = np.array([UNLABELLED if p.class_name is None else number[p.class_name] for p in places], dtype=np.int64)
    codes = np.array([SPLITS.index(p.split) for p in places], dtype=np.uint8)
    splits = fill_splits(labels, codes, layout.classes)
    channels = 1 if reader.is_grey else 3
    return Dataset(
        images[: len(places), :channels],
        labels,
        splits.codes,
        layout.classes,
        source="zip",
        notes=(*layout.notes, *_bad_note(reader.bad), *resized_note(reader.is_resized, reader.size_px), *splits.notes),
    )


def _bad_note(bad: list[tuple[str, DatasetError]]) -> list[str]:
    if not bad:
        return []
    examples = ", ".join(quote(path) for path, _ in bad[:5]) + (", ..." if len(bad) > 5 else "")
    return [f"{len(bad)} damaged {'image was' if len(bad) == 1 else 'images were'} left out: {examples}."]
