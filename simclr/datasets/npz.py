"""NumPy archives in the form of MedMNIST: images and labels of each split as arrays, read without ever unpickling."""

import math
import re
import tokenize
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from simclr.datasets.buffers import check_image_size, default_size, resized_note, room_for
from simclr.datasets.errors import DatasetError
from simclr.datasets.images import to_square
from simclr.datasets.limits import LIMITS, MIB, Limits
from simclr.datasets.names import quote
from simclr.datasets.origin import Origin, SizeCount
from simclr.datasets.splits import fill_splits
from simclr.datasets.store import SPLITS, UNLABELLED, Dataset, Split
from simclr.datasets.zips import DAMAGE, broken, open_zip

ARRAY = re.compile(r"^(train|val|test)_(images|labels)\.npy$")
HEADER_BYTES = 10_000
BLOCK_BYTES = 8 * MIB
LABELS_AT_ONCE = 100_000
LONE_CLASS = "All labels are the same, which tells no images apart, so all images count as unlabelled."
MANY_LABELS = "Any of several labels may apply to an image: they are kept as factors, and nothing can be scored."
# NumPy reads a header as Python text, in up to two ways, and lets their errors through.
HEADER_DAMAGE = (*DAMAGE, tokenize.TokenError, TypeError, SyntaxError, RecursionError, MemoryError)


@dataclass(frozen=True)
class _Array:
    """An array as its header declares it; ``offset`` is where its data begin in the member."""

    name: str
    member: zipfile.ZipInfo
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    offset: int


def import_npz(
    path: Path,
    *,
    image_size: int | None = None,
    limits: Limits = LIMITS,
    scratch: Path | None = None,
    class_names: Sequence[str] = (),
) -> Dataset:
    """Read ``{train,val,test}_{images,labels}`` of an ``.npz`` file; only the training arrays must be there.

    Images are uint8 of shape (N, H, W) or (N, H, W, 1) for grey, (N, H, W, 3) for RGB; labels are integers of shape (N,) or
    (N, 1), -1 where unlabelled. Classes are named by their numbers, since the file knows no others.

    Args:
        path: The file.
        image_size: Side in pixels, 8 to 224; by default the images' own short side, 64 at most.
        limits: Caps on what the file may cost.
        scratch: A file that holds the pixels instead of memory while the set lives; the caller removes it.
        class_names: Names by number. Labels of shape (N, as many) say of each name whether it applies: they become factors by
            those names, and the set has no classes.

    Raises:
        DatasetError: see ``zips.open_zip``; ``arrays_missing``, ``labels_missing``, ``pickled_array``, ``bad_dtype``,
            ``bad_shape``, ``multi_label``, ``length_mismatch``, ``broken_archive``, ``image_size``, ``too_large``.

    Source: Yang et al. 2023, MedMNIST v2, Scientific Data 10:41, arXiv:2110.14795.
    """
    check_image_size(image_size)
    with open_zip(path, limits) as archive:
        arrays, others = _find(archive)
        present = [split for split in SPLITS if f"{split}_images" in arrays]
        pictures = [arrays[f"{split}_images"] for split in present]
        channels, height, width = _picture_shape(pictures)
        raw_labels = [_labels(archive, arrays, split, len(class_names)) for split in present]
        size_px = image_size or default_size(min(height, width))
        images = room_for((sum(a.shape[0] for a in pictures), channels, size_px, size_px), limits, scratch)
        _read_pictures(archive, pictures, images)
    raw = np.concatenate(raw_labels)
    factors = {name: np.ascontiguousarray(raw[:, k]) for k, name in enumerate(class_names)} if raw.shape[1] > 1 else {}
    classes, labels, lone = _number(raw[:, 0], limits, class_names) if not factors else _no_classes(raw)
    codes = np.repeat(np.array([SPLITS.index(s) for s in present], dtype=np.uint8), [len(part) for part in raw_labels])
    splits = fill_splits(labels, codes, classes)
    left_out = (f"Arrays that were not read: {', '.join(map(quote, others[:5]))}.",) if others else ()
    notes = (*left_out, *lone, *resized_note((height, width) != (size_px, size_px), size_px), *splits.notes)
    origin = Origin(sizes=[SizeCount(width=width, height=height, n=len(labels))])
    return Dataset(
        images, labels, splits.codes, classes, source="npz", factors=dict(factors), notes=notes, origin=origin
    )


