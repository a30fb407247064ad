"""The catalogue in PostgreSQL, which restarts, or is cut off for longer than a lease."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.faults.lab import SECONDS, Lab
from tests.faults.postgres import Postgres
from tests.worker.redis_server import socket_folder
from tests.worker.waiting import is_running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def distant(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab whose catalogue is in PostgreSQL."""
    with socket_folder() as sockets:
        lab = Lab(tmp_path_factory.mktemp("distant") / "data", sockets, database_url=postgres.create("lab"))
        lab.reference()
        yield lab
        lab.close()


def test_f19_a_postgres_that_is_killed_and_comes_back_costs_no_attempt(distant: Lab, postgres: Postgres) -> None:
    job_id = distant.submit()
    distant.until_saved(job_id)
    postgres.kill()
    refused = distant.api.get(f"/api/jobs/{job_id}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "catalogue_busy")
    postgres.start()
    distant.must_succeed(job_id)
    assert (distant.job(job_id).epoch, distant.job(job_id).crashes) == (1, 0)
    distant.until_sound()


def test_f19_a_training_ends_itself_when_postgres_is_cut_off_for_long_and_goes_on(
    distant: Lab, postgres: Postgres
) -> None:
    job_id = distant.submit()
    distant.until_saved(job_id)
    process = distant.runner_of(job_id)[2]
    os.kill(process, signal.SIGSTOP)  # it would be done before its lease is in danger
    postgres.cut_off()
    try:
        assert distant.api.post(f"/api/jobs/{job_id}/pause").status_code == 503
        until(lambda: not is_running(process), "the end of a process whose lease may be lost", within_s=SECONDS)
    finally:
        postgres.let_in()
    distant.must_succeed(job_id)
    assert distant.job(job_id).epoch == 2
    assert "fell silent" in distant.messages(job_id)
    distant.until_sound()
