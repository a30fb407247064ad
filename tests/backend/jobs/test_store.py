"""What each statement does to a job, and that a stale epoch does nothing."""

import time

import pytest
from sqlalchemy.exc import IntegrityError

from backend.catalogue import queries
from backend.catalogue.engine import Catalogue
from backend.catalogue.models import EventRow
from backend.jobs import store
from backend.jobs.outcomes import Cancelled, Crashed, Failed, Outcome, Released
from backend.jobs.states import Desired, Kind, State
from backend.jobs.sweeper import Swept, sweep
from backend.jobs.timing import Timing
from simclr.events import Evaluation, Log, Progress
from tests.backend.jobs.rows import (
    EMBEDDED,
    PRETRAINED,
    TRANSFERRED,
    add_encoder,
    claim,
    job,
    state,
    submit,
)

AT_ONCE = Timing(backoff_s=(0.0,))
EXPIRED = Timing(lease_s=-1.0)


def events(catalogue: Catalogue, job_id: str) -> list[EventRow]:
    with catalogue.reading() as session:
        return list(queries.events_after(session, job_id, 0))


def states_told(catalogue: Catalogue, job_id: str) -> list[str]:
    return [event.data["state"] for event in events(catalogue, job_id) if event.kind == "state"]


def settle(catalogue: Catalogue, claimed: store.Claim, outcome: Outcome, timing: Timing = AT_ONCE) -> bool:
    with catalogue.writing() as session:
        return store.settle(session, claimed.job_id, claimed.epoch, outcome, timing)


def test_a_submitted_job_waits(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id)
    assert state(catalogue, job_id) is State.QUEUED
    assert states_told(catalogue, job_id) == ["queued"]


def test_a_job_without_a_name_gets_one_that_says_what_it_does(catalogue: Catalogue, dataset_id: str) -> None:
    encoder_id = add_encoder(catalogue, dataset_id)

    def name_of(kind: Kind, **config: str) -> str:
        return job(catalogue, submit(catalogue, dataset_id, kind, encoder_id=encoder_id, config=config)).name

    assert job(catalogue, submit(catalogue, dataset_id)).name == "digits, 2 epochs"
    assert name_of(Kind.TRANSFER, strategy="linear_probe") == "linear probe of pixels on digits"
    assert name_of(Kind.TRANSFER, strategy="knn") == "k-NN of pixels on digits"
    assert name_of(Kind.EMBED) == "embeddings of pixels on digits"
    assert job(catalogue, submit(catalogue, dataset_id, name="mine")).name == "mine"


def test_the_same_idempotency_key_is_the_same_job(catalogue: Catalogue, dataset_id: str) -> None:
    first = submit(catalogue, dataset_id, idempotency_key="once")
    assert submit(catalogue, dataset_id, idempotency_key="once") == first
    assert submit(catalogue, dataset_id) != first
    assert len(events(catalogue, first)) == 1


def test_a_job_for_a_dataset_that_does_not_exist_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(IntegrityError):
        submit(catalogue, "nowhere")


def test_the_101st_waiting_job_is_refused(catalogue: Catalogue, dataset_id: str) -> None:
    for _ in range(100):
        submit(catalogue, dataset_id)
    with pytest.raises(store.QueueFull, match="100 jobs"):
        submit(catalogue, dataset_id)
    claim(catalogue)
    submit(catalogue, dataset_id)


def test_the_oldest_job_is_claimed_and_claimed_once(catalogue: Catalogue, dataset_id: str) -> None:
    first, second = submit(catalogue, dataset_id), submit(catalogue, dataset_id)
    claimed = claim(catalogue, "one")
    assert (claimed.job_id, claimed.epoch, claimed.dataset_key) == (first, 1, "datasets/digits")
    assert claim(catalogue, "two").job_id == second
    with catalogue.writing() as session:
        assert store.claim(session, "three") is None


def test_what_a_running_job_tells_is_numbered_without_gaps(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id)
    claimed = claim(catalogue)
    told = [Log(message="hello"), Progress(step=1, steps=8, loss=float("nan")), Evaluation(epoch=1, step=4, knn_accuracy=0.4, n=10)]  # fmt: skip  # noqa: E501
    with catalogue.writing() as session:
        assert store.progress(session, job_id, claimed.epoch, told)
    assert settle(catalogue, claimed, PRETRAINED)
    kinds = [(event.seq, event.kind) for event in events(catalogue, job_id)]
    assert kinds == list(enumerate(["state", "state", "log", "progress", "evaluation", "state"], start=1))
    assert job(catalogue, job_id).progress == events(catalogue, job_id)[3].data
    assert events(catalogue, job_id)[3].data["loss"] is None  # NaN has no place in JSON


def test_a_pretraining_that_succeeds_leaves_an_encoder_with_its_name(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id, name="mine")
    assert settle(catalogue, claim(catalogue), PRETRAINED)
    with catalogue.reading() as session:
        encoder = queries.encoder(session, queries.encoders_made_by(session, [job_id])[job_id])
    assert encoder is not None
    assert (encoder.name, encoder.origin, encoder.key) == ("mine", "pretrained", "jobs/j/1/encoder.safetensors")
    done = job(catalogue, job_id)
    assert done.result is not None
    assert (done.state, done.owner, done.lease_until, done.result["loss"]) == ("succeeded", None, None, 3.0)


