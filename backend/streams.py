"""Brings the events of jobs to all who follow them: one reader of the catalogue, ten times a second, for a whole process.

A follower who is new, or too slow, reads on from the catalogue by number; what happens meanwhile waits in a backlog that
never grows beyond ``BACKLOG``. So a client that does not read costs a fixed amount of memory and misses nothing that counts.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import and_, or_, select
from sqlalchemy.exc import SQLAlchemyError

from backend.catalogue import queries
from backend.catalogue.engine import Catalogue
from backend.catalogue.models import EventRow
from backend.errors import ApiError
from backend.jobs.states import State

log = logging.getLogger(__name__)

LOOK_S = 0.1
MAX_STREAMS = 500
MAX_OF_SESSION = 10  # a browser has 6 connections to a host
BACKLOG = 200  # events that wait for a client that reads slowly
PAGE = 200  # events read at once for one that is behind
POINTS = 1000  # of a curve that is told again
AT_ONCE = 500  # events of all jobs in one look


@dataclass(frozen=True)
class Told:
    """An event as it is sent; ``is_end`` when there will never be another."""

    job_id: str
    seq: int
    kind: str
    text: str
    is_end: bool

    @classmethod
    def of(cls, row: EventRow) -> "Told":
        text = json.dumps({"seq": row.seq, "at": row.at, "kind": row.kind, **row.data})
        is_end = row.kind == "state" and State(row.data["state"]).is_terminal
        return cls(row.job_id, row.seq, row.kind, text, is_end)


class Follower:
    """One client of one job. ``is_behind`` when it has to read on from the catalogue before its backlog is of use."""

    def __init__(self, job_id: str, session: str | None) -> None:
        self.job_id, self.session = job_id, session
        self.bell = asyncio.Event()
        self.backlog: deque[Told] = deque()
        self.is_behind = True

    def hand(self, told: Told) -> None:
        """Add a new event, or give up on all that wait where there are too many."""
        if len(self.backlog) >= BACKLOG:
            self.fall_behind()
        if not self.is_behind:
            self.backlog.append(told)
        self.bell.set()

    def fall_behind(self) -> None:
        self.backlog.clear()
        self.is_behind = True


class Streams:
    """Knows all followers, reads what is new of the jobs they follow, and hands it to each."""

    def __init__(self, catalogue: Catalogue, is_stopping: Callable[[], bool]) -> None:
        self._catalogue, self._is_stopping = catalogue, is_stopping
        self._followers: set[Follower] = set()
        # The last event that was read of every followed job.
        self._read: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._followers)

    @contextmanager
    def following(self, job_id: str, session: str | None) -> Iterator[Follower]:
        """A place among the followers of a job; ``session`` is the browser's, None for a program with the token.

        Raises:
            ApiError: 429, too many follow already.
        """
        if len(self) >= MAX_STREAMS:
            raise ApiError(429, "too_many_streams", f"{MAX_STREAMS} pages follow jobs already: close some.")
        if session is not None and sum(other.session == session for other in self._followers) >= MAX_OF_SESSION:
            message = f"This browser follows {MAX_OF_SESSION} jobs already: close some of its pages."
            raise ApiError(429, "too_many_streams", message)
        follower = Follower(job_id, session)
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)
            if all(other.job_id != job_id for other in self._followers):
                self._read.pop(job_id, None)

    async def events(self, follower: Follower, seen: int) -> AsyncIterator[Told]:
        """Events with numbers above ``seen``, as they happen, until the job has ended or the lab stops."""
        while not self._is_stopping():
            if follower.is_behind:
                follower.is_behind = False
                numbers, last, is_over = await run_in_threadpool(self._missed, follower.job_id, seen)
                self._read.setdefault(follower.job_id, last)
                for start in range(0, len(numbers), PAGE):
                    for told in await run_in_threadpool(self._page, follower.job_id, numbers[start : start + PAGE]):
                        yield told
                        seen = told.seq
                    if self._is_stopping():
                        return
                if is_over:
                    return
            while follower.backlog and not follower.is_behind:
                told = follower.backlog.popleft()
                if told.seq > seen + 1:
                    follower.fall_behind()
                elif told.seq == seen + 1:
                    yield told
                    seen = told.seq
                    if told.is_end:
                        return
            if not follower.is_behind:
                follower.bell.clear()
                await follower.bell.wait()

    async def run(self) -> None:
        """Look and hand out until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._is_stopping():
                for follower in self._followers:
                    follower.bell.set()
            elif self._read:
                try:
                    self._hand_out(await run_in_threadpool(self._new, dict(self._read)))
                except SQLAlchemyError:
                    log.exception("the catalogue could not be asked for new events")

    def _hand_out(self, new: Sequence[Told]) -> None:
        for told in new:
            # Nobody may follow the job any more, and somebody new may have read further by now.
            if told.job_id in self._read:
                self._read[told.job_id] = max(told.seq, self._read[told.job_id])
        by_job: dict[str, list[Told]] = {}
        for told in new:
            by_job.setdefault(told.job_id, []).append(told)
        for follower in self._followers:
            for told in by_job.get(follower.job_id, ()):
                follower.hand(told)

    def _new(self, read: dict[str, int]) -> list[Told]:
        after = or_(*(and_(EventRow.job_id == job_id, EventRow.seq > seq) for job_id, seq in read.items()))
        statement = select(EventRow).where(after).order_by(EventRow.job_id, EventRow.seq).limit(AT_ONCE)
        with self._catalogue.reading() as session:
            return [Told.of(row) for row in session.scalars(statement)]

    def _missed(self, job_id: str, seen: int) -> tuple[list[int], int, bool]:
        """Numbers of the events to be told after ``seen``, the number of the last there is, and whether it is the last ever."""
        with self._catalogue.reading() as session:
            numbers = queries.numbers_after(session, job_id, seen, points=POINTS)
            last = queries.last_number(session, job_id)
            job = queries.job(session, job_id)
        return numbers, last, job is None or State(job.state).is_terminal

    def _page(self, job_id: str, numbers: Sequence[int]) -> list[Told]:
        with self._catalogue.reading() as session:
            return [Told.of(row) for row in queries.events_numbered(session, job_id, numbers)]
