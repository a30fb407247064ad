"""How an attempt ends when something is in its way: what it says, and with which exit code."""

import errno
from pathlib import Path

import pytest

from backend.jobs.states import Kind
from simclr.events import OutOfMemory, Stopped, never
from simclr.runs import MIB, DiskFull
from worker import attempt as module
from worker.attempt import attempt
from worker.protocol import Exit, Message, Order, Refused


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
