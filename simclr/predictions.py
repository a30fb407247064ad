"""What a transfer answered to every labelled image of validation and test: the file behind mistakes and paired tests."""

import math
from pathlib import Path
from typing import Literal, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from simclr.comparing import AucDifference, Discordance, mcnemar, paired_bootstrap_auc
from simclr.runs import writing

HeldOut = Literal["val", "test"]


class Predictions(NamedTuple):
    """Answers on one split.

    Attributes:
        indices: Places of the images in their set, int64, shape (N,), ascending.
        labels: Their classes, int64, shape (N,).
        probabilities: Of every class, float32, shape (N, classes).
    """

    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether the answer, the first of the most probable classes, is the label, shape (N,)."""
        right: NDArray[np.bool_] = self.probabilities.argmax(axis=1) == self.labels
        return right


def write_predictions(path: Path, by_split: dict[HeldOut, Predictions]) -> None:
    """Write a NumPy archive with arrays such as "test_labels"; it appears complete or not at all."""
    arrays = {f"{split}_{name}": array for split, found in by_split.items() for name, array in found._asdict().items()}
    with writing(path, sum(array.nbytes for array in arrays.values())) as temporary:
        np.savez(temporary, **arrays)


def read_predictions(path: Path, split: HeldOut) -> Predictions:
    """Read one split of what ``write_predictions`` wrote.

    Raises:
        ValueError: the file is missing, damaged, or of another kind.
    """
    if not path.is_file():
        raise ValueError(f"no predictions at {path}: results of older versions have none, run the transfer again")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return Predictions(*(archive[f"{split}_{name}"] for name in Predictions._fields))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ValueError(f"{path} holds no predictions on {split}, or is damaged: run the transfer again") from error


class Comparison(NamedTuple):
    """Paired tests between two results on the ``n`` images of a split; ``auc`` is None where only one class occurs, and where
    ``is_auc_too_long`` says that it was not asked for."""

    n: int
    accuracy: tuple[float, float]
    mcnemar: Discordance
    auc: AucDifference | None
    is_auc_too_long: bool


def compare(first: Predictions, second: Predictions, *, most: float = math.inf) -> Comparison:
    """Test whether two results differ on the same images; their AUC only up to ``most`` answers, images times classes.

    Raises:
        ValueError: the images, their labels or the classes are not the same.
    """
    same = np.array_equal(first.indices, second.indices) and np.array_equal(first.labels, second.labels)
    if not same or first.probabilities.shape != second.probabilities.shape:
        raise ValueError(
            "the two results are not about the same images with the same labels: compare results of one set"
        )
    is_too_long = first.probabilities.size > most
    answers = first.probabilities, second.probabilities
    return Comparison(
        n=len(first.labels),
        accuracy=(float(first.is_right.mean()), float(second.is_right.mean())),
        mcnemar=mcnemar(first.is_right, second.is_right),
        auc=None if is_too_long else paired_bootstrap_auc(*answers, first.labels),
        is_auc_too_long=is_too_long,
    )
