"""Partly labelled sets: a folder that says so, or a table of file names and classes."""

from pathlib import Path

import pytest

from simclr.datasets import Dataset, DatasetError
from simclr.datasets.archive import import_archive
from simclr.datasets.store import SPLITS
from tests.simclr.datasets.hostile_tars import tarred
from tests.simclr.datasets.pictures import class_folders, pack, png

FILES = {f"img_{i:02d}.png": png(i) for i in range(12)}
NAMES = list(FILES)


def table(rows: list[tuple[str, ...]], delimiter: str = ",") -> bytes:
    return "\n".join(delimiter.join(row) for row in rows).encode()


def labelled(header: tuple[str, ...] = ("file", "label"), n: int = 8) -> bytes:
    """The first ``n`` images are cats and dogs in turn."""
    return table([header, *((name, ("cat", "dog")[i % 2]) for i, name in enumerate(NAMES[:n]))])


def imported(tmp_path: Path, files: dict[str, bytes]) -> Dataset:
    return import_archive(pack(tmp_path / "upload.zip", files))


def class_of(dataset: Dataset) -> dict[str, str | None]:
    assert dataset.origin is not None
    return {
        name: dataset.classes[label] if label >= 0 else None
        for name, label in zip(dataset.origin.names, dataset.labels.tolist(), strict=True)
    }


def split_of(dataset: Dataset) -> dict[str, str]:
    assert dataset.origin is not None
    return {name: SPLITS[code] for name, code in zip(dataset.origin.names, dataset.splits.tolist(), strict=True)}


@pytest.mark.parametrize("folder", ["unlabelled", "Unlabeled", "train/unlabelled", "data/unlabelled"])
def test_a_folder_named_unlabelled_is_no_class(folder: str, tmp_path: Path) -> None:
    prefix = folder.rpartition("/")[0] + "/" if "/" in folder else ""
    dataset = imported(tmp_path, class_folders(10, prefix) | {f"{folder}/{i}.png": png(900 + i) for i in range(5)})
    assert dataset.classes == ("cat", "dog", "owl")
    assert (dataset.labels == -1).sum() == 5
    assert set(dataset.splits[dataset.labels == -1]) == {0}
    assert "5 images have no class." in dataset.notes


def test_a_table_labels_the_images_it_names_and_no_others(tmp_path: Path) -> None:
    dataset = imported(tmp_path, FILES | {"labels.csv": labelled()})
    assert dataset.classes == ("cat", "dog")
    assert class_of(dataset) == {name: ("cat", "dog")[i % 2] if i < 8 else None for i, name in enumerate(NAMES)}
    assert any("Labels of 8 of 12 images were taken from 'labels.csv'" in note for note in dataset.notes)
    assert dataset.origin is not None
    assert dataset.origin.skipped == []


