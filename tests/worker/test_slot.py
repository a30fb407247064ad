"""A slot does the jobs in the catalogue, whatever they do to it. Jobs are played, all else is real."""

import itertools
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import IO

import pytest
from sqlalchemy import select

from backend.catalogue import queries
from backend.catalogue.engine import Catalogue
from backend.catalogue.models import DryRunRow, EventRow, WorkerRow
from backend.jobs import dry_runs, presence, store
from backend.jobs.invariants import violations
from backend.jobs.order import Reach
from backend.jobs.states import Kind, Lane, State
from backend.jobs.sweeper import sweep
from backend.jobs.timing import Timing
from backend.settings import Settings
from simclr.costs import Costs
from tests.backend.jobs.rows import add_dataset, add_encoder, job, state, submit
from tests.worker.waiting import is_running, until
from worker.slot import Slot
from worker.supervise import Attempt
from worker.warm import WarmRunner

pytestmark = pytest.mark.slow

QUICK = Timing(
    lease_s=3.0, renew_s=0.5, watch_s=0.05, progress_s=0.2, sweep_s=0.1, backoff_s=(0.0,), stop_grace_s=1.0,
    drain_grace_s=1.0, stall_s=20.0, restart_s=0.1,
)  # fmt: skip
PLAY_RUNNER = (sys.executable, "-m", "tests.worker.play_runner")


def a_slot(catalogue: Catalogue, settings: Settings, timing: Timing = QUICK) -> Slot:
    return Slot(catalogue, settings.data_folder, timing, runner_command=PLAY_RUNNER)


class Kept(WarmRunner):
    """Outlives the slot that it works for."""

    def close(self) -> None:
        if not self.is_alive:
            super().close()

    def end(self) -> None:
        super().close()


@pytest.fixture(scope="module")
def kept_runner() -> Iterator[Callable[[], Kept]]:
    """The runner that is there; started where there is none."""
    started: list[Kept] = []

    def get() -> Kept:
        if not started or not started[-1].is_alive:
            started.append(Kept(PLAY_RUNNER))
        return started[-1]

    yield get
    for runner in started:
        runner.end()


@pytest.fixture
def slot(catalogue: Catalogue, settings: Settings, kept_runner: Callable[[], Kept]) -> Iterator[Slot]:
    opened = Slot(catalogue, settings.data_folder, QUICK, start_runner=kept_runner)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def dataset_id(catalogue: Catalogue, settings: Settings) -> str:
    (settings.data_folder / "datasets/digits").mkdir(parents=True)
    (settings.data_folder / "datasets/digits/dataset.json").touch()
    return add_dataset(catalogue)


def play(catalogue: Catalogue, dataset_id: str, scene: str) -> str:
    return submit(catalogue, dataset_id, config={"play": scene})


def told(catalogue: Catalogue, job_id: str) -> list[EventRow]:
    with catalogue.reading() as session:
        return list(queries.events_after(session, job_id, 0, limit=100_000))


def messages(catalogue: Catalogue, job_id: str) -> list[str]:
    return [event.data.get("message", "") for event in told(catalogue, job_id)]


def until_state(catalogue: Catalogue, job_id: str, wanted: State) -> None:
    until(lambda: state(catalogue, job_id) is wanted, f"{wanted}, but it is {state(catalogue, job_id)}")


def until_played(catalogue: Catalogue, job_id: str, times: int = 1) -> int:
    """Wait until the job's process has said its first line for the ``times``-th time; its number."""

    def pids() -> list[int]:
        found = (re.fullmatch(r"process (\d+) plays .*", message) for message in messages(catalogue, job_id))
        return [int(match[1]) for match in found if match]

    return until(lambda: len(pids()) >= times and pids()[-1], "the job's process")


def cancel(catalogue: Catalogue, job_id: str) -> None:
    with catalogue.writing() as session:
        assert store.request_cancel(session, job_id)


