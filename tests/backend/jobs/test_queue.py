"""The bell reaches Redis when there is one, and never makes its caller fail or wait for long."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from backend.jobs.queue import QUEUE, WAKE, Bell, make_app, ring
from tests.worker.redis_server import redis_at, socket_folder


@pytest.fixture
def socket() -> Iterator[Path]:
    with socket_folder() as folder, redis_at(folder / "redis.sock"):
        yield folder / "redis.sock"


def test_a_wake_up_is_one_json_message_without_content_that_expires(socket: Path) -> None:
    assert ring(make_app(f"redis+socket://{socket}"))
    client = redis.Redis(unix_socket_path=str(socket))
    [raw] = client.lrange(QUEUE, 0, -1)
    client.close()
    message = json.loads(raw)
    assert message["content-type"] == "application/json"
    assert message["headers"]["task"] == WAKE
    assert message["headers"]["expires"] is not None
    assert message["headers"]["argsrepr"] == "()"
    assert message["headers"]["kwargsrepr"] == "{}"


def test_only_json_is_accepted_and_no_results_are_kept() -> None:
    conf = make_app("redis://127.0.0.1:6379/0").conf
    assert conf.accept_content == ["json"]
    assert conf.task_ignore_result
    assert conf.result_backend is None
    assert not conf.task_acks_late
    assert not conf.worker_cancel_long_running_tasks_on_connection_loss


def test_ringing_without_redis_is_no_error() -> None:
    assert not ring(make_app("redis+socket:///nowhere/redis.sock"))
    assert not Bell(None).ring()


def test_rings_at_a_redis_that_hangs_do_not_pile_up() -> None:
    with socket_folder() as folder, redis_at(folder / "redis.sock") as server:
        bell = Bell(f"redis+socket://{folder / 'redis.sock'}")
        assert bell.ring()
        server.send_signal(19)  # SIGSTOP
        threads = [threading.Thread(target=bell.ring) for _ in range(20)]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads[2:]:
            thread.join(timeout=1.0)
        assert sum(thread.is_alive() for thread in threads) <= 2
        server.send_signal(18)  # SIGCONT
        for thread in threads:
            thread.join(timeout=20.0)
        assert not any(thread.is_alive() for thread in threads)
        assert time.monotonic() - started < 20.0


def test_a_process_with_a_bell_loads_celery_only_when_it_rings() -> None:
    script = (
        "import sys; from backend.jobs.queue import Bell; Bell('redis://127.0.0.1:1'); print('celery' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"
    )
