"""Originals: large pictures can be looked at in full, small ones need no second copy, and no notes of strangers are kept."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simclr.datasets import DatasetError
from simclr.datasets.archive import import_archive
from simclr.datasets.importer import import_in_child
from simclr.datasets.limits import Limits
from simclr.datasets.origin import read_origin
from simclr.datasets.originals import BYTES, INDEX, Keeper, read_original
from simclr.datasets.store import describe
from tests.simclr.datasets.hostile_images import turned
from tests.simclr.datasets.pictures import class_folders, encoded, pack

pytestmark = pytest.mark.slow


def plain(colour: str, width: int, height: int) -> bytes:
    return encoded(Image.new("RGB", (width, height), colour), "JPEG")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    files = class_folders(4, size=8) | {
        "cat/broken.png": b"x", "cat/large.jpg": plain("red", 900, 600), "owl/tall.png": plain("blue", 40, 80),
    }  # fmt: skip
    return pack(tmp_path / "a.zip", files)


def test_originals_of_large_pictures_are_kept_and_found_by_position(mixed: Path, tmp_path: Path) -> None:
    import_in_child(mixed, tmp_path / "set", "zip", 8, originals_px=300, limits=Limits(bad_share=0.2))
    names = read_origin(tmp_path / "set").names
    found = {name: read_original(tmp_path / "set", i) for i, name in enumerate(names)}
    assert {name for name, data in found.items() if data} == {"cat/large.jpg", "owl/tall.png"}
    for name, size, channel in (("cat/large.jpg", (300, 200), 0), ("owl/tall.png", (40, 80), 2)):
        with Image.open(BytesIO(found[name] or b"")) as picture:
            assert picture.size == size
            assert np.asarray(picture).mean((0, 1)).argmax() == channel
    with pytest.raises(IndexError):
        read_original(tmp_path / "set", len(names))


def test_nothing_is_kept_unless_asked(mixed: Path, tmp_path: Path) -> None:
    import_in_child(mixed, tmp_path / "set", "zip", 8, limits=Limits(bad_share=0.2))
    assert not (tmp_path / "set" / BYTES).exists()
    assert read_original(tmp_path / "set", 0) is None


def test_a_set_is_the_same_with_and_without_originals(mixed: Path, tmp_path: Path) -> None:
    limits = Limits(bad_share=0.2)
    keeper = Keeper(tmp_path / "kept", 300, 10**9)
    without = import_archive(mixed, image_size=8, limits=limits)
    beside = import_archive(mixed, image_size=8, limits=limits, originals=keeper)
    assert describe(without) == describe(beside)


def test_where_a_picture_was_taken_is_not_kept(tmp_path: Path) -> None:
    source = pack(tmp_path / "a.zip", {f"{i}.jpg": turned() for i in range(3)})
    import_in_child(source, tmp_path / "set", "zip", 8, originals_px=300)
    with Image.open(BytesIO(read_original(tmp_path / "set", 0) or b"")) as picture:
        assert picture.size == (10, 20)
        assert not picture.getexif()


def test_no_more_originals_are_kept_than_there_is_room_for(tmp_path: Path) -> None:
    source = pack(tmp_path / "a.zip", {f"{i}.jpg": plain("red", 64, 64) for i in range(5)})
    one = len(plain("red", 64, 64))
    kept = import_archive(source, image_size=8, originals=Keeper(tmp_path / "kept", 64, 3 * one)).originals
    assert kept is not None
    assert 1 <= (kept.index[:, 1] > 0).sum() <= 3
    assert (tmp_path / "kept").stat().st_size <= 3 * one


def test_the_child_keeps_to_the_limits_it_is_given(tmp_path: Path) -> None:
    source = pack(tmp_path / "a.zip", class_folders(4))
    for limits, code in ((Limits(entries=11), "too_many_entries"), (Limits(pixels=63), "too_many_pixels")):
        with pytest.raises(DatasetError) as refusal:
            import_in_child(source, tmp_path / "set", "zip", limits=limits)
        assert refusal.value.code == code
    assert not (tmp_path / INDEX).exists()
