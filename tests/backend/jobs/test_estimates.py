"""What a job will take is told by like jobs, else by a dry run that jobs have corrected; and dry runs are done for who waits."""

from dataclasses import replace as changed

import pytest

from backend.catalogue import queries
from backend.catalogue.engine import Catalogue
from backend.catalogue.models import DatasetRow, JobRow
from backend.jobs import dry_runs, store
from backend.jobs.estimates import Estimate, estimate, estimate_of_rest
from backend.jobs.order import Reach
from backend.jobs.states import Kind, Lane
from simclr.config import EncoderConfig, PretrainConfig
from simclr.costs import Costs
from simclr.events import Checkpoint
from tests.backend.jobs.rows import PRETRAINED, claim, submit

INFO = {"split_sizes": {"train": 1000}, "image_size": 32, "channels": 3, "n": 1200}
HERE = Reach(device="cpu")


@pytest.fixture
def dataset_id(catalogue: Catalogue) -> str:
    with catalogue.writing() as session:
        row = DatasetRow(name="d", key="datasets/d", content_hash="d", info=INFO, created_at=0.0)
        session.add(row)
    return row.id


def config(**more: object) -> dict[str, object]:
    return PretrainConfig(**{"epochs": 10, "batch_size": 100, **more}).model_dump(mode="json")  # type: ignore[arg-type]


def told(catalogue: Catalogue, dataset_id: str, **more: object) -> Estimate:
    with catalogue.reading() as session:
        return estimate(session, Kind.PRETRAIN, config(**more), session.get_one(DatasetRow, dataset_id))


def ran(catalogue: Catalogue, dataset_id: str, spent_s: float, dry_run_s: float | None = None, **more: object) -> str:
    """A job that succeeded after so many seconds."""
    job_id = submit(catalogue, dataset_id, config=config(**more), estimate=Estimate(dry_run_s=dry_run_s))
    claimed = claim(catalogue)
    with catalogue.writing() as session:
        saved = Checkpoint(step=1, epoch=10, name="c", sha256="s")
        assert store.progress(session, job_id, claimed.epoch, [saved])
        assert store.settle(session, job_id, claimed.epoch, changed(PRETRAINED, peak_bytes=9))
        session.get_one(JobRow, job_id).spent_s = spent_s
    return job_id


def tried(catalogue: Catalogue, dataset_id: str, costs: Costs, **more: object) -> None:
    with catalogue.writing() as session:
        dry_runs.ask(session, config(**more), dataset_id, None)
        asked = dry_runs.take(session, HERE)
        assert asked is not None
        dry_runs.answer(session, asked.key, costs)


COSTS = Costs(step_s=0.5, look_s=1.0, start_s=9.0, peak_bytes=5)  # 10 epochs of 10 steps, 11 looks: 70 s


def test_nothing_is_guessed_before_anything_was_tried(catalogue: Catalogue, dataset_id: str) -> None:
    assert told(catalogue, dataset_id) == Estimate(wants_dry_run=True)


def test_a_dry_run_serves_every_length_of_the_same_training(catalogue: Catalogue, dataset_id: str) -> None:
    tried(catalogue, dataset_id, COSTS)
    assert told(catalogue, dataset_id) == Estimate(70.0, 5, 0, "dry_run", 70.0)
    assert told(catalogue, dataset_id, epochs=20, seed=7).seconds == 130.0
    assert told(catalogue, dataset_id, batch_size=50).seconds is None


def test_what_a_dry_run_foretells_is_corrected_by_what_jobs_took(catalogue: Catalogue, dataset_id: str) -> None:
    wide = EncoderConfig(width=64)
    tried(catalogue, dataset_id, COSTS)
    for spent_s, foretold_s in ((30.0, 20.0), (45.0, 30.0), (1000.0, 10.0)):
        ran(catalogue, dataset_id, spent_s, foretold_s, encoder=wide)
    found = told(catalogue, dataset_id)
    assert (found.seconds, found.dry_run_s) == (105.0, 70.0)


def test_like_jobs_tell_more_than_a_dry_run_and_other_batches_less(catalogue: Catalogue, dataset_id: str) -> None:
    ran(catalogue, dataset_id, 200.0)
    tried(catalogue, dataset_id, COSTS)
    tried(catalogue, dataset_id, COSTS, batch_size=50)
    like = told(catalogue, dataset_id, epochs=5)
    assert (like.seconds, like.peak_bytes, like.jobs, like.source) == (100.0, 9, 1, "history")
    assert told(catalogue, dataset_id, batch_size=50).source == "dry_run"
    similar = told(catalogue, dataset_id, batch_size=25)
    assert (similar.seconds, similar.peak_bytes, similar.wants_dry_run) == (200.0, None, True)


def test_missing_memory_is_told_and_no_time(catalogue: Catalogue, dataset_id: str) -> None:
    tried(catalogue, dataset_id, Costs(fits=64, advice="64 fits"))
    assert told(catalogue, dataset_id) == Estimate(advice="64 fits")


def test_of_a_job_that_goes_on_only_the_rest_is_foretold(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = ran(catalogue, dataset_id, 200.0)
    with catalogue.reading() as session:
        before = queries.job(session, job_id)
        assert before is not None
        dataset = session.get_one(DatasetRow, dataset_id)
        assert estimate_of_rest(session, before, config(epochs=40), dataset).seconds == 600.0


def test_the_last_asked_is_done_first_and_once_and_what_nobody_waits_for_never(
    catalogue: Catalogue, dataset_id: str
) -> None:
    moment = [1000.0]
    timed = changed(catalogue, clock=lambda _: moment[0])
    with timed.writing() as session:
        dry_runs.ask(session, config(batch_size=10), dataset_id, None)
        moment[0] += 1
        dry_runs.ask(session, config(batch_size=20), dataset_id, None)
        dry_runs.ask(session, config(batch_size=20), dataset_id, "cuda:3")
        assert dry_runs.take(session, Reach(lanes=frozenset({Lane.SHORT}))) is None
        first = dry_runs.take(session, HERE)
        assert first is not None
        assert first.config["batch_size"] == 20
        second = dry_runs.take(session, HERE)
        assert second is not None
        assert second.config["batch_size"] == 10
        assert dry_runs.take(session, HERE) is None
        dry_runs.answer(session, second.key, None)
        assert dry_runs.take(session, HERE) == second
        dry_runs.answer(session, second.key, None)
        moment[0] += 60
        assert dry_runs.take(session, HERE) is None
