"""A map that was interrupted goes on to the same places, bit for bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simclr.events import Checkpoint, Stopped
from simclr.map_config import MapConfig
from simclr.maps.make import make_maps
from simclr.maps.neighbours import Neighbours, nearest_others
from simclr.runs import Run, sha256_of
from tests.simclr.conftest import Heard, stop_after

CONFIG = MapConfig(epochs=12, neighbours=5)
# Of every map: before and after its neighbours, before every epoch, after the last, and when it is done.
ASKED_EACH = 2 + 12 + 1 + 1


@pytest.fixture(scope="module")
def banks(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two, so that the second map is held to the first."""
    folder, random = tmp_path_factory.mktemp("banks"), np.random.default_rng(0)
    first = random.normal(size=(60, 8)).astype(np.float32)
    second = first + random.normal(scale=0.1, size=(60, 8)).astype(np.float32)
    for number, bank in enumerate((first, second)):
        np.save(folder / f"{number}.npy", bank)
    return [folder / "0.npy", folder / "1.npy"]


@pytest.fixture(scope="module")
def whole(banks: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Made in one go; its states between all epochs are kept."""
    run = Run(tmp_path_factory.mktemp("whole"))
    make_maps(CONFIG, banks, run, keep_every_s=0.0)
    return run


def same(run: Run, whole: Run) -> bool:
    return run.map.read_bytes() == whole.map.read_bytes()


@pytest.mark.parametrize("at", [0, 5, 12, 13, 20, 25])
def test_killed_after_any_epoch_it_goes_on_to_the_same_bits(
    banks: list[Path], whole: Run, tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []

    def counted(*asked: Any) -> Neighbours:
        looks.append("looked")
        return nearest_others(*asked)

    monkeypatch.setattr("simclr.maps.umap.nearest_others", counted)
    heard = Heard()
    again = make_maps(CONFIG, banks, Run(tmp_path / "run"), heard, resume=whole.map_states()[at])
    assert same(Run(tmp_path / "run"), whole)
    assert len(again.maps) == 2
    # Neighbours that were known are not looked for again.
    assert len(looks) == (1 if at <= 12 else 0)
    assert "It goes on from map " in heard.messages


@pytest.mark.parametrize("asked", [3, ASKED_EACH - 1, ASKED_EACH, ASKED_EACH + 1, ASKED_EACH + 9])
def test_stopped_anywhere_it_goes_on_to_the_same_bits(
    banks: list[Path], whole: Run, tmp_path: Path, asked: int
) -> None:
    first, second = Run(tmp_path / "first"), Run(tmp_path / "second")
    with pytest.raises(Stopped):
        make_maps(CONFIG, banks, first, should_stop=stop_after(asked), keep_every_s=3600.0)
    assert not first.map.exists()
    [state] = first.map_states()
    make_maps(CONFIG, banks, second, resume=state)
    assert same(second, whole)


def test_a_state_is_told_with_its_digest_and_how_far_it_is(banks: list[Path], tmp_path: Path) -> None:
    run, heard = Run(tmp_path), Heard()
    make_maps(CONFIG, banks[:1], run, heard, keep_every_s=0.0)
    told = [event for event in heard if isinstance(event, Checkpoint)]
    assert [event.epoch for event in told] == list(range(13))
    assert [event.sha256 for event in told] == [sha256_of(run.path / event.name) for event in told]
    manifest = (run.path / "manifest.json").read_text()
    assert "map.npy" in manifest
    assert told[-1].name not in manifest


def test_what_does_not_fit_is_told_and_the_map_begins_anew(banks: list[Path], whole: Run, tmp_path: Path) -> None:
    state = whole.map_states()[5]
    damaged = tmp_path / "damaged.npz"
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    for number, (config, order, path, says) in enumerate(
        (
            (CONFIG, banks, damaged, "or it is damaged"),
            (CONFIG, banks, tmp_path / "nowhere.npz", "or it is damaged"),
            (CONFIG, banks[::-1], state, "belongs to other embeddings"),
            (MapConfig(epochs=12, neighbours=5, seed=1), banks, state, "belongs to another config"),
        )
    ):
        fresh, run, heard = Run(tmp_path / f"fresh{number}"), Run(tmp_path / f"run{number}"), Heard()
        make_maps(config, order, run, heard, resume=path)
        make_maps(config, order, fresh)
        assert same(run, fresh)
        assert f"The map begins anew: {path}" in heard.messages
        assert says in heard.messages
