"""Files of the data folder that stay open between requests: data sets and banks of features, all immutable."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class Opened(Generic[T]):
    """Keeps the last ``size`` things that ``open_path`` opened, by their path."""

    def __init__(self, open_path: Callable[[Path], T], size: int) -> None:
        self._open, self._size = open_path, size
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
            if len(self._things) > self._size:
                self._things.popitem(last=False)
        return thing

    def forget(self, path: Path) -> None:
        """Let go of a thing that is about to be deleted."""
        with self._lock:
            self._things.pop(path, None)
