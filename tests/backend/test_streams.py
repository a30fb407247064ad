"""One reader serves all who follow; a client that does not read costs little and misses nothing that counts."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from itertools import pairwise

import pytest
from sqlalchemy import event

from backend.catalogue import queries
from backend.catalogue.engine import Catalogue
from backend.errors import ApiError
from backend.jobs import store
from backend.jobs.outcomes import Failed
from backend.jobs.store import Claim
from backend.streams import BACKLOG, MAX_OF_SESSION, POINTS, Streams, Told
from simclr.events import Evaluation, Log, Progress
from tests.backend.jobs.rows import add_dataset, claim, submit

pytestmark = pytest.mark.slow


@pytest.fixture
def held(catalogue: Catalogue) -> Claim:
    submit(catalogue, add_dataset(catalogue))
    return claim(catalogue)


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.streams.LOOK_S", 0.01)


def tell(catalogue: Catalogue, held: Claim, *events: Log | Progress | Evaluation) -> None:
    with catalogue.writing() as session:
        assert store.progress(session, held.job_id, held.epoch, events)


def end(catalogue: Catalogue, held: Claim) -> None:
    with catalogue.writing() as session:
        assert store.settle(session, held.job_id, held.epoch, Failed("test", "The test is over."))


def curve(n: int) -> list[Log | Progress | Evaluation]:
    """``n`` points, a line of the log at every hundredth, an evaluation at every thousandth."""
    found: list[Log | Progress | Evaluation] = []
    for step in range(1, n + 1):
        found.append(Progress(step=step, steps=n))
        found += [Log(message=str(step))] * (step % 100 == 0) + [Evaluation(epoch=1, step=step, n=1)] * (
            step % 1000 == 0
        )
    return found


@asynccontextmanager
async def reading(catalogue: Catalogue) -> AsyncIterator[Streams]:
    streams = Streams(catalogue, lambda: False)
    task = asyncio.create_task(streams.run())
    try:
        async with asyncio.timeout(60):
            yield streams
    finally:
        task.cancel()


def checked(job: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(job())  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def test_a_client_that_never_reads_has_a_small_backlog_and_then_gets_all_that_counts(
    catalogue: Catalogue, held: Claim
) -> None:
    async def watch() -> None:
        async with reading(catalogue) as streams:
            with streams.following(held.job_id, None) as follower:
                coming = streams.events(follower, 0)
                seen = [await anext(coming)]
                most = 0
                for start in range(0, 6000, 500):
                    tell(catalogue, held, *curve(6000)[start : start + 500])
                    await asyncio.sleep(0.03)
                    most = max(most, len(follower.backlog))
                await until(lambda: follower.is_behind)
                end(catalogue, held)
                seen += [told async for told in coming]
                assert most <= BACKLOG
        numbers = [told.seq for told in seen]
        assert numbers == sorted(set(numbers))
        with catalogue.reading() as session:
            everything = queries.events_after(session, held.job_id, 0, limit=100_000)
        assert [told.seq for told in seen if told.kind != "progress"] == [
            row.seq for row in everything if row.kind != "progress"
        ]
        assert sum(told.kind == "progress" for told in seen) <= POINTS + BACKLOG + 1
        assert seen[-1].is_end

    checked(watch)


def test_followers_cost_no_reads_of_their_own_once_they_are_up_to_date(catalogue: Catalogue, held: Claim) -> None:
    statements: list[str] = []

    async def watch() -> None:
        async with reading(catalogue) as streams:
            heard: list[list[Told]] = [[] for _ in range(40)]

            async def follow(own: list[Told]) -> None:
                with streams.following(held.job_id, None) as follower:
                    async for told in streams.events(follower, 0):
                        own.append(told)

            tasks = [asyncio.create_task(follow(own)) for own in heard]
            await until(lambda: all(len(own) == 2 for own in heard))
            event.listen(
                catalogue.engine,
                "before_cursor_execute",
                lambda *said: statements.append(said[2]) if "FROM event" in said[2] else None,
            )
            looks = 10
            for number in range(looks):
                tell(catalogue, held, Log(message=str(number)))
                await until(lambda number=number: all(len(own) == 3 + number for own in heard))  # type: ignore[misc]
            own_reads = [said for said in statements if "event.seq IN" in said or "ordinal" in said]
            assert own_reads == []
            end(catalogue, held)
            await asyncio.gather(*tasks)
            assert [[told.seq for told in own] for own in heard] == [list(range(1, 14))] * 40
            assert len(streams) == 0

    checked(watch)


@pytest.mark.parametrize("after", [0, 1500, 5990])
def test_a_long_curve_is_thinned_when_it_is_read_and_ends_with_its_last_point(
    catalogue: Catalogue, held: Claim, after: int
) -> None:
    tell(catalogue, held, *curve(5400))
    with catalogue.reading() as session:
        rows = queries.events_after(session, held.job_id, after, limit=100_000)
        kept = queries.numbers_after(session, held.job_id, after, points=1000)
    progress = [row for row in rows if row.kind == "progress"]
    told = [row for row in progress if row.seq in set(kept)]
    assert kept == sorted(set(kept))
    assert len(told) <= 1001
    assert (told == progress) == (len(progress) <= 1000)
    assert told[-1:] == progress[-1:]
    gaps = [b.data["step"] - a.data["step"] for a, b in pairwise(told[:-1])]
    assert len(set(gaps)) <= 1
    assert {row.seq for row in rows if row.kind != "progress"} <= set(kept)


def test_a_browser_follows_ten_jobs_and_a_program_as_many_as_there_is_room_for(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.streams.MAX_STREAMS", 30)
    streams = Streams(catalogue, lambda: False)
    with ExitStack() as open_ones:
        for session in ("a browser", "another"):
            for _ in range(MAX_OF_SESSION):
                open_ones.enter_context(streams.following("job", session))
        with pytest.raises(ApiError, match="This browser follows 10 jobs"), streams.following("job", "a browser"):
            pass
        for _ in range(10):
            open_ones.enter_context(streams.following("job", None))
        with pytest.raises(ApiError, match="30 pages follow jobs already"), streams.following("job", "a third"):
            pass
    assert len(streams) == 0


def test_what_is_told_is_json_with_number_time_and_kind(catalogue: Catalogue, held: Claim) -> None:
    with catalogue.reading() as session:
        first = Told.of(queries.events_after(session, held.job_id, 0)[0])
    told = json.loads(first.text)
    assert (told["seq"], told["kind"], told["state"], first.is_end) == (1, "state", "queued", False)
