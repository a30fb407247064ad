"""Many short jobs worked off by a real worker: none may be missed, none done twice."""

import time
from collections import Counter
from collections.abc import Iterator

import httpx2
from sqlalchemy import select

from backend.catalogue.models import EventRow, JobRow
from backend.jobs.states import State
from benchmarks.load_goals import Reached, Title
from benchmarks.load_lab import LoadLab, running
from benchmarks.load_requests import add_baseline
from simclr.config import KnnConfig

PATIENCE_S = 3.0  # a job, at least


def drained(count: int) -> Iterator[Reached | Title]:
    """L8: jobs without steps, submitted as fast as the queue's limit of waiting jobs allows."""
    with running(worker=True) as lab:
        body = {"kind": "transfer", "encoder_id": add_baseline(lab), "config": KnnConfig(k=5).model_dump(mode="json")}
        began = time.monotonic()
        job_ids = [submit_when_there_is_room(lab, body) for _ in range(count)]
        until_over(lab, began + 120 + PATIENCE_S * count)
        seconds = time.monotonic() - began
        with lab.catalogue.reading() as session:
            rows = session.scalars(select(JobRow)).all()
            told = session.scalars(select(EventRow).where(EventRow.kind == "state")).all()
    starts = Counter(event.job_id for event in told if event.data["state"] == State.RUNNING)
    ends = Counter(event.job_id for event in told if State(event.data["state"]).is_terminal)
    done = {row.id for row in rows if row.state == State.SUCCEEDED}
    yield Title(f"{count} jobs without steps (k-NN on 96 images), through the queue of 100 and one worker")
    yield Reached("missed", "jobs", len(set(job_ids) - done), 0)
    yield Reached("started or ended twice, or not asked for", "jobs",
                  sum(starts[row.id] != 1 or ends[row.id] != 1 for row in rows) + len(rows) - count, 0)  # fmt: skip
    yield Reached("a job, from the first submission to the last end", "ms", 1e3 * seconds / count)


def submit_when_there_is_room(lab: LoadLab, body: dict[str, object]) -> str:
    deadline = time.monotonic() + 120
    while True:
        try:
            return lab.submit(body)
        except httpx2.HTTPStatusError as error:
            if error.response.status_code != httpx2.codes.TOO_MANY_REQUESTS or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def until_over(lab: LoadLab, deadline: float) -> None:
    """Until every job has ended; whoever has not by then is missed."""
    unfinished = select(JobRow.id).where(JobRow.state.in_([state for state in State if not state.is_terminal])).limit(1)
    while time.monotonic() < deadline:
        with lab.catalogue.reading() as session:
            if session.scalar(unfinished) is None:
                return
        time.sleep(0.1)
