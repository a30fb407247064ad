"""``python -m worker.runner``: imports torch and Lightning once, then forks one process for every job it is given.

Importing takes 3 to 15 s, forking some milliseconds, and the fork has the memory of a fresh process: whatever a job leaks,
breaks or fragments ends with it. This works because nothing here uses torch before the fork: no thread pool is running and
CUDA is not initialised, so it belongs to the job's process alone. The device is therefore named by a forked process too.

Whoever dies, nobody is left behind: the runner ends when its stdin closes, the job's process when the runner dies, and also when
the worker is frozen for the time of a lease.
"""

import contextlib
import ctypes
import faulthandler
import gc
import importlib
import math
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from simclr.events import ShouldStop
from worker.attempt import Say, attempt
from worker.compiler import leave_compiler_out
from worker.lightning import load_lightning
from worker.protocol import END_OF_JOB, Command, Exited, Message, Order, Ready, Trial
from worker.trial import try_out

PR_SET_PDEATHSIG = 1  # linux/prctl.h
NICENESS = 10  # the API answers first when both want the same core
CRASHED = 1
SCIENCE = ("simclr.pretrain", "simclr.transfer", "simclr.embed", "simclr.maps.make", "simclr.dry_run")

Do = Callable[[Order, Say, ShouldStop], int]
Tries = Callable[[Trial, Say], int]


class Channel:
    """The way up to the worker. Prints go to stderr instead, so that no library can disturb the protocol."""

    def __init__(self) -> None:
        self._descriptor = os.dup(1)
        os.dup2(2, 1)
        self._lock = threading.Lock()

    def say(self, message: Message) -> None:
        line = message.model_dump_json().encode() + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._descriptor, line) :]


class Runner:
    """Reads orders and watches the one job's process, in a single thread, as only such a process forks safely."""

    def __init__(self, channel: Channel, do: Do = attempt, tries: Tries = try_out) -> None:
        self._channel = channel
        self._do = do
        self._tries = tries
        self._child: int | None = None
        # Until when the worker, which may be frozen, has to be heard for the job to go on.
        self._fence_at, self._lease_s, self._was_fenced = math.inf, math.inf, False
        self._unread = b""
        # A signal writes a byte here, which ends the wait in select.
        self._bell, ringer = os.pipe()
        os.set_blocking(ringer, False)
        os.set_blocking(self._bell, False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(ringer, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Take orders until stdin closes, which means that the worker is gone."""
        while True:
            left_s = max(0.0, self._fence_at - time.monotonic())
            readable, _, _ = select.select([0, self._bell], [], [], None if left_s == math.inf else left_s)
            if self._bell in readable:
                os.read(self._bell, 512)
                self._reap()
            if 0 in readable:
                received = os.read(0, 65536)
                if not received:
                    self._signal(signal.SIGKILL)
                    return
                *lines, self._unread = (self._unread + received).split(b"\n")
                for line in lines:
                    self._obey(line)
            elif time.monotonic() >= self._fence_at:
                self._fence_at, self._was_fenced = math.inf, True
                self._signal(signal.SIGKILL)

    def _obey(self, line: bytes) -> None:
        command = Command.model_validate_json(line)
        if command.do == "run" and command.order is not None:
            order = command.order
            self._lease_s = order.lease_s
            self._fence_at = time.monotonic() + self._lease_s
            self._child = fork(lambda: self._do(order, self._channel.say, stop_flag()))
        elif command.do == "try" and command.trial is not None:
            trial = command.trial
            self._child = fork(lambda: self._tries(trial, self._channel.say))
        elif command.do == "alive" and self._fence_at < math.inf:
            self._fence_at = time.monotonic() + self._lease_s
        elif command.do == "stop":
            self._signal(signal.SIGTERM, group=False)
        elif command.do == "kill":
            self._signal(signal.SIGKILL)

    def _signal(self, number: int, *, group: bool = True) -> None:
        # The child is reaped only here, so its number cannot belong to another process yet.
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                (os.killpg if group else os.kill)(self._child, number)

    def _reap(self) -> None:
        if self._child is None or os.waitid(os.P_PID, self._child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return
        self._signal(signal.SIGKILL)  # what the job may have started itself
        _, status = os.waitpid(self._child, 0)
        self._child = None
        self._fence_at = math.inf
        os.write(2, END_OF_JOB + b"\n")  # the worker reads stderr in another thread, and waits for this line there
        self._channel.say(Exited(status=os.waitstatus_to_exitcode(status), was_fenced=self._was_fenced))
        self._was_fenced = False


def fork(work: Callable[[], int]) -> int:
    """Run ``work`` in a forked process, in its own group, and return its number; it exits with what ``work`` returns."""
    runner = os.getpid()
    child = os.fork()
    if child == 0:
        live(work, runner)
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.setpgid(child, child)  # here as well as there: whoever comes first
    return child


def live(work: Callable[[], int], runner: int) -> NoReturn:
    """The whole life of a forked process."""
    code = CRASHED
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        die_with_parent(runner)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        code = work()
    except BaseException:  # noqa: BLE001  the last words of this process; the worker records them
        sys.excepthook(*sys.exc_info())
    sys.stderr.flush()
    os._exit(code)  # the exit handlers are the runner's, not the job's


def stop_flag() -> Callable[[], bool]:
    """A ``should_stop`` that says yes once SIGTERM has come; the handler does nothing but remember it."""
    came: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    signal.signal(signal.SIGTERM, remember)
    return lambda: bool(came)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when ``parent`` dies (Linux; elsewhere stdin tells)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(CRASHED)


def warm_up() -> None:
    """Import everything that every job needs, for good.

    While nothing is thrown away, looking for garbage would take a seventh of the time. Later looks, which are the jobs', leave
    out what is here now, and so leave its memory shared.
    """
    gc.disable()
    leave_compiler_out()
    load_lightning()
    for name in SCIENCE:
        importlib.import_module(name)
    gc.freeze()
    gc.enable()


def name_device(channel: Channel) -> None:
    """Say that the runner is ready, and on which device its jobs compute; asked in a fork, as asking may start CUDA."""

    def ask() -> int:
        from simclr.device import choose_device

        found = choose_device()
        channel.say(Ready(device=found.name, type=found.device.type))
        return 0

    _, status = os.waitpid(fork(ask), 0)
    if status != 0:
        channel.say(Ready(device=None))


def main(do: Do = attempt) -> None:
    channel = Channel()
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the launcher's business
    os.nice(NICENESS)
    warm_up()
    name_device(channel)
    Runner(channel, do).serve()
    os._exit(0)  # there is nothing to tidy, and torch takes seconds to do so


if __name__ == "__main__":
    main()
