"""Answers to what every open page asks: kept while the catalogue stays as it was, and for a second at most.

Thirty people with a list of jobs before them ask for the same bytes; making them takes some milliseconds of a core each time.
"""

import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from fastapi import Response
from pydantic import BaseModel

from backend.catalogue.engine import Catalogue

LONGEST_S = 1.0  # as some of what is told depends on the time: when a job would start
SIZE = 64


class Remembered:
    """The last answers, each with the version of the catalogue that it was made from.

    SQLite tells whether anybody has written; PostgreSQL does not, and there nothing is remembered.
    """

    def __init__(self, catalogue: Catalogue, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, tuple[int, float, bytes]] = OrderedDict()
        is_file = catalogue.engine.dialect.name == "sqlite" and catalogue.engine.url.database
        # One connection for good: the number it is told only means something beside an earlier one of its own.
        self._watch = sqlite3.connect(str(is_file), check_same_thread=False) if is_file else None

    def answer(self, question: Hashable, find: Callable[[], BaseModel]) -> Response:
        """What was answered to ``question`` a moment ago, if it still holds, else what ``find`` finds."""
        # Asked before looking: what is written meanwhile makes the answer look older than it is, never newer.
        version = self._version()
        moment = self._clock()
        with self._lock:
            known = self._answers.get(question)
        if known and version == known[0] and moment - known[1] < LONGEST_S:
            return _as_response(known[2])
        content = find().model_dump_json().encode()
        if version is not None:
            with self._lock:
                self._answers[question] = version, moment, content
                self._answers.move_to_end(question)
                if len(self._answers) > SIZE:
                    self._answers.popitem(last=False)
        return _as_response(content)

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()

    def _version(self) -> int | None:
        """A number that is another one after every commit of anybody."""
        if self._watch is None:
            return None
        with self._lock:
            version: int = self._watch.execute("PRAGMA data_version").fetchone()[0]
        return version


def _as_response(content: bytes) -> Response:
    return Response(content, media_type="application/json")
