"""Makes a stored set's report in a child process: it looks at every pixel, and whoever asks for it has others to answer."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from simclr.children import ChildFailed, confine, work_in_child
from simclr.datasets.limits import GIB
from simclr.datasets.report import report_of
from simclr.events import ShouldStop, never

MEMORY_BYTES = 3 * GIB
CPU_S = 3600
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


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
    try:
        work_in_child("simclr.datasets.reporter", [str(folder)], should_stop, ONE_THREAD)
    except ChildFailed as failure:
        raise ReportFailed(str(failure)) from None


def main(arguments: Sequence[str] | None = None) -> int:
    """The child: confine this process and make the report."""
    parser = argparse.ArgumentParser(prog="python -m simclr.datasets.reporter", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of a stored set")
    parser.add_argument("--parent", type=int, help="process to die with")
    options = parser.parse_args(arguments)
    if not confine(options.parent, MEMORY_BYTES, CPU_S):
        return 1
    report_of(options.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