def _find(archive: zipfile.ZipFile) -> tuple[dict[str, _Array], list[str]]:
    """The arrays of MedMNIST's names by those names, and the names of all other members."""
    members = {member.filename: member for member in archive.infolist()}
    arrays = {name.removesuffix(".npy"): _header(archive, m) for name, m in members.items() if ARRAY.match(name)}
    others = sorted(name for name in members if not ARRAY.match(name))
    if "train_images" not in arrays:
        raise DatasetError(
            "arrays_missing",
            f"the file has no array train_images; it holds {', '.join(map(quote, sorted(members)[:8]))}: save "
            "train_images, train_labels and, if you have them, val_ and test_ arrays of the same form",
        )
    for name in arrays:
        split, kind = name.split("_")
        other = "labels" if kind == "images" else "images"
        if f"{split}_{other}" not in arrays:
            code = "labels_missing" if other == "labels" else "arrays_missing"
            raise DatasetError(code, f"there is {name}, but no {split}_{other}: add it")
    return arrays, others


def _header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> _Array:
    """Read what an array declares, and check it against the member's size before any of its data is read."""
    name = member.filename.removesuffix(".npy")
    try:
        with archive.open(member) as file:
            shape, fortran_order, dtype, offset = _read_header(cast(BinaryIO, file))
    except HEADER_DAMAGE as error:
        raise broken(error, member.filename) from error
    if dtype.hasobject:
        raise DatasetError("pickled_array", f"{name} holds Python objects, which could run code: save plain numbers")
    if fortran_order and len(shape) > 1:
        raise DatasetError("bad_shape", f"{name} is in Fortran order: save it with numpy.ascontiguousarray")
    if not shape or min(shape) < 1:
        raise DatasetError("bad_shape", f"{name} has shape {shape}: give it at least one image")
    if math.prod(shape) * dtype.itemsize != member.file_size - offset:
        raise DatasetError(
            "broken_archive",
            f"{name} declares {math.prod(shape) * dtype.itemsize:,} bytes but has {member.file_size - offset:,}: save it again",
        )
    return _Array(name, member, shape, dtype, offset)


def _read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[np.generic], int]:
    """Shape, order, dtype and length of an ``.npy`` header; its declared length is bounded before it is read.

    Source: NEP 1, versions 1.0 and 2.0; 3.0 is for field names, which plain numbers don't have.
    """
    major, minor = np.lib.format.read_magic(file)
    if (major, minor) not in ((1, 0), (2, 0)):
        raise ValueError(f"version {major}.{minor} of the array format is not read here")
    length_bytes = 2 if major == 1 else 4
    length = file.read(length_bytes)
    size = int.from_bytes(length, "little")
    if size > HEADER_BYTES:
        raise ValueError(f"a header of {size:,} bytes is no header of an array")
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shape, fortran_order, dtype = read(BytesIO(length + file.read(size)))
    return shape, fortran_order, dtype, np.lib.format.MAGIC_LEN + length_bytes + size


def _picture_shape(pictures: Sequence[_Array]) -> tuple[int, int, int]:
    """Channels, height and width, the same in every split."""
    for array in pictures:
        if array.dtype != np.uint8:
            raise DatasetError(
                "bad_dtype",
                f"{array.name} is {array.dtype}, but images are uint8 from 0 to 255: convert and save it again",
            )
        if len(array.shape) not in (3, 4) or (len(array.shape) == 4 and array.shape[3] not in (1, 3)):
            raise DatasetError(
                "bad_shape",
                f"{array.name} has shape {array.shape}, but images are (N, H, W) or (N, H, W, 3): grey or RGB, channels last",
            )
        if array.shape[1:] != pictures[0].shape[1:]:
            raise DatasetError(
                "bad_shape",
                f"{array.name} has images of {array.shape[1:]}, {pictures[0].name} of {pictures[0].shape[1:]}: make them alike",
            )
        if math.prod(array.shape[1:]) > LIMITS.pixels:
            raise DatasetError("too_many_pixels", f"{array.name} has images of {array.shape[1:]} pixels: shrink them")
    shape = pictures[0].shape
    return (shape[3] if len(shape) == 4 else 1), shape[1], shape[2]


