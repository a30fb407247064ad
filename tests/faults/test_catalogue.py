"""The catalogue is locked, its clock is wrong, or a newer version of the lab takes it over: jobs wait, then go on."""

import contextlib
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from backend.catalogue import migrations
from backend.catalogue.engine import now, open_catalogue, open_url
from backend.catalogue.upgrade import is_current
from backend.jobs.states import State
from backend.jobs.sweeper import sweep
from tests.faults.app import TIMING, wrong_clock
from tests.faults.lab import SECONDS, Lab
from tests.worker.redis_server import socket_folder
from tests.worker.waiting import is_running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_f12_a_catalogue_that_is_locked_for_less_than_a_lease_changes_nothing(lab: Lab) -> None:
    job_id = lab.submit()
    step = lab.until_saved(job_id)
    with lab.locked():
        time.sleep(4.0)  # the fault itself: the lease is 6 s
        assert lab.told(job_id)["saved_step"] >= step, "what is known can be read"
    lab.must_succeed(job_id)
    assert (lab.job(job_id).epoch, lab.job(job_id).crashes) == (1, 0)


def test_f12_a_training_ends_itself_when_the_catalogue_is_locked_for_longer_and_goes_on(lab: Lab) -> None:
    job_id = lab.submit()
    lab.until_saved(job_id)
    process = lab.runner_of(job_id)[2]
    locked_at = time.monotonic()
    with lab.locked():
        os.kill(process, signal.SIGSTOP)  # it would be done before its lease is in danger
        refused = lab.api.post(f"/api/jobs/{job_id}/pause")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "catalogue_busy")
        until(lambda: not is_running(process), "the end of a process whose lease may be lost", within_s=SECONDS)
        time.sleep(max(0.0, locked_at + 1.5 * TIMING.lease_s - time.monotonic()))  # the fault itself
    lab.must_succeed(job_id)
    assert lab.job(job_id).epoch == 2
    # Whoever is first of the sweeper, the worker itself and its runner.
    said = ("fell silent", "stood still for the time of a lease")
    assert any(words in lab.messages(job_id) for words in said), lab.messages(job_id)


def test_f13_a_clock_that_jumps_ahead_twice_costs_attempts_and_nothing_else(lab: Lab) -> None:
    other = open_catalogue(lab.settings, clock=wrong_clock(lab.data))
    job_id = lab.submit()
    try:
        for epoch in (1, 2):
            lab.until_saved(job_id, epoch)
            with other.writing() as session:
                now(session)  # the first statement takes the lock: from here on nobody can renew a lease, or sweep
                lab.turn_clock(3600.0 * epoch)
                assert sweep(session, TIMING).requeued == 1
        lab.until_saved(job_id, epoch=3)
        lab.must_succeed(job_id)
    finally:
        lab.turn_clock(0.0)
        other.close()
    epochs = [event.epoch for event in lab.events(job_id)]
    assert epochs == sorted(epochs), "an attempt wrote after it was replaced"
    assert lab.job(job_id).epoch == 3
    assert sum(event.data.get("state") == "succeeded" for event in lab.events(job_id)) == 1


def copy_of_the_version_before(lab: Lab, folder: Path) -> Path:
    """The lab's data folder as the version before this one would have left it; the new folder."""
    copytree(lab.data, folder, ignore=ignore_patterns("catalogue.*"))
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    before = ScriptDirectory.from_config(config).get_revision(migrations.HEAD).down_revision
    old = open_url(f"sqlite:///{folder / 'catalogue.sqlite'}")
    with old.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, str(before))
    old.close()
    with contextlib.closing(sqlite3.connect(folder / "catalogue.sqlite")) as copy, copy:
        copy.execute("ATTACH ? AS now", (str(lab.data / "catalogue.sqlite"),))
        for (table,) in copy.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            if table != "alembic_version":
                columns = ", ".join(row[1] for row in copy.execute(f"PRAGMA main.table_info({table})"))
                copy.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM now.{table}")  # noqa: S608
    return folder


@contextlib.contextmanager
def old_worker(catalogue: Path, job_id: str) -> Iterator[threading.Event]:
    """Runs the job as a worker of an earlier version does, as far as the catalogue sees it, until the event is set."""
    is_dead = threading.Event()
    lease = "UPDATE job SET state = 'running', desired = 'run', owner = 'an old worker', lease_until = ? WHERE id = ?"

    def renew() -> None:
        with contextlib.closing(sqlite3.connect(catalogue, isolation_level=None, timeout=10)) as own:
            while not is_dead.is_set():
                own.execute(lease, (time.time() + TIMING.lease_s, job_id))
                is_dead.wait(0.02)

    with contextlib.closing(sqlite3.connect(catalogue)) as own, own:
        own.execute(lease, (time.time() + TIMING.lease_s, job_id))
    worker = threading.Thread(target=renew)
    worker.start()
    try:
        yield is_dead
    finally:
        is_dead.set()
        worker.join()


def test_f24_a_job_of_an_older_version_goes_on_in_the_newer_one_whose_start_changes_the_tables(
    lab: Lab, tmp_path: Path
) -> None:
    job_id = lab.submit()
    lab.until_saved(job_id)
    lab.ask(job_id, "pause")
    lab.until_state(job_id, State.PAUSED)
    step = lab.told(job_id)["saved_step"]
    folder = copy_of_the_version_before(lab, tmp_path / "data")
    lab.ask(job_id, "cancel")
    with socket_folder() as sockets, old_worker(folder / "catalogue.sqlite", job_id) as is_dead:
        newer = Lab(folder, sockets, dataset_id=lab.dataset_id, references=lab.references)
        try:
            assert not is_current(newer.catalogue.engine)
            worker = newer.launch()
            assert newer.told(job_id)["state"] == "running", "the API starts as well, and may change the tables first"
            newer.until_warm(worker)
            assert is_current(newer.catalogue.engine)
            assert newer.job(job_id).epoch == 1
            is_dead.set()
            newer.must_succeed(job_id)
            assert (newer.job(job_id).epoch, newer.told(job_id)["crashes"]) == (2, 0)
            assert any(event.data.get("step", 0) > step for event in newer.events(job_id))
            newer.until_sound()
        finally:
            newer.close()
