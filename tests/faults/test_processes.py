"""Processes that are killed, frozen, starved or told to leave, while they train."""

import contextlib
import os
import re
import resource
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.jobs.states import State
from benchmarks.squares import add_squares
from simclr.config import EncoderConfig, OptimConfig
from simclr.runs import LAST_GOOD
from tests.faults.lab import BRIEF, TRAINING, Lab, Worker
from tests.worker.waiting import children_of, is_running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
# Needs half a gigabyte for a step of images of 64 × 64, most of it for what is between its layers.
GREEDY = TRAINING.model_copy(update={"batch_size": 64, "encoder": EncoderConfig(architecture="resnet8", width=64)})
SCARCE_BYTES = 250 << 20
# Every step multiplies each weight by about 1 - 10 · 1.
DIVERGING = TRAINING.model_copy(
    update={
        "epochs": 30,
        "learning_rate": 10.0,
        "weight_decay": 1.0,
        "optim": OptimConfig(optimizer="sgd", decay_all=True, schedule="constant", momentum=0.0),
    }
)


def test_a_runner_loads_nothing_that_only_metrics_or_a_compiler_need(lab: Lab) -> None:
    [runner] = children_of(lab.a_worker().pid)
    loaded = Path(f"/proc/{runner}/maps").read_text()
    assert "libtorch" in loaded  # so that a library would be seen
    for library in ("torchvision", "scipy/signal", "scipy/stats"):
        assert f"/{library}/" not in loaded


def test_f01_a_training_that_is_killed_goes_on_from_its_checkpoint(lab: Lab) -> None:
    job_id = lab.submit()
    step = lab.until_saved(job_id)
    os.kill(lab.runner_of(job_id)[2], signal.SIGKILL)
    lab.until_saved(job_id, epoch=2)
    assert lab.told(job_id)["saved_step"] > step
    lab.must_succeed(job_id)
    assert "killed by signal 9" in lab.messages(job_id)
    assert re.search(r"Resumed after a crash at epoch \d+ \(attempt 2 of 3\)\.", lab.messages(job_id))
    assert lab.job(job_id).epoch == 2


def test_f02_f17_a_worker_that_is_killed_leaves_no_process_and_with_nobody_left_jobs_wait_for_the_next_start(
    lab: Lab,
) -> None:
    running = lab.submit()
    lab.until_saved(running)
    worker, *below = lab.runner_of(running)
    os.kill(worker, signal.SIGKILL)
    until(lambda: not any(map(is_running, below)), "the end of runner and job", within_s=5)
    waiting = lab.submit(BRIEF)
    assert (lab.told(running)["state"], lab.told(waiting)["state"]) == ("running", "queued")
    lab.start_worker()
    lab.must_succeed(running)
    lab.must_succeed(waiting, config=BRIEF)
    assert "fell silent" in lab.messages(running)
    assert (lab.job(running).epoch, lab.job(waiting).epoch) == (2, 1)


def test_f03_f08_f11_a_job_goes_on_when_its_worker_freezes_when_it_hangs_and_when_its_worker_is_told_to_stop(
    lab: Lab,
) -> None:
    """One story, as a worker takes seconds to start."""
    patient = lab.a_worker()
    impatient = what_a_frozen_worker_holds_goes_on_and_it_writes_nothing_when_it_thaws(lab)
    lab.freeze(patient.pid)
    try:
        a_training_that_hangs_is_ended_and_goes_on(lab)
        job_id = a_worker_that_is_told_to_stop_gives_its_job_back_uncounted(lab, impatient)
    finally:
        patient.send_signal(signal.SIGCONT)
    lab.must_succeed(job_id)
    assert (lab.job(job_id).crashes, lab.job(job_id).epoch) == (0, 2)


def what_a_frozen_worker_holds_goes_on_and_it_writes_nothing_when_it_thaws(lab: Lab) -> Worker:
    """The other worker, which takes over."""
    job_id = lab.submit()
    lab.until_saved(job_id)
    zombie, _, process = lab.runner_of(job_id)
    other = lab.launch(stall_s=8.0)
    lab.freeze(zombie)
    lab.until_saved(job_id, epoch=2)
    assert is_running(zombie)
    os.kill(zombie, signal.SIGCONT)
    lab.must_succeed(job_id)
    until(lambda: not is_running(process), "the end of the first attempt")
    epochs = [event.epoch for event in lab.events(job_id)]
    assert epochs == sorted(epochs), "the first attempt wrote after it was replaced"
    assert lab.job(job_id).epoch == 2
    return other


def a_training_that_hangs_is_ended_and_goes_on(lab: Lab) -> None:
    job_id = lab.submit()
    lab.until_saved(job_id)
    hanging = lab.runner_of(job_id)[2]
    os.kill(hanging, signal.SIGSTOP)
    lab.must_succeed(job_id)
    assert "said nothing for 8 s" in lab.messages(job_id)
    assert not is_running(hanging)


