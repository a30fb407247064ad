"""Hundreds of generated archives, of every kind: each becomes a set or is refused in one clear sentence, and leaves nothing."""

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simclr.datasets import Dataset, DatasetError
from simclr.datasets.archive import import_archive
from tests.simclr.datasets.hostile_archives import END
from tests.simclr.datasets.hostile_images import ACCEPTED as ACCEPTED_IMAGES
from tests.simclr.datasets.hostile_images import REFUSED as REFUSED_IMAGES
from tests.simclr.datasets.hostile_tars import tarred
from tests.simclr.datasets.pictures import class_folders, pack, png

pytestmark = pytest.mark.slow

KINDS = ("zip", "tar", "tar.gz", "tar.xz")
UP, TARGETS = (
    ("../", "../../", "cat/../../", "a/b/../../../", "./../"),
    ("evil.png", "etc/passwd", "root/.ssh/keys.png"),
)
OUTSIDE = [up + target for up in UP for target in TARGETS] + [
    "/evil.png", "//evil.png", "/..//evil.png", "C:evil.png", "c:/evil.png", "z:\\evil.png", "\\\\host\\evil.png",
    "..\\evil.png", "cat\\..\\..\\evil.png", "cat/..", "..", "../", "cat/../..",
]  # fmt: skip
CONTROLS = [f"cat/{chr(code)}evil.png" for code in (1, 7, 8, 9, 10, 13, 27, 31, 127, 0x80, 0x85, 0x9F)]
ODD = [
    "cat/<img src=x onerror=alert(1)>.png", 'cat/"><svg onload=alert(1)>.png', "cat/{{7*7}}${7*7}.png", "cat/%2e%2e%2fevil.png",
    "cat/; rm -rf ~.png", "cat/'; DROP TABLE datasets; --.png", "cat/ leading and trailing .png", "cat/a...png", "cat/~.png",
    "cat/CON.png", "cat/日本語.png", "cat/العربية.png", "cat/עברית.png", "cat/हिन्दी.png", "cat/ελληνικά.png", "cat/кошка.png",
    "cat/😀.png", "cat/e\u0301.png", "cat/\u00e9.png", "cat/a\u200bb.png", "cat/-rf.png", "cat/$(id).png", "cat/`id`.png",
    "cat/" + "x" * 200 + ".png", "cat/" + "猫" * 80 + ".png", "cat/" + "a/" * 60 + "x.png", "cat/x.PNG", "cat/x.jpeg",
]  # fmt: skip


def build(path: Path, files: Mapping[str, bytes], kind: str) -> Path:
    modes = {"tar": "w", "tar.gz": "w:gz", "tar.xz": "w:xz"}
    return tarred(path, files, modes[kind]) if kind in modes else pack(path, files)


def outcome(source: Path) -> Dataset | str:
    """The set, or the code of the refusal; no other error, and nothing beside the upload."""
    try:
        return import_archive(source)
    except DatasetError as refusal:
        text = str(refusal)
        assert len(text) < 600
        assert text.isprintable()
        return refusal.code
    finally:
        assert list(source.parent.iterdir()) == [source]


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_outside_is_refused(name: str, kind: str, tmp_path: Path) -> None:
    assert outcome(build(tmp_path / "upload", {**class_folders(2), name: png(9)}, kind)) == "path_outside"


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("name", CONTROLS)
def test_a_name_with_a_control_character_is_refused(name: str, kind: str, tmp_path: Path) -> None:
    assert outcome(build(tmp_path / "upload", {**class_folders(2), name: png(9)}, kind)) == "bad_name"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ODD)
def test_a_name_that_is_only_odd_is_taken_as_it_is(name: str, kind: str, tmp_path: Path) -> None:
    made = outcome(build(tmp_path / "upload", {**class_folders(4), name: png(999)}, kind))
    assert isinstance(made, Dataset)
    assert len(made) == 13
    assert made.origin is not None
    assert name in made.origin.names


@pytest.mark.parametrize("kind", ["zip", "tar.xz"])
@pytest.mark.parametrize("name", REFUSED_IMAGES)
def test_a_single_bad_picture_is_left_out_and_listed_with_its_reason(name: str, kind: str, tmp_path: Path) -> None:
    make, code = REFUSED_IMAGES[name]
    made = outcome(build(tmp_path / "upload", {**class_folders(4), "cat/evil.png": make()}, kind))
    if made == "archive_bomb":
        # Of a thousand times its packed size: refused before anybody looks for a picture in it.
        return
    assert isinstance(made, Dataset)
    assert len(made) == 12
    assert made.origin is not None
    assert [(file.name, file.code) for file in made.origin.skipped] == [("cat/evil.png", code)]
    assert "left out: 'cat/evil.png'" in " ".join(made.notes)


@pytest.mark.parametrize("name", ACCEPTED_IMAGES)
def test_an_odd_picture_is_taken_and_its_size_counted(name: str, tmp_path: Path) -> None:
    make, _, _ = ACCEPTED_IMAGES[name]
    made = outcome(build(tmp_path / "upload", {**class_folders(4), "cat/odd.png": make()}, "tar"))
    assert isinstance(made, Dataset)
    assert len(made) == 13
    assert made.origin is not None
    assert sum(size.n for size in made.origin.sizes) == 13
    assert made.origin.skipped_n == 0


def test_half_a_million_entries_of_a_zip_are_refused_at_once(tmp_path: Path) -> None:
    data = pack(tmp_path / "upload", {"a/1.png": png()}).read_bytes()
    at, end = data.index(b"PK\x01\x02"), data.index(END)
    directory = data[at:end] * 500_000
    wide = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 500_000, 500_000, len(directory), at)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at + len(directory), 1)
    tail = struct.pack("<4s4H2LH", END, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    (tmp_path / "upload").write_bytes(data[:at] + directory + wide + locator + tail)
    assert outcome(tmp_path / "upload") == "too_many_entries"


PARTS = st.one_of(
    st.sampled_from(
        ["cat", "dog", "train", "test", "unlabelled", "..", ".", "", "x.png", "labels.csv", "a.zip", "__MACOSX"]
    ),
    st.text(min_size=1, max_size=12),
)
NAMES = (
    st.lists(PARTS, min_size=1, max_size=4).map("/".join).filter(lambda name: len(name.encode("utf-8", "ignore")) > 0)
)
CONTENTS = st.one_of(
    st.integers(0, 50).map(png), st.just(b""), st.binary(max_size=60), st.just(b"file,label\nx.png,cat\n"),
)  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(NAMES, CONTENTS, max_size=6), kind=st.sampled_from(KINDS), good=st.booleans())
def test_whatever_is_packed_becomes_a_set_or_a_refusal(
    files: dict[str, bytes], kind: str, good: bool, tmp_path: Path
) -> None:
    source = tmp_path / "upload"
    try:
        build(source, {**(class_folders(3) if good else {}), **files}, kind)
    except (UnicodeEncodeError, ValueError, IndexError, zipfile.BadZipFile):
        return  # the packer itself refuses such a name
    made = outcome(source)
    if isinstance(made, Dataset):
        assert made.origin is not None
        assert len(made.origin.names) == len(made)
