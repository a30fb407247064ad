"""Handwritten digits that come with scikit-learn: real images, no download."""

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
    # Imported here: scikit-learn takes a second, and who serves images needs none of it.
    from sklearn.datasets import load_digits

    raw = load_digits()
    images = np.rint(raw.images * (255 / BRIGHTEST)).astype(np.uint8)[:, None]
    labels = raw.target.astype(np.int64)
    classes = tuple(str(digit) for digit in range(10))
    splits = fill_splits(labels, np.zeros(len(labels), dtype=np.uint8), classes)
    return Dataset(images, labels, splits.codes, classes, source="digits", notes=splits.notes)
