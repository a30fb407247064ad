"""The disk is full, or gives back other bytes than it was given: the job says so, and what is good is gone on from."""

import contextlib
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.jobs.states import State
from tests.faults.lab import BRIEF, SECONDS, Lab
from tests.worker.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOM = 8 << 20  # bytes; a checkpoint takes some hundred thousand


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A disk of ``ROOM`` at ``folder`` until the end of the block, after which its files are there all the same."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)], check=True)
    try:
        yield
        rescued = folder.with_name(f"{folder.name} rescued")
        shutil.copytree(folder, rescued)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    shutil.rmtree(folder)
    rescued.rename(folder)


def fill(ballast: Path) -> None:
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_f14_a_full_disk_fails_one_training_which_goes_on_when_there_is_room(lab: Lab) -> None:
    first = lab.submit()
    lab.until_saved(first)
    job_id = lab.submit()
    folder = lab.data / "jobs" / job_id
    with small_disk(folder):
        lab.must_succeed(first)
        lab.until_saved(job_id)
        fill(folder / "ballast")
        failed = lab.until_state(job_id, State.FAILED)
        must_name_folder_and_need(lab, job_id)
        assert (failed.epoch, failed.crashes) == (1, 0)
        lab.must_succeed(lab.submit(BRIEF), config=BRIEF)
        (folder / "ballast").unlink()
        assert must_go_on(lab, job_id) > 0


def test_f14_a_training_that_may_write_no_more_fails_and_goes_on_later(lab: Lab) -> None:
    job_id = lab.submit()
    lab.until_saved(job_id)
    resource.prlimit(lab.runner_of(job_id)[2], resource.RLIMIT_FSIZE, (4096, 4096))
    lab.until_state(job_id, State.FAILED)
    must_name_folder_and_need(lab, job_id)
    assert must_go_on(lab, job_id) > 0


def must_name_folder_and_need(lab: Lab, job_id: str) -> None:
    error = lab.told(job_id)["error"]
    assert error["code"] == "disk"
    # Whichever file was to be written next.
    named = re.escape(f"The disk is full: no room in {lab.data}/jobs/{job_id}/1: ") + "(checkpoint|epoch)-"
    assert re.search(named, error["message"])
    assert " MiB, " in error["message"]
    assert "MiB are free" in error["message"]
    assert error["message"] in lab.messages(job_id)


def must_go_on(lab: Lab, job_id: str) -> int:
    """A second job takes over where the failed one was, and makes what an undisturbed training makes; the step."""
    step = int(lab.told(job_id)["saved_step"])
    again = lab.ask(job_id, "again")["id"]
    lab.must_succeed(again)
    assert f"(step {step})" in lab.messages(again)
    return step


def cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut_off, flip_a_bit])
def test_f15_a_damaged_checkpoint_is_never_used(lab: Lab, damage: Callable[[Path], None]) -> None:
    job_id = lab.submit()
    until(lambda: len(lab.checkpoints(job_id)) > 1, "a second checkpoint", within_s=SECONDS)
    lab.ask(job_id, "pause")
    lab.until_state(job_id, State.PAUSED)
    newest, earlier, *_ = lab.checkpoints(job_id)
    damage(lab.data / newest.key)
    [found] = lab.violations()
    assert f"the checkpoint of step {newest.step}, {newest.key}, is not what was written" in found
    lab.ask(job_id, "resume")
    lab.must_succeed(job_id)
    assert f"The checkpoint of step {newest.step} is damaged." in lab.messages(job_id)
    told = lab.told(job_id)
    assert f"Going on after step {earlier.step} of {told['progress']['steps']}." in lab.messages(job_id)
    assert not (lab.data / newest.key).exists()
