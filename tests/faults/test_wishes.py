"""What people ask for is done once and stays done, whatever is at work meanwhile."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from backend.catalogue.models import JobRow
from backend.jobs.states import State
from tests.faults.lab import BRIEF, Lab
from tests.worker.waiting import is_running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_f09_a_training_that_is_cancelled_ends_and_leaves_neither_process_nor_file(lab: Lab) -> None:
    job_id = lab.submit()
    lab.until_saved(job_id)
    _, runner, process = lab.runner_of(job_id)
    lab.ask(job_id, "cancel")
    lab.until_state(job_id, State.CANCELLED)
    assert not is_running(process)
    assert is_running(runner), "the next job would have to wait for torch"
    told = lab.told(job_id)
    assert (told["state"], told["produced_encoder_id"], told["error"]) == ("cancelled", None, None)
    assert lab.api.post(f"/api/jobs/{job_id}/resume").status_code == 409
    lab.must_succeed(lab.submit(BRIEF), config=BRIEF)
    assert lab.job(job_id).epoch == 1


def test_f10_a_training_that_is_paused_makes_room_and_then_goes_on_as_if_it_had_not_been(lab: Lab) -> None:
    job_id = lab.submit()
    lab.until_saved(job_id)
    process = lab.runner_of(job_id)[2]
    lab.ask(job_id, "pause")
    lab.until_state(job_id, State.PAUSED)
    assert not is_running(process)
    told, [saved, *_] = lab.told(job_id), lab.checkpoints(job_id)
    assert (told["state"], told["desired"], told["saved_step"]) == ("paused", "pause", saved.step)
    lab.must_succeed(lab.submit(BRIEF), config=BRIEF)
    assert lab.told(job_id)["state"] == "paused"
    lab.ask(job_id, "resume")
    lab.must_succeed(job_id)
    assert (lab.job(job_id).epoch, lab.job(job_id).crashes) == (2, 0)
    assert f"The job goes on from epoch {saved.passes} (step {saved.step})." in lab.messages(job_id)


def test_f16_twenty_submissions_at_once_with_one_key_are_one_job(lab: Lab) -> None:
    asked = {"kind": "pretrain", "dataset_id": lab.dataset_id, "config": BRIEF.model_dump(mode="json")}

    def send(_number: int) -> tuple[int, str]:
        answer = lab.api.post("/api/jobs", json=asked, headers={"idempotency-key": "twenty-at-once"})
        return answer.status_code, answer.json()["id"]

    with ThreadPoolExecutor(20) as senders:
        answers = list(senders.map(send, range(20)))
    assert sorted(status for status, _ in answers) == [200] * 19 + [201]
    [job_id] = {job_id for _, job_id in answers}
    with lab.catalogue.reading() as session:
        assert session.scalars(select(JobRow.id).where(JobRow.idempotency_key == "twenty-at-once")).all() == [job_id]
    lab.must_succeed(job_id, config=BRIEF)
    ends = [event for event in lab.events(job_id) if event.data.get("state") == "succeeded"]
    assert (lab.job(job_id).epoch, len(ends)) == (1, 1)
    assert lab.submit(BRIEF, key="twenty-at-once") == job_id
