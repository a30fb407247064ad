"""A lab started as a person starts it: its own process, real Redis, worker and API, on a free port."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.backend.lab.deadline import eventually

SIMCLR_LAB = str(Path(sys.executable).parent / "simclr-lab")
READY = "SimCLR Lab is ready"
# For a lab whose jobs are not what a test is about: its worker is ready at once.
WITHOUT_TORCH = {"SIMCLR_LAB_LANES": "import"}


class Started:
    """A running ``simclr-lab`` command and what it has printed so far."""

    def __init__(self, *arguments: str, environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [SIMCLR_LAB, *arguments],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.printed = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.printed += line

    def until(self, text: str, within_s: float = 90.0) -> None:
        """Wait until ``text`` has been printed.

        Raises:
            AssertionError: it was not in time, or the command ended without it.
        """
        eventually(lambda: text in self.printed or self.process.poll() is not None, within_s)
        assert text in self.printed, self.printed

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send the signal to the launcher alone; its exit code."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self, within_s: float = 90.0) -> int:
        code = self.process.wait(within_s)
        self._reader.join(5)
        return code


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        found: int = probe.getsockname()[1]
        return found


@pytest.fixture
def environ(tmp_path: Path, port: int) -> dict[str, str]:
    """The environment of a lab of its own; its data folder marks every process that belongs to it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SIMCLR_LAB_")}
    return {**inherited, "SIMCLR_LAB_DATA": str(tmp_path / "data"), "SIMCLR_LAB_PORT": str(port), "TERM": "dumb"}


@pytest.fixture
def start(environ: dict[str, str]) -> Iterator[Any]:
    """Start a command of ``simclr-lab``; whatever still runs at the end is stopped, and nothing may be left of it."""
    started: list[Started] = []

    def start_one(*arguments: str, **settings: str) -> Started:
        started.append(Started(*arguments, environ=environ | settings))
        return started[-1]

    yield start_one
    for one in started:
        if one.process.poll() is None:
            one.stop(signal.SIGTERM)
    eventually(lambda: not processes_of(environ["SIMCLR_LAB_DATA"]), within_s=10)


def processes_of(data: str) -> dict[int, str]:
    """Processes of the lab with that data folder, with their command lines; from /proc, so Linux only.

    They carry it in their environment, or, as Redis, which writes its title over that, work inside it.
    """
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            environ = (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            works_inside = (folder / "cwd").readlink().is_relative_to(data)
        except OSError:
            continue
        if works_inside or f"SIMCLR_LAB_DATA={data}".encode() in environ:
            found[int(folder.name)] = command
    return found


def process_of(data: str, part: str) -> int | None:
    """The oldest process of the lab whose command line contains ``part``."""
    return min((pid for pid, command in processes_of(data).items() if part in command), default=None)
