"""Redis is killed, emptied or rings without end: no job is lost, none is done twice."""

import pytest
import redis

from backend.jobs.queue import QUEUE, Bell, make_app, ring
from backend.jobs.states import State
from tests.faults.lab import BRIEF, SECONDS, Lab
from tests.worker.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def until_bell(lab: Lab, works: bool) -> None:
    """Wait until the API, and with it the page, says whether the bell works."""
    until(lambda: lab.api.get("/api/system").json()["bell"] is works, f"bell: {works}", within_s=SECONDS)


def starts(lab: Lab, job_id: str) -> int:
    return sum(event.data.get("state") == "running" for event in lab.events(job_id))


def test_f06_two_hundred_bells_start_one_attempt(lab: Lab) -> None:
    # One whose Redis was killed may stay deaf and only look (github.com/celery/celery/issues/8030).
    for worker in lab.perhaps_deaf:
        lab.end(worker)
    lab.a_worker()
    app = make_app(str(lab.settings.redis_url))
    job_id = lab.submit(BRIEF)
    assert all(ring(app) for _ in range(200))
    lab.must_succeed(job_id, config=BRIEF)
    assert (lab.job(job_id).epoch, starts(lab, job_id)) == (1, 1)
    with redis.Redis(unix_socket_path=str(lab.socket)) as client:
        until(lambda: client.llen(QUEUE) == 0, "an empty queue: nothing rings on", within_s=SECONDS)
    assert lab.told(job_id)["state"] == State.SUCCEEDED


def test_f04_jobs_run_on_and_others_start_when_redis_is_killed_and_forgets_all(lab: Lab) -> None:
    running = lab.submit()
    lab.until_saved(running)
    waiting = [lab.submit(BRIEF) for _ in range(3)]
    lab.kill_redis()
    try:
        until_bell(lab, works=False)
        sent_now = lab.submit(BRIEF)
        lab.must_succeed(running)
        lab.must_succeed(waiting[0], config=BRIEF)
    finally:
        lab.start_redis()
    lab.must_succeed(*waiting, sent_now, config=BRIEF)
    assert [lab.job(job_id).epoch for job_id in (running, *waiting, sent_now)] == [1] * 5
    until_bell(lab, works=True)


def test_f05_redis_is_emptied_ten_times_while_five_jobs_run(lab: Lab) -> None:
    jobs = [lab.submit(BRIEF) for _ in range(5)]

    def told() -> int:
        return sum(len(lab.events(job_id)) for job_id in jobs)

    for _ in range(10):
        before = told()
        lab.flush_redis()
        until(lambda before=before: told() > before, "another event", within_s=SECONDS)  # type: ignore[misc]
    lab.must_succeed(*jobs, config=BRIEF)
    assert [lab.job(job_id).epoch for job_id in jobs] == [1] * 5
    assert Bell(lab.settings.redis_url).ring(), "an emptied Redis must still carry the bell"
