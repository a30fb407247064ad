"""The lab knows, without making anybody wait, whether its bell can be rung."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from backend.jobs.queue import answers
from backend.pulse import Pulse
from tests.worker.redis_server import redis_at, socket_folder


def test_redis_that_answers_is_felt_and_one_that_froze_or_went_is_not() -> None:
    with socket_folder() as folder:
        url = f"redis+socket://{folder / 'redis.sock'}"
        assert not answers(url)
        with redis_at(folder / "redis.sock") as server:
            assert answers(url)
            os.kill(server.pid, signal.SIGSTOP)
            began = time.monotonic()
            assert not answers(url, timeout_s=0.2)
            assert time.monotonic() - began < 5
            os.kill(server.pid, signal.SIGCONT)
            assert answers(url, timeout_s=5)


def test_an_address_that_is_none_is_no_bell() -> None:
    assert not answers("nonsense")
    assert not Pulse(None).is_felt


def test_the_pulse_follows_in_the_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.pulse.LOOK_S", 0.01)

    async def watch() -> None:
        pulse = Pulse(f"redis+socket://{tmp_path / 'none.sock'}")
        task = asyncio.create_task(pulse.run())
        async with asyncio.timeout(20):
            while pulse.is_felt:
                await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(watch())
