"""A client that leaves is no failure; everything else is."""

import asyncio

import pytest
from anyio import BrokenResourceError
from starlette.types import Message, Receive, Scope, Send

from backend.partings import Partings


def answered(error: BaseException) -> None:
    """What comes out of a request that ends with ``error``."""

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise error

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_message: Message) -> None: ...

    asyncio.run(Partings(app)({"type": "http", "path": "/api/jobs/1/events"}, receive, send))


@pytest.mark.parametrize("error", [BrokenResourceError(), ExceptionGroup("in a task group", [BrokenResourceError()])])
def test_a_client_that_leaves_is_no_failure(error: Exception) -> None:
    answered(error)


def test_a_failure_is_one_as_it_was() -> None:
    with pytest.raises(ValueError, match="a mistake"):
        answered(ValueError("a mistake"))


def test_a_failure_beside_a_parting_is_one() -> None:
    with pytest.raises(ExceptionGroup) as failure:
        answered(ExceptionGroup("both", [BrokenResourceError(), ValueError("a mistake")]))
    assert failure.group_contains(ValueError, match="a mistake")
    assert not failure.group_contains(BrokenResourceError)
