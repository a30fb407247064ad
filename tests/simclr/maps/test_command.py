"""``simclr map`` on the command line."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from simclr.cli import main

# They load scipy and faiss for a few points.
pytestmark = pytest.mark.slow


def bank(folder: Path, seed: int) -> Path:
    folder.mkdir()
    np.save(folder / "features.npy", np.random.default_rng(seed).normal(size=(60, 8)).astype(np.float32))
    return folder


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Call the command line in this process; its exit code."""

    def called(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["simclr", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return called


Capture = pytest.CaptureFixture[str]


def test_banks_are_mapped_and_each_is_judged(call: Callable[..., int], tmp_path: Path, capsys: Capture) -> None:
    first, second, out = bank(tmp_path / "one", 0), bank(tmp_path / "two", 1), tmp_path / "map"
    assert call("map", first, second, "--out", out, "--epochs", 10, "--neighbours", 5) == 0
    assert np.load(out / "map.npy").shape == (2, 60, 2)
    said = capsys.readouterr().out
    assert "2 of 60 images by umap" in said
    assert f"{second}: trustworthiness 0." in said


def test_projections_that_are_not_there_are_named(call: Callable[..., int], tmp_path: Path, capsys: Capture) -> None:
    assert call("map", bank(tmp_path / "one", 0), "--out", tmp_path / "map", "--features", "z") != 0
    assert "projections.npy" in capsys.readouterr().err
