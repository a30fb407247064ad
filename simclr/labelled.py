"""The labelled images that a transfer learns from, chooses on and is tested on; sets that cannot serve are refused. No torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simclr.config import LabelsConfig
from simclr.datasets.store import SPLITS, Dataset, Split
from simclr.datasets.subsets import k_shot, label_fraction


@dataclass(frozen=True)
class Labelled:
    """Places of labelled images by split, those of training thinned as asked."""

    dataset: Dataset
    indices: dict[Split, NDArray[np.int64]]

    @classmethod
    def of(cls, dataset: Dataset, wanted: LabelsConfig) -> "Labelled":
        """Choose the images.

        Raises:
            ValueError: the set has fewer than two classes, a split has no labelled image, a class has no training image, or
                fewer than there shall be shots.
        """
        indices = {split: dataset.indices(split, labelled=True) for split in SPLITS}
        _check(dataset, indices)
        train = indices["train"]
        if wanted.shots is not None:
            _check_shots(dataset, train, wanted.shots)
            train = k_shot(dataset.labels, train, wanted.shots, wanted.seed)
        elif wanted.fraction is not None:
            train = label_fraction(dataset.labels, train, wanted.fraction, wanted.seed)
        return cls(dataset, indices | {"train": train})

    def labels(self, split: Split) -> NDArray[np.int64]:
        """Classes of a split's images, int64, shape (N,)."""
        return self.dataset.labels[self.indices[split]]

    @property
    def chance(self) -> float:
        """Test accuracy of always answering the class that is commonest in training."""
        return float((self.labels("test") == np.bincount(self.labels("train")).argmax()).mean())

    def class_weights(self) -> NDArray[np.float32]:
        """Of every class, such that all count alike in training: N / (classes · images of the class)."""
        counts = np.bincount(self.labels("train"), minlength=len(self.dataset.classes))
        return (len(self.indices["train"]) / (len(counts) * counts)).astype(np.float32)

    def notes(self) -> list[str]:
        """Sentences on what the scores cannot tell."""
        return [
            f"The {split} split has no image of class {', '.join(missing)}, so its figures say nothing of that."
            for split in ("val", "test")
            if (missing := _missing(self.dataset, self.indices[split]))
        ]


def _check(dataset: Dataset, indices: dict[Split, NDArray[np.int64]]) -> None:
    if len(dataset.classes) < 2:
        raise ValueError(
            f"the set has {len(dataset.classes)} classes, but a transfer needs two: "
            "import images in class folders, or with labels"
        )
    for split in SPLITS:
        if len(indices[split]) == 0:
            raise ValueError(
                f"the {split} split has no labelled images: add some, or import the set without {split} images "
                "so that a split is made"
            )
    if missing := _missing(dataset, indices["train"]):
        raise ValueError(
            f"no training image is of class {', '.join(missing)}: add some to train, or leave the class out of val and test"
        )


def _check_shots(dataset: Dataset, train: NDArray[np.int64], shots: int) -> None:
    counts = np.bincount(dataset.labels[train], minlength=len(dataset.classes))
    rarest = int(counts.argmin())
    if shots > counts[rarest]:
        raise ValueError(
            f"labels.shots is {shots} but class {dataset.classes[rarest]} has {counts[rarest]} labelled training images: "
            f"choose {counts[rarest]} or less"
        )


def _missing(dataset: Dataset, indices: NDArray[np.int64]) -> list[str]:
    counts = np.bincount(dataset.labels[indices], minlength=len(dataset.classes))
    return [name for name, count in zip(dataset.classes, counts, strict=True) if count == 0]
