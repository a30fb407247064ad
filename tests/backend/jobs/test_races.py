"""Real threads at the same file: every job is claimed once, and a double submission is one job."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from backend.catalogue.engine import Catalogue, open_catalogue
from backend.catalogue.models import EventRow
from backend.jobs import store
from backend.settings import Settings
from simclr.events import Log
from tests.backend.jobs.rows import PRETRAINED, add_dataset, submit
from tests.backend.jobs.test_lifecycle import IN_MEMORY

WORKERS = 4


@pytest.fixture
def settings() -> Iterator[Settings]:
    """In memory, where there is such a folder: a disk that others keep busy may hold a commit up for longer than writers wait."""
    with tempfile.TemporaryDirectory(prefix="races-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
        yield Settings(data=Path(folder) / "data")


def at_once(settings: Settings, work: Callable[[Catalogue, int], None]) -> None:
    """Run ``work`` in several threads, each with an engine of its own, as processes have."""
    errors: list[BaseException] = []
    gate = threading.Barrier(WORKERS)

    def guarded(number: int) -> None:
        catalogue = open_catalogue(settings)
        try:
            gate.wait()
            work(catalogue, number)
        except BaseException as error:  # noqa: BLE001  a thread's error must fail the test
            errors.append(error)
        finally:
            catalogue.close()

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_every_job_is_claimed_once(catalogue: Catalogue, settings: Settings) -> None:
    dataset_id = add_dataset(catalogue)
    jobs = {submit(catalogue, dataset_id) for _ in range(40)}
    claimed: list[str] = []

    def work(door: Catalogue, number: int) -> None:
        while True:
            with door.writing() as session:
                claim = store.claim(session, f"worker {number}")
            if claim is None:
                return
            claimed.append(claim.job_id)
            with door.writing() as session:
                assert store.progress(session, claim.job_id, claim.epoch, [Log(message="at work")])
            with door.writing() as session:
                assert store.settle(session, claim.job_id, claim.epoch, PRETRAINED)

    at_once(settings, work)
    assert len(claimed) == 40
    assert set(claimed) == jobs
    with catalogue.reading() as session:
        counts = session.execute(select(func.count(), func.max(EventRow.seq)).group_by(EventRow.job_id)).all()
    assert counts == [(4, 4)] * 40


def test_the_same_key_from_many_sides_is_one_job(catalogue: Catalogue, settings: Settings) -> None:
    dataset_id = add_dataset(catalogue)
    jobs: list[str] = []
    at_once(settings, lambda door, _number: jobs.append(submit(door, dataset_id, idempotency_key="once")))
    assert len(jobs) == WORKERS
    assert len(set(jobs)) == 1


def test_a_person_who_cancels_while_the_job_ends_gets_one_ending(catalogue: Catalogue, settings: Settings) -> None:
    dataset_id = add_dataset(catalogue)
    for _ in range(10):
        job_id = submit(catalogue, dataset_id)
        with catalogue.writing() as session:
            claim = store.claim(session, "worker")
        assert claim is not None

        def race(door: Catalogue, number: int, claim: store.Claim = claim) -> None:
            with door.writing() as session:
                if number == 0:
                    store.settle(session, claim.job_id, claim.epoch, PRETRAINED)
                else:
                    store.request_cancel(session, claim.job_id)

        at_once(settings, race)
        with catalogue.reading() as session:
            told = session.scalars(select(EventRow.data).where(EventRow.job_id == job_id).order_by(EventRow.seq)).all()
        assert told[-1]["state"] == "succeeded"
        assert [event["state"] for event in told].count("succeeded") == 1
