"""Work on a batch in chunks that a few threads share, each thread alone with its chunk.

Torch's own threads split every operation and wait for one another at its end, so one busy neighbour stalls all. A thread that
takes a whole chunk through all operations waits for nobody. Torch releases Python's lock while it computes.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import TypeVar

import torch

from simclr.cores import usable_cores

Chunk = TypeVar("Chunk")
STARTING_S = 60.0


def cores(threads: int | None) -> int:
    """``threads``, or every usable core where it is None.

    Raises:
        ValueError: ``threads`` is less than 1.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be 1 or more, not {threads}: leave it out to use every core")
    return threads or _cores()


def for_each(work: Callable[[Chunk], None], chunks: list[Chunk], threads: int) -> None:
    """Do ``work`` on every chunk, on ``threads`` threads of one core each.

    Each chunk is computed by one thread alone, so the results do not depend on their number.
    """
    if len(chunks) < 2 or threads == 1:
        with one_thread():
            for chunk in chunks:
                work(chunk)
        return
    # A thread starts with torch's defaults; tensors of inference mode may only be written in inference mode.
    inference = torch.is_inference_mode_enabled()
    waiting = iter(chunks)

    def work_as_caller() -> None:
        with torch.inference_mode(inference):
            for chunk in waiting:
                try:
                    work(chunk)
                except BaseException:
                    # Nobody begins another one.
                    deque(waiting, maxlen=0)
                    raise

    # As many threads as there are cores, so that two callers, a view each, do not wait for each other.
    pool = _pool(os.getpid(), max(threads, _cores()))
    begun = [pool.submit(work_as_caller) for _ in range(min(threads, len(chunks)))]
    wait(begun)
    for done in begun:
        done.result()


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes on the calling thread alone: small operations gain nothing from others, and wait for them."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def _cores() -> int:
    return usable_cores()


@lru_cache(maxsize=4)
def _pool(_process: int, threads: int) -> ThreadPoolExecutor:
    """Threads that torch splits no work further on. A forked process has another number, and so starts its own."""
    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, "views", initializer=_compute_alone)
    # Each waits for all, or one that is done already would be given another's task, and the other thread would begin later.
    all_there = threading.Barrier(threads, timeout=STARTING_S)
    for future in [pool.submit(all_there.wait) for _ in range(threads)]:
        future.result()
    # Asking for one thread there also changed what threads started later get: this asks for what was before.
    torch.set_num_threads(before)
    return pool


def _compute_alone() -> None:
    # The first question makes this thread take torch's common number; only then does one of its own last.
    torch.get_num_threads()
    torch.set_num_threads(1)
