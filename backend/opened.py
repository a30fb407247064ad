"""Files of the data folder that stay open between requests: data sets and banks of features, all immutable."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class Opened(Generic[T]):
    """Keeps the last ``size`` things that ``open_path`` opened, by their path; fewer, where they ``weigh`` more than ``most``."""

    def __init__(
        self, open_path: Callable[[Path], T], size: int, weigh: Callable[[T], int] = lambda _thing: 0, most: int = 0
    ) -> None:
        self._open, self._size, self._weigh, self._most = open_path, size, weigh, most
        self._things: OrderedDict[Path, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: Path) -> T:
        """The thing at ``path``, opened if need be; whatever ``open_path`` raises passes through."""
        with self._lock:
            if path in self._things:
                self._things.move_to_end(path)
                return self._things[path]
        # Opened outside the lock, so that a slow disk holds nobody else up; opening twice does no harm.
        thing = self._open(path)
        with self._lock:
            self._things[path] = thing
            while len(self._things) > 1 and self._are_too_many():
                self._things.popitem(last=False)
        return thing

    def forget(self, path: Path) -> None:
        """Let go of a thing that is about to be deleted."""
        with self._lock:
            self._things.pop(path, None)

    def _are_too_many(self) -> bool:
        weight = sum(self._weigh(thing) for thing in self._things.values())
        return len(self._things) > self._size or weight > self._most
