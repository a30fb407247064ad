"""Builds the graph of a bank in a child process, and keeps it beside the bank: ``python -m simclr.hnsw_builder BANK METRIC``."""

import argparse
import fcntl
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from simclr.children import confine, work_in_child
from simclr.events import ShouldStop, never
from simclr.hnsw import Damaged, build, graph_beside, read, write
from simclr.index import Metric, open_index

log = logging.getLogger(__name__)

MEMORY_BESIDE_BYTES, CPU_S = 4 << 30, 24 * 3600


def build_in_child(bank: Path, metric: Metric, should_stop: ShouldStop = never) -> None:
    """Build the graph of a bank by all cores, giving way to whatever else runs, and keep it.

    Raises:
        ChildFailed: there is no graph.
        Stopped: ``should_stop`` said so.
    """
    threads = {"OMP_NUM_THREADS": str(os.cpu_count() or 1), "OPENBLAS_NUM_THREADS": "1"}
    work_in_child("simclr.hnsw_builder", [str(bank), metric], should_stop, threads)


def keep_built(bank: Path, metric: Metric) -> None:
    """Build the graph of a bank and keep it beside it, unless another process has done so meanwhile."""
    path = graph_beside(bank, metric)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        exact = open_index(bank).by(metric)
        try:
            read(path, exact)
        except (FileNotFoundError, Damaged):
            write(build(exact, _tell(len(exact))), path)


def _tell(of: int) -> Callable[[int], None]:
    return lambda done: log.info("%d of %d rows are linked", done, of)


def main(arguments: Sequence[str] | None = None) -> int:
    """The child: confine this process and build."""
    parser = argparse.ArgumentParser(prog="python -m simclr.hnsw_builder", description=__doc__)
    parser.add_argument("bank", type=Path, help="features.npy, or another file of rows of unit length")
    parser.add_argument("metric", choices=("cosine", "euclidean"))
    parser.add_argument("--parent", type=int, help="process to die with")
    options = parser.parse_args(arguments)
    memory = MEMORY_BESIDE_BYTES + 4 * options.bank.stat().st_size
    if not confine(options.parent, memory, CPU_S):
        return 1
    logging.basicConfig(level=logging.INFO)
    keep_built(options.bank, options.metric)
    return 0


if __name__ == "__main__":
    sys.exit(main())
