"""The soak's own parts: the schedule is the seed's, and what is wrong with a job's events is noticed."""

import os
import subprocess
import sys
from typing import Any

import pytest

from backend.catalogue.models import EventRow
from tests.faults.soak_jobs import problems
from tests.faults.soak_lab import MARK, marked
from tests.faults.soak_schedule import Harm, draw
from tests.worker.waiting import until


def test_a_seed_draws_the_same_faults_again_and_another_one_others() -> None:
    assert draw(3, 60) == draw(3, 60)
    assert draw(3, 60) != draw(4, 60)


def test_every_kind_of_fault_is_drawn_at_least_once() -> None:
    assert {fault.harm for fault in draw(0, len(Harm))} == set(Harm)
    assert [fault.number for fault in draw(0, 60)] == list(range(1, 61))


def told(*events: tuple[int, str, dict[str, Any]]) -> list[EventRow]:
    """Rows of (attempt, kind, data), numbered from 1."""
    return [
        EventRow(job_id="j", seq=seq, epoch=epoch, kind=kind, data=data, at=0.0)
        for seq, (epoch, kind, data) in enumerate(events, start=1)
    ]


START, END = (1, "state", {"state": "running"}), (1, "state", {"state": "succeeded"})
LOOK, SAVED = (1, "evaluation", {"step": 4, "knn_accuracy": 0.5}), (1, "checkpoint", {"step": 4})
UNDISTURBED = told(START, LOOK, SAVED, END)


def test_nothing_is_wrong_with_an_attempt_that_went_on_from_a_checkpoint() -> None:
    again = (2, "evaluation", {"step": 4, "knn_accuracy": 0.5})
    assert problems(told(START, LOOK, (2, "state", {"state": "running"}), again, (2, *END[1:])), UNDISTURBED) == []


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        ((START, LOOK, SAVED), "0 events tell its end"),
        ((START, LOOK, END, END), "2 events tell its end"),
        ((START, LOOK, END, SAVED), "the last is none of them"),
        ((START, SAVED, END), r"evaluations at the steps \[\], not \[4\]"),
        ((START, (1, "evaluation", {"step": 4, "knn_accuracy": 0.6}), END), "not those of the undisturbed"),
        ((START, LOOK, (1, "evaluation", {"step": 4, "knn_accuracy": 0.6}), END), "not those of the undisturbed"),
        ((START, LOOK, SAVED, SAVED, END), r"attempt 1 tells checkpoint of the steps \[4, 4\]"),
        (((2, *START[1:]), LOOK, (2, *END[1:])), "an attempt wrote after it had been replaced"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_events_is_noticed(events: tuple[Any, ...], problem: str) -> None:
    with pytest.raises(AssertionError, match=problem):
        assert problems(told(*events), UNDISTURBED) == []


def test_a_gap_in_the_numbers_is_noticed() -> None:
    events = told(START, LOOK, SAVED, END)
    events[3].seq = 9
    assert problems(events, UNDISTURBED) == ["its events are not numbered from 1 without gaps"]


def test_a_process_that_is_left_over_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARK, f"test-{os.getpid()}")
    assert list(marked()) == []
    waits = [sys.executable, "-S", "-c", "input()"]
    with subprocess.Popen(waits, stdin=subprocess.PIPE, env={**os.environ}) as left_over:
        # Between fork and exec it still has this process's environment.
        until(lambda: left_over.pid in dict(marked()), "the process")
    assert list(marked()) == []
