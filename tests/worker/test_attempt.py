"""How an attempt ends when something is in its way: what it says, and with which exit code."""

import errno
from pathlib import Path

import numpy as np
import pytest

from backend.jobs.states import Kind
from simclr.events import Checkpoint, Log, OutOfMemory, Stopped, never
from simclr.results import MapResult
from simclr.runs import MIB, DiskFull
from worker import attempt as module
from worker.attempt import attempt
from worker.protocol import Exit, Finished, Message, Order, Refused


def ended(monkeypatch: pytest.MonkeyPatch, run: Path, error: Exception) -> tuple[int, list[Message]]:
    def perform(*_: object) -> None:
        raise error

    monkeypatch.setattr(module, "perform", perform)
    said: list[Message] = []
    config = {"batch_size": 64}
    order = Order(kind=Kind.PRETRAIN, config=config, dataset=run, encoder=None, run=run)
    return attempt(order, said.append, never), said


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (Stopped("asked"), Exit.STOPPED, None),
        (ValueError("batch_size is 0"), Exit.BAD_INPUT, ("bad_input", "batch_size is 0")),
        (OutOfMemory("32 fits"), Exit.BAD_INPUT, ("out_of_memory", "32 fits")),
        (MemoryError(), Exit.BAD_INPUT, ("out_of_memory", "memory ran out at batch_size 64: try 32")),
    ],
)
def test_every_end_has_its_exit_code_and_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, code: int, says: tuple[str, str] | None
) -> None:
    status, said = ended(monkeypatch, tmp_path, error)
    assert status == code
    assert [(one.code, one.message) for one in said if isinstance(one, Refused)] == ([says] if says else [])


def test_a_map_is_made_of_the_banks_that_the_order_names(tmp_path: Path) -> None:
    bank = tmp_path / "features.npy"
    np.save(bank, np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32))
    config = {"encoder_ids": ["a"], "method": "umap", "neighbours": 5, "epochs": 10}
    order = Order(kind=Kind.MAP, config=config, dataset=None, encoder=None, run=tmp_path / "run", banks=(bank,))
    said: list[Message] = []
    assert attempt(order, said.append, never) == Exit.DONE
    assert isinstance(said[-1], Finished)
    assert isinstance(said[-1].result, MapResult)
    assert np.load(tmp_path / "run/map.npy").shape == (1, 40, 2)
    # Its state is kept as often as the order says, and another attempt goes on from there.
    kept = order.model_copy(update={"run": tmp_path / "kept", "checkpoint_epoch_s": 0.0})
    assert attempt(kept, said.append, never) == Exit.DONE
    states = [message.name for message in said if isinstance(message, Checkpoint)]
    assert len(states) == 11
    again = order.model_copy(update={"run": tmp_path / "again", "resume": tmp_path / "kept" / states[5]})
    assert attempt(again, said.append, never) == Exit.DONE
    assert "It goes on from map 1, epoch 5." in [message.message for message in said if isinstance(message, Log)]
    assert (tmp_path / "again/map.npy").read_bytes() == (tmp_path / "run/map.npy").read_bytes()
    few = order.model_copy(update={"config": {**config, "neighbours": 60}})
    assert attempt(few, said.append, never) == Exit.BAD_INPUT
    assert isinstance(said[-1], Refused)
    assert "neighbours is 60, but the set has 40 images" in said[-1].message


def test_what_is_no_refusal_goes_on_to_be_a_crash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="device-side assert"):
        ended(monkeypatch, tmp_path, RuntimeError("CUDA error: device-side assert triggered"))


def test_a_full_disk_is_told_with_its_folder_and_the_need(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    status, said = ended(monkeypatch, tmp_path, DiskFull(tmp_path / "a.pt", 3 * MIB))
    (refusal,) = said
    assert isinstance(refusal, Refused)
    assert (status, refusal.code) == (Exit.DISK, "disk")
    assert refusal.message.startswith(f"The disk is full: no room in {tmp_path}: a.pt needs 3.0 MiB, ")


def test_other_trouble_with_files_names_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    status, said = ended(monkeypatch, tmp_path, OSError(errno.EIO, "Input/output error", "/data/x"))
    (refusal,) = said
    assert isinstance(refusal, Refused)
    assert (status, refusal.code) == (Exit.DISK, "disk")
    assert "/data/x" in refusal.message