def _read_pictures(archive: zipfile.ZipFile, pictures: Sequence[_Array], images: NDArray[np.uint8]) -> None:
    """Stream every array into ``images`` (N, C, S, S), a few megabytes at a time, resizing where sizes differ."""
    place = 0
    for array in pictures:
        rows = max(1, BLOCK_BYTES // math.prod(array.shape[1:]))
        for block in _blocks(archive, array, rows):
            squares = _fit(block.reshape(len(block), *array.shape[1:3], images.shape[1]), images.shape[2])
            images[place : place + len(block)] = squares
            place += len(block)


def _blocks(archive: zipfile.ZipFile, array: _Array, rows: int) -> Iterator[NDArray[np.generic]]:
    """The array in order, ``rows`` rows at a time, so that it is never in memory whole."""
    row_bytes = math.prod(array.shape[1:]) * array.dtype.itemsize
    try:
        with archive.open(array.member) as file:
            file.read(array.offset)
            for start in range(0, array.shape[0], rows):
                count = min(rows, array.shape[0] - start)
                data = file.read(count * row_bytes)
                yield np.frombuffer(data, dtype=array.dtype).reshape(count, *array.shape[1:])
    except DAMAGE as error:
        # A refusal of ours is a ValueError too.
        raise error if isinstance(error, DatasetError) else broken(error, array.member.filename) from error


def _fit(block: NDArray[np.generic], size_px: int) -> NDArray[np.uint8]:
    """(N, H, W, C) to (N, C, S, S)."""
    pixels = block.astype(np.uint8, copy=False)
    if pixels.shape[1:3] == (size_px, size_px):
        return pixels.transpose(0, 3, 1, 2)
    from PIL import Image

    channels = pixels.shape[3]
    flat = pixels[..., 0] if channels == 1 else pixels
    return np.stack([to_square(Image.fromarray(np.ascontiguousarray(image)), channels, size_px) for image in flat])


def _labels(archive: zipfile.ZipFile, arrays: dict[str, _Array], split: Split, most: int) -> NDArray[np.int64]:
    """Shape (N, 1), or (N, ``most``) where so many are expected."""
    array, pictures = arrays[f"{split}_labels"], arrays[f"{split}_images"]
    if array.dtype.kind not in "iu":
        raise DatasetError(
            "bad_dtype", f"{array.name} is {array.dtype}, but labels are integers: convert and save it again"
        )
    if len(array.shape) > 1 and array.shape[1:] not in ((1,), (most,)):
        raise DatasetError(
            "multi_label",
            f"{array.name} has shape {array.shape}: several labels an image can't be scored here, only one of several "
            "classes; choose one label and save it as shape (N, 1)",
        )
    if array.shape[0] != pictures.shape[0]:
        raise DatasetError(
            "length_mismatch",
            f"{pictures.name} has {pictures.shape[0]:,} images, {array.name} {array.shape[0]:,} labels: give one each",
        )
    blocks = _blocks(archive, array, LABELS_AT_ONCE)
    return np.concatenate([block.reshape(len(block), -1).astype(np.int64) for block in blocks])


def _no_classes(raw: NDArray[np.int64]) -> tuple[tuple[str, ...], NDArray[np.int64], tuple[str, ...]]:
    return (), np.full(len(raw), UNLABELLED), (MANY_LABELS,)


def _number(
    raw: NDArray[np.int64], limits: Limits, names: Sequence[str]
) -> tuple[tuple[str, ...], NDArray[np.int64], tuple[str, ...]]:
    """Class names, labels as positions among them (-1 stays unlabelled), and notes."""
    values = np.unique(raw[raw != UNLABELLED])
    if len(values) and values[0] < 0:
        raise DatasetError(
            "bad_labels", f"a label is {values[0]}, but classes are numbered from 0, and -1 means no label"
        )
    if len(values) > limits.classes:
        raise DatasetError("too_many_classes", f"the labels take {len(values):,} values, more than {limits.classes:,}")
    if len(values) < 2:
        return (), np.full(len(raw), UNLABELLED), (LONE_CLASS,)
    numbered = np.where(raw == UNLABELLED, UNLABELLED, np.searchsorted(values, raw)).astype(np.int64)
    if names and values[-1] >= len(names):
        raise DatasetError(
            "bad_labels", f"a label is {values[-1]}, but there are {len(names)} classes, numbered from 0"
        )
    return tuple(names[value] if names else str(value) for value in values), numbered, ()
