"""The lab under load, each figure beside its goal: streams, reads, submissions, a full queue, a restart.

Client and server share this machine's cores. As it stands a load lasts 10 to 60 s, and all of them some five minutes; the goals
are for longer ones: ``SIMCLR_BENCH_LOAD=full python -m benchmarks load`` takes about half an hour.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.load_drain import drained
from benchmarks.load_goals import Reached, Title
from benchmarks.load_requests import reading, reading_beside_training, submitting
from benchmarks.load_streams import many, restarted

LENGTH, ONLY = "SIMCLR_BENCH_LOAD", "SIMCLR_BENCH_LOAD_ONLY"

Load = Callable[[], Iterator[Reached | Title]]


def loads(*, is_full: bool) -> dict[str, Load]:
    """By name; the names are those of the goals in the log of measurements."""
    return {
        "L1": partial(many, 500, 600 if is_full else 60, 500),
        "L2": partial(many, 1000, 120 if is_full else 15, 1000),
        "L2 without the limit": partial(many, 1000, 120 if is_full else 10, 1000, is_uncapped=True),
        "L3": partial(reading, 200, 300 if is_full else 20),
        "L4": partial(reading_beside_training, 50, 300 if is_full else 15),
        "L5": partial(submitting, 20, 60 if is_full else 20),
        "L8": partial(drained, 1000 if is_full else 100),
        "L10": partial(restarted, 200),
    }


def rows(_turns: int) -> Iterator[Reached | Title]:
    """Each load once; ``SIMCLR_BENCH_LOAD_ONLY=L1,L3`` chooses some."""
    chosen = loads(is_full=os.environ.get(LENGTH) == "full")
    only = [name for name in os.environ.get(ONLY, "").split(",") if name]
    for name in only or chosen:
        for found in chosen[name]():
            yield Title(f"{name}: {found.what}") if isinstance(found, Title) else found
