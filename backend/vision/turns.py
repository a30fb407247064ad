"""Whose request is next: callers take turns, so that ten people get their previews while one moves a slider without pause."""

import threading
from collections import OrderedDict, deque
from typing import Generic, Protocol, TypeVar

MOST_OF_ONE = 16
MOST = 64


class Waiting(Protocol):
    """What waits; ``replaces`` names the kind of which a caller wants the newest alone, '' where every one counts."""

    @property
    def caller(self) -> str: ...

    @property
    def replaces(self) -> str: ...


Request = TypeVar("Request", bound=Waiting)


class Crowded(Exception):
    """So many requests wait that this one is not taken."""


class Turns(Generic[Request]):
    """Requests of many callers; each caller's come in their order, callers one after the other. Any thread may call."""

    def __init__(self, most_of_one: int = MOST_OF_ONE, most: int = MOST) -> None:
        self._most_of_one, self._most = most_of_one, most
        self._queues: OrderedDict[str, deque[Request]] = OrderedDict()
        self._waiting = 0
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return self._waiting

    def put(self, request: Request) -> Request | None:
        """Let a request wait; gives the one that it replaced, whose place it took and which nobody will answer.

        Raises:
            Crowded: too many of this caller, or of all, wait already.
        """
        with self._changed:
            queue = self._queues.get(request.caller)
            if queue is not None and request.replaces:
                for place, other in enumerate(queue):
                    if other.replaces == request.replaces:
                        queue[place] = request
                        return other
            if queue is not None and len(queue) >= self._most_of_one:
                raise Crowded(f"{len(queue)} requests are waiting already")
            if self._waiting >= self._most:
                raise Crowded(f"{self._waiting} requests of all people are waiting already")
            self._queues.setdefault(request.caller, deque()).append(request)
            self._waiting += 1
            self._changed.notify()
            return None

    def get(self) -> Request | None:
        """The next request, waited for; None when there is none left and ``close`` was called."""
        with self._changed:
            while not self._queues and not self._closed:
                self._changed.wait()
            if not self._queues:
                return None
            caller, queue = self._queues.popitem(last=False)
            request = queue.popleft()
            if queue:
                self._queues[caller] = queue  # behind all others
            self._waiting -= 1
            return request

    def close(self) -> list[Request]:
        """Nothing waits any more, and ``get`` waits for nothing; gives what did."""
        with self._changed:
            left = [request for queue in self._queues.values() for request in queue]
            self._queues.clear()
            self._waiting, self._closed = 0, True
            self._changed.notify_all()
            return left
