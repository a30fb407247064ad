"""Wakes those who follow a job's events: one question to the catalogue for all of them, five times a second."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from backend.catalogue.engine import Catalogue
from backend.catalogue.models import EventRow
from backend.errors import ApiError

log = logging.getLogger(__name__)

LOOK_S = 0.2
MAX_STREAMS = 500


class Streams:
    """Counts the followers of every job and rings their bells when its last event number grows, or when the lab stops."""

    def __init__(self, catalogue: Catalogue, is_stopping: Callable[[], bool]) -> None:
        self._catalogue, self.is_stopping = catalogue, is_stopping
        self._bells: dict[asyncio.Event, str] = {}
        self._last: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._bells)

    def check_room(self) -> None:
        """Refuse one stream too many.

        Raises:
            ApiError: 429.
        """
        if len(self) >= MAX_STREAMS:
            raise ApiError(429, "too_many_streams", f"{MAX_STREAMS} pages follow jobs already: close some.")

    @asynccontextmanager
    async def following(self, job_id: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever there may be something new of ``job_id``."""
        bell = asyncio.Event()
        self._bells[bell] = job_id
        try:
            yield bell
        finally:
            del self._bells[bell]

    async def run(self) -> None:
        """Look and ring until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._bells:
                continue
            try:
                await self._look()
            except SQLAlchemyError:
                log.exception("the catalogue could not be asked for new events")

    async def _look(self) -> None:
        watched = set(self._bells.values())
        stopping = self.is_stopping()
        numbers = self._last if stopping else await run_in_threadpool(self._last_numbers, watched)
        for bell, job_id in self._bells.items():
            if stopping or numbers.get(job_id) != self._last.get(job_id):
                bell.set()
        self._last = numbers

    def _last_numbers(self, job_ids: set[str]) -> dict[str, int]:
        statement = (
            select(EventRow.job_id, func.max(EventRow.seq))
            .where(EventRow.job_id.in_(job_ids))
            .group_by(EventRow.job_id)
        )
        with self._catalogue.reading() as session:
            return {job_id: seq for job_id, seq in session.execute(statement)}  # noqa: C416  a Row is no tuple to mypy
