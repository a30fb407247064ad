"""A real Redis on a private socket."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as client

from backend.lab import redis
from tests.backend.lab.deadline import eventually


@pytest.fixture
def folder() -> Iterator[Path]:
    made = redis.make_socket_folder(os.environ)
    yield made
    redis.forget_socket_folder(redis.address(made))


def test_it_answers_on_a_socket_that_only_its_owner_reaches(folder: Path, tmp_path: Path) -> None:
    server = redis.private_redis(folder, tmp_path / "data", tmp_path, os.environ)
    assert not redis.answers(folder)
    server.start()
    try:
        eventually(lambda: redis.answers(folder))
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "redis.sock").stat().st_mode) == 0o700
        with client.Redis(unix_socket_path=str(folder / "redis.sock"), decode_responses=True) as connection:
            assert connection.config_get("port") == {"port": "0"}
            assert connection.config_get("appendonly") == {"appendonly": "yes"}
    finally:
        server.stop()
    assert not redis.answers(folder)


def test_a_deep_runtime_folder_is_passed_over_because_the_kernel_limits_socket_paths(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 80)
    deep.mkdir()
    made = redis.make_socket_folder({"XDG_RUNTIME_DIR": str(deep)})
    try:
        assert len(os.fsencode(made / "redis.sock")) < redis.LONGEST_SOCKET_PATH
    finally:
        redis.forget_socket_folder(redis.address(made))
    assert not made.exists()


def test_only_folders_made_here_are_ever_removed(tmp_path: Path) -> None:
    redis.forget_socket_folder(f"redis+socket://{tmp_path}/redis.sock")
    redis.forget_socket_folder("redis://127.0.0.1:6379/0")
    assert tmp_path.is_dir()
