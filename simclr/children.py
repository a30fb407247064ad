"""Work for a child process that gives way to all others: it dies with its parent, and no secret of the parent reaches it."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import simclr
from simclr.events import ShouldStop, Stopped, never

PATIENCE = 10  # such work waits for trainings and answers, not they for it
LOOK_EVERY_S = 0.1
PR_SET_PDEATHSIG = 1
LONGEST_COMPLAINT = 2000
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")


class ChildFailed(Exception):
    """The child ended without having done its work; the message says how."""


def work_in_child(
    module: str, arguments: Sequence[str], should_stop: ShouldStop = never, environ: Mapping[str, str] | None = None
) -> None:
    """Run ``python -m module arguments --parent PID`` to its end.

    Args:
        module: Its main function calls ``confine``.
        arguments: What to do.
        should_stop: Asked some times a second; the child is killed when it says so.
        environ: Variables beside the few that are passed on.

    Raises:
        ChildFailed: it did not exit with 0.
        Stopped: ``should_stop`` said so.
    """
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {
        "PYTHONPATH": str(Path(simclr.__file__).parents[1]),
        **(environ or {}),
    }
    command = [sys.executable, "-P", "-m", module, *arguments, "--parent", str(os.getpid())]
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=complaints,
            env=environment, start_new_session=True,
        ) as child,
    ):  # fmt: skip
        while (code := _ended(child)) is None:
            if should_stop():
                child.kill()
                raise Stopped("stopped while a child was at work")
        if code:
            how = f"exit {code}" if code > 0 else signal.Signals(-code).name
            complaints.seek(0)
            raise ChildFailed(f"{how}: {complaints.read().decode(errors='replace')[-LONGEST_COMPLAINT:]}")


def confine(parent: int | None, memory_bytes: int, cpu_s: int) -> bool:
    """In the child: give way, die with ``parent``, and take no more than this; False where the parent is gone already."""
    if parent is not None:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            return False
    os.nice(PATIENCE)
    for kind, cap in ((resource.RLIMIT_DATA, memory_bytes), (resource.RLIMIT_CPU, cpu_s), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        allowed = cap if hard == resource.RLIM_INFINITY else min(cap, hard)
        resource.setrlimit(kind, (allowed, allowed))
    return True


def _ended(child: subprocess.Popen[bytes]) -> int | None:
    try:
        return child.wait(LOOK_EVERY_S)
    except subprocess.TimeoutExpired:
        return None
