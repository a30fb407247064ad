"""Event streams under load: many who follow jobs, more than are let in, and an API that is restarted under them.

Events are written as a worker's reporter writes them, one transaction an event and job. How late one is, is counted from the
catalogue's clock in the writing transaction to the moment at which the client has it; both are on this machine.
"""

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from backend.jobs import store
from backend.lab.launcher import API_COMMAND
from benchmarks.load_client import Follower
from benchmarks.load_goals import Reached, Title, percentile
from benchmarks.load_lab import LoadLab, memory_mib, running
from simclr.events import Progress

JOBS = 5
EVERY_S = 0.5  # between two events of a job
WARM_UP_S = 5.0
PER_SESSION = 10
ONE_COMES_S = 0.005  # people come one after the other
CONNECTED_S = 60.0
# The product's own API, which lets in as many as are measured.
UNCAPPED = "import backend.streams as s; s.MAX_STREAMS = 2000; from backend.app import serve; serve()"


class Memory:
    """The most memory that the API held, looked at twice a second."""

    def __init__(self, lab: LoadLab) -> None:
        self._lab, self.most = lab, 0.0

    async def watch(self) -> None:
        while True:
            self.most = max(self.most, memory_mib(self._lab.api.pid or 0))
            await asyncio.sleep(0.5)


@contextmanager
def events(lab: LoadLab, claims: list[store.Claim]) -> Iterator[None]:
    """Each job tells something every ``EVERY_S`` until the end of the block."""
    over = threading.Event()

    def tell() -> None:
        step, due = 0, time.monotonic()
        while not over.is_set():
            step += 1
            for claim in claims:
                told = Progress(step=step, steps=100_000, epoch=1, epochs=100, loss=3.2, chance=5.5, images_per_s=900.0)
                with lab.catalogue.writing() as session:
                    store.progress(session, claim.job_id, claim.epoch, [told])
            due += EVERY_S
            over.wait(max(0.0, due - time.monotonic()))

    teller = threading.Thread(target=tell)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def followers(lab: LoadLab, claims: list[store.Claim], count: int, **more: float) -> list[Follower]:
    """Spread over the jobs, ``PER_SESSION`` of them in one browser."""
    cookies = [lab.cookie() for _ in range(-(-count // PER_SESSION))]
    return [
        Follower(lab.settings.port, cookies[n // PER_SESSION], claims[n % len(claims)].job_id, **more)  # type: ignore[arg-type]
        for n in range(count)
    ]


@dataclass(frozen=True)
class Counted:
    """What was seen from the moment at which everybody follows, less the warm-up."""

    late_s: list[float]  # of each event of that time and client
    connected_s: float  # until everybody followed, or was refused
    processor_s: float  # of the API
    memory_mib: float


async def follow_for(lab: LoadLab, people: list[Follower], seconds: float, warm_up_s: float = WARM_UP_S) -> Counted:
    """Let everybody follow, then count."""
    memory = Memory(lab)
    watching = asyncio.create_task(memory.watch())
    tasks = []
    began = time.monotonic()
    for person in people:
        tasks.append(asyncio.create_task(person.follow()))
        await asyncio.sleep(ONE_COMES_S)
    while time.monotonic() < began + CONNECTED_S and not all(
        person.connected_at or person.refusals for person in people
    ):
        await asyncio.sleep(0.05)
    connected_s = time.monotonic() - began
    await asyncio.sleep(warm_up_s)
    counted_from, processor_s = time.time(), lab.processor_s()
    await asyncio.sleep(seconds)
    processor_s = lab.processor_s() - processor_s
    for task in [*tasks, watching]:
        task.cancel()
    await asyncio.gather(*tasks, watching, return_exceptions=True)
    # What happened before is told again to whoever comes, and is no measure.
    late = [late for person in people for came, late in person.delays_s if came - late >= counted_from]
    return Counted(late, connected_s, processor_s, memory.most)


def many(count: int, seconds: float, goal_ms: float, *, is_uncapped: bool = False) -> Iterator[Reached | Title]:
    """L1 and L2: ``count`` clients with two events a second each."""
    command = [sys.executable, "-c", UNCAPPED] if is_uncapped else API_COMMAND
    with running(api_command=command) as lab:
        claims = lab.claimed(JOBS)
        people = followers(lab, claims, count)
        idle = lab.rss_mib()
        with events(lab, claims):
            counted = asyncio.run(follow_for(lab, people, seconds))
        is_up = lab.api.is_running()
    let_in = sum(not person.refusals for person in people)
    late, expected = counted.late_s, let_in * seconds / EVERY_S
    beyond = " (limit lifted for this measurement)" if is_uncapped else ""
    yield Title(
        f"{count} streams{beyond}, 2 events/s each, of {JOBS} jobs, {seconds:g} s after {WARM_UP_S:g} s of warm-up"
    )
    yield Reached("event to client, median", "ms", 1e3 * percentile(late, 0.5))
    yield Reached(
        "event to client, p99", "ms", 1e3 * percentile(late, 0.99), goal_ms, {"max": 1e3 * max(late, default=0)}
    )
    yield Reached("events missed or repeated", "events", sum(person.gaps for person in people), 0)
    yield Reached("connections lost", "connections", sum(person.losses for person in people), 0)
    yield Reached("refused with 429", "clients", sum(person.refusals == [429] for person in people))
    yield Reached("refused otherwise", "clients", sum(person.refusals not in ([], [429]) for person in people), 0)
    yield Reached("delivered, of two events a second", "%", 100 * len(late) / expected if expected else 0.0)
    yield Reached("until everybody followed", "s", counted.connected_s)
    yield Reached("memory of the API", "MiB", counted.memory_mib, 200 if count <= 500 else None, {"idle": idle})
    yield Reached("the API's share of a core", "%", 100 * counted.processor_s / seconds)
    yield Reached("the API ended", "times", 0 if is_up else 1, 0)


def restarted(count: int) -> Iterator[Reached | Title]:
    """L10: the API is told to stop and started again under ``count`` streams."""
    with running() as lab:
        claims = lab.claimed(JOBS)
        people = followers(lab, claims, count, again_s=0.5)
        with events(lab, claims):
            exit_s, back_s = asyncio.run(_restart_under(lab, people))
    yield Title(f"the API stopped and started again under {count} streams that try again every 0.5 s")
    yield Reached("told to stop, to its end", "s", exit_s, 6)
    yield Reached("told to stop, to the last stream's return", "s", back_s, 10)
    yield Reached("events missed or repeated", "events", sum(person.gaps for person in people), 0)
    yield Reached("streams refused", "streams", sum(bool(person.refusals) for person in people), 0)


async def _restart_under(lab: LoadLab, people: list[Follower]) -> tuple[float, float]:
    tasks = [asyncio.create_task(person.follow()) for person in people]
    await asyncio.sleep(WARM_UP_S)
    began = time.monotonic()
    await asyncio.to_thread(lab.api.stop)
    exit_s = time.monotonic() - began
    lab.api.start()  # here, as it dies with the thread that starts it
    deadline = began + 60
    while any(person.connected_at < began for person in people) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    back_s = time.monotonic() - began
    await asyncio.sleep(3.0)  # for events that were told meanwhile
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return exit_s, back_s
