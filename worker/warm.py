"""The worker's end of a runner: starts the process, hands it one job at a time, hears what it says, and can end it."""

import logging
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import IO, Protocol

from pydantic import ValidationError

from backend.settings import PREFIX
from simclr.events import Log
from worker.devices import name_of, variables
from worker.protocol import END_OF_JOB, Command, Exited, Message, Order, Ready, Trial, message_adapter

log = logging.getLogger(__name__)

RUNNER = (sys.executable, "-m", "worker.runner")
LAST_LINES = 30
PRINTED_S = 5.0  # how long the end of a job waits for the thread that reads what it printed
LINE_LIMIT = 500  # characters of a line on stderr that are kept
LOG_LIMIT = 200  # lines on stderr of one job that become events; all of them go to the worker's log


class Runs(Protocol):
    """Does one job at a time for whoever watches over it: a runner's process, or what takes its place."""

    device: str | None
    device_name: str | None

    @property
    def is_alive(self) -> bool: ...
    def wait_ready(self, timeout_s: float) -> bool: ...
    def last_words(self) -> str: ...
    def run(self, order: Order) -> None: ...
    def say_alive(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def next_message(self, timeout_s: float) -> Message | None: ...
    def close(self) -> None: ...


class WarmRunner:
    """A runner process. Jobs run in forks of it, so it outlives them; ``is_alive`` turns False when it dies itself."""

    def __init__(self, command: Sequence[str] = RUNNER, device: str | None = None) -> None:
        # Settings hold the access token, which no job needs.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environment |= variables(device, os.environ)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._stderr: deque[str] = deque(maxlen=LAST_LINES)
        self._lines_heard = 0
        self._ready = threading.Event()
        self._gone = threading.Event()
        self._stderr_is_read = threading.Event()
        self._stderr_is_read.set()
        self._given = device
        self.device: str | None = None
        self.device_name: str | None = None
        assert self._process.stdout is not None  # noqa: S101  asked for above
        assert self._process.stderr is not None  # noqa: S101
        self._readers = [
            threading.Thread(target=self._hear, args=(self._process.stdout,), name="runner-stdout", daemon=True),
            threading.Thread(target=self._overhear, args=(self._process.stderr,), name="runner-stderr", daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return not self._gone.is_set()

    def wait_ready(self, timeout_s: float) -> bool:
        """Whether the runner is, within this time, ready to take a job."""
        return self._ready.wait(timeout_s) and self.is_alive

    def last_words(self) -> str:
        """The last lines that the job which exited, or the runner itself, wrote to stderr."""
        self._stderr_is_read.wait(timeout=PRINTED_S)
        return "\n".join(self._stderr)

    def run(self, order: Order) -> None:
        """Start a job; the one before must have exited."""
        self._begin(Command(do="run", order=order))

    def try_out(self, trial: Trial) -> None:
        """Start a dry run; the job before must have exited."""
        self._begin(Command(do="try", trial=trial))

    def _begin(self, command: Command) -> None:
        self._stderr_is_read.wait(timeout=PRINTED_S)
        self._stderr_is_read.clear()
        self._stderr.clear()
        self._lines_heard = 0
        while not self._inbox.empty():  # what was heard of the job before after its end
            self._inbox.get()
        self._send(command)
        if not self.is_alive:
            self._inbox.put(Exited(status=None))

    def say_alive(self) -> None:
        """Let the job go on for the time of another lease."""
        self._send(Command(do="alive"))

    def stop(self) -> None:
        """Ask the job to stop at its next step."""
        self._send(Command(do="stop"))

    def kill(self) -> None:
        """Kill the job and all that it started."""
        self._send(Command(do="kill"))

    def next_message(self, timeout_s: float) -> Message | None:
        """What the job says next; None when it is silent for so long."""
        try:
            return self._inbox.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def close(self) -> None:
        """End the runner, and with it its job."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            _close_quietly(self._process.stdin)
        for reader, pipe in zip(self._readers, (self._process.stdout, self._process.stderr), strict=True):
            reader.join(timeout=1.0)
            # Whoever still reads, from a pipe that a stray process holds open, must not have it closed in the middle.
            if pipe is not None and not reader.is_alive():
                _close_quietly(pipe)

    def _send(self, command: Command) -> None:
        line = command.model_dump_json().encode() + b"\n"
        try:
            if self._process.stdin is not None:
                self._process.stdin.write(line)
                self._process.stdin.flush()
        except OSError:
            log.warning("The runner %d is gone and did not hear '%s'.", self.pid, command.do)

    def _hear(self, stdout: IO[bytes]) -> None:
        for line in stdout:
            try:
                message = message_adapter.validate_json(line)
            except ValidationError:
                log.warning("The runner said something that is no message: %r", line[:LINE_LIMIT])
                continue
            if isinstance(message, Ready):
                self.device, self.device_name = message.device, name_of(message.type, self._given)
                self._ready.set()
            else:
                if isinstance(message, Exited):
                    # Whoever hears of the end listens no longer: what the job printed comes before it.
                    self._stderr_is_read.wait(timeout=PRINTED_S)
                self._inbox.put(message)
        self._gone.set()
        self._ready.set()
        self._inbox.put(Exited(status=None))

    def _overhear(self, stderr: IO[bytes]) -> None:
        for raw in stderr:
            if raw.startswith(END_OF_JOB):
                self._stderr_is_read.set()
                continue
            line = raw.decode(errors="replace").strip()[:LINE_LIMIT]
            if not line:
                continue
            log.info("runner: %s", line)
            self._stderr.append(line)
            self._lines_heard += 1
            if self._lines_heard <= LOG_LIMIT and self._ready.is_set():
                self._inbox.put(Log(message=line))
        self._stderr_is_read.set()


def _close_quietly(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except OSError:
        log.debug("A pipe of the runner was closed already.")
