"""Missing splits: stratified, disjoint, the same every time, and refused where a class is too small."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simclr.datasets import DatasetError
from simclr.datasets.splits import fill_splits

NAMES = tuple("abcdefgh")


def labels_of(counts: list[int]) -> np.ndarray:
    return np.repeat(np.arange(len(counts)), counts).astype(np.int64)


@given(st.lists(st.integers(3, 60), min_size=1, max_size=8))
def test_every_class_gets_its_share_of_every_split(counts: list[int]) -> None:
    labels = labels_of(counts)
    codes = fill_splits(labels, np.zeros(len(labels), np.uint8), NAMES[: len(counts)]).codes
    for label, count in enumerate(counts):
        train, val, test = np.bincount(codes[labels == label], minlength=3)
        assert min(train, val, test) >= 1
        assert abs(test - 0.2 * count) <= 1
        assert abs(val - 0.1 * (count - test)) <= 1


def test_the_same_labels_give_the_same_splits() -> None:
    labels, train = labels_of([20, 30]), np.zeros(50, np.uint8)
    assert np.array_equal(fill_splits(labels, train, NAMES[:2]).codes, fill_splits(labels, train, NAMES[:2]).codes)
    assert not train.any()


def test_splits_that_are_there_stay_as_they_are() -> None:
    labels, codes = labels_of([10, 10]), np.tile(np.array([0, 0, 0, 1, 2], np.uint8), 4)
    filled = fill_splits(labels, codes, NAMES[:2])
    assert np.array_equal(filled.codes, codes)
    assert filled.notes == ()


def test_only_training_images_are_moved() -> None:
    labels, codes = labels_of([20, 20]), np.tile(np.array([0, 0, 0, 0, 2], np.uint8), 8)
    filled = fill_splits(labels, codes, NAMES[:2])
    assert np.array_equal(filled.codes == 2, codes == 2)
    assert (filled.codes == 1).sum() == 4
    assert len(filled.notes) == 1
    assert "no val split" in filled.notes[0]


def test_unlabelled_images_are_never_moved() -> None:
    labels = np.concatenate([labels_of([10, 10]), np.full(30, -1)])
    codes = fill_splits(labels, np.zeros(50, np.uint8), NAMES[:2]).codes
    assert not codes[20:].any()
    assert codes[:20].any()


def test_a_set_without_labels_is_all_for_training() -> None:
    filled = fill_splits(np.full(5, -1), np.zeros(5, np.uint8), ())
    assert not filled.codes.any()
    assert filled.notes == ()


@pytest.mark.parametrize(
    ("counts", "codes", "words"),
    [
        ([1], [0], "1 training image, but pairs need at least 2"),
        ([10, 2], [0] * 12, "class 'b' has 2 training images, but 3 are needed"),
        ([11, 1], [0] * 9 + [2, 2, 0], "class 'b' has 1 training image, but 2 are needed"),
        ([2], [2, 2], "0 training images"),
    ],
)
def test_a_set_too_small_is_refused_by_name(counts: list[int], codes: list[int], words: str) -> None:
    with pytest.raises(DatasetError, match=words) as refusal:
        fill_splits(labels_of(counts), np.array(codes, np.uint8), NAMES[: len(counts)])
    assert refusal.value.code == "too_few_images"


@pytest.mark.parametrize(("split", "code"), [("val", 1), ("test", 2)])
def test_a_given_split_with_one_labelled_image_is_refused(split: str, code: int) -> None:
    codes = np.zeros(20, np.uint8)
    codes[3] = code
    with pytest.raises(DatasetError, match=f"the {split} split has 1 labelled image") as refused:
        fill_splits(labels_of([10, 10]), codes, NAMES[:2])
    assert refused.value.code == "too_few_images"
