"""The one form in which images are kept: uint8 arrays on disk, memory-mapped, immutable, named by their content."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from simclr.datasets.duplicates import first_of_kind
from simclr.datasets.origin import ORIGIN, Origin
from simclr.datasets.originals import BYTES, INDEX, Originals, share_file, write_originals
from simclr.runs import write_json, writing

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
# What folders and tables of strangers call the splits.
SPLIT_FOLDERS: dict[str, Split] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
UNLABELLED = -1
HASHED_ROWS = 4096

IMAGES = "images.npy"
LABELS = "labels.npy"
SPLIT_CODES = "splits.npy"
FACTORS = "factors.npz"
KINDS = "kinds.npy"
INFO = "dataset.json"
# What a variant has in common with the set that it is made of.
OF_IMAGES = (IMAGES, KINDS, FACTORS, ORIGIN, BYTES, INDEX)


class MadeOf(BaseModel):
    """Of which set a variant was made, by the name it had and its content, and how, in words."""

    model_config = ConfigDict(frozen=True)

    name: str
    content_hash: str
    how: str


class DatasetInfo(BaseModel):
    """What is known of a set without reading its images.

    ``counts[split][class]`` counts labelled images; ``notes`` are sentences on what the import did, such as splits it made.
    ``made_of`` is None for what was imported.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    content_hash: str
    n: int
    channels: Literal[1, 3]
    image_size: int
    classes: list[str]
    split_sizes: dict[Split, int]
    counts: dict[Split, list[int]]
    factors: list[str]
    notes: list[str]
    made_of: MadeOf | None = None


@dataclass(frozen=True)
class Dataset:
    """Images with labels, splits and optional factors.

    Attributes:
        images: uint8, shape (N, C, H, W), C is 1 or 3, H = W; may be a read-only memory map.
        labels: int64, shape (N,), index into ``classes`` or -1 where unlabelled.
        splits: uint8, shape (N,), index into ``SPLITS``.
        classes: Class names; empty for a set without labels.
        factors: Generative factors by name, each of shape (N,), where the set has them; integers name a kind, floats a measure.
        origin: What an import saw of the originals; of a stored set, ``origin.read_origin`` reads it.
        originals: Larger originals that an import kept; of a stored set, ``originals.read_original`` reads them.
        made_of: Of a variant, of which set it was made.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    splits: NDArray[np.uint8]
    classes: tuple[str, ...]
    source: str
    factors: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    origin: Origin | None = None
    originals: Originals | None = None
    made_of: MadeOf | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def channels(self) -> int:
        return int(self.images.shape[1])

    @property
    def image_size(self) -> int:
        return int(self.images.shape[2])

    def indices(self, split: Split, *, labelled: bool = False) -> NDArray[np.int64]:
        """Positions of a split's images, ascending; with ``labelled`` only of those that have a label."""
        mask = self.splits == SPLITS.index(split)
        if labelled:
            mask &= self.labels != UNLABELLED
        return np.flatnonzero(mask)


def write_dataset(dataset: Dataset, folder: Path, same_images: Path | None = None) -> DatasetInfo:
    """Write ``dataset`` into ``folder`` (made if absent), ``dataset.json`` last, and return its description.

    ``same_images`` is the folder of a stored set with the very same images, whose files are shared instead of written.

    Raises:
        ValueError: shapes, dtypes or labels do not fit together; the message names the array.
    """
    _check(dataset)
    for name, array in ((LABELS, dataset.labels), (SPLIT_CODES, dataset.splits)):
        _write_array(array, folder / name)
    if same_images is None:
        _write_images(dataset, folder)
    else:
        for name in OF_IMAGES:
            if (same_images / name).exists():
                share_file(same_images / name, folder / name)
    info = describe(dataset)
    write_json(folder / INFO, info)
    return info


def _write_array(array: NDArray[np.generic], path: Path) -> None:
    with writing(path) as temporary:
        np.save(temporary, array, allow_pickle=False)


