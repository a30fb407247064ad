"""An answer is given again while it holds, and not a moment longer."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import BaseModel

from backend.catalogue.engine import Catalogue, open_catalogue
from backend.remembered import BRIEFLY_S, SIZE, Remembered
from backend.settings import Settings
from tests.backend.jobs.rows import add_dataset


class Count(BaseModel):
    n: int


@pytest.fixture
def moment() -> list[float]:
    return [0.0]


@pytest.fixture
def remembered(catalogue: Catalogue, moment: list[float]) -> Remembered:
    return Remembered(catalogue, clock=lambda: moment[0])


@pytest.fixture
def find() -> Callable[[], Count]:
    counted = iter(range(1000))
    return lambda: Count(n=next(counted))


def test_what_nobody_has_changed_is_found_once(remembered: Remembered, find: Callable[[], Count]) -> None:
    answers = [remembered.answer("jobs", find) for _ in range(3)]
    assert [answer.body for answer in answers] == [b'{"n":0}'] * 3
    assert answers[0].headers["content-type"] == "application/json"


def test_another_question_has_an_answer_of_its_own(remembered: Remembered, find: Callable[[], Count]) -> None:
    assert remembered.answer(("jobs", 1), find).body != remembered.answer(("jobs", 2), find).body


def test_a_commit_of_anybody_ends_it(
    remembered: Remembered, find: Callable[[], Count], catalogue: Catalogue, settings: Settings
) -> None:
    remembered.answer("jobs", find)
    add_dataset(catalogue)
    assert remembered.answer("jobs", find).body == b'{"n":1}'
    other = open_catalogue(settings)
    add_dataset(other, "another program's")
    other.close()
    assert remembered.answer("jobs", find).body == b'{"n":2}'


def test_what_is_written_while_it_is_made_is_not_missed(remembered: Remembered, catalogue: Catalogue) -> None:
    def late() -> Count:
        add_dataset(catalogue)
        return Count(n=0)

    remembered.answer("jobs", late)
    assert remembered.answer("jobs", lambda: Count(n=1)).body == b'{"n":1}'


def test_a_second_ends_it_where_the_time_matters(
    remembered: Remembered, find: Callable[[], Count], moment: list[float]
) -> None:
    remembered.answer("jobs", find, BRIEFLY_S)
    moment[0] += BRIEFLY_S
    assert remembered.answer("jobs", find, BRIEFLY_S).body == b'{"n":1}'
    moment[0] += 1000.0
    assert remembered.answer("jobs", find).body == b'{"n":1}'


def test_those_who_ask_at_once_wait_for_one_answer(remembered: Remembered) -> None:
    together = threading.Barrier(4)
    made: list[int] = []

    def slowly() -> Count:
        made.append(1)
        time.sleep(0.1)
        return Count(n=len(made))

    def ask(_: int) -> bytes:
        together.wait()
        return bytes(remembered.answer("results", slowly).body)

    with ThreadPoolExecutor(4) as people:
        assert set(people.map(ask, range(4))) == {b'{"n":1}'}
    assert len(made) == 1


def test_a_failure_is_not_remembered(remembered: Remembered) -> None:
    def fail() -> Count:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        remembered.answer("jobs", fail)
    assert remembered.answer("jobs", lambda: Count(n=1)).body == b'{"n":1}'


def test_few_answers_are_kept(remembered: Remembered, find: Callable[[], Count]) -> None:
    for n in range(SIZE + 1):
        remembered.answer(n, find)
    assert remembered.answer(SIZE, find).body == b'{"n":%d}' % SIZE
    assert remembered.answer(0, find).body == b'{"n":%d}' % (SIZE + 1)


def test_rows_are_read_again_once_somebody_has_written(remembered: Remembered, catalogue: Catalogue) -> None:
    counted = iter(range(1000))
    assert [remembered.rows("a", lambda: next(counted)) for _ in range(3)] == [0, 0, 0]
    assert remembered.rows("b", lambda: next(counted)) == 1
    add_dataset(catalogue)
    assert [remembered.rows("a", lambda: next(counted)) for _ in range(2)] == [2, 2]


def test_rows_that_could_not_be_read_are_not_remembered(remembered: Remembered) -> None:
    def fail() -> int:
        raise LookupError

    with pytest.raises(LookupError):
        remembered.rows("a", fail)
    assert remembered.rows("a", lambda: 7) == 7
