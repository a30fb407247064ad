"""One lab and one PostgreSQL for all tests of a process; every test leaves the lab sound."""

from collections.abc import Iterator

import pytest

from tests.faults.lab import Lab
from tests.faults.postgres import Postgres
from tests.worker.redis_server import socket_folder
from tests.worker.waiting import until


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with socket_folder() as sockets:
        lab = Lab(tmp_path_factory.mktemp("lab") / "data", sockets)
        yield lab
        lab.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with socket_folder() as folder:
        server = Postgres(folder)
        yield server
        server.kill()


@pytest.fixture
def lab(standing: Lab) -> Iterator[Lab]:
    """At least one worker is ready; at the end nothing is at work, at most one worker stays, and nothing is amiss."""
    standing.a_worker()
    standing.reference()
    yield standing
    for extra in [worker for worker in standing.workers if worker.poll() is None][1:]:
        standing.end(extra)
    until(lambda: not standing.api.get("/api/jobs?state=running").json()["items"], "the end of all jobs")
    standing.until_sound()