def test_a_waiting_job_is_found_without_a_bell_and_leaves_its_encoder(
    catalogue: Catalogue, slot: Slot, dataset_id: str, settings: Settings
) -> None:
    job_id = play(catalogue, dataset_id, "succeed")
    until_state(catalogue, job_id, State.SUCCEEDED)
    with catalogue.reading() as session:
        encoder = queries.encoder(session, queries.encoders_made_by(session, [job_id])[job_id])
    assert encoder is not None
    assert (settings.data_folder / encoder.key).is_file()
    assert encoder.description["feature_dim"] == 64
    with catalogue.reading() as session:
        epochs = [row.epoch for row in queries.encoders_on_the_way(session, job_id)]
    assert epochs == [0, 2, 3], "the first was superseded"
    files = {path.name for path in (settings.data_folder / encoder.key).parent.glob("epoch-*")}
    assert files == {"epoch-000000.safetensors", "epoch-000002.safetensors"}


def test_what_libraries_print_does_not_disturb_the_job_and_is_shown(
    catalogue: Catalogue, slot: Slot, dataset_id: str
) -> None:
    job_id = play(catalogue, dataset_id, "chatter")
    until_state(catalogue, job_id, State.SUCCEEDED)
    shown = messages(catalogue, job_id)
    assert "raw bytes on stdout" in shown
    assert "a program prints" in shown


