"""Splits for sets that come without them: stratified by class, the same every time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simclr.datasets.errors import DatasetError
from simclr.datasets.store import SPLITS, UNLABELLED, Split

TEST_SHARE = 0.2
VAL_SHARE = 0.1
SHARES: dict[Split, tuple[float, str]] = {"test": (TEST_SHARE, "final scores"), "val": (VAL_SHARE, "choosing settings")}
SEED = 0


@dataclass(frozen=True)
class Splits:
    """``codes``: uint8, shape (N,), index into ``SPLITS``; ``notes``: a sentence for each split that was made."""

    codes: NDArray[np.uint8]
    notes: tuple[str, ...]


def fill_splits(labels: NDArray[np.int64], codes: NDArray[np.uint8], classes: tuple[str, ...]) -> Splits:
    """Take a missing test split (20 %), then a missing validation split (10 %), from the labelled training images.

    Both are stratified by class, with at least one image of every class, and depend on the labels alone. A set without
    labels stays as it is: nothing can be scored on it, so every image may as well be trained on.

    Args:
        labels: int64, shape (N,), -1 where unlabelled.
        codes: uint8, shape (N,), index into ``SPLITS``; all train where the set has no splits.
        classes: Names for the message of a refusal.

    Raises:
        DatasetError: ``too_few_images``: fewer than two training images, a class too small to be divided, or a given
            split with a single labelled image, on which every accuracy is 0 or 1.
    """
    filled, notes = codes.copy(), []
    labelled = labels != UNLABELLED
    missing: list[Split] = [s for s in SHARES if labelled.any() and not (labelled & (codes == SPLITS.index(s))).any()]
    _check_sizes(labels, codes, classes, missing)
    for split in missing:
        share, purpose = SHARES[split]
        taken = _stratified(labels, filled == SPLITS.index("train"), share)
        filled[taken] = SPLITS.index(split)
        notes.append(
            f"There was no {split} split, so {len(taken)} training images ({share:.0%} of every class) "
            f"were set aside for {purpose}."
        )
    return Splits(filled, tuple(notes))


def _stratified(labels: NDArray[np.int64], pool: NDArray[np.bool_], share: float) -> NDArray[np.int64]:
    """Positions of ``share`` of every class's images in ``pool``: drawn with a fixed seed, at least one of each class."""
    rng = np.random.default_rng(SEED)
    members = (np.flatnonzero(pool & (labels == label)) for label in np.unique(labels[pool & (labels != UNLABELLED)]))
    chosen = [rng.permutation(positions)[: max(1, round(share * len(positions)))] for positions in members]
    return np.sort(np.concatenate(chosen))


def _check_sizes(
    labels: NDArray[np.int64], codes: NDArray[np.uint8], classes: tuple[str, ...], missing: list[Split]
) -> None:
    train = codes == SPLITS.index("train")
    count = int(train.sum())
    if count < 2:
        raise DatasetError(
            "too_few_images",
            f"the set has {count} training {'image' if count == 1 else 'images'}, but pairs need at least 2: add images",
        )
    for split in SHARES:
        if (labels[codes == SPLITS.index(split)] != UNLABELLED).sum() == 1:
            raise DatasetError(
                "too_few_images",
                f"the {split} split has 1 labelled image, from which no accuracy can be told: add images, or leave the split "
                "out to have it taken from train",
            )
    if not missing:
        return
    needed = 1 + len(missing)
    counts = np.bincount(labels[train & (labels != UNLABELLED)], minlength=len(classes))
    for name, have in zip(classes, counts.tolist(), strict=True):
        if have < needed:
            raise DatasetError(
                "too_few_images",
                f"class {name!r} has {have} training {'image' if have == 1 else 'images'}, but {needed} are needed to take "
                f"the missing {' and '.join(missing)} split from them: add images, or give your own splits",
            )
