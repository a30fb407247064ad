"""`simclr report`: what a person reads of a set."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from simclr.cli import main
from simclr.datasets import write_dataset
from simclr.datasets.archive import import_archive
from simclr.datasets.patterns import patterns
from simclr.datasets.report import DatasetReport, make_report
from simclr.datasets.report_text import lines
from tests.simclr.datasets.pictures import class_folders, pack, png


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    """Seven training images stand in test too; one file is broken, and one's name would paint the terminal."""
    files = class_folders(10, "train/", size=16)
    again = {f"test/cat/again{i}.png": files[f"train/cat/{i}.png"] for i in range(7)}
    fresh = {
        f"{split}/dog/{i}.png": png(700 + 9 * k + i, size=16)
        for k, split in enumerate(("val", "test"))
        for i in range(3)
    }
    return pack(tmp_path / "leaky.zip", {**files, **again, **fresh, "train/dog/broken\u2028.png": b"x"})


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    def call(*arguments: object) -> object:
        monkeypatch.setattr(sys, "argv", ["simclr", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code

    return call


def test_the_command_tells_of_leaks_and_files_left_out(run, leaky: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    assert run("report", leaky, "--out", tmp_path / "report.json") == 0
    said = capsys.readouterr().out
    assert "LEAK: 7 test images also stand in train, 0 more nearly so" in said
    assert "'test/cat/again0.png' is 'train/cat/0.png'" in said
    assert r"left out: 'train/dog/broken\u2028.png'" in said
    assert "originals: 16×16 (43)" in said
    told = json.loads((tmp_path / "report.json").read_text())
    assert told == json.loads(make_report(import_archive(leaky)).model_dump_json())


def test_a_stored_set_tells_the_same(run, leaky: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    write_dataset(import_archive(leaky), tmp_path / "set")
    assert run("report", tmp_path / "set") == 0
    first = capsys.readouterr().out
    assert run("report", leaky) == 0
    assert capsys.readouterr().out == first


def test_images_that_are_only_nearly_alike_may_be_two(leaky: Path) -> None:
    told = make_report(import_archive(leaky)).model_dump()
    [leak] = (leak for leak in told["duplicates"]["leaks"] if leak["exact"])
    leak |= {"exact": 0, "near": 7}
    said = "\n".join(lines(DatasetReport.model_validate(told)))
    assert "7 test images may also stand in train" in said
    assert "LEAK" not in said


def test_a_set_made_from_nothing_needs_no_files() -> None:
    said = "\n".join(lines(make_report(patterns(110))))
    assert "110 RGB images of 32×32 (80 train, 10 val, 20 test)" in said
    assert "batch of 64: 8.9% of an anchor's negatives are of its own class (11.2 of 126)" in said
    assert "left out" not in said
    assert "LEAK" not in said
