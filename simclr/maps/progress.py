"""How far maps are, as events."""

import time

from simclr.events import Emit, Progress, ShouldStop, Stopped, ignore, never
from simclr.maps.layout import Moment
from simclr.maps.neighbours import Neighbours

REPORT_EVERY_S = 0.25
# Looking for neighbours counts as so many epochs.
LOOKING = 100


class MapProgress:
    """Tells a few times a second how far ``maps`` maps of ``epochs`` epochs are, and stops when asked to.

    Attributes:
        step: How far all of them are, as in ``Progress``.
    """

    def __init__(
        self, maps: int, epochs: int, emit: Emit = ignore, should_stop: ShouldStop = never, done: int = 0
    ) -> None:
        """``done`` maps were made before."""
        self._maps, self._epochs, self._emit, self._should_stop = maps, epochs, emit, should_stop
        self._done = done
        self.step = 0
        self._reported_at = -REPORT_EVERY_S
        self._began, self._done_at_first = time.monotonic(), done
        self._moving_since: tuple[float, int] | None = None

    def looked(self, done: int, n: int) -> None:
        """``done`` of ``n`` points have their neighbours."""
        self._tell(LOOKING * done // n, None)

    def moved(self, _neighbours: Neighbours, moment: Moment) -> None:
        """A map is at a moment of its layout, by these neighbours."""
        clock, done = time.monotonic(), moment.epoch
        since, before = self._moving_since = self._moving_since or (clock, done)
        left_s = (clock - since) / (done - before) * (self._epochs - done) if done > before else None
        if left_s is not None and self._done + 1 < self._maps:
            this_s = (clock - self._began) / (self._done - self._done_at_first + (done - before) / self._epochs)
            left_s += this_s * (self._maps - self._done - 1)
        self._tell(LOOKING + done, left_s)

    def finished(self) -> None:
        """A map is done; the next one begins."""
        self._done += 1
        self._moving_since = None
        self._reported_at = -REPORT_EVERY_S
        self._tell(0, 0.0 if self._done == self._maps else None)

    def _tell(self, within: int, eta_s: float | None) -> None:
        each = LOOKING + self._epochs
        self.step = self._done * each + within
        if self._should_stop():
            raise Stopped(f"stopped on request after {self._done} of {self._maps} maps")
        moment = time.monotonic()
        if moment - self._reported_at < REPORT_EVERY_S:
            return
        self._reported_at = moment
        self._emit(Progress(step=self.step, steps=self._maps * each, eta_s=eta_s))
