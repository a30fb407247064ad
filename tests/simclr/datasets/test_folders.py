"""A folder on the server: the same set as an archive of it, and nothing outside of it is ever read."""

import os
from pathlib import Path

import pytest

from simclr.datasets import DatasetError
from simclr.datasets.archive import import_archive
from simclr.datasets.folders import folder_below, list_folders
from simclr.datasets.importer import import_in_child
from simclr.datasets.limits import Limits
from simclr.datasets.store import describe
from tests.simclr.datasets.pictures import class_folders, pack, png


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def code_of(folder: Path, **options: Limits) -> str:
    with pytest.raises(DatasetError) as refusal:
        import_archive(folder, **options)  # type: ignore[arg-type]
    assert len(str(refusal.value)) < 600
    return refusal.value.code


def test_a_folder_is_the_same_set_as_a_zip_of_it(root: Path, tmp_path: Path) -> None:
    files = class_folders(8, "train/") | class_folders(3, "test/") | {"train/cat/broken.png": b"x", "notes.txt": b"y"}
    from_folder = import_archive(fill(root / "set", files))
    from_zip = import_archive(pack(tmp_path / "a.zip", files))
    assert describe(from_folder).content_hash == describe(from_zip).content_hash
    assert from_folder.origin == from_zip.origin
    assert (from_folder.source, from_zip.source) == ("folder", "zip")


def test_the_child_reads_a_folder(root: Path, tmp_path: Path) -> None:
    info = import_in_child(fill(root / "set", class_folders()), tmp_path / "out", "folder")
    assert info.n == 30


def test_hidden_files_and_folders_are_passed_over(root: Path) -> None:
    files = class_folders() | {".git/config": b"x", "cat/.DS_Store": b"x", ".cache/dog/1.png": png()}
    folder = fill(root / "set", files)
    (folder / ".latest").symlink_to("/etc")
    assert len(import_archive(folder)) == 30


@pytest.mark.parametrize("target", ["/etc", "/etc/hostname", "../outside", "cat", "0.png", "nowhere"])
def test_a_link_is_refused_wherever_it_leads(target: str, root: Path) -> None:
    folder = fill(root / "set", class_folders())
    fill(root / "outside", {"x.png": png()})
    (folder / "cat" / "evil.png").symlink_to(target)
    assert code_of(folder) == "link"


def test_a_pipe_is_refused_and_not_waited_for(root: Path) -> None:
    folder = fill(root / "set", class_folders())
    os.mkfifo(folder / "cat" / "pipe.png")
    assert code_of(folder) == "link"


def test_a_file_that_became_a_link_or_a_pipe_since_is_not_followed(root: Path) -> None:
    from simclr.datasets.folders import open_folder

    secret = root / "secret.png"
    secret.write_bytes(png(5))
    for become in (lambda path: path.symlink_to(secret), os.mkfifo):
        folder = fill(root / "set", class_folders())
        with open_folder(folder) as members:
            (folder / "cat" / "0.png").unlink()
            become(folder / "cat" / "0.png")
            with pytest.raises(DatasetError) as refusal:
                list(members.read(["cat/0.png"]))
        assert refusal.value.code == "link"
        (folder / "cat" / "0.png").unlink()


def test_a_folder_that_became_a_link_since_is_not_followed(root: Path) -> None:
    from simclr.datasets.folders import open_folder

    folder = fill(root / "set", class_folders())
    with open_folder(folder) as members:
        (folder / "cat").rename(root / "moved")
        (folder / "cat").symlink_to(root / "moved")
        with pytest.raises(DatasetError) as refusal:
            list(members.read(["cat/0.png"]))
    assert refusal.value.code == "link"


def test_what_cannot_be_a_set_is_refused(root: Path) -> None:
    assert code_of(fill(root / "deep", {"a/" * 40 + "x.png": png()})) == "too_deep"
    (root / "empty" / "cat").mkdir(parents=True)
    assert code_of(root / "empty") == "empty_archive"
    fill(root / "set", class_folders())
    assert code_of(root / "set", limits=Limits(entries=29)) == "too_many_entries"
    assert code_of(root / "set", limits=Limits(total_bytes=100)) == "archive_bomb"
    assert code_of(root / "set", limits=Limits(member_bytes=100)) == "archive_bomb"
    assert code_of(fill(root / "odd", class_folders(2) | {"cat/a\nb.png": png()})) == "bad_name"
    assert code_of(fill(root / "back", class_folders(2) | {"cat/a\\b.png": png()})) == "path_outside"


def test_a_name_that_is_no_utf8_is_refused(root: Path) -> None:
    folder = fill(root / "set", class_folders(2))
    os.close(os.open(os.fsencode(folder) + b"/cat/\xff.png", os.O_CREAT | os.O_WRONLY))
    assert code_of(folder) == "bad_name"


def test_folders_below_the_root_are_listed_and_found(root: Path) -> None:
    fill(root, {"b/x.png": png(), "a/deep/x.png": png(), ".hidden/x.png": png(), "file.png": png()})
    (root / "link").symlink_to(root / "a")
    assert list_folders(root) == ["a", "b"]
    assert folder_below(root, "a/deep") == root / "a" / "deep"
    with pytest.raises(DatasetError, match="is no folder"):
        list_folders(root / "nowhere")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("..", "path_outside"), ("../x", "path_outside"), ("a/../..", "path_outside"), ("/etc", "path_outside"),
        ("a//b", "path_outside"), ("./a", "path_outside"), ("a/", "path_outside"), ("a\\b", "path_outside"),
        ("C:/a", "path_outside"), ("", "bad_name"), ("a\0b", "bad_name"), ("a\nb", "bad_name"),
        ("nowhere", "no_folder"), ("file.png", "no_folder"), ("link", "link"), ("link/deep", "link"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_a_folder_below_the_root_is_refused(name: str, code: str, root: Path) -> None:
    fill(root, {"a/deep/x.png": png(), "file.png": png()})
    (root / "link").symlink_to(root / "a")
    with pytest.raises(DatasetError) as refusal:
        folder_below(root, name)
    assert refusal.value.code == code
