"""Makes a stored set's report in a child process: it looks at every pixel, and whoever asks for it has others to answer."""

import argparse
import ctypes
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import simclr
from simclr.datasets.limits import GIB
from simclr.datasets.report import report_of
from simclr.events import ShouldStop, Stopped, never

MEMORY_BYTES = 3 * GIB
CPU_S = 3600
PATIENCE = 10  # a report waits for trainings and answers, not they for it
LOOK_EVERY_S = 0.1
PR_SET_PDEATHSIG = 1
LONGEST_COMPLAINT = 2000
# The images are no stranger's any more, but no token or address is a report's business.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")


class ReportFailed(Exception):
    """The child ended without a report; the message says how."""


def report_in_child(folder: Path, should_stop: ShouldStop = never) -> None:
    """Make the report of the set in ``folder`` and keep it there; the child dies with this process.

    Args:
        folder: A stored set.
        should_stop: Asked some times a second; the child is killed when it says so.

    Raises:
        ReportFailed: there is no report.
        Stopped: ``should_stop`` said so.
    """
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {
        "PYTHONPATH": str(Path(simclr.__file__).parents[1]),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [sys.executable, "-P", "-m", "simclr.datasets.reporter", str(folder), "--parent", str(os.getpid())]
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
                raise Stopped("stopped while a report was made")
        if code:
            how = f"exit {code}" if code > 0 else signal.Signals(-code).name
            complaints.seek(0)
            raise ReportFailed(f"{how}: {complaints.read().decode(errors='replace')[-LONGEST_COMPLAINT:]}")


def _ended(child: subprocess.Popen[bytes]) -> int | None:
    try:
        return child.wait(LOOK_EVERY_S)
    except subprocess.TimeoutExpired:
        return None


def main(arguments: Sequence[str] | None = None) -> int:
    """The child: confine this process and make the report."""
    parser = argparse.ArgumentParser(prog="python -m simclr.datasets.reporter", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of a stored set")
    parser.add_argument("--parent", type=int, help="process to die with")
    options = parser.parse_args(arguments)
    if options.parent is not None:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != options.parent:
            return 1
    os.nice(PATIENCE)
    for kind, cap in ((resource.RLIMIT_DATA, MEMORY_BYTES), (resource.RLIMIT_CPU, CPU_S), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        allowed = cap if hard == resource.RLIM_INFINITY else min(cap, hard)
        resource.setrlimit(kind, (allowed, allowed))
    report_of(options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
