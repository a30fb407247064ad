"""Answers to what every open page asks: kept while the catalogue stays as it was, made by one thread while others wait for it.

Thirty people with a list of jobs before them ask for the same bytes; making them takes some milliseconds of a core each time.
"""

import math
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

from fastapi import Response
from pydantic import BaseModel

from backend.catalogue.engine import Catalogue

T = TypeVar("T")

BRIEFLY_S = 1.0  # for what depends on the time too: when a job would start, which worker is alive
SIZE = 64
TURNS = 16


class Remembered:
    """The last answers, each with the version of the catalogue that it was made from.

    SQLite tells whether anybody has written; PostgreSQL does not, and there nothing is remembered.
    """

    def __init__(self, catalogue: Catalogue, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, tuple[int, float, bytes]] = OrderedDict()
        self._rows: OrderedDict[Hashable, tuple[int, object]] = OrderedDict()
        # Few for all questions: two that share one wait for each other now and then, which does no harm.
        self._turns = [threading.Lock() for _ in range(TURNS)]
        is_file = catalogue.engine.dialect.name == "sqlite" and catalogue.engine.url.database
        # One connection for good: the number it is told only means something beside an earlier one of its own.
        self._watch = sqlite3.connect(str(is_file), check_same_thread=False) if is_file else None

    def answer(
        self, question: Hashable, find: Callable[[], BaseModel | bytes], longest_s: float = math.inf
    ) -> Response:
        """The answer to ``question`` of less than ``longest_s`` ago, if it holds, else what ``find`` finds, a model or JSON."""
        if self._watch is None:  # nor does one wait for another
            return as_response(_as_json(find()))
        if known := self._known(question, longest_s):
            return as_response(known)
        with self._turns[hash(question) % TURNS]:
            # Whoever had the turn before may have found it meanwhile.
            if known := self._known(question, longest_s):
                return as_response(known)
            # Asked before looking: what is written meanwhile makes the answer look older than it is, never newer.
            version, moment = self._version(), self._clock()
            content = _as_json(find())
            self._keep(question, version, moment, content)
            return as_response(content)

    def rows(self, question: Hashable, find: Callable[[], T]) -> T:
        """Rows that ``find`` reads, loaded and of a closed session, read again only when somebody has written."""
        if self._watch is None:
            return find()
        # As above, asked before looking.
        version = self._version()
        with self._lock:
            known = self._rows.get(question)
        if known is not None and known[0] == version:
            return cast(T, known[1])
        found = find()
        with self._lock:
            self._rows[question] = version, found
            if len(self._rows) > SIZE:
                self._rows.popitem(last=False)
        return found

    def _known(self, question: Hashable, longest_s: float) -> bytes | None:
        version = self._version()
        with self._lock:
            known = self._answers.get(question)
        holds = known is not None and version == known[0] and self._clock() - known[1] < longest_s
        return known[2] if known and holds else None

    def _keep(self, question: Hashable, version: int, moment: float, content: bytes) -> None:
        with self._lock:
            self._answers[question] = version, moment, content
            self._answers.move_to_end(question)
            if len(self._answers) > SIZE:
                self._answers.popitem(last=False)

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()

    def _version(self) -> int:
        """A number that is another one after every commit of anybody."""
        assert self._watch is not None  # noqa: S101  or nothing is remembered
        with self._lock:
            version: int = self._watch.execute("PRAGMA data_version").fetchone()[0]
        return version


def _as_json(found: BaseModel | bytes) -> bytes:
    return found if isinstance(found, bytes) else found.model_dump_json().encode()


def as_response(content: bytes) -> Response:
    """JSON that is written already: FastAPI would check it against its model and write it again, a millisecond for some hits."""
    return Response(content, media_type="application/json")
