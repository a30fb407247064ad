"""Callers take turns, and of what a caller asks for again and again only the newest waits."""

import threading
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.vision.turns import MOST, MOST_OF_ONE, Crowded, Turns


@dataclass(frozen=True)
class Asked:
    caller: str
    number: int = 0
    replaces: str = ""


def taken(turns: Turns[Asked]) -> list[Asked]:
    return [request for _ in range(len(turns)) if (request := turns.get())]


def test_callers_take_turns_and_each_ones_requests_keep_their_order() -> None:
    turns: Turns[Asked] = Turns()
    for request in (Asked("a", 1), Asked("a", 2), Asked("a", 3), Asked("b", 1), Asked("c", 1), Asked("b", 2)):
        assert turns.put(request) is None
    assert [f"{request.caller}{request.number}" for request in taken(turns)] == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_the_newest_takes_the_place_of_the_one_that_waits_and_of_no_other() -> None:
    turns: Turns[Asked] = Turns()
    old, story, other = Asked("a", 1, "preview"), Asked("a", 2, "story"), Asked("b", 3, "preview")
    for request in (old, story, other):
        turns.put(request)
    assert turns.put(Asked("a", 4, "preview")) is old
    assert [request.number for request in taken(turns)] == [4, 3, 2]


@given(st.lists(st.tuples(st.sampled_from("abcdefghij"), st.sampled_from(["", "preview"])), max_size=60))
def test_nobody_waits_for_more_than_one_request_of_each_other_caller(asked: list[tuple[str, str]]) -> None:
    turns: Turns[Asked] = Turns()
    waiting: dict[int, Asked] = {}
    for number, (caller, replaces) in enumerate(asked):
        try:
            replaced = turns.put(Asked(caller, number, replaces))
        except Crowded:
            continue
        waiting[number] = Asked(caller, number, replaces)
        if replaced is not None:
            del waiting[replaced.number]
    order = taken(turns)
    assert sorted(request.number for request in order) == sorted(waiting)
    for place, request in enumerate(order):
        own = [r for r in order[:place] if r.caller == request.caller]
        for other in {r.caller for r in order[:place]} - {request.caller}:
            assert len([r for r in order[:place] if r.caller == other]) <= len(own) + 1


def test_too_many_are_turned_away() -> None:
    turns: Turns[Asked] = Turns()
    for number in range(MOST_OF_ONE):
        turns.put(Asked("a", number))
    with pytest.raises(Crowded, match=f"{MOST_OF_ONE} requests are waiting"):
        turns.put(Asked("a"))
    for number in range(MOST - MOST_OF_ONE):
        turns.put(Asked(f"b{number}"))
    with pytest.raises(Crowded, match="all people"):
        turns.put(Asked("c"))


def test_closing_gives_back_what_waits_and_wakes_who_waits_for_it() -> None:
    turns: Turns[Asked] = Turns()
    turns.put(Asked("a"))
    assert turns.close() == [Asked("a")]
    found: list[Asked | None] = []
    waiting = threading.Thread(target=lambda: found.append(turns.get()))
    waiting.start()
    waiting.join(5)
    assert found == [None]
