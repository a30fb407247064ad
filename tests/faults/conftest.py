"""One lab and one PostgreSQL for all tests of a process; every test leaves the lab sound."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.lab import Lab
from tests.faults.postgres import Postgres
from tests.worker.redis_server import socket_folder
from tests.worker.waiting import until


@pytest.fixture(scope="session")
def references(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where labs keep what undisturbed trainings make; one folder for all processes of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "references"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory, references: Path) -> Iterator[Lab]:
    with socket_folder() as sockets:
        lab = Lab(tmp_path_factory.mktemp("lab") / "data", sockets, references=references)
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
