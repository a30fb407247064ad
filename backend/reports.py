"""Reports of data sets in the making: one at a time, each in a child process, the set that was asked for first before others."""

import logging
import threading
from pathlib import Path

from simclr.datasets.reporter import ReportFailed, report_in_child
from simclr.events import Stopped

log = logging.getLogger(__name__)


class Reports:
    """One thread that makes what was asked for; all methods may be called by any thread."""

    def __init__(self) -> None:
        # In the order of asking; the first is being made.
        self._waiting: list[Path] = []
        self._at_work: Path | None = None
        self._failed: dict[Path, str] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def ask(self, folder: Path) -> int:
        """See to it that the report of the set in ``folder`` is made; how many others come before it."""
        with self._changed:
            if folder not in self._waiting:
                self._waiting.append(folder)
                self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="reports", daemon=True)
                self._thread.start()
            return self._waiting.index(folder)

    def failure(self, folder: Path) -> str | None:
        """Why the last try to make this report failed; told once, so that the next one who asks tries again."""
        with self._changed:
            return self._failed.pop(folder, None)

    def stop(self, folder: Path | None = None) -> None:
        """End what is being made of one set, or of all, and wait until it has ended."""
        with self._changed:
            self._waiting = [at for at in self._waiting if folder not in (None, at)]
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._at_work is None or self._at_work in self._waiting)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                folder = self._at_work = self._waiting[0]
            reason = self._make(folder)
            with self._changed:
                if reason is not None:
                    self._failed[folder] = reason
                self._waiting = [at for at in self._waiting if at != folder]
                self._at_work = None
                self._changed.notify_all()

    def _make(self, folder: Path) -> str | None:
        """Why the report could not be made; None where it was, or nobody wants it any more."""
        try:
            report_in_child(folder, should_stop=lambda: folder not in self._waiting)
        except Stopped:
            return None
        except (ReportFailed, OSError) as failure:
            log.warning("the report of %s was not made: %s", folder, failure)
            return str(failure).partition(":")[0]
        return None
