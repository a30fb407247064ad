"""The API's side: one thread that owns one child, hands it one request at a time, and replaces it when it dies or hangs."""

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import backend
from backend.vision.frames import Blob, Channel, Header
from backend.vision.turns import Crowded, Turns

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "backend.vision.child")
TIMEOUT_S = 30.0
WARM_UP_S = 120.0  # importing torch takes 2 s on a quiet machine and much longer on a busy one


class VisionRefused(Exception):
    """The child looked at the request and declined: the image or the encoder is at fault."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class VisionCrashed(Exception):
    """The child died or hung over this request; a new one is on its way."""


class VisionUnavailable(Exception):
    """There is no child to ask: too many requests wait, it cannot be started, or the lab is stopping."""


class VisionSuperseded(Exception):
    """The same caller asked for something newer of the same kind before this one's turn came."""


@dataclass(frozen=True)
class Answer:
    header: Header
    blobs: list[bytes]


@dataclass(frozen=True)
class _Request:
    header: Header
    blobs: Sequence[Blob]
    caller: str
    replaces: str
    answer: Future[Answer]


class _Child:
    """A running child process and the channel to it."""

    def __init__(self, command: Sequence[str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*command, str(os.getpid()), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C in the terminal is for the lab, which then stops the child
                env=_environment(),
            )
        self._channel = Channel(ours)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def wait_until_warm(self) -> None:
        self._channel.receive(WARM_UP_S)

    def ask(self, request: _Request, timeout_s: float) -> Answer:
        self._channel.send(request.header, request.blobs, timeout_s)
        return Answer(*self._channel.receive(timeout_s))

    def kill(self) -> None:
        """End the process; whoever converses with it finds the channel closed."""
        with contextlib.suppress(ProcessLookupError):
            if self.is_alive:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        self.kill()
        self._channel.close()


class Vision:
    """Asks the child and waits for its answer; many threads may ask, the child answers them in turn, caller by caller."""

    def __init__(self, command: Sequence[str] = COMMAND, timeout_s: float = TIMEOUT_S) -> None:
        self._command, self._timeout_s = command, timeout_s
        self._requests: Turns[_Request] = Turns()
        self._child: _Child | None = None
        self._stopping = False
        self._starting = threading.Lock()
        # The thread lives as long as the child: Linux kills the child when the *thread* that started it ends.
        self._thread = threading.Thread(target=self._serve, name="vision", daemon=True)

    @property
    def child_pid(self) -> int | None:
        """The process id of the child that runs now."""
        return None if self._child is None else self._child.pid

    def start(self) -> None:
        """Start the child in the background, once; requests wait until it is warm."""
        with self._starting:
            if self._thread.ident is None and not self._stopping:
                self._thread.start()

    def stop(self) -> None:
        """Kill the child, also in the midst of a request, and refuse everything that waits."""
        with self._starting:
            self._stopping = True
        while self._thread.is_alive():
            if (child := self._child) is not None:
                child.kill()
            self._refuse_waiting()
            self._thread.join(0.1)
        self._refuse_waiting()

    def ask(self, header: Header, blobs: Sequence[Blob] = (), caller: str = "", replaces: str = "") -> Answer:
        """Send a request and wait for the answer.

        Args:
            header: What to do.
            blobs: Bytes that it needs.
            caller: Who asks; callers take turns.
            replaces: A kind of request of which a caller wants the newest alone, such as previews while a slider moves.

        Raises:
            VisionRefused: the child declined the request, with a reason.
            VisionCrashed: the child died or took too long over it.
            VisionUnavailable: it could not be asked.
            VisionSuperseded: ``caller`` asked for something newer of the kind ``replaces`` while this one waited.
        """
        request = _Request(header, blobs, caller, replaces, Future())
        if self._stopping:
            raise VisionUnavailable("the lab is stopping")
        try:
            replaced = self._requests.put(request)
        except Crowded as crowd:
            raise VisionUnavailable(f"{crowd}: try again in a moment") from None
        if replaced is not None:
            replaced.answer.set_exception(VisionSuperseded("a newer request took its place"))
        if self._stopping:
            self._refuse_waiting()
        answer = request.answer.result()
        if not answer.header.pop("ok"):
            raise VisionRefused(answer.header["code"], answer.header["message"])
        return answer

    def _serve(self) -> None:
        self._replace()
        while not self._stopping and (request := self._requests.get()) is not None:
            if self._child is None or not self._child.is_alive:
                self._replace()
            try:
                self._fulfil(request)
            except (OSError, EOFError, ValueError) as error:
                reason = f"took longer than {self._timeout_s:g} s" if isinstance(error, TimeoutError) else "stopped"
                request.answer.set_exception(VisionCrashed(f"the process that computes on images {reason}"))
                self._replace()
        if self._child is not None:
            self._child.close()

    def _fulfil(self, request: _Request) -> None:
        if self._child is None:
            unavailable = VisionUnavailable("the process that computes on images does not start: see the log")
            request.answer.set_exception(unavailable)
            return
        request.answer.set_result(self._child.ask(request, self._timeout_s))

    def _replace(self) -> None:
        """Start a fresh child and wait until it is warm; without one if it fails, the next request tries again."""
        if self._child is not None:
            self._child.close()
            self._child = None
        if self._stopping:
            return
        try:
            self._child = _Child(self._command)
            self._child.wait_until_warm()
        except (OSError, EOFError, ValueError):
            if not self._stopping:
                log.exception("vision's child did not start")
            if self._child is not None:
                self._child.close()
                self._child = None

    def _refuse_waiting(self) -> None:
        for request in self._requests.close():
            request.answer.set_exception(VisionUnavailable("the lab is stopping"))


def _environment() -> dict[str, str]:
    """Only what Python needs: no secret of the API reaches the process that decodes strangers' images."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "TZ") if name in os.environ}
    root = str(Path(backend.__file__).parent.parent)
    # One thread: more are slower on images this small, and take the cores from training.
    return {
        **kept,
        "PYTHONPATH": root,
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
