import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from simclr.config import LabelsConfig
from simclr.labelled import Labelled
from tests.simclr.conftest import striped

ALL = LabelsConfig()


def test_only_training_labels_are_thinned_and_more_hold_the_fewer() -> None:
    dataset = striped()
    whole, half, quarter = (Labelled.of(dataset, LabelsConfig(fraction=fraction)) for fraction in (None, 0.5, 0.25))
    assert [len(each.indices["train"]) for each in (whole, half, quarter)] == [48, 24, 12]
    assert set(quarter.indices["train"]) < set(half.indices["train"]) < set(whole.indices["train"])
    for split in ("val", "test"):
        assert np.array_equal(quarter.indices[split], dataset.indices(split, labelled=True))
    assert np.bincount(Labelled.of(dataset, LabelsConfig(shots=5)).labels("train")).tolist() == [5, 5]
    first, second = (Labelled.of(dataset, LabelsConfig(shots=5, seed=seed)).indices["train"] for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_class_weights_are_scikit_learns_balanced_ones() -> None:
    dataset = striped()
    train = dataset.indices("train")
    dataset.labels[train[:20]] = 1
    labelled = Labelled.of(dataset, ALL)
    expected = compute_class_weight("balanced", classes=np.arange(2), y=labelled.labels("train"))
    np.testing.assert_allclose(labelled.class_weights(), expected, rtol=1e-6)


def test_more_shots_than_a_class_has_are_refused_by_its_name() -> None:
    dataset = striped()
    train = dataset.indices("train")
    dataset.labels[train[dataset.labels[train] == 1][:14]] = -1
    with pytest.raises(
        ValueError, match="shots is 11 but class along has 10 labelled training images: choose 10 or less"
    ):
        Labelled.of(dataset, LabelsConfig(shots=11))
    assert len(Labelled.of(dataset, LabelsConfig(shots=10)).indices["train"]) == 20


def test_a_share_and_shots_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match=r"labels.fraction \(0.5\) and labels.shots \(3\) exclude each other"):
        LabelsConfig(fraction=0.5, shots=3)


def test_a_class_missing_where_it_is_scored_is_told_by_name() -> None:
    dataset = striped()
    test = dataset.indices("test")
    dataset.labels[test[dataset.labels[test] == 1]] = -1
    (note,) = Labelled.of(dataset, ALL).notes()
    assert note == "The test split has no image of class along, so its figures say nothing of that."
