"""Zip files: what people upload becomes a set, what would do harm is refused, and neither leaves anything behind."""

import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from simclr.datasets import BUILTIN, DatasetError
from simclr.datasets.archive import import_archive
from simclr.datasets.limits import Limits
from simclr.datasets.store import describe, open_dataset, write_dataset
from tests.simclr.datasets.hostile_archives import ACCEPTED, REFUSED
from tests.simclr.datasets.pictures import CLASSES, SHARED, class_folders, digits_archive, encoded, pack, picture, png


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in" / "upload.zip"


def code_of(source: Path, **options: object) -> str:
    with pytest.raises(DatasetError) as refusal:
        import_archive(source, **options)  # type: ignore[arg-type]
    assert len(str(refusal.value)) < 600
    return refusal.value.code


@pytest.mark.parametrize("name", REFUSED)
def test_an_archive_is_refused_that(name: str, source: Path) -> None:
    build, code = REFUSED[name]
    assert code_of(build(source)) == code
    assert list(source.parent.iterdir()) == [source]


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_archive_is_taken_that(name: str, source: Path) -> None:
    dataset = import_archive(ACCEPTED[name](source))
    assert len(dataset) >= 30
    assert len(dataset.classes) == 3
    assert list(source.parent.iterdir()) == [source]


def test_no_damage_to_an_archive_escapes_as_another_error(source: Path) -> None:
    whole = pack(source, class_folders(4, size=4), zipfile.ZIP_DEFLATED).read_bytes()
    rng = random.Random(0)
    taken = 0
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 3, 20))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        source.write_bytes(data[: rng.choice((len(data), rng.randrange(len(data))))])
        try:
            import_archive(source)
            taken += 1
        except DatasetError:
            pass
    assert taken < 400


def test_pixels_labels_and_splits_arrive_as_packed(source: Path) -> None:
    digits = BUILTIN["digits"]()
    dataset = import_archive(digits_archive(source))
    order = np.lexsort((np.arange(len(digits)), digits.labels, np.array([1, 2, 0])[digits.splits]))
    assert dataset.classes == digits.classes
    for split in ("train", "val", "test"):
        mine, theirs = dataset.indices(split), order[np.isin(order, digits.indices(split))]
        assert np.array_equal(dataset.images[mine], digits.images[theirs])
        assert np.array_equal(dataset.labels[mine], digits.labels[theirs])


def test_the_order_of_files_in_the_archive_changes_nothing(tmp_path: Path) -> None:
    files = class_folders()
    first = import_archive(pack(tmp_path / "a.zip", files))
    second = import_archive(pack(tmp_path / "b.zip", dict(reversed(files.items())), zipfile.ZIP_DEFLATED))
    assert describe(first).content_hash == describe(second).content_hash


@pytest.mark.parametrize("prefix", ["", "mine/", "mine/deeper/"])
def test_a_folder_around_everything_is_passed_over(prefix: str, source: Path) -> None:
    assert import_archive(pack(source, class_folders(prefix=prefix))).classes == CLASSES


@pytest.mark.parametrize(
    ("names", "sizes"),
    [
        (("train", "val", "test"), (30, 15, 6)),
        (("Training", "Validation", "Testing"), (30, 15, 6)),
        (("train", "valid", "test"), (30, 15, 6)),
        (("train", "test"), (27, 3, 15)),
        (("train", "val"), (24, 15, 6)),
        (("train",), (21, 3, 6)),
    ],
)
def test_split_folders_are_read_and_missing_splits_made(
    names: tuple[str, ...], sizes: tuple[int, int, int], source: Path
) -> None:
    per_class = (10, 5, 2)
    files = {k: v for n, name in enumerate(names) for k, v in class_folders(per_class[n], f"{name}/").items()}
    dataset = import_archive(pack(source, files))
    assert tuple(describe(dataset).split_sizes.values()) == sizes
    assert len([note for note in dataset.notes if "set aside" in note]) == 3 - len(names)


def test_pictures_without_folders_make_an_unlabelled_set(source: Path) -> None:
    dataset = import_archive(pack(source, {f"{i}.png": png(i) for i in range(5)}))
    assert dataset.classes == ()
    assert set(dataset.labels) == {-1}
    assert len(dataset.indices("train")) == 5
    assert any("no class folders and no labels" in note for note in dataset.notes)


def test_a_single_class_counts_as_unlabelled_and_says_so(source: Path) -> None:
    files = {f"train/cat/{i}.png": png(i) for i in range(3)} | {"test/cat/9.png": png(9)}
    dataset = import_archive(pack(source, files))
    assert dataset.classes == ()
    assert len(dataset.indices("test")) == 1
    assert any("only one class (cat)" in note for note in dataset.notes)


