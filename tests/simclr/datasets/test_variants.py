"""Variants: the same images with other splits or fewer labels, shared on the disk, and whole without the set they are of."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from simclr.datasets import Dataset, DatasetError, open_dataset, write_dataset
from simclr.datasets.origin import Origin, read_origin
from simclr.datasets.originals import Keeper, read_original
from simclr.datasets.variants import LabelsVariant, SplitsVariant, vary, write_variant

N = 120


def three_classes() -> Dataset:
    """Sixty images of class 0, thirty of class 1, twelve of class 2, the rest unlabelled; all for training but every fifth."""
    labels = np.repeat([0, 1, 2, -1], [60, 30, 12, 18])
    images = np.random.default_rng(0).integers(0, 256, (N, 1, 8, 8), dtype=np.uint8)
    splits = np.where(np.arange(N) % 5 == 0, 2, 0).astype(np.uint8)
    return Dataset(
        images, labels, splits, ("ant", "bee", "cat"), "made here", {"turn": np.arange(N) / N}, ("As it came.",)
    )


def by_class(dataset: Dataset, split: Any) -> list[int]:
    return np.bincount(dataset.labels[dataset.indices(split, labelled=True)], minlength=3).tolist()


def test_new_splits_hold_every_class_in_proportion_and_unlabelled_images_are_trained_on() -> None:
    dataset = three_classes()
    made = vary(dataset, SplitsVariant(train=0.5, val=0.25, test=0.25, seed=3), "Insects")
    assert [by_class(made, split) for split in ("train", "val", "test")] == [[30, 15, 6], [15, 7, 3], [15, 8, 3]]
    assert (made.splits[made.labels == -1] == 0).all()
    assert np.array_equal(made.labels, dataset.labels)
    assert made.notes == (
        "As it came.",
        "Made of Insects: labelled images divided anew, 50 % train, 25 % val, 25 % test of every class (seed 3).",
    )


@pytest.mark.parametrize(
    ("variant", "kept", "how"),
    [
        (LabelsVariant(fraction=0.5, seed=1), [24, 12, 4], "50 % of every class's training labels kept (seed 1)."),
        (LabelsVariant(shots=1), [1, 1, 1], "1 training label of every class kept (seed 0)."),
        (LabelsVariant(shots=9), [9, 9, 9], "9 training labels of every class kept (seed 0)."),
    ],
)
def test_only_training_labels_become_fewer(variant: LabelsVariant, kept: list[int], how: str) -> None:
    dataset = three_classes()
    made = vary(dataset, variant)
    assert by_class(made, "train") == kept
    assert by_class(made, "test") == by_class(dataset, "test") == [12, 6, 3]
    left = made.labels >= 0
    assert np.array_equal(made.labels[left], dataset.labels[left])
    assert np.array_equal(made.splits, dataset.splits)
    assert made.made_of is not None
    assert made.made_of.how == how


@pytest.mark.parametrize(
    ("spoil", "variant", "code", "says"),
    [
        (lambda d: replace(d, labels=np.full(N, -1)), SplitsVariant(), "no_labels", "made here has no labels"),
        (lambda d: replace(d, labels=np.full(N, -1)), LabelsVariant(shots=1), "no_labels", "choose a labelled set"),
        (lambda d: replace(d, splits=np.full(N, 2, np.uint8)), LabelsVariant(shots=1), "no_labels", "make new splits"),
        (lambda d: d, LabelsVariant(shots=10), "too_few_images", "cat has 9 labelled training images, but shots is 10"),
        (lambda d: d, LabelsVariant(), "no_choice", "a fraction of them, or shots"),
        (lambda d: d, SplitsVariant(train=0.98, val=0.01, test=0.01), "too_few_images", "val would get 1 of 102"),
    ],
)
def test_what_cannot_be_made_is_refused_with_what_can(
    spoil: Callable[[Dataset], Dataset], variant: SplitsVariant | LabelsVariant, code: str, says: str
) -> None:
    with pytest.raises(DatasetError, match=says) as refusal:
        vary(spoil(three_classes()), variant)
    assert refusal.value.code == code


def test_shares_that_are_no_whole_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"add up to 0\.9: make it 1"):
        SplitsVariant(train=0.6, val=0.1, test=0.2)
    with pytest.raises(ValidationError, match=r"greater than or equal to 0\.001"):
        SplitsVariant(train=0.9, val=0.0, test=0.1)


def test_a_stored_variant_has_the_images_of_its_set_without_a_copy_and_outlives_it(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "originals", 64, 10**6)
    from PIL import Image

    keeper.keep(1, Image.new("L", (40, 30), 9))
    names = [f"{i}.png" for i in range(N)]
    dataset = replace(three_classes(), origin=Origin(names=names), originals=keeper.done(list(range(N))))
    parent, child = tmp_path / "parent", tmp_path / "child"
    info = write_dataset(dataset, parent)
    made = write_variant(parent, child, SplitsVariant(), "Insects")
    assert made.content_hash != info.content_hash
    assert made.made_of is not None
    assert (made.made_of.name, made.made_of.content_hash) == ("Insects", info.content_hash)
    shared = ("images.npy", "factors.npz", "origin.json", "originals.bin", "originals.npy")
    assert {name: (child / name).samefile(parent / name) for name in shared} == dict.fromkeys(shared, True)
    shutil.rmtree(parent)
    opened = open_dataset(child)
    assert opened.made_of == made.made_of
    assert np.array_equal(opened.images, dataset.images)
    assert np.array_equal(opened.factors["turn"], dataset.factors["turn"])
    assert read_origin(child).names == names
    assert (read_original(child, 0), read_original(child, 1) is not None) == (None, True)


def test_the_same_choice_of_the_same_set_is_the_same_set(tmp_path: Path) -> None:
    write_dataset(three_classes(), tmp_path / "parent")
    seeds = {"first": 1, "again": 1, "other": 2}
    made = {
        name: write_variant(tmp_path / "parent", tmp_path / name, SplitsVariant(seed=seed))
        for name, seed in seeds.items()
    }
    assert made["first"] == made["again"]
    assert made["first"].content_hash != made["other"].content_hash


def test_where_files_cannot_have_two_names_they_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr("os.link", refuse)
    write_dataset(three_classes(), tmp_path / "parent")
    write_variant(tmp_path / "parent", tmp_path / "child", LabelsVariant(shots=2))
    assert not (tmp_path / "child/images.npy").samefile(tmp_path / "parent/images.npy")
    assert np.array_equal(open_dataset(tmp_path / "child").images, three_classes().images)
