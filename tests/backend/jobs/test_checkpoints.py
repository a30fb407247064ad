"""What an attempt saved is where the next one goes on; pausing and resuming lose nothing."""

import pytest

from backend.catalogue import queries
from backend.catalogue.engine import Catalogue
from backend.jobs import order, store
from backend.jobs.order import Reach
from backend.jobs.outcomes import Cancelled, Crashed, Paused, Released
from backend.jobs.saved import in_use
from backend.jobs.states import Desired, Kind, Lane, State
from backend.jobs.store import Claim
from backend.jobs.timing import Timing
from simclr.events import Checkpoint
from tests.backend.jobs.rows import PRETRAINED, add_encoder, claim, job, state, submit

AT_ONCE = Timing(backoff_s=(0.0,))
SHORT = Reach(lanes=frozenset({Lane.SHORT}))


def save(catalogue: Catalogue, claimed: Claim, step: int, knn: float | None = None) -> bool:
    event = Checkpoint(step=step, epoch=1, name=f"{step}.ckpt", sha256=f"{step:064}", knn_accuracy=knn)
    with catalogue.writing() as session:
        return store.progress(session, claimed.job_id, claimed.epoch, [event])


def settle(catalogue: Catalogue, claimed: Claim, outcome: object) -> None:
    with catalogue.writing() as session:
        assert store.settle(session, claimed.job_id, claimed.epoch, outcome, AT_ONCE)  # type: ignore[arg-type]


def said(catalogue: Catalogue, job_id: str) -> str:
    with catalogue.reading() as session:
        return str(queries.events_after(session, job_id, 0)[-1].data["message"])


def test_the_next_attempt_is_told_of_what_the_last_one_saved(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id)
    first = claim(catalogue)
    assert first.saved == ()
    assert save(catalogue, first, 10)
    assert save(catalogue, first, 20)
    settle(catalogue, first, Crashed("killed"))
    assert "goes on from epoch 1 (step 20) in 0 s, attempt 2 of 3" in said(catalogue, job_id)
    second = claim(catalogue)
    assert [(saved.key, saved.step) for saved in second.saved] == [
        (f"jobs/{job_id}/1/20.ckpt", 20),
        (f"jobs/{job_id}/1/10.ckpt", 10),
    ]
    assert said(catalogue, job_id) == "Resumed after a crash at epoch 1 (attempt 2 of 3)."
    assert not save(catalogue, first, 30), "an attempt that was replaced may save nothing"


def test_the_newest_two_are_kept_and_the_best(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id)
    claimed = claim(catalogue)
    for step, knn in ((1, 0.2), (2, 0.9), (3, None), (4, 0.5), (5, 0.4)):
        save(catalogue, claimed, step, knn)
    with catalogue.reading() as session:
        assert in_use(session, job_id).files == {f"jobs/{job_id}/1/{step}.ckpt" for step in (2, 4, 5)}
    settle(catalogue, claimed, PRETRAINED)
    with catalogue.reading() as session:
        assert in_use(session, job_id).files == {f"jobs/{job_id}/1/{step}.ckpt" for step in (2, 5)}


def test_a_damaged_checkpoint_is_none(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id)
    claimed = claim(catalogue)
    save(catalogue, claimed, 10)
    save(catalogue, claimed, 20)
    settle(catalogue, claimed, Released())
    claimed = claim(catalogue)
    with catalogue.writing() as session:
        assert store.forget_damaged(session, job_id, claimed.epoch, claimed.saved[0])
        assert not store.forget_damaged(session, job_id, claimed.epoch - 1, claimed.saved[1])
    settle(catalogue, claimed, Released())
    assert [saved.step for saved in claim(catalogue).saved] == [10]


def test_only_crashes_without_a_new_checkpoint_end_a_job(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id)
    for step in range(1, 5):
        claimed = claim(catalogue)
        save(catalogue, claimed, step)
        settle(catalogue, claimed, Crashed("killed"))
    for _ in range(2):
        assert state(catalogue, job_id) is State.QUEUED
        settle(catalogue, claim(catalogue), Crashed("killed"))
    assert state(catalogue, job_id) is State.FAILED
    assert "without a new checkpoint" in (job(catalogue, job_id).error_message or "")


