"""What a person should know of a set before training on it: balance, leakage, doubles, what was left out, false negatives."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from simclr.datasets.duplicates import METHOD, Twins, blocks, find_twins
from simclr.datasets.false_negatives import FalseNegatives, false_negatives
from simclr.datasets.origin import Origin, SizeCount, Skipped, read_origin
from simclr.datasets.store import SPLITS, UNLABELLED, Dataset, Split, open_dataset
from simclr.runs import write_json

BATCHES = (64, 256, 1024, 4096)
REPORT = "report.json"
MOST_LISTED = 1000
# An image of the first split that also stands in the second makes scores on the first too good.
LEAKS: tuple[tuple[Split, Split], ...] = (("val", "train"), ("test", "train"), ("test", "val"))


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Balance(_Part):
    """How even the classes of a split are.

    Attributes:
        largest, smallest: Images of the largest and of the smallest class of the set, 0 for one that the split lacks.
        ratio: largest / smallest, None where the smallest has no image; 1 when even.
        effective_classes: exp of the entropy of the class shares: the number of classes of an even set as uncertain as this one.
    """

    largest: int
    smallest: int
    ratio: float | None
    effective_classes: float


class Twin(_Part):
    """Image ``image`` also stands in the set as ``twin``; positions, and names where the images were files."""

    kind: Literal["exact", "near"]
    image: int
    twin: int
    image_name: str = ""
    twin_name: str = ""
    same_class: bool | None = None


class Leak(_Part):
    """Images of the split ``of`` that also stand in the split ``also_in``, each counted once; exact goes before near."""

    of: Split
    also_in: Split
    exact: int
    near: int
    listed: list[Twin]


class Duplicates(_Part):
    """Images that stand in the set more than once.

    Attributes:
        exact, near: Images that repeat one which stands before them, in the set as a whole; each counted once.
        conflicting: Twins whose labels differ.
        within: The first 1,000 pairs that stand in one split.
        leaks: Between splits: validation and test against train, and test against validation.
        is_complete: False where near pairs were too many to compare.
        method: How they were found.
    """

    exact: int
    near: int
    conflicting: int
    within: list[Twin]
    leaks: list[Leak]
    is_complete: bool
    method: str


class DatasetReport(_Part):
    """Everything that is told of a set; lists are bounded, numbers are not.

    Attributes:
        classes: Names, in the order of ``counts``.
        counts: Labelled images by split and class.
        unlabelled: Images without a class, by split.
        sizes: Of the originals in pixels, the most common first; empty where the source had none.
        skipped: Files that were left out, 10,000 at most; ``skipped_n`` counts all.
        balance: By split, of those with labels.
        mean, std: Of every channel over all training images and pixels, in [0, 1].
        false_negatives: By batch size; empty without labels.
    """

    n: int
    channels: int
    image_size: int
    classes: list[str]
    split_sizes: dict[Split, int]
    counts: dict[Split, list[int]]
    unlabelled: dict[Split, int]
    sizes: list[SizeCount]
    skipped: list[Skipped]
    skipped_n: int
    balance: dict[Split, Balance]
    mean: list[float]
    std: list[float]
    duplicates: Duplicates
    false_negatives: list[FalseNegatives]
    notes: list[str]


def make_report(dataset: Dataset, origin: Origin | None = None, batches: tuple[int, ...] = BATCHES) -> DatasetReport:
    """Look at every image of a set: 60,000 of 32 × 32 take a few seconds of one core.

    Args:
        dataset: The set.
        origin: What its import saw, such as ``origin.read_origin`` gives; by default the set's own.
        batches: Batch sizes, in images, for which false negatives are told; those larger than the training split are left out.
    """
    counts = count_labels(dataset)
    seen = origin or dataset.origin or Origin()
    train = dataset.indices("train")
    mean, std = channel_statistics(dataset.images, train if len(train) else np.arange(len(dataset)))
    training = np.array(counts["train"], dtype=np.int64)
    fitting = [batch for batch in batches if 2 <= batch <= training.sum()]
    return DatasetReport(
        n=len(dataset),
        channels=dataset.channels,
        image_size=dataset.image_size,
        classes=list(dataset.classes),
        split_sizes={split: len(dataset.indices(split)) for split in SPLITS},
        counts=counts,
        unlabelled={s: len(dataset.indices(s)) - len(dataset.indices(s, labelled=True)) for s in SPLITS},
        sizes=seen.sizes,
        skipped=seen.skipped,
        skipped_n=seen.skipped_n,
        balance={split: _balance(np.array(n)) for split, n in counts.items() if sum(n)},
        mean=mean,
        std=std,
        duplicates=_duplicates(dataset, find_twins(dataset.images), seen.names),
        false_negatives=[false_negatives(training, batch) for batch in fitting],
        notes=list(dataset.notes),
    )


def report_of(folder: Path) -> DatasetReport:
    """The report of a stored set: made when it is first asked for, and kept beside it as ``report.json``.

    Raises:
        FileNotFoundError: ``folder`` holds no complete set.
    """
    if (kept := kept_report(folder)) is not None:
        return kept
    report = make_report(open_dataset(folder), read_origin(folder))
    write_json(folder / REPORT, report)
    return report


def kept_report(folder: Path) -> DatasetReport | None:
    """The report that lies beside a stored set; None where none was made yet, or an older version made it."""
    try:
        return DatasetReport.model_validate_json((folder / REPORT).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValidationError):
        return None


def count_labels(dataset: Dataset) -> dict[Split, list[int]]:
    """Labelled images by split and class."""
    return {
        split: np.bincount(
            dataset.labels[dataset.indices(split, labelled=True)], minlength=len(dataset.classes)
        ).tolist()
        for split in SPLITS
    }


def channel_statistics(images: NDArray[np.uint8], positions: NDArray[np.int64]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of every channel over all pixels of some images, in [0, 1]; exact sums of integers."""
    channels = images.shape[1]
    total, squares = np.zeros(channels, np.int64), np.zeros(channels, np.int64)
    for part in blocks(images, len(positions)):
        block = images[positions[part]]
        for channel in range(channels):
            seen = np.bincount(block[:, channel].ravel(), minlength=256)
            total[channel] += seen @ np.arange(256)
            squares[channel] += seen @ np.arange(256) ** 2
    pixels = len(positions) * images.shape[2] * images.shape[3]
    mean = total / pixels
    std = np.sqrt(np.maximum(0, squares / pixels - mean**2))
    return (mean / 255).tolist(), (std / 255).tolist()


