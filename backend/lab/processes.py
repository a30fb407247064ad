"""One child process of the lab: started with a log, restarted with back-off, stopped with everything below it."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from backend.lab.errors import LabError

LOG_BYTES = 5 * 2**20  # a longer log is set aside at the next start; one older one is kept
WINDOW_S = 120.0
MOST_ENDS = 5  # within the window; then something is wrong that a restart does not cure
LONGEST_PAUSE_S = 10.0
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


class Child:
    """A process that should run as long as the lab does.

    Args:
        name: As people read it: "the API".
        command: The program and its arguments.
        environ: Its whole environment.
        log: Where its output goes.
        grace_s: Seconds between asking it to stop and killing it.
    """

    def __init__(self, name: str, command: list[str], environ: Mapping[str, str], log: Path, grace_s: float) -> None:
        self.name, self.log, self.grace_s = name, log, grace_s
        self._command, self._environ = command, dict(environ)
        self._process: subprocess.Popen[bytes] | None = None
        self._ends: list[float] = []
        self._restart_at: float | None = None
        self._is_asked = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it in its own process group; it is asked to stop should the launcher die.

        Raises:
            LabError: the program cannot be started.
        """
        set_aside(self.log)
        self._restart_at = None
        self._is_asked = False
        with self.log.open("ab") as log:
            log.write(f"--- {self.name} is started at {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n".encode())
            log.flush()
            try:
                self._process = subprocess.Popen(
                    self._command,
                    env=self._environ,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=_follow_parent(os.getpid()),
                )
            except OSError as error:
                raise LabError(f"{self.name} could not be started: {self._command[0]}: {error.strerror}") from error

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def ending(self) -> str:
        """How it ended, in words."""
        code = self._process.poll() if self._process else None
        if code is None:
            return "is running"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"

    def last_lines(self, count: int = 12) -> str:
        """The end of its log, for an error message."""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 8192))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-count:])

    def failure(self) -> LabError:
        return LabError(f"{self.name} {self.ending()}; its log {self.log} ends with\n{self.last_lines()}")

    def tend(self, say: Callable[[str], None], now: float) -> None:
        """Restart it if it has ended, after a pause that doubles with every end.

        Raises:
            LabError: it ended too often for a restart to help.
        """
        if self.is_running():
            return
        if self._restart_at is None:
            self._ends = [at for at in self._ends if at > now - WINDOW_S] + [now]
            if len(self._ends) >= MOST_ENDS:
                raise LabError(f"{self.name} ended {MOST_ENDS} times within two minutes. {self.failure()}")
            self._restart_at = now + min(LONGEST_PAUSE_S, 0.25 * 2 ** len(self._ends))
            say(f"{self.name} {self.ending()} and is started again; log: {self.log}")
        elif now >= self._restart_at:
            self.start()

    def ask_to_stop(self) -> None:
        """Send SIGTERM, once, and do not wait."""
        if self._process is not None and self._process.poll() is None and not self._is_asked:
            self._is_asked = True
            self._process.send_signal(signal.SIGTERM)

    def stop(self, *, hurry: Callable[[], bool] = lambda: False) -> None:
        """Ask it to stop, wait ``grace_s`` at most (not at all once ``hurry`` says so), then kill its process group."""
        process, self._restart_at = self._process, None
        if process is None:
            return
        if process.poll() is None:
            self.ask_to_stop()
            deadline = time.monotonic() + self.grace_s
            while process.poll() is None and time.monotonic() < deadline and not hurry():
                time.sleep(0.05)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # also what it left in its group
        process.wait()
        self._process = None


def set_aside(log: Path) -> None:
    """Begin a new log when the old one has grown long."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".old.log"))


def _follow_parent(parent: int) -> Callable[[], None] | None:
    """What the child does before it becomes its program: have SIGTERM sent to it when its parent dies (Linux)."""
    if sys.platform != "linux":
        return None

    def follow() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return follow