def test_no_job_is_started_more_than_twenty_times(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id)
    for step in range(1, 21):
        claimed = claim(catalogue)
        save(catalogue, claimed, step)
        settle(catalogue, claimed, Crashed("killed"))
    assert state(catalogue, job_id) is State.FAILED


def test_a_waiting_job_pauses_at_once_and_waits_again(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id)
    with catalogue.writing() as session:
        assert store.request_pause(session, job_id)
        assert store.request_pause(session, job_id)
        assert store.claim(session, "worker") is None
    assert state(catalogue, job_id) is State.PAUSED
    with catalogue.writing() as session:
        assert store.request_resume(session, job_id)
        assert not store.request_resume(session, job_id)
    assert claim(catalogue).job_id == job_id


@pytest.mark.parametrize("outcome", [Paused(), Released(), Crashed("died")])
def test_a_running_job_that_should_pause_is_paused_however_it_stops(
    catalogue: Catalogue, dataset_id: str, outcome: object
) -> None:
    job_id = submit(catalogue, dataset_id)
    claimed = claim(catalogue)
    save(catalogue, claimed, 7)
    with catalogue.writing() as session:
        assert store.request_pause(session, job_id)
        assert store.renew(session, job_id, claimed.epoch) is Desired.PAUSE
    settle(catalogue, claimed, outcome)
    assert state(catalogue, job_id) is State.PAUSED
    assert job(catalogue, job_id).crashes == 0
    with catalogue.writing() as session:
        assert store.request_resume(session, job_id)
    assert [saved.step for saved in claim(catalogue).saved] == [7]


def test_a_pause_taken_back_in_time_lets_the_job_run_on(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id)
    claimed = claim(catalogue)
    with catalogue.writing() as session:
        assert store.request_pause(session, job_id)
        assert store.request_resume(session, job_id)
    settle(catalogue, claimed, Paused())
    assert state(catalogue, job_id) is State.QUEUED


def test_a_paused_job_can_be_cancelled_and_a_cancelled_one_not_paused(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id)
    claimed = claim(catalogue)
    with catalogue.writing() as session:
        assert store.request_cancel(session, job_id)
        assert not store.request_pause(session, job_id)
        assert not store.request_resume(session, job_id)
    settle(catalogue, claimed, Cancelled())
    assert state(catalogue, job_id) is State.CANCELLED


def test_a_job_goes_on_from_the_last_state_of_the_one_it_continues(catalogue: Catalogue, dataset_id: str) -> None:
    first = submit(catalogue, dataset_id)
    claimed = claim(catalogue)
    save(catalogue, claimed, 8)
    settle(catalogue, claimed, PRETRAINED)
    second = submit(catalogue, dataset_id, continues=first, config={"epochs": 4})
    claimed = claim(catalogue)
    assert (claimed.job_id, [saved.key for saved in claimed.saved]) == (second, [f"jobs/{first}/1/8.ckpt"])


def test_submitters_take_turns_and_the_urgent_come_first(catalogue: Catalogue, dataset_id: str) -> None:
    many = [submit(catalogue, dataset_id, submitter="ann") for _ in range(3)]
    few = [submit(catalogue, dataset_id, submitter="ben") for _ in range(2)]
    urgent = submit(catalogue, dataset_id, submitter="ann", priority=1)
    turns = [urgent, few[0], many[0], few[1], many[1], many[2]]
    with catalogue.reading() as session:
        assert order.waiting_in_turn(session)[0][0].id == urgent
    assert [claim(catalogue).job_id for _ in turns] == turns


def test_a_worker_for_short_jobs_leaves_the_long_ones(catalogue: Catalogue, dataset_id: str) -> None:
    submit(catalogue, dataset_id)
    short = submit(catalogue, dataset_id, kind=Kind.EMBED, encoder_id=add_encoder(catalogue, dataset_id))
    with catalogue.writing() as session:
        assert store.claimable(session, SHORT) == 1
        claimed = store.claim(session, "worker", reach=SHORT)
        assert claimed is not None
        assert claimed.job_id == short
        assert store.claim(session, "worker", reach=SHORT) is None
