"""Tar files: what people upload becomes the same set as a zip, what would do harm is refused, and neither leaves anything."""

import random
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from simclr.datasets import DatasetError
from simclr.datasets.archive import import_archive
from simclr.datasets.limits import Limits
from simclr.datasets.store import describe
from simclr.datasets.tars import open_tar
from tests.simclr.datasets.hostile_tars import ACCEPTED, REFUSED, header, tarred
from tests.simclr.datasets.pictures import SHARED, class_folders, pack, png


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in" / "upload.zip"


@pytest.mark.parametrize("name", REFUSED)
def test_a_tar_is_refused_that(name: str, source: Path) -> None:
    build, code = REFUSED[name]
    build(source)
    tracemalloc.start()
    with pytest.raises(DatasetError) as refusal:
        import_archive(source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refusal.value.code == code
    assert len(str(refusal.value)) < 600
    assert peak < 70e6
    assert list(source.parent.iterdir()) == [source]


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_tar_is_taken_that(name: str, source: Path) -> None:
    dataset = import_archive(ACCEPTED[name](source))
    assert len(dataset) >= 30
    assert len(dataset.classes) == 3
    assert dataset.source == "tar"
    assert list(source.parent.iterdir()) == [source]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_a_tar_holds_the_same_set_as_a_zip(mode: str, tmp_path: Path) -> None:
    files = class_folders(10, "train/") | class_folders(4, "test/") | {"train/cat/broken.png": b"x", "notes.txt": b"y"}
    zipped = import_archive(pack(tmp_path / "a.zip", files))
    tarred_set = import_archive(tarred(tmp_path / "a.tar", dict(reversed(files.items())), mode))
    assert describe(tarred_set).content_hash == describe(zipped).content_hash
    assert tarred_set.origin == zipped.origin


def test_the_default_size_does_not_depend_on_the_order_of_files(tmp_path: Path) -> None:
    files = class_folders(100, size=9) | class_folders(100, prefix="", size=9)
    files |= {f"owl/large{i}.png": png(i, size=12) for i in range(150)}
    first = import_archive(tarred(tmp_path / "a.tar", files))
    second = import_archive(tarred(tmp_path / "b.tar", dict(reversed(files.items()))))
    assert first.image_size == second.image_size
    assert np.array_equal(first.images, second.images)


def test_no_damage_to_a_tar_escapes_as_another_error(source: Path) -> None:
    wholes = [
        tarred(source, class_folders(2, size=4), mode).read_bytes() for mode in ("w", "w:gz", "w:xz")
    ]  # fmt: skip
    rng = random.Random(0)
    outcomes = set()
    for _ in range(400):
        data = bytearray(rng.choice(wholes))
        for _ in range(rng.choice((1, 1, 3, 20))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        source.write_bytes(data[: rng.choice((len(data), rng.randrange(len(data))))])
        try:
            with open_tar(source) as members:
                outcomes.add(sum(len(data) for _, data in members.read(members.sizes)) > 0)
        except DatasetError as refusal:
            outcomes.add(refusal.code)
    assert "broken_archive" in outcomes


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(entries=29), "too_many_entries"),
        (Limits(entries=14), "too_many_entries"),
        (Limits(directory_bytes=100), "too_many_entries"),
        (Limits(member_bytes=100), "archive_bomb"),
        (Limits(total_bytes=1000), "archive_bomb"),
        (Limits(classes=2), "too_many_classes"),
        (Limits(pixels=63), "too_many_pixels"),
    ],
)
def test_a_limit_is_kept_and_named(limits: Limits, code: str, source: Path) -> None:
    tarred(source, class_folders())
    with pytest.raises(DatasetError) as refusal:
        import_archive(source, limits=limits)
    assert refusal.value.code == code


@pytest.mark.slow
def test_thousands_of_photographs_as_tar_xz_are_the_same_set_as_in_a_zip(tmp_path: Path) -> None:
    source = SHARED / "cifar10.zip"
    if not source.exists():
        pytest.skip(f"{source} is not here: it is not shipped with the program")
    with zipfile.ZipFile(source) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        files = {name: archive.read(name) for name in names[::24]}
    assert len(files) == 2_500
    zipped = import_archive(pack(tmp_path / "a.zip", files), scratch=tmp_path / "first")
    tarred_set = import_archive(tarred(tmp_path / "a.tar.xz", files, "w:xz", preset=0), scratch=tmp_path / "second")
    assert describe(tarred_set).content_hash == describe(zipped).content_hash


def test_folders_without_files_are_refused_as_too_many(source: Path) -> None:
    source.write_bytes(header(b"a/", 0, b"5") * 10_000)
    with pytest.raises(DatasetError) as refusal:
        import_archive(source, limits=Limits(entries=4_000))
    assert refusal.value.code == "too_many_entries"


def test_limits_that_are_just_met_let_a_tar_pass(source: Path) -> None:
    tarred(source, class_folders())
    import_archive(source, limits=Limits(entries=30, classes=3, pixels=64))


def test_the_same_bytes_twice_give_the_same_set(tmp_path: Path) -> None:
    source = pack(tmp_path / "a.zip", class_folders())
    assert describe(import_archive(source)) == describe(import_archive(source))
