"""What proposes neighbours of large banks: opened, or made where it is missing or damaged, by one thread; no request waits."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from backend.catalogue.vectors import NoVectors
from simclr.approximate import Proposer
from simclr.children import ChildFailed
from simclr.events import ShouldStop, Stopped
from simclr.hnsw import Damaged

log = logging.getLogger(__name__)

# Each may hold half a gigabyte.
OPEN = 4
# Until what failed is tried again: what takes minutes, and what somebody may have put right, or another process done.
AFTER_FAILURE_S, AFTER_REFUSAL_S = 900.0, 30.0


@dataclass(frozen=True)
class Source:
    """Where a proposer comes from.

    Attributes:
        open: Gives it; raises FileNotFoundError where none was made yet, and Damaged where it cannot be used.
        make: Makes it, in minutes.
        what: As people read it, such as "the HNSW graph".
    """

    key: Hashable
    open: Callable[[], Proposer]
    make: Callable[[ShouldStop], None]
    what: str


class Asked(NamedTuple):
    """The proposer, or None and why it is not there; ``is_coming`` where it is being opened or made."""

    proposer: Proposer | None
    reason: str = ""
    is_coming: bool = False


class Proposers:
    """Those that were used last; all methods may be called by any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: OrderedDict[Hashable, Proposer] = OrderedDict()
        # In the order of asking, each with what is to be told meanwhile; the first is at work.
        self._waiting: OrderedDict[Hashable, tuple[Source, str]] = OrderedDict()
        # Why, and when it is tried again.
        self._failed: dict[Hashable, tuple[str, float]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def ask(self, source: Source) -> Asked:
        """The proposer; where it is not there it is on its way now, or was tried a short time ago."""
        with self._changed:
            if source.key in self._open:
                self._open.move_to_end(source.key)
                return Asked(self._open[source.key])
            if source.key in self._failed:
                reason, again_at = self._failed[source.key]
                if self._clock() < again_at:
                    return Asked(None, reason)
                del self._failed[source.key]
            if source.key not in self._waiting:
                self._waiting[source.key] = source, f"{source.what} is being opened"
                self._changed.notify_all()
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._work, name="proposers", daemon=True)
                self._thread.start()
            return Asked(None, self._waiting[source.key][1], is_coming=True)

    def stop(self) -> None:
        """Let go of what is being made."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            # A database's statement is not waited for: it ends with its connection.
            thread.join(timeout=2.0)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or bool(self._waiting))
                if self._stopping:
                    return
                source = next(iter(self._waiting.values()))[0]
            made, reason, pause_s = self._get(source)
            with self._changed:
                if made is not None:
                    self._open[source.key] = made
                    if len(self._open) > OPEN:
                        self._open.popitem(last=False)
                elif reason:
                    self._failed[source.key] = reason, self._clock() + pause_s
                del self._waiting[source.key]

    def _get(self, source: Source) -> tuple[Proposer | None, str, float]:
        """The proposer, or why there is none, and after how many seconds to try again."""
        try:
            try:
                return source.open(), "", 0.0
            except FileNotFoundError:
                self._tell(source, f"{source.what} is being built")
            except Damaged as damage:
                log.warning("%s is built again: %s", source.what, damage)
                self._tell(source, f"{damage}: {source.what} is being built again")
            source.make(lambda: self._stopping)
            return source.open(), "", 0.0
        except Stopped:
            return None, "", 0.0
        except NoVectors as reason:
            return None, str(reason), AFTER_REFUSAL_S
        except (ChildFailed, SQLAlchemyError, OSError, ValueError) as failure:
            log.warning("%s was not built: %s", source.what, failure)
            return None, f"{source.what} could not be built, {str(failure).partition(':')[0]}", AFTER_FAILURE_S

    def _tell(self, source: Source, state: str) -> None:
        with self._changed:
            self._waiting[source.key] = source, state
