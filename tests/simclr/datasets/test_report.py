"""Reports: leaks are found, all of them and nothing else; counts, statistics and false negatives are what they say."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simclr.datasets import BUILTIN, Dataset
from simclr.datasets.archive import import_archive
from simclr.datasets.duplicates import find_twins, first_of_kind, perceptual_hashes
from simclr.datasets.false_negatives import false_negatives
from simclr.datasets.npz import import_npz
from simclr.datasets.origin import read_origin
from simclr.datasets.patterns import patterns
from simclr.datasets.report import DatasetReport, Leak, channel_statistics, make_report, report_of
from simclr.datasets.store import open_dataset, write_dataset
from tests.simclr.datasets.pictures import SHARED, class_folders, encoded, pack, png


def leak(report: DatasetReport, of: str, also_in: str) -> Leak:
    return next(found for found in report.duplicates.leaks if (found.of, found.also_in) == (of, also_in))


def of_pixels(images: np.ndarray, splits: list[int] | np.ndarray, labels: list[int] | None = None) -> Dataset:
    known = np.array(labels if labels is not None else [-1] * len(images), dtype=np.int64)
    return Dataset(images, known, np.array(splits, dtype=np.uint8), ("a", "b") if labels else (), source="test")


def varied(image: np.ndarray, how: str) -> np.ndarray:
    """A copy that an eye takes for the same picture."""
    picture = Image.fromarray(image.transpose(1, 2, 0))
    if how == "jpeg":
        buffer = BytesIO()
        picture.save(buffer, "JPEG", quality=80)
        picture = Image.open(buffer)
    elif how == "brighter":
        return np.clip(image.astype(int) + 18, 0, 255).astype(np.uint8)
    elif how == "flatter":
        return (image * 0.85 + 12).astype(np.uint8)
    elif how == "resized":
        picture = picture.resize((24, 24), Image.Resampling.BICUBIC).resize((32, 32), Image.Resampling.BICUBIC)
    return np.asarray(picture).transpose(2, 0, 1)


def test_37_planted_test_images_are_found_and_nothing_else() -> None:
    clean = patterns(3300, seed=3)
    images = clean.images.copy()
    train, test = clean.indices("train"), clean.indices("test")
    hows = ["exact"] * 20 + ["jpeg"] * 5 + ["brighter"] * 4 + ["flatter"] * 4 + ["resized"] * 4
    rng = np.random.default_rng(0)
    planted, twins = rng.permutation(test)[:37], rng.permutation(train)[:37]
    for where, twin, how in zip(planted, twins, hows, strict=True):
        images[where] = clean.images[twin] if how == "exact" else varied(clean.images[twin], how)
    report = make_report(replace(clean, images=images))
    found = leak(report, "test", "train")
    assert (found.exact, found.near) == (20, 17)
    assert {(twin.image, twin.twin) for twin in found.listed} == set(zip(planted.tolist(), twins.tolist(), strict=True))
    assert [(one.exact, one.near) for one in report.duplicates.leaks if one is not found] == [(0, 0), (0, 0)]
    assert report.duplicates.within == []
    assert (report.duplicates.exact, report.duplicates.near) == (20, 17)


def test_a_clean_set_has_no_twins() -> None:
    twins = find_twins(patterns(1100).images)
    assert len(twins.near) == 0
    assert np.array_equal(twins.kind, np.arange(1100))


def test_copies_are_seen_from_every_split_that_holds_them() -> None:
    """One picture twice in test, once in train and once in validation: the first of them is no excuse for the others."""
    different = patterns(110).images
    images = np.concatenate([different[:1], different[:1], different[1:3], different[:1], different[:1]])
    report = make_report(of_pixels(images, [2, 0, 0, 1, 1, 2]))
    assert [(one.of, one.also_in, one.exact) for one in report.duplicates.leaks] == [
        ("val", "train", 1), ("test", "train", 2), ("test", "val", 2),
    ]  # fmt: skip
    assert report.duplicates.exact == 3
    assert [(twin.image, twin.twin) for twin in report.duplicates.within] == [(5, 0)]


def test_twins_of_different_classes_are_counted_as_conflicts() -> None:
    different = patterns(110).images
    images = np.concatenate([different[:2], different[:2], varied(different[1], "jpeg")[None]])
    report = make_report(of_pixels(images, [0] * 5, [0, 1, 1, 1, 0]))
    assert report.duplicates.conflicting == 2
    assert [twin.same_class for twin in report.duplicates.within] == [False, True, False]


def test_a_mirrored_or_unrelated_picture_is_no_twin() -> None:
    image = patterns(110).images[:1]
    assert len(find_twins(np.concatenate([image, image[..., ::-1].copy()])).near) == 0


def test_blank_pictures_are_twins_only_when_they_are_the_same() -> None:
    blank = np.stack([np.full((3, 16, 16), level, np.uint8) for level in (10, 10, 11, 200)])
    twins = find_twins(blank)
    assert twins.kind.tolist() == [0, 0, 2, 3]
    assert len(twins.near) == 0


def test_every_pair_of_near_hashes_is_a_candidate() -> None:
    from simclr.datasets.duplicates import MOST_DIFFERENT_BITS, _candidates

    rng = np.random.default_rng(1)
    base = rng.integers(0, 2**63, 150, dtype=np.uint64)
    flips = np.array(
        [np.bitwise_or.reduce(np.uint64(1) << rng.choice(64, k, replace=False).astype(np.uint64)) for k in range(1, 11)]
    )
    hashes = np.concatenate([base, base ^ flips[rng.integers(0, 10, 150)]])
    different = np.bitwise_count(hashes[:, None] ^ hashes[None])
    expected = {(i, j) for i, j in zip(*np.nonzero(different <= MOST_DIFFERENT_BITS), strict=True) if i < j}
    found = {(int(i), int(j)) for pairs in _candidates(hashes) for i, j in pairs}
    assert found == expected
    assert len(found) > 50


def test_the_hash_is_the_sign_of_low_frequencies() -> None:
    from scipy.fft import dctn

    images = np.random.default_rng(0).integers(0, 256, (5, 1, 32, 32), dtype=np.uint8)
    hashes, blank = perceptual_hashes(images, np.arange(5))
    for image, value in zip(images, hashes, strict=True):
        frequencies = dctn(image[0].astype(float), norm="ortho")[:8, :8].ravel()
        bits = frequencies > np.median(frequencies[1:])
        assert [(int(value) >> k) & 1 for k in range(64)] == bits.tolist()
    assert not blank.any()


def test_a_set_of_one_picture_many_times_is_told_in_time() -> None:
    """Noise on one picture: every pair is near; the comparison stops where nobody could read more."""
    from simclr.datasets import duplicates

    rng = np.random.default_rng(0)
    picture = patterns(110).images[:1].astype(int)
    images = np.clip(picture + rng.integers(-2, 3, (900, 3, 32, 32)), 0, 255).astype(np.uint8)
    twins = find_twins(images)
    assert not twins.is_complete
    assert len(twins.near) <= duplicates.MOST_PAIRS + 900
    assert len(make_report(of_pixels(images, [0] * 900)).duplicates.within) == 1000


def test_counts_balance_and_what_was_left_out_are_told(tmp_path: Path) -> None:
    files = (
        class_folders(12, "train/")
        | class_folders(4, "test/")
        | {f"train/cat/x{i}.png": png(900 + i) for i in range(24)}
    )
    files |= {
        "train/cat/broken.png": b"x",
        "notes.txt": b"y",
        "train/unlabelled/1.png": png(5000),
        "train/dog/w.png": wide(),
    }
    dataset = import_archive(pack(tmp_path / "a.zip", files), image_size=8)
    write_dataset(dataset, tmp_path / "set")
    report = make_report(open_dataset(tmp_path / "set"), read_origin(tmp_path / "set"), batches=(16, 4096))
    assert report == make_report(dataset, batches=(16, 4096))
    assert report.classes == ["cat", "dog", "owl"]
    assert sum(report.split_sizes.values()) == report.n == 74
    assert report.unlabelled == {"train": 1, "val": 0, "test": 0}
    assert report.counts["test"] == [4, 4, 4]
    assert report.balance["test"].effective_classes == pytest.approx(3)
    cats, dogs, owls = report.counts["train"]
    shares = np.array([cats, dogs, owls]) / (cats + dogs + owls)
    assert report.balance["train"].ratio == cats / min(dogs, owls)
    assert report.balance["train"].effective_classes == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    assert [(size.width, size.height, size.n) for size in report.sizes] == [(8, 8, 73), (20, 10, 1)]
    assert [(file.name, file.code) for file in report.skipped] == [
        ("notes.txt", "no_image_suffix"), ("train/cat/broken.png", "not_an_image"),
    ]  # fmt: skip
    assert [one.batch for one in report.false_negatives] == [16]


def test_the_report_of_a_stored_set_is_made_once_and_kept(tmp_path: Path) -> None:
    write_dataset(import_archive(pack(tmp_path / "a.zip", class_folders())), tmp_path / "set")
    first = report_of(tmp_path / "set")
    kept = (tmp_path / "set" / "report.json").read_bytes()
    (tmp_path / "set" / "images.npy").unlink()
    assert report_of(tmp_path / "set") == first
    assert (tmp_path / "set" / "report.json").read_bytes() == kept
    with pytest.raises(FileNotFoundError):
        report_of(tmp_path)


def test_a_report_of_an_older_version_is_made_anew(tmp_path: Path) -> None:
    write_dataset(import_archive(pack(tmp_path / "a.zip", class_folders())), tmp_path / "set")
    (tmp_path / "set" / "report.json").write_text('{"n": 30}')
    assert report_of(tmp_path / "set").n == 30
    assert len(report_of(tmp_path / "set").classes) == 3


def test_large_images_are_looked_at_a_few_at_a_time() -> None:
    import tracemalloc

    images = np.random.default_rng(0).integers(0, 256, (300, 3, 224, 224), dtype=np.uint8)
    tracemalloc.start()
    make_report(of_pixels(images, [0] * 300))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * 64 * 2**20


def wide() -> bytes:
    return encoded(Image.fromarray(np.random.default_rng(7).integers(0, 256, (10, 20, 3), dtype=np.uint8)))


def test_a_missing_class_makes_no_ratio() -> None:
    report = make_report(of_pixels(patterns(110).images[:6], [0, 0, 0, 0, 2, 2], [0, 1, 0, 1, 1, 1]))
    assert report.balance["test"].ratio is None
    assert report.balance["test"].smallest == 0


def test_a_set_without_labels_is_told_as_such() -> None:
    report = make_report(of_pixels(patterns(110).images, [0] * 110))
    assert report.balance == {}
    assert report.false_negatives == []
    assert report.unlabelled["train"] == 110


@pytest.mark.parametrize("channels", [1, 3])
def test_mean_and_spread_are_those_of_all_pixels(channels: int) -> None:
    images = np.random.default_rng(2).integers(0, 256, (50, channels, 9, 9), dtype=np.uint8)
    positions = np.arange(0, 50, 3)
    mean, std = channel_statistics(images, positions)
    assert mean == pytest.approx((images[positions] / 255).mean((0, 2, 3)), rel=1e-12)
    assert std == pytest.approx((images[positions] / 255).std((0, 2, 3)), rel=1e-9)


def test_the_first_of_its_kind_is_the_earliest() -> None:
    images = np.random.default_rng(2).integers(0, 2, (60, 1, 2, 2), dtype=np.uint8)
    flat = images.reshape(60, -1)
    expected = [int(np.flatnonzero((flat == row).all(1))[0]) for row in flat]
    assert first_of_kind(images).tolist() == expected


@pytest.mark.parametrize(("counts", "batch"), [([50, 50], 16), ([90, 10], 32), ([5, 20, 3, 1], 8), ([4] * 25, 100)])
def test_false_negatives_are_what_a_simulation_finds(counts: list[int], batch: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(counts)), counts)
    shares, hit = [], []
    for _ in range(3000):
        drawn = rng.permutation(labels)[:batch]
        views = np.concatenate([drawn, drawn])
        same = (views == views[0]).sum() - 2  # itself and its positive
        shares.append(same / (2 * batch - 2))
        hit.append(same > 0)
    told = false_negatives(np.array(counts), batch)
    # 3,000 draws: five standard errors.
    assert told.share == pytest.approx(np.mean(shares), abs=5 * np.std(shares) / np.sqrt(3000) + 1e-12)
    assert told.any == pytest.approx(np.mean(hit), abs=5 * np.sqrt(told.any * (1 - told.any) / 3000) + 1e-3)
    assert told.per_anchor == pytest.approx(told.share * (2 * batch - 2))


def test_false_negatives_by_hand() -> None:
    told = false_negatives(np.array([2, 2]), 2)
    assert told.share == pytest.approx(1 / 3)
    assert told.any == pytest.approx(1 / 3)
    assert told.per_anchor == pytest.approx(2 / 3)
    assert false_negatives(np.array([3, 0]), 2).share == 1
    assert false_negatives(np.array([1, 1, 1]), 3).any == 0
    for batch in (1, 5):
        with pytest.raises(ValueError, match=f"batch is {batch}, but must lie between 2 and the 4"):
            false_negatives(np.array([2, 2]), batch)


def test_built_in_sets_have_reports() -> None:
    report = make_report(BUILTIN["digits"]())
    assert report.duplicates.exact == 0
    assert report.false_negatives[0].share == pytest.approx(0.1, abs=0.01)


def test_a_report_survives_json() -> None:
    report = make_report(patterns(110))
    assert DatasetReport.model_validate_json(report.model_dump_json()) == report


def test_pneumonia_repeats_images_across_splits() -> None:
    path = SHARED / "pneumoniamnist.npz"
    if not path.exists():
        pytest.skip("PneumoniaMNIST is not on this machine")
    report = make_report(import_npz(path))
    assert report.duplicates.exact == 28


@pytest.mark.slow
def test_cifar10_repeats_test_images_in_train(cifar10: Path) -> None:
    report = make_report(open_dataset(cifar10))
    assert report.mean == pytest.approx([0.491, 0.482, 0.447], abs=0.002)
    assert report.std == pytest.approx([0.247, 0.244, 0.262], abs=0.002)
    # Barz & Denzler 2020 (arXiv:1902.00423) found 286 by features and eyes; hashes see those that are the same picture.
    found = leak(report, "test", "train")
    assert found.exact == 0
    assert 50 < found.near < 286
    assert sum(twin.same_class is True for twin in found.listed) > 0.9 * found.near