def test_unlabelled_pictures_beside_classes_are_trained_on(source: Path) -> None:
    files = class_folders(10, "train/") | {f"unlabelled/{i}.png": png(1000 + i) for i in range(4)}
    dataset = import_archive(pack(source, files))
    assert (dataset.labels == -1).sum() == 4
    assert set(dataset.splits[dataset.labels == -1]) == {0}


def test_classes_stand_in_the_order_of_their_numbers(source: Path) -> None:
    files = {f"{name}/{i}.png": png(int(name) * 10 + i) for name in ("10", "9", "1") for i in range(4)}
    assert import_archive(pack(source, files)).classes == ("1", "9", "10")


def test_a_set_is_grey_only_if_every_picture_is(source: Path) -> None:
    grey = class_folders(channels=1)
    assert import_archive(pack(source, grey)).channels == 1
    assert import_archive(pack(source, {**grey, "cat/colour.png": png(7)})).channels == 3


def test_pictures_of_any_shape_become_squares_of_one_size(source: Path) -> None:
    wide = np.zeros((20, 40, 3), dtype=np.uint8)
    wide[:, 10:30] = 255
    files = class_folders(size=20) | {"cat/wide.png": encoded(wide)}
    dataset = import_archive(pack(source, files))
    assert dataset.image_size == 20
    assert any((image == 255).all() for image in dataset.images)
    assert any("resized to 20 × 20" in note for note in dataset.notes)
    assert import_archive(source, image_size=12).image_size == 12
    assert code_of(source, image_size=7) == code_of(source, image_size=225) == "image_size"


def test_large_pictures_are_kept_at_64_pixels_unless_asked(source: Path) -> None:
    pack(source, class_folders(4, size=100))
    assert import_archive(source).image_size == 64
    assert import_archive(source, image_size=100).image_size == 100


def test_damaged_and_foreign_files_are_named_in_the_notes(source: Path) -> None:
    dataset = import_archive(pack(source, {**class_folders(), "dog/broken.png": b"x", "notes.txt": b"y"}))
    assert len(dataset) == 30
    assert any("1 damaged image was left out: 'dog/broken.png'" in note for note in dataset.notes)
    assert any("1 file was left out as no images: 'notes.txt'" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(entries=29), "too_many_entries"),
        (Limits(directory_bytes=500), "too_many_entries"),
        (Limits(member_bytes=100), "archive_bomb"),
        (Limits(total_bytes=1000), "archive_bomb"),
        (Limits(classes=2), "too_many_classes"),
        (Limits(pixels=63), "too_many_pixels"),
        (Limits(stored_bytes=30 * 3 * 64 - 1), "too_large"),
    ],
)
def test_a_limit_is_kept_and_named(limits: Limits, code: str, source: Path) -> None:
    pack(source, class_folders())
    assert code_of(source, limits=limits) == code


def test_limits_that_are_just_met_let_the_archive_pass(source: Path) -> None:
    pack(source, class_folders())
    import_archive(source, limits=Limits(entries=30, classes=3, pixels=64, stored_bytes=30 * 3 * 64))


def test_progress_ends_at_the_number_of_pictures(source: Path) -> None:
    told: list[tuple[int, int]] = []
    import_archive(pack(source, class_folders()), progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 30), (30, 30)]


def test_a_set_decoded_to_disk_is_the_same_and_can_be_stored(tmp_path: Path) -> None:
    source = pack(tmp_path / "a.zip", class_folders(channels=1))
    in_memory, on_disk = import_archive(source), import_archive(source, scratch=tmp_path / "scratch")
    info = write_dataset(on_disk, tmp_path / "set")
    assert info == describe(in_memory)
    assert np.array_equal(open_dataset(tmp_path / "set").images, in_memory.images)


def test_jpeg_files_of_a_real_set_look_like_their_class(source: Path) -> None:
    whole = SHARED / "cifar10.zip"
    if not whole.exists():
        pytest.skip("CIFAR-10 is not on this machine")
    with zipfile.ZipFile(whole) as archive:
        names = [name for name in archive.namelist() if name.endswith(("/0000.jpg", "/0001.jpg", "/0002.jpg"))]
        files = {name: archive.read(name) for name in names}
    dataset = import_archive(pack(source, files))
    assert describe(dataset).split_sizes == {"train": 20, "val": 10, "test": 30}
    assert dataset.images.shape == (60, 3, 32, 32)
    assert dataset.classes[0] == "airplane"
    assert 60 < dataset.images.mean() < 180


def test_a_grey_picture_keeps_its_values(source: Path) -> None:
    files = {f"{name}/{i}.png": encoded(picture(i, 1)) for name in "ab" for i in range(4)}
    images = import_archive(pack(source, files)).images
    assert any(np.array_equal(images[n, 0], picture(2, 1)) for n in range(len(images)))
