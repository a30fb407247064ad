"""Variants of a set: the same images under other splits, or with only some of the training labels, as a set of its own."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from simclr.choices import Config, Seed, choice
from simclr.datasets.errors import DatasetError
from simclr.datasets.splits import TEST_SHARE, VAL_SHARE
from simclr.datasets.store import (
    SPLITS,
    UNLABELLED,
    Dataset,
    DatasetInfo,
    MadeOf,
    open_dataset,
    read_info,
    write_dataset,
)
from simclr.datasets.subsets import k_shot, label_fraction, stratified_split
from simclr.transfer_config import LabelsConfig


def _share(default: float, why: str) -> Any:
    return choice(round(default, 6), why, unit="of labelled images", basic=True, ge=0.001, le=0.998)


class SplitsVariant(Config):
    """Labelled images divided anew, every class in proportion; those without a label are for training, as none can be scored."""

    make: Literal["splits"] = "splits"
    train: float = _share(1 - VAL_SHARE - TEST_SHARE, "Share of every class that is trained on.")
    val: float = _share(VAL_SHARE, "Share that settings are chosen on.")
    test: float = _share(TEST_SHARE, "Share that is kept for final scores.")
    seed: Seed = choice(0, "Draws which image goes where; the same seed gives the same splits.")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        whole = self.train + self.val + self.test
        if abs(whole - 1) > 1e-6:
            raise ValueError(
                f"train ({self.train:g}), val ({self.val:g}) and test ({self.test:g}) add up to {whole:g}: make it 1"
            )
        return self


class LabelsVariant(LabelsConfig):
    """The same splits, with only some of the training labels; ``fraction`` or ``shots`` says how many."""

    make: Literal["labels"] = "labels"


Variant = Annotated[SplitsVariant | LabelsVariant, Field(discriminator="make")]


def vary(dataset: Dataset, variant: SplitsVariant | LabelsVariant, name: str = "", content_hash: str = "") -> Dataset:
    """The same images with other splits or fewer labels; no pixel is read.

    Args:
        dataset: The set that it is made of.
        variant: What is other.
        name: What people call ``dataset``; by default its source.
        content_hash: Of ``dataset``, where it is known; noted in ``made_of``.

    Raises:
        DatasetError: ``no_labels``, there are none; ``too_few_images``, a class has fewer than ``shots``, or a split would get
            fewer than two; ``no_choice``, neither ``fraction`` nor ``shots`` is given.
    """
    name = name or dataset.source
    if not (dataset.labels != UNLABELLED).any():
        raise DatasetError("no_labels", f"{name} has no labels, so there is nothing to divide: choose a labelled set")
    if isinstance(variant, SplitsVariant):
        varied, how = replace(dataset, splits=_new_splits(dataset, variant)), _splits_sentence(variant)
    else:
        varied, how = replace(dataset, labels=_fewer_labels(dataset, variant, name)), _labels_sentence(variant)
    made_of = MadeOf(name=name, content_hash=content_hash, how=how)
    return replace(varied, notes=(*dataset.notes, f"Made of {name}: {how}"), made_of=made_of)


def write_variant(parent: Path, folder: Path, variant: SplitsVariant | LabelsVariant, name: str = "") -> DatasetInfo:
    """Store a variant of the set in ``parent`` in ``folder``; both have the same images on the disk, and either may be deleted.

    Raises:
        DatasetError: as ``vary``.
        FileNotFoundError: ``parent`` holds no complete set.
    """
    varied = vary(open_dataset(parent), variant, name, read_info(parent).content_hash)
    return write_dataset(varied, folder, same_images=parent)


def _new_splits(dataset: Dataset, variant: SplitsVariant) -> NDArray[np.uint8]:
    labelled = np.flatnonzero(dataset.labels != UNLABELLED)
    shares = np.array([variant.train, variant.val, variant.test])
    parts = stratified_split(dataset.labels[labelled], (shares / shares.sum()).tolist(), variant.seed)
    codes = np.full(len(dataset), SPLITS.index("train"), np.uint8)
    for code, (split, part) in enumerate(zip(SPLITS, parts, strict=True)):
        if len(part) < 2:
            raise DatasetError(
                "too_few_images",
                f"{split} would get {len(part)} of {len(labelled)} labelled images: give it a larger share, so that it has 2",
            )
        codes[labelled[part]] = code
    return codes


def _fewer_labels(dataset: Dataset, variant: LabelsVariant, name: str) -> NDArray[np.int64]:
    labels, train = dataset.labels, dataset.indices("train")
    if variant.shots is not None:
        _check_shots(dataset, variant.shots, name)
        kept = k_shot(labels, train, variant.shots, variant.seed)
    elif variant.fraction is not None:
        kept = label_fraction(labels, train, variant.fraction, variant.seed)
    else:
        raise DatasetError("no_choice", "say how many labels are kept: a fraction of them, or shots of every class")
    fewer = labels.copy()
    fewer[train] = UNLABELLED
    fewer[kept] = labels[kept]
    return fewer


def _check_shots(dataset: Dataset, shots: int, name: str) -> None:
    counts = Counter(dataset.labels[dataset.indices("train", labelled=True)].tolist())
    if not counts:
        raise DatasetError("no_labels", f"no training image of {name} has a label: make new splits first")
    label, n = min(counts.items(), key=lambda item: (item[1], item[0]))
    if n < shots:
        raise DatasetError(
            "too_few_images",
            f"{dataset.classes[label]} has {n} labelled training {'image' if n == 1 else 'images'}, but shots is {shots}: "
            f"choose {n} at most",
        )


def _splits_sentence(variant: SplitsVariant) -> str:
    shares = ", ".join(f"{100 * getattr(variant, split):g} % {split}" for split in SPLITS)
    return f"labelled images divided anew, {shares} of every class (seed {variant.seed})."


def _labels_sentence(variant: LabelsVariant) -> str:
    if variant.shots is not None:
        kept = f"{variant.shots} training {'label' if variant.shots == 1 else 'labels'} of every class"
    else:
        kept = f"{100 * (variant.fraction or 0):g} % of every class's training labels"
    return f"{kept} kept (seed {variant.seed})."
