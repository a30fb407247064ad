"""The API as a process of its own, as the lab runs it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from backend.settings import Settings


def wait_until(is_so: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Look every hundredth of a second until it is so, or fail."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_gone(pid: int) -> bool:
    """True when no such process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()] + [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        if task.name != str(pid)
        for child in (task / "children").read_text().split()
    ]


class Api:
    """A running API process and a client that holds its token; only if ``seeing``, vision works."""

    def __init__(self, folder: Path, *, seeing: bool) -> None:
        self.settings = Settings(data=folder, port=free_port())
        self.origin = f"http://127.0.0.1:{self.settings.port}"
        token = self.settings.access_token
        environment = {**os.environ, "SIMCLR_LAB_DATA": str(folder), "SIMCLR_LAB_PORT": str(self.settings.port)}
        program = "backend.app" if seeing else "tests.backend.api.blind"
        self.process = subprocess.Popen([sys.executable, "-m", program], env=environment)
        self.client = httpx2.Client(base_url=self.origin, headers={"authorization": f"Bearer {token}"}, timeout=60)

    @property
    def pid(self) -> int:
        return self.process.pid

    def answers(self) -> bool:
        assert self.process.poll() is None, "the API ended"
        try:
            return self.client.get("/api/health").status_code == 200
        except httpx2.TransportError:
            return False

    def stop(self, timeout_s: float = 10.0) -> float:
        """Ask it to stop; the seconds that took."""
        began = time.monotonic()
        self.process.terminate()
        self.process.wait(timeout_s)
        return time.monotonic() - began


@contextmanager
def started(folder: Path, *, seeing: bool = True) -> Iterator[Api]:
    """An API process that answers; stopped at the end, whatever happened."""
    api = Api(folder, seeing=seeing)
    try:
        wait_until(api.answers)
        yield api
    finally:
        api.process.kill()
        api.process.wait()
        api.client.close()
