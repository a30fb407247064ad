"""How far maps are, as events."""

import time

from simclr.events import Emit, Progress, ShouldStop, Stopped, ignore, never

REPORT_EVERY_S = 0.25
# Looking for neighbours counts as so many epochs.
LOOKING = 100


class MapProgress:
    """Tells a few times a second how far ``maps`` maps of ``epochs`` epochs are, and stops when asked to."""

    def __init__(self, maps: int, epochs: int, emit: Emit = ignore, should_stop: ShouldStop = never) -> None:
        self._maps, self._epochs, self._emit, self._should_stop = maps, epochs, emit, should_stop
        self._done = 0
        self._reported_at = -REPORT_EVERY_S
        self._began = self._moving_since = time.monotonic()

    def looked(self, done: int, n: int) -> None:
        """``done`` of ``n`` points have their neighbours."""
        self._tell(LOOKING * done // n, None)

    def moved(self, done: int) -> None:
        """So many epochs of this map are done."""
        moment = time.monotonic()
        if done == 0:
            self._moving_since = moment
        left_s = (moment - self._moving_since) / done * (self._epochs - done) if done else None
        if left_s is not None and self._done + 1 < self._maps:
            this_s = (moment - self._began) / (self._done + done / self._epochs)
            left_s += this_s * (self._maps - self._done - 1)
        self._tell(LOOKING + done, left_s)

    def finished(self) -> None:
        """A map is done; the next one begins."""
        self._done += 1
        self._reported_at = -REPORT_EVERY_S
        self._tell(0, 0.0 if self._done == self._maps else None)

    def _tell(self, within: int, eta_s: float | None) -> None:
        each = LOOKING + self._epochs
        if self._should_stop():
            raise Stopped(f"stopped on request after {self._done} of {self._maps} maps")
        moment = time.monotonic()
        if moment - self._reported_at < REPORT_EVERY_S:
            return
        self._reported_at = moment
        step, steps = self._done * each + within, self._maps * each
        self._emit(Progress(step=step, steps=steps, eta_s=eta_s))
