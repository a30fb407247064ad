"""Ctrl-C, SIGTERM and SIGHUP as a number that is looked at, so that nothing is ever interrupted half-way."""

import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

from backend.lab.errors import Interrupted

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOOK_S = 0.1


class StopSignals:
    """Counts the stopping signals while it is entered; a hang-up that is ignored (``nohup``) stays ignored."""

    def __init__(self) -> None:
        self.count = 0
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> Self:
        for number in STOPPING:
            # A script's background job inherits an ignored SIGINT as well, but whoever sends it one means it.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1

    def wait(self, condition: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Look until ``condition`` holds; False when ``timeout_s`` passed first.

        Raises:
            Interrupted: a stopping signal came.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not condition():
            if self.count:
                raise Interrupted
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(LOOK_S)
        return True
