"""Handwritten digits that come with scikit-learn: real images, no download."""

from importlib.metadata import distribution

import numpy as np

from simclr.datasets.splits import fill_splits
from simclr.datasets.store import Dataset

BRIGHTEST = 16


def digits() -> Dataset:
    """1,797 grey digits of 8×8 pixels in ten classes, with a fixed stratified split.

    Their 0..16 is stretched to 0..255. Raw pixels already tell these digits apart (k-NN 0.97), so they show that a
    pipeline works, not that pretraining helps.

    Source: Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits, UCI (CC BY 4.0), the test part.
    """
    # Read as a file: importing scikit-learn, which would read the same one, takes over a second.
    table = np.loadtxt(
        str(distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")), delimiter=","
    )
    images = np.rint(table[:, :-1] * (255 / BRIGHTEST)).astype(np.uint8).reshape(-1, 1, 8, 8)
    labels = table[:, -1].astype(np.int64)
    classes = tuple(str(digit) for digit in range(10))
    splits = fill_splits(labels, np.zeros(len(labels), dtype=np.uint8), classes)
    return Dataset(images, labels, splits.codes, classes, source="digits", notes=splits.notes)
