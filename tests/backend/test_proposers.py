"""What proposes neighbours is opened once, made where it is missing, and tried again after a while where that failed."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.catalogue.vectors import NoVectors
from backend.proposers import AFTER_FAILURE_S, AFTER_REFUSAL_S, OPEN, Proposers, Source
from simclr.approximate import Mask, Proposer, Recall, Rows
from simclr.events import ShouldStop
from tests.worker.waiting import until


class Nobody:
    name = "nobody"
    recall = Recall(1.0, 1, 1)

    def propose(self, _query: Rows, _count: int, _among: Mask | None, _share: float) -> NDArray[np.int64]:
        return np.empty(0, np.int64)


@pytest.fixture
def moment() -> list[float]:
    return [0.0]


@pytest.fixture
def proposers(moment: list[float]) -> Iterator[Proposers]:
    made = Proposers(lambda: moment[0])
    yield made
    made.stop()


def a_source(key: str, make: Callable[[], None], made: list[str]) -> Source:
    """One that exists once ``key`` is in ``made``."""

    def open_it() -> Proposer:
        if key not in made:
            raise FileNotFoundError(key)
        return Nobody()

    def make_it(_should_stop: ShouldStop) -> None:
        make()
        made.append(key)

    return Source(key, open_it, make_it, f"the graph {key}")


def test_what_is_missing_is_made_once_and_then_stays_open(proposers: Proposers) -> None:
    made: list[str] = []
    source = a_source("a", lambda: None, made)
    until(lambda: proposers.ask(source)[0], "a graph")
    assert proposers.ask(source)[1] == ""
    assert made == ["a"]


def test_of_many_the_last_ones_stay_open(proposers: Proposers) -> None:
    made: list[str] = []
    sources = [a_source(str(number), lambda: None, made) for number in range(OPEN + 1)]
    for source in sources:
        until(lambda source=source: proposers.ask(source)[0], "a graph")  # type: ignore[misc]
    assert proposers.ask(sources[-1])[0] is not None
    assert proposers.ask(sources[0]) == (None, "the graph 0 is being opened", True)


@pytest.mark.parametrize(
    ("failure", "told", "pause_s"),
    [
        (OSError("the disk is full: no room"), "the graph a could not be built, the disk is full", AFTER_FAILURE_S),
        (NoVectors("there is no extension"), "there is no extension", AFTER_REFUSAL_S),
    ],
)
def test_what_failed_is_told_and_tried_again_only_after_a_while(
    proposers: Proposers, moment: list[float], failure: Exception, told: str, pause_s: float
) -> None:
    tries: list[int] = []

    def fail() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise failure

    source = a_source("a", fail, [])
    until(lambda: proposers.ask(source)[1] == told, "a failure")
    assert [proposers.ask(source) for _ in range(3)] == [(None, told, False)] * 3
    assert len(tries) == 1
    moment[0] = pause_s
    until(lambda: proposers.ask(source)[0], "a graph")
    assert len(tries) == 2