def _write_images(dataset: Dataset, folder: Path) -> None:
    _write_array(dataset.images, folder / IMAGES)
    _write_array(first_of_kind(dataset.images), folder / KINDS)
    if dataset.factors:
        with writing(folder / FACTORS) as temporary:
            # NumPy's stub takes the keywords for allow_pickle as well.
            np.savez(temporary, **dataset.factors)  # type: ignore[arg-type]
    if dataset.origin is not None:
        write_json(folder / ORIGIN, dataset.origin)
    if dataset.originals is not None:
        write_originals(dataset.originals, folder)


def open_dataset(folder: Path) -> Dataset:
    """Open a set with its images memory-mapped.

    Raises:
        FileNotFoundError: ``folder`` holds no complete set.
    """
    info = read_info(folder)
    factors: dict[str, NDArray[np.generic]] = {}
    if (folder / FACTORS).exists():
        with np.load(folder / FACTORS, allow_pickle=False) as archive:
            factors = {name: archive[name] for name in archive.files}
    return Dataset(
        images=np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False),
        labels=np.load(folder / LABELS, allow_pickle=False),
        splits=np.load(folder / SPLIT_CODES, allow_pickle=False),
        classes=tuple(info.classes),
        source=info.source,
        factors=factors,
        notes=tuple(info.notes),
        made_of=info.made_of,
    )


def read_info(folder: Path) -> DatasetInfo:
    """Read a set's description.

    Raises:
        FileNotFoundError: ``folder`` holds no complete set.
    """
    path = folder / INFO
    if not path.exists():
        raise FileNotFoundError(f"{folder} holds no data set: {INFO} is missing; import the images again")
    return DatasetInfo.model_validate_json(path.read_text(encoding="utf-8"))


def describe(dataset: Dataset) -> DatasetInfo:
    """Count a set's images by split and class, and name it by the hash of its content."""
    return DatasetInfo(
        source=dataset.source,
        content_hash=content_hash(dataset),
        n=len(dataset),
        channels=1 if dataset.channels == 1 else 3,
        image_size=dataset.image_size,
        classes=list(dataset.classes),
        split_sizes={split: len(dataset.indices(split)) for split in SPLITS},
        counts={
            split: np.bincount(
                dataset.labels[dataset.indices(split, labelled=True)], minlength=len(dataset.classes)
            ).tolist()
            for split in SPLITS
        },
        factors=sorted(dataset.factors),
        notes=list(dataset.notes),
        made_of=dataset.made_of,
    )


def content_hash(dataset: Dataset) -> str:
    """SHA-256 over shape, images, labels, splits and class names: the same bytes imported twice give the same name."""
    digest = hashlib.sha256(repr((dataset.images.shape, dataset.classes)).encode())
    for array in (dataset.images, dataset.labels, dataset.splits):
        # Block by block: a whole set of images may not fit into memory.
        for start in range(0, len(array), HASHED_ROWS):
            digest.update(np.ascontiguousarray(array[start : start + HASHED_ROWS]).data)
    return digest.hexdigest()


def _check(dataset: Dataset) -> None:
    images, n = dataset.images, len(dataset)
    if (
        images.ndim != 4
        or images.dtype != np.uint8
        or images.shape[1] not in (1, 3)
        or images.shape[2] != images.shape[3]
    ):
        raise ValueError(f"images must be uint8 of shape (N, 1 or 3, S, S), not {images.dtype} of {images.shape}")
    if n == 0:
        raise ValueError("images is empty: a data set needs at least one image")
    per_image: dict[str, NDArray[Any]] = {"labels": dataset.labels, "splits": dataset.splits, **dataset.factors}
    for name, array in per_image.items():
        if array.shape != (n,):
            raise ValueError(f"{name} has shape {array.shape} but there are {n} images: give one value an image")
    if dataset.labels.min() < UNLABELLED or dataset.labels.max() >= len(dataset.classes):
        raise ValueError(f"labels reach {int(dataset.labels.max())} but there are {len(dataset.classes)} classes")
    if dataset.splits.max() >= len(SPLITS):
        raise ValueError(f"splits reach {int(dataset.splits.max())} but only {len(SPLITS)} exist: {', '.join(SPLITS)}")