def test_what_a_job_prints_last_is_shown_however_late_it_is_read(
    catalogue: Catalogue, settings: Settings, dataset_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    overhear = WarmRunner._overhear

    def slowly(lines: IO[bytes]) -> Iterator[bytes]:
        for line in lines:
            time.sleep(0.3)  # as on a machine that has other things to do
            yield line

    monkeypatch.setattr(WarmRunner, "_overhear", lambda runner, stderr: overhear(runner, slowly(stderr)))
    slow = a_slot(catalogue, settings)
    slow.open()
    try:
        job_id = play(catalogue, dataset_id, "chatter")
        until_state(catalogue, job_id, State.SUCCEEDED)
        assert "a program prints" in messages(catalogue, job_id)
    finally:
        slow.close()


def test_a_refused_job_fails_with_the_reason_and_is_not_tried_again(
    catalogue: Catalogue, slot: Slot, dataset_id: str
) -> None:
    job_id = play(catalogue, dataset_id, "refuse")
    until_state(catalogue, job_id, State.FAILED)
    failed = job(catalogue, job_id)
    assert (failed.error_code, failed.crashes, failed.epoch) == ("bad_input", 0, 1)
    assert failed.error_message == "batch_size 999 exceeds the 64 images: choose 64 or less"


@pytest.mark.parametrize(
    ("scene", "reason"),
    [
        ("raise", "RuntimeError: the loss went for a walk"),
        ("die", "killed by signal 9"),
    ],
)
def test_a_job_that_crashes_is_tried_three_times_and_others_go_on(
    catalogue: Catalogue, slot: Slot, dataset_id: str, scene: str, reason: str
) -> None:
    poison, good = play(catalogue, dataset_id, scene), play(catalogue, dataset_id, "succeed")
    until_state(catalogue, poison, State.FAILED)
    until_state(catalogue, good, State.SUCCEEDED)
    failed = job(catalogue, poison)
    assert (failed.error_code, failed.crashes, failed.epoch) == ("crashed", 3, 3)
    assert reason in (failed.error_message or "")
    assert job(catalogue, good).epoch == 1


def test_a_runner_that_dies_is_replaced(catalogue: Catalogue, slot: Slot, dataset_id: str) -> None:
    job_id = play(catalogue, dataset_id, "die with the runner")
    until_state(catalogue, job_id, State.FAILED)
    good = play(catalogue, dataset_id, "succeed")
    until_state(catalogue, good, State.SUCCEEDED)


def test_a_job_that_says_nothing_is_stopped_and_counts_as_crashed(
    catalogue: Catalogue, settings: Settings, dataset_id: str
) -> None:
    impatient = a_slot(catalogue, settings, replace(QUICK, stall_s=0.5, crashes_allowed=1))
    impatient.open()
    job_id = play(catalogue, dataset_id, "hang")
    until_state(catalogue, job_id, State.FAILED)
    impatient.close()
    assert "said nothing" in (job(catalogue, job_id).error_message or "")


@pytest.mark.parametrize("scene", ["work", "ignore stop"])
def test_cancelling_stops_the_running_job(catalogue: Catalogue, slot: Slot, dataset_id: str, scene: str) -> None:
    job_id = play(catalogue, dataset_id, scene)
    pid = until_played(catalogue, job_id)
    cancel(catalogue, job_id)
    until_state(catalogue, job_id, State.CANCELLED)
    assert not is_running(pid)


def test_what_a_job_started_itself_ends_with_it(catalogue: Catalogue, slot: Slot, dataset_id: str) -> None:
    job_id = play(catalogue, dataset_id, "leave a child")
    pattern = re.compile(r"started (\d+)")
    until_played(catalogue, job_id)
    other = until(lambda: [int(m[1]) for m in map(pattern.fullmatch, messages(catalogue, job_id)) if m], "its child")[0]
    cancel(catalogue, job_id)
    until_state(catalogue, job_id, State.CANCELLED)
    until(lambda: not is_running(other), "the end of what the job started")


def test_fast_progress_is_written_rarely_and_the_last_is_kept(
    catalogue: Catalogue, slot: Slot, dataset_id: str
) -> None:
    job_id = play(catalogue, dataset_id, "many steps")
    until(lambda: state(catalogue, job_id) is State.SUCCEEDED, "success", within_s=60)
    done = job(catalogue, job_id)
    assert done.progress is not None
    assert done.progress["step"] == 50_000
    elapsed_s = (done.finished_at or 0) - (done.started_at or 0)
    progress = [event for event in told(catalogue, job_id) if event.kind == "progress"]
    assert len(progress) <= elapsed_s / QUICK.progress_s + 3


def test_closing_gives_the_running_job_back_uncounted_and_leaves_no_process(
    catalogue: Catalogue, settings: Settings, dataset_id: str
) -> None:
    leaving = a_slot(catalogue, settings)
    leaving.open()
    job_id = play(catalogue, dataset_id, "work")
    pid = until_played(catalogue, job_id)
    leaving.close()
    assert not is_running(pid)
    assert (state(catalogue, job_id), job(catalogue, job_id).crashes) == (State.QUEUED, 0)
    assert "starts again from the beginning when it is back" in messages(catalogue, job_id)[-1]
    with catalogue.reading() as session:
        assert session.scalars(select(WorkerRow)).all() == []
    next_one = a_slot(catalogue, settings)
    next_one.open()
    until_played(catalogue, job_id, times=2)
    cancel(catalogue, job_id)
    until_state(catalogue, job_id, State.CANCELLED)
    next_one.close()


def test_a_job_taken_by_another_worker_is_killed_and_its_words_are_refused(
    catalogue: Catalogue, slot: Slot, dataset_id: str
) -> None:
    job_id = play(catalogue, dataset_id, "work")
    pid = until_played(catalogue, job_id)
    with catalogue.writing() as session:
        running = queries.job(session, job_id)
        assert running is not None
        running.lease_until = 0.0
        sweep(session, QUICK)
        mine = store.claim(session, "another worker", replace(QUICK, lease_s=600.0))
    assert mine is not None
    until(lambda: not is_running(pid), "the end of the fenced job's process")
    assert {event.epoch for event in told(catalogue, job_id)[-2:]} <= {1, 2}
    assert told(catalogue, job_id)[-1].data["state"] == "running"


def test_an_attempt_that_wakes_up_too_late_leaves_what_the_next_one_made(
    catalogue: Catalogue, settings: Settings, dataset_id: str
) -> None:
    job_id = play(catalogue, dataset_id, "succeed")
    with catalogue.writing() as session:
        late = store.claim(session, "a worker that freezes here", replace(QUICK, lease_s=-1.0))
    assert late is not None
    runner = WarmRunner(PLAY_RUNNER)
    assert runner.wait_ready(20.0)
    other = a_slot(catalogue, settings)
    other.open()
    until_state(catalogue, job_id, State.SUCCEEDED)
    other.close()
    assert not Attempt(late, runner, catalogue, settings.data_folder, QUICK).run(threading.Event())
    runner.close()
    with catalogue.reading() as session:
        assert violations(session, settings.data_folder, stray_s=-1.0) == []
    assert (settings.data_folder / f"jobs/{job_id}/2/encoder.safetensors").is_file()


def test_a_worker_says_that_it_lives_and_where_it_computes(catalogue: Catalogue, slot: Slot) -> None:
    def present() -> WorkerRow | None:
        with catalogue.reading() as session:
            return session.scalar(select(WorkerRow).where(WorkerRow.device.is_not(None)))

    row = until(present, "a sign of life")
    assert (row.pid, row.device) == (os.getpid(), "a stage")


def test_two_bells_at_once_do_one_job_at_a_time(catalogue: Catalogue, settings: Settings, dataset_id: str) -> None:
    shared = a_slot(catalogue, settings, replace(QUICK, sweep_s=600.0))
    shared.open()
    jobs = [play(catalogue, dataset_id, "succeed") for _ in range(6)]
    bells = [threading.Thread(target=shared.work) for _ in range(3)]
    for bell in bells:
        bell.start()
    for bell in bells:
        bell.join()
    shared.close()
    rows = [job(catalogue, job_id) for job_id in jobs]
    assert [(row.state, row.epoch) for row in rows] == [("succeeded", 1)] * 6
    spans = sorted((row.started_at or 0, row.finished_at or 0) for row in rows)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


def test_a_slot_for_short_jobs_leaves_the_long_ones_and_says_so(
    catalogue: Catalogue, settings: Settings, dataset_id: str
) -> None:
    long = play(catalogue, dataset_id, "succeed")
    short = submit(
        catalogue, dataset_id, Kind.EMBED, config={"play": "refuse"}, encoder_id=add_encoder(catalogue, dataset_id)
    )
    reach = Reach(lanes=frozenset({Lane.SHORT}))
    kept = Slot(catalogue, settings.data_folder, QUICK, reach=reach, runner_command=PLAY_RUNNER)
    kept.open()
    until_state(catalogue, short, State.FAILED)
    kept.work()
    with catalogue.reading() as session:
        assert [presence.reach_of(row) for row in session.scalars(select(WorkerRow))] == [reach]
    kept.close()
    assert (state(catalogue, long), job(catalogue, short).device) == (State.QUEUED, "a stage")


def ask_dry_run(catalogue: Catalogue, dataset_id: str, scene: str) -> str:
    with catalogue.writing() as session:
        dry_runs.ask(session, {"play": scene}, dataset_id, None)
    return dry_runs.key_of({"play": scene}, dataset_id, None)


def tried(catalogue: Catalogue, key: str) -> Costs | None:
    with catalogue.reading() as session:
        return dry_runs.found(session, key)


def test_an_idle_slot_does_a_dry_run_that_is_asked_for(catalogue: Catalogue, slot: Slot, dataset_id: str) -> None:
    key = ask_dry_run(catalogue, dataset_id, "succeed")
    assert until(lambda: slot.work() or tried(catalogue, key), "what was found") == Costs(step_s=0.5, peak_bytes=7)


def test_a_dry_run_that_dies_says_what_to_change(catalogue: Catalogue, slot: Slot, dataset_id: str) -> None:
    key = ask_dry_run(catalogue, dataset_id, "die")
    costs = until(lambda: slot.work() or tried(catalogue, key), "what was found")
    assert costs.step_s is None
    assert "try a smaller batch_size" in str(costs.advice)


def test_a_job_does_not_wait_for_a_dry_run(catalogue: Catalogue, slot: Slot, dataset_id: str) -> None:
    key = ask_dry_run(catalogue, dataset_id, "hang")

    def is_taken() -> bool:
        with catalogue.reading() as session:
            return session.get_one(DryRunRow, key).taken_at is not None

    trying = threading.Thread(target=slot.work)
    trying.start()
    until(is_taken, "the dry run's start")
    job_id = play(catalogue, dataset_id, "succeed")
    until_state(catalogue, job_id, State.SUCCEEDED)
    slot.draining.set()  # or the slot takes the dry run up again
    trying.join()
    assert tried(catalogue, key) is None
    assert not is_taken()