def test_a_transfer_leaves_a_result_and_the_newest_embedding_replaces_the_earlier(
    catalogue: Catalogue, dataset_id: str
) -> None:
    encoder_id = add_encoder(catalogue, dataset_id)
    submit(catalogue, dataset_id, Kind.TRANSFER, encoder_id=encoder_id, config={"strategy": "knn"})
    assert settle(catalogue, claim(catalogue), TRANSFERRED)
    for _ in range(2):
        newest = submit(catalogue, dataset_id, Kind.EMBED, encoder_id=encoder_id)
        assert settle(catalogue, claim(catalogue), EMBEDDED)
    with catalogue.reading() as session:
        [result] = queries.results(session, dataset_id=dataset_id)
        bank = queries.bank(session, encoder_id, dataset_id)
        assert queries.embedded_datasets(session) == {encoder_id: {dataset_id: False}}
    assert (result["strategy"], result["encoder_id"]) == ("knn", encoder_id)
    assert bank is not None
    assert bank.job_id == newest


def test_a_failure_is_told_and_not_tried_again(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id)
    assert settle(catalogue, claim(catalogue), Failed("bad_input", "batch_size 999 exceeds the 10 images"))
    failed = job(catalogue, job_id)
    assert (failed.state, failed.error_code, failed.crashes) == ("failed", "bad_input", 0)
    assert events(catalogue, job_id)[-1].data["message"] == "batch_size 999 exceeds the 10 images"


def test_a_crashing_job_is_tried_three_times_with_growing_pauses(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id)
    patient = Timing()
    for pause_s in (5, 30):
        claimed = claim(catalogue)
        before = time.time()
        assert settle(catalogue, claimed, Crashed("killed by signal 9"), patient)
        after = time.time()
        with catalogue.writing() as session:
            assert store.claim(session, "too early") is None
            row = queries.job(session, job_id)
            assert row is not None
            assert before - 0.01 <= row.not_before - pause_s <= after + 0.01  # the database's clock may round
            row.not_before = 0.0
    assert settle(catalogue, claim(catalogue), Crashed("killed by signal 9"), patient)
    assert job(catalogue, job_id).error_code == "crashed"
    assert "attempt 3 of 3" in (job(catalogue, job_id).error_message or "")


def test_a_released_job_waits_again_and_no_crash_is_counted(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id)
    assert settle(catalogue, claim(catalogue), Released())
    assert (state(catalogue, job_id), job(catalogue, job_id).crashes) == (State.QUEUED, 0)
    assert "starts again from the beginning" in events(catalogue, job_id)[-1].data["message"]
    assert claim(catalogue).epoch == 2


def test_cancelling_a_waiting_job_ends_it_at_once(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id)
    with catalogue.writing() as session:
        assert store.request_cancel(session, job_id)
        assert store.claim(session, "worker") is None
        assert not store.request_cancel(session, job_id)
    assert states_told(catalogue, job_id) == ["queued", "cancelled"]


def test_cancelling_a_running_job_is_told_to_its_worker(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id)
    claimed = claim(catalogue)
    with catalogue.writing() as session:
        assert store.request_cancel(session, job_id)
        assert store.request_cancel(session, job_id)
        assert store.desired(session, job_id, claimed.epoch) is Desired.CANCEL
        assert store.renew(session, job_id, claimed.epoch) is Desired.CANCEL
    assert settle(catalogue, claimed, Cancelled())
    assert states_told(catalogue, job_id) == ["queued", "running", "running", "cancelled"]


@pytest.mark.parametrize("outcome", [Released(), Crashed("died"), Cancelled()])
def test_a_cancelled_job_never_runs_again(catalogue: Catalogue, dataset_id: str, outcome: Outcome) -> None:
    job_id = submit(catalogue, dataset_id)
    claimed = claim(catalogue)
    with catalogue.writing() as session:
        store.request_cancel(session, job_id)
    assert settle(catalogue, claimed, outcome)
    assert state(catalogue, job_id) is State.CANCELLED


def test_a_sweep_takes_jobs_from_silent_workers_and_gives_up_after_three(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id)
    for expected in ((1, 0, 1), (1, 0, 1), (0, 1, 0)):
        claim(catalogue, timing=EXPIRED)
        with catalogue.writing() as session:
            swept = sweep(session, AT_ONCE)
        assert (swept.requeued, swept.ended, swept.waiting) == expected
    assert "fell silent" in (job(catalogue, job_id).error_message or "")


def test_a_sweep_leaves_living_jobs_alone(catalogue: Catalogue, dataset_id: str) -> None:
    submit(catalogue, dataset_id)
    claim(catalogue)
    with catalogue.writing() as session:
        assert sweep(session) == Swept(requeued=0, ended=0, waiting=0)


@pytest.mark.parametrize("ending", [PRETRAINED, Failed("bad_input", "no"), Crashed("died"), Cancelled(), Released()])
def test_a_stale_epoch_is_refused_everywhere(catalogue: Catalogue, dataset_id: str, ending: Outcome) -> None:
    job_id = submit(catalogue, dataset_id)
    stale = claim(catalogue, timing=EXPIRED)
    with catalogue.writing() as session:
        sweep(session, AT_ONCE)
    claim(catalogue)
    before = (job(catalogue, job_id).lease_until, len(events(catalogue, job_id)))
    with catalogue.writing() as session:
        assert store.desired(session, job_id, stale.epoch) is None
        assert store.renew(session, job_id, stale.epoch) is None
        assert not store.progress(session, job_id, stale.epoch, [Log(message="I am a ghost")])
        assert not store.settle(session, job_id, stale.epoch, ending)
    assert (job(catalogue, job_id).lease_until, len(events(catalogue, job_id))) == before
    assert state(catalogue, job_id) is State.RUNNING
