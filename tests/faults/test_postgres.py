"""The catalogue in PostgreSQL, which restarts, or is cut off for longer than a lease."""

import os
import signal
from pathlib import Path

import pytest

from tests.faults.lab import SECONDS, Lab
from tests.faults.postgres import Postgres
from tests.worker.redis_server import socket_folder
from tests.worker.waiting import is_running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_f19_postgres_is_killed_and_comes_back_then_is_cut_off_for_longer_than_a_lease(
    postgres: Postgres, references: Path, tmp_path: Path
) -> None:
    with socket_folder() as sockets:
        lab = Lab(tmp_path / "data", sockets, database_url=postgres.create("lab"), references=references)
        try:
            lab.a_worker()
            lab.reference()
            a_short_outage_changes_nothing(lab, postgres)
            a_long_one_costs_an_attempt(lab, postgres)
            lab.until_sound()
        finally:
            lab.close()


def a_short_outage_changes_nothing(lab: Lab, postgres: Postgres) -> None:
    job_id = lab.submit()
    lab.until_saved(job_id)
    postgres.kill()
    refused = lab.api.get(f"/api/jobs/{job_id}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "catalogue_busy")
    postgres.start()
    lab.must_succeed(job_id)
    assert (lab.job(job_id).epoch, lab.job(job_id).crashes) == (1, 0)


def a_long_one_costs_an_attempt(lab: Lab, postgres: Postgres) -> None:
    job_id = lab.submit()
    lab.until_saved(job_id)
    process = lab.runner_of(job_id)[2]
    os.kill(process, signal.SIGSTOP)  # it would be done before its lease is in danger
    postgres.cut_off()
    try:
        assert lab.api.post(f"/api/jobs/{job_id}/pause").status_code == 503
        until(lambda: not is_running(process), "the end of a process whose lease may be lost", within_s=SECONDS)
    finally:
        postgres.let_in()
    lab.must_succeed(job_id)
    assert lab.job(job_id).epoch == 2
    assert "fell silent" in lab.messages(job_id)