def a_worker_that_is_told_to_stop_gives_its_job_back_uncounted(lab: Lab, leaving: Worker) -> str:
    job_id = lab.submit()
    lab.until_saved(job_id)
    below = lab.runner_of(job_id)[1:]
    leaving.terminate()
    assert leaving.wait(timeout=20) == 0
    assert not any(map(is_running, below))
    told = lab.told(job_id)
    assert (told["state"], told["crashes"]) == ("queued", 0)
    passes = lab.checkpoints(job_id)[0].passes
    said = f"The lab was stopped; the job goes on from epoch {passes} (step {told['saved_step']})"
    assert said in lab.messages(job_id)
    return job_id


def test_f07_a_job_that_dies_at_once_fails_after_three_attempts_and_others_succeed(lab: Lab) -> None:
    [runner] = children_of(lab.a_worker().pid)
    poison = lab.submit()
    is_over = threading.Event()

    def kill_at_birth() -> None:
        while not is_over.is_set():
            if lab.job(poison).state == State.RUNNING:
                for process in children_of(runner):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)

    killer = threading.Thread(target=kill_at_birth)
    killer.start()
    try:
        failed = lab.until_state(poison, State.FAILED)
    finally:
        is_over.set()
        killer.join()
    assert (failed.error_code, failed.crashes, failed.epoch) == ("crashed", 3, 3)
    assert lab.told(poison)["error"] == {"code": "crashed", "message": failed.error_message}
    lab.must_succeed(lab.submit(BRIEF), config=BRIEF)


def test_f21_a_loss_that_is_no_number_ends_a_training_at_once_with_the_step_and_what_to_change(lab: Lab) -> None:
    job_id = lab.submit(DIVERGING)
    failed = lab.until_state(job_id, State.FAILED)
    assert (failed.error_code, failed.crashes, failed.epoch) == ("bad_input", 0, 1)
    error = lab.told(job_id)["error"]
    assert re.search(r"the loss became nan at step \d+ of 120: lower learning_rate", error["message"])
    assert (lab.data / "jobs" / job_id / "1" / LAST_GOOD).is_file()
    lab.must_succeed(lab.submit(BRIEF), config=BRIEF)


@contextlib.contextmanager
def memory_group(name: str) -> Iterator[Path]:
    """A control group for memory, of version 1 or 2 of these."""
    for folder in (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")):
        group = folder / name
        try:
            group.mkdir()
        except OSError:
            continue
        if any((group / limit).exists() for limit in ("memory.limit_in_bytes", "memory.max")):
            yield group
            until(lambda: (group / "cgroup.procs").read_text() == "", "the end of what is in the group")  # noqa: B023
            group.rmdir()
            return
        group.rmdir()
    pytest.skip("no control group for memory can be made here")


def test_f22_a_training_that_the_kernel_ends_for_its_memory_goes_on_and_says_so(lab: Lab) -> None:
    job_id = lab.submit()
    with memory_group(f"simclr-lab-test-{os.getpid()}") as group:
        limit = next(group / name for name in ("memory.limit_in_bytes", "memory.max") if (group / name).exists())
        limit.write_text(str(1 << 19))
        lab.until_saved(job_id)
        (group / "cgroup.procs").write_text(str(lab.runner_of(job_id)[2]))
        lab.until_saved(job_id, epoch=2)
    lab.must_succeed(job_id)
    assert "killed by signal 9, as happens when the machine runs out of memory" in lab.messages(job_id)


def test_f22_a_training_for_which_memory_does_not_suffice_says_which_batch_fits(lab: Lab) -> None:
    [runner] = children_of(lab.a_worker().pid)
    whole = resource.prlimit(runner, resource.RLIMIT_AS)
    resource.prlimit(runner, resource.RLIMIT_AS, (address_space(runner) + SCARCE_BYTES, whole[1]))
    try:
        job_id = lab.submit(GREEDY, dataset_id=add_squares(lab.catalogue, lab.data, scale=4))
        failed = lab.until_state(job_id, State.FAILED)
    finally:
        resource.prlimit(runner, resource.RLIMIT_AS, whole)
    told = lab.messages(job_id)
    assert (failed.error_code, failed.epoch - failed.crashes) == ("out_of_memory", 1), told
    # The attempt that ran out is the last. One before may have died of it: native code does not always look at what it gets.
    assert failed.crashes == told.count("killed by signal"), told
    said = re.fullmatch(r"memory ran out at batch_size 64: (\d+) fits, as tried just now", failed.error_message or "")
    assert said, failed.error_message
    assert lab.told(job_id)["error"] == {"code": "out_of_memory", "message": said[0]}
    lab.must_succeed(lab.submit(BRIEF), config=BRIEF)


def address_space(pid: int) -> int:
    """Bytes of address space that a process has mapped."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
