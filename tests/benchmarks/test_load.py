"""The load's own parts: figures beside goals, and a client that notices what it misses."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict

import pytest

from benchmarks.load_client import Follower, Request, open_loop
from benchmarks.load_goals import Reached, Title, percentile
from benchmarks.load_lab import LoadLab, running
from benchmarks.load_streams import events, follow_for, followers


def test_a_percentile_is_one_of_the_values() -> None:
    assert [percentile([3.0, 1.0, 2.0, 4.0], share) for share in (0.0, 0.5, 0.99)] == [1.0, 3.0, 4.0]


def test_a_figure_stands_beside_its_goal() -> None:
    assert Reached("p99", "ms", 240.0, 500).lines()[0].endswith("240   goal ≤ 500")
    assert Reached("p99", "ms", 600.0, 500).lines()[0].endswith("goal ≤ 500: missed")
    assert "goal" not in Reached("memory", "MiB", 120.0).lines()[0]
    assert Title("500 streams").lines() == ["500 streams"]
    assert json.loads(json.dumps(asdict(Reached("p99", "ms", 1.0, 2.0, {"max": 3.0}))))["more"] == {"max": 3.0}


def test_a_follower_counts_what_is_missing_or_comes_twice() -> None:
    follower = Follower(0, "", "")
    for number in (1, 2, 4, 4):
        event = {"seq": number, "at": 0.0, "kind": "log"}
        assert not follower._take(f"event: log\ndata: {json.dumps(event)}\nid: {number}".encode())
    assert (follower.seen, follower.gaps) == (4, 2)
    assert not follower._take(b": still there"), "a comment is no event"


@pytest.fixture(scope="module")
def lab() -> Iterator[LoadLab]:
    with running() as lab:
        yield lab


@pytest.mark.slow
def test_followers_of_a_real_lab_hear_everything(lab: LoadLab) -> None:
    claims = lab.claimed(1)
    people = followers(lab, claims, 12)
    with events(lab, claims):
        counted = asyncio.run(follow_for(lab, people, 2.0, warm_up_s=0.5))
    assert [(person.gaps, person.losses, person.refusals) for person in people] == [(0, 0, [])] * 12
    assert len(counted.late_s) >= 12
    assert min(counted.late_s) >= 0.0
    assert counted.memory_mib > 10


@pytest.mark.slow
def test_an_open_loop_counts_every_answer(lab: LoadLab) -> None:
    paths = ["/api/system", "/api/jobs/nonsense"]
    requests = [Request("GET", paths[number % 2]) for number in range(20)]
    outcome = asyncio.run(open_loop(lab.settings.port, lab.cookie(), requests, rate=50, warm_up_s=0.0))
    assert (outcome.answered(200), outcome.answered(400), outcome.answered(500), outcome.lost) == (20, 10, 0, 0)
    assert len(outcome.latencies_s) == 20
