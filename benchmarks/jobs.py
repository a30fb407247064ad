"""How soon a job obeys, over HTTP as a page asks: from submission to its first progress, cancel, pause, and the wake-up alone.

The worker is warm and idle, with its default patience; the job is a small pretraining. Times are what a client that reads the
job's stream sees.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from sqlalchemy import select

from backend.catalogue.models import EventRow
from backend.jobs.states import State
from backend.jobs.timing import Timing
from benchmarks.load_client import Connection, Follower
from benchmarks.load_goals import Reached, Title, percentile
from benchmarks.load_lab import LoadLab, running, until
from simclr.config import EncoderConfig, PretrainConfig

SUBMISSIONS = 20
WISHES = 10
WITHOUT_BELL = 8
LOOKS_S = Timing().sweep_s  # the pause between two looks of an idle worker
CONFIG = PretrainConfig(
    epochs=1000, batch_size=32, projection_width=16, projection_dim=8, encoder=EncoderConfig(architecture="resnet8", width=8)
)  # fmt: skip
IS_IT = Callable[[dict[str, Any]], bool]


def rows(_turns: int) -> Iterator[Reached | Title]:
    rng = random.Random(0)
    with running(worker=True) as lab:
        begins, cancels = zip(
            *(asyncio.run(begin_and(lab, "cancel", State.CANCELLED)) for _ in range(SUBMISSIONS)), strict=True
        )
        pauses = [asyncio.run(begin_and(lab, "pause", State.PAUSED))[1] for _ in range(WISHES)]
        heard = [wake_up_s(lab) for _ in range(WISHES)]
        lab.redis.stop()
        unheard = [wake_up_s(lab, after_s=rng.uniform(0, LOOKS_S)) for _ in range(WITHOUT_BELL)]
    yield Title(f"a job on a warm, idle worker, over HTTP; {SUBMISSIONS} submissions, {WISHES} of the others")
    yield from told("submitted, to its first progress", begins, 1.0)
    yield from told("cancel, to cancelled", cancels, 10.0)
    yield from told("pause, to paused", pauses, 10.0)
    yield from told("submitted, to started", heard, 1.0)
    yield from told(f"submitted, to started, with Redis down, {WITHOUT_BELL} times", unheard, 11.0)


def told(what: str, seconds: Any, goal_s: float) -> Iterator[Reached]:
    """The median beside the goal; of so few the rest is the 95th percentile."""
    values = list(seconds)
    yield Reached(f"{what}, median", "s", median(values), goal_s, {"least": min(values), "most": max(values)})
    yield Reached(f"{what}, p95", "s", percentile(values, 0.95))


async def begin_and(lab: LoadLab, wish: str, wanted: State) -> tuple[float, float]:
    """Seconds from a submission to the first progress, and from the wish to the state that it asks for."""
    connection = Connection(lab.settings.port, lab.cookie())
    began = time.perf_counter()
    job_id = await asyncio.to_thread(lab.submit, {"kind": "pretrain", "config": CONFIG.model_dump(mode="json")})
    progressed, obeyed = asyncio.Event(), asyncio.Event()

    def hear(event: dict[str, Any]) -> None:
        if event["kind"] == "progress" and event["step"] > 0:
            progressed.set()
        if event["kind"] == "state" and event["state"] == wanted:
            obeyed.set()

    follower = Follower(lab.settings.port, lab.cookie(), job_id, on_event=hear)
    following = asyncio.create_task(follower.follow())
    await asyncio.wait_for(progressed.wait(), 60)
    to_progress = time.perf_counter() - began
    asked = time.perf_counter()
    answer = await connection.request("POST", f"/api/jobs/{job_id}/{wish}")
    assert answer.status == 200, answer.body  # noqa: S101
    await asyncio.wait_for(obeyed.wait(), 60)
    to_wanted = time.perf_counter() - asked
    following.cancel()
    connection.close()
    await asyncio.gather(following, return_exceptions=True)
    if wanted is State.PAUSED:
        lab.http.post(f"/api/jobs/{job_id}/cancel").raise_for_status()
    return to_progress, to_wanted


def wake_up_s(lab: LoadLab, after_s: float = 0.0) -> float:
    """Seconds from a submission to the start, by the catalogue's clock, ``after_s`` after the worker fell idle."""
    until(lambda: lab.http.get("/api/system").json()["queue"] == {"queued": 0, "running": 0}, "an idle worker")
    time.sleep(after_s)
    job_id = lab.submit({"kind": "pretrain", "config": CONFIG.model_dump(mode="json")})

    def started() -> list[float] | None:
        with lab.catalogue.reading() as session:
            events = session.scalars(select(EventRow).where(EventRow.job_id == job_id, EventRow.kind == "state")).all()
        return [event.at for event in events] if len(events) > 1 else None

    submitted, begun, *_ = until(started, "the start of a job")
    lab.http.post(f"/api/jobs/{job_id}/cancel").raise_for_status()
    return float(begun - submitted)