@pytest.mark.parametrize(
    "header",
    [("filename", "class"), ("Image Name", "Category"), ("path", "target"), ("image_id", "y"), ("FILE", "LABEL")],
)
def test_usual_names_of_columns_are_known(header: tuple[str, str], tmp_path: Path) -> None:
    assert imported(tmp_path, FILES | {"labels.csv": labelled(header)}).classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("change", "delimiter"),
    [
        (lambda name: name, ";"),
        (lambda name: name, "\t"),
        (lambda name: f"./{name}", ","),
        (lambda name: f"images/{name}", ","),
        (lambda name: f"images\\{name}", ","),
        (lambda name: name.removesuffix(".png"), ","),
        (lambda name: f'"{name}"', ","),
    ],
)
def test_images_are_found_however_a_table_calls_them(change, delimiter: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    rows = [("file", "label"), *((change(name), ("cat", "dog")[i % 2]) for i, name in enumerate(NAMES))]
    files = {f"set/images/{name}": data for name, data in FILES.items()} | {"set/labels.csv": table(rows, delimiter)}
    assert (imported(tmp_path, files).labels >= 0).sum() == 12


def test_a_table_without_a_header_is_file_and_class(tmp_path: Path) -> None:
    rows = [(name, ("cat", "dog")[i % 2]) for i, name in enumerate(NAMES)]
    assert (imported(tmp_path, FILES | {"labels.csv": table(rows)}).labels >= 0).all()


def test_a_table_with_a_mark_of_its_encoding_is_read(tmp_path: Path) -> None:
    dataset = imported(tmp_path, FILES | {"labels.csv": b"\xef\xbb\xbf" + labelled()})
    assert dataset.classes == ("cat", "dog")


def test_an_empty_cell_means_no_class(tmp_path: Path) -> None:
    rows = [("file", "label"), *((name, ("cat", "dog", "")[i % 3]) for i, name in enumerate(NAMES))]
    assert (imported(tmp_path, FILES | {"labels.csv": table(rows)}).labels == -1).sum() == 4


def test_a_table_can_give_the_splits(tmp_path: Path) -> None:
    splits = ("train", "train", "val", "test")
    rows = [("file", "label", "split"), *((n, ("cat", "dog")[i // 4 % 2], splits[i % 4]) for i, n in enumerate(NAMES))]
    dataset = imported(tmp_path, FILES | {"labels.csv": table(rows)})
    assert split_of(dataset) == {name: splits[i % 4] for i, name in enumerate(NAMES)}


def test_tables_called_by_splits_speak_of_them(tmp_path: Path) -> None:
    rows = [(name, ("cat", "dog")[i % 2]) for i, name in enumerate(NAMES)]
    tables = {"train.csv": table([("file", "label"), *rows[:8]]), "test.csv": table([("file", "label"), *rows[8:]])}
    dataset = imported(tmp_path, FILES | tables)
    assert {split_of(dataset)[name] for name in NAMES[8:]} == {"test"}


def test_split_folders_hold_beside_a_table(tmp_path: Path) -> None:
    files = {f"{'train' if i < 8 else 'test'}/{name}": data for i, (name, data) in enumerate(FILES.items())}
    dataset = imported(tmp_path, files | {"labels.csv": labelled(n=12)})
    assert dataset.classes == ("cat", "dog")
    assert len(dataset.indices("test")) == 4


def test_a_table_in_a_tar_is_read_too(tmp_path: Path) -> None:
    dataset = import_archive(tarred(tmp_path / "a.tar.xz", FILES | {"labels.csv": labelled()}, "w:xz"))
    assert dataset.classes == ("cat", "dog")


def test_a_table_of_something_else_is_left_out(tmp_path: Path) -> None:
    dataset = imported(tmp_path, class_folders() | {"prices.csv": b"item,price\nhorse,3\n", "empty.csv": b""})
    assert dataset.classes == ("cat", "dog", "owl")
    assert dataset.origin is not None
    assert [file.name for file in dataset.origin.skipped] == ["empty.csv", "prices.csv"]


def test_rows_of_files_that_are_not_there_are_counted(tmp_path: Path) -> None:
    dataset = imported(tmp_path, FILES | {"labels.csv": labelled() + b"\nghost.png,cat\n"})
    assert any("'labels.csv' names 1 files that are not there: 'ghost.png'" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"file,label\nghost.png,cat\nspook.png,dog\n", "labels_unmatched"),
        (labelled() + b"\nimg_00.png,owl\n", "label_conflict"),
        (labelled(("file", "label")) + b"\n\xff\xfe,x\n", "bad_table"),
        (table([("file", "label", "split"), (NAMES[0], "cat", "moon")]), "bad_table"),
        (table([("file", "label"), *((name, "x" * 200 + str(i % 2)) for i, name in enumerate(NAMES))]), "bad_name"),
        (table([("file", "label"), *((name, f"\x1b[2J{i % 2}") for i, name in enumerate(NAMES))]), "bad_name"),
        (b'file,label\nimg_00.png,"' + b"x" * 200_000 + b'"\n', "bad_table"),
        (table([("file", "label"), *((name, f"c{i}") for i, name in enumerate(NAMES))]), "too_few_images"),
    ],
)
def test_a_table_that_misleads_is_refused(content: bytes, code: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as refusal:
        imported(tmp_path, FILES | {"labels.csv": content})
    assert refusal.value.code == code
    assert len(str(refusal.value)) < 600


def test_a_name_that_two_images_share_is_not_guessed(tmp_path: Path) -> None:
    files = {f"{folder}/{i}.png": png(10 * k + i) for k, folder in enumerate("ab") for i in range(6)}
    with pytest.raises(DatasetError) as refusal:
        imported(tmp_path, files | {"x/labels.csv": b"file,label\n1.png,cat\n2.png,dog\n"})
    assert refusal.value.code == "labels_unmatched"