def _balance(counts: NDArray[np.int64]) -> Balance:
    shares = counts[counts > 0] / counts.sum()
    largest, smallest = int(counts.max()), int(counts.min())
    return Balance(
        largest=largest,
        smallest=smallest,
        ratio=largest / smallest if smallest else None,
        effective_classes=float(np.exp(-(shares * np.log(shares)).sum())),
    )


def _duplicates(dataset: Dataset, twins: Twins, names: list[str]) -> Duplicates:
    there = _Whereabouts(dataset, twins, names)
    labels, kind, near = dataset.labels, twins.kind, twins.near
    return Duplicates(
        exact=int((kind != np.arange(len(kind))).sum()),
        near=len(np.unique(near[:, 1])),
        conflicting=_conflicts(labels, labels[kind]) + _conflicts(labels[near[:, 0]], labels[near[:, 1]]),
        within=there.within(),
        leaks=[there.leak(of, also_in) for of, also_in in LEAKS],
        is_complete=twins.is_complete,
        method=METHOD,
    )


def _conflicts(first: NDArray[np.int64], second: NDArray[np.int64]) -> int:
    return int(((first != second) & (first != UNLABELLED) & (second != UNLABELLED)).sum())


class _Whereabouts:
    """In which splits each kind of image stands: by split, the first position of a kind, or -1."""

    def __init__(self, dataset: Dataset, twins: Twins, names: list[str]) -> None:
        self._dataset, self._twins, self._names = dataset, twins, names
        self._first = {split: self._first_of_each_kind(split) for split in SPLITS}

    def leak(self, of: Split, also_in: Split) -> Leak:
        """Which images of one split stand in the other too."""
        inside, kind = self._dataset.indices(of), self._twins.kind
        exact, near = self._first[also_in], self._near_first(also_in)
        same = inside[exact[kind[inside]] >= 0]
        alike = inside[(exact[kind[inside]] < 0) & (near[kind[inside]] >= 0)]
        listed = [self._twin("exact", i, int(exact[kind[i]])) for i in same[:MOST_LISTED].tolist()]
        listed += [self._twin("near", i, int(near[kind[i]])) for i in alike[:MOST_LISTED].tolist()]
        return Leak(of=of, also_in=also_in, exact=len(same), near=len(alike), listed=listed[:MOST_LISTED])

    def within(self) -> list[Twin]:
        """Pairs that stand in one split."""
        pairs: list[Twin] = []
        for split in SPLITS:
            first = self._first[split]
            inside = self._dataset.indices(split)
            again = inside[first[self._twins.kind[inside]] != inside]
            pairs += [self._twin("exact", i, int(first[self._twins.kind[i]])) for i in again[:MOST_LISTED].tolist()]
            both = first[self._twins.near]
            both = both[(both >= 0).all(1)]
            pairs += [self._twin("near", b, a) for a, b in both[:MOST_LISTED].tolist()]
        return pairs[:MOST_LISTED]

    def _first_of_each_kind(self, split: Split) -> NDArray[np.int64]:
        first = np.full(len(self._dataset), -1)
        # The last assignment stays, so the positions go backwards.
        inside = self._dataset.indices(split)[::-1]
        first[self._twins.kind[inside]] = inside
        return first

    def _near_first(self, split: Split) -> NDArray[np.int64]:
        """The first position in a split of some kind that is near a kind, or -1."""
        near = np.full(len(self._dataset), -1)
        for one, other in (self._twins.near.T, self._twins.near[:, ::-1].T):
            known = self._first[split][other]
            near[one[known >= 0]] = known[known >= 0]
        return near

    def _twin(self, how: Literal["exact", "near"], image: int, twin: int) -> Twin:
        label, other = int(self._dataset.labels[image]), int(self._dataset.labels[twin])
        return Twin(
            kind=how,
            image=image,
            twin=twin,
            image_name=self._names[image] if self._names else "",
            twin_name=self._names[twin] if self._names else "",
            same_class=None if UNLABELLED in (label, other) else label == other,
        )
