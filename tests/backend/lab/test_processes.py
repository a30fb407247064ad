"""Real children: started, restarted, stopped with everything below them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backend.lab.errors import LabError
from backend.lab.processes import LOG_BYTES, Child
from tests.backend.lab.deadline import eventually

SLEEPS = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
HAS_CHILD = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid, flush=True)
time.sleep(600)
"""


def python(code: str, log: Path, grace_s: float = 10.0) -> Child:
    return Child("The test child", [sys.executable, "-c", code], os.environ, log, grace_s)


def is_alive(pid: int) -> bool:
    """True for a process that runs; one that has ended and waits to be fetched counts as gone."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def said(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if not line.startswith("---")]


def test_a_stopped_child_is_gone(tmp_path: Path) -> None:
    child = python(SLEEPS, tmp_path / "log")
    child.start()
    pid = child.pid
    assert pid
    assert is_alive(pid)
    child.stop()
    assert not is_alive(pid)
    assert not child.is_running()


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    child = python(STUBBORN, tmp_path / "log", grace_s=0.3)
    child.start()
    eventually(lambda: said(tmp_path / "log"))
    began = time.monotonic()
    child.stop()
    assert not child.is_running()
    assert 0.3 <= time.monotonic() - began < 5


def test_a_second_signal_ends_the_grace_at_once(tmp_path: Path) -> None:
    child = python(STUBBORN, tmp_path / "log", grace_s=60)
    child.start()
    eventually(lambda: said(tmp_path / "log"))
    began = time.monotonic()
    child.stop(hurry=lambda: True)
    assert time.monotonic() - began < 5


def test_grandchildren_in_its_group_go_with_it(tmp_path: Path) -> None:
    child = python(HAS_CHILD, tmp_path / "log")
    child.start()
    grandchild = int(eventually(lambda: said(tmp_path / "log"))[0])
    assert is_alive(grandchild)
    child.stop()
    eventually(lambda: not is_alive(grandchild))


def test_a_child_follows_its_parent_into_death(tmp_path: Path) -> None:
    starts_one_and_waits = (
        "import os, sys, time; from pathlib import Path; from backend.lab.processes import Child\n"
        f"child = Child('x', [sys.executable, '-c', {SLEEPS!r}], os.environ, Path({str(tmp_path / 'log')!r}), 1)\n"
        "child.start(); print(child.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", starts_one_and_waits], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        eventually(lambda: said(tmp_path / "log"))
        parent.kill()
    eventually(lambda: not is_alive(child))


def test_a_child_that_was_killed_is_started_again_and_people_are_told(tmp_path: Path) -> None:
    child = python(SLEEPS, tmp_path / "log")
    told: list[str] = []
    child.start()
    first = child.pid
    assert first
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not child.is_running())

    def restarted() -> bool:
        child.tend(told.append, time.monotonic())
        return child.is_running()

    eventually(restarted)
    assert child.pid != first
    assert told == [f"The test child was ended by SIGKILL and is started again; log: {tmp_path / 'log'}"]
    child.stop()


def test_a_child_that_cannot_live_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    child = python("import sys; sys.exit('no such thing')", tmp_path / "log")
    child.start()

    def tend_for_three_minutes() -> None:
        for now in range(0, 180, 2):  # a made-up clock: the pauses are shortened, the ends are real
            eventually(lambda: not child.is_running())
            child.tend(lambda sentence: None, now)

    with pytest.raises(LabError, match=r"ended 5 times within two minutes(?s:.)*no such thing"):
        tend_for_three_minutes()


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    child = Child("The test child", ["/nonexistent/program"], os.environ, tmp_path / "log", 1)
    with pytest.raises(LabError, match="/nonexistent/program: No such file"):
        child.start()


def test_a_long_log_is_set_aside(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    log.write_bytes(b"x" * (LOG_BYTES + 1))
    child = python(SLEEPS, log)
    child.start()
    child.stop()
    assert log.stat().st_size < 1000
    assert (tmp_path / "child.old.log").stat().st_size == LOG_BYTES + 1
