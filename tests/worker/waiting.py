"""Waiting for what a test expects, instead of sleeping."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], what: str, *, within_s: float = 20.0) -> T:
    """The first true value of ``condition``; fails, naming ``what`` was waited for, when none comes in time."""
    began = time.monotonic()
    while True:
        if value := condition():
            return value
        waited_s = time.monotonic() - began
        if waited_s > within_s:
            raise AssertionError(f"not within {within_s:g} s: {what}")
        # The longer it takes, the less often: looking takes time from what is waited for.
        time.sleep(min(max(0.02, waited_s / 10), 0.2))


def is_running(pid: int) -> bool:
    """Whether a process with this number works; a zombie that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children_of(pid: int) -> list[int]:
    """Numbers of the running processes whose parent is ``pid``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(process.name))
    return found


def all_stand_still(pid: int) -> bool:
    """Whether every thread of a process is stopped; from /proc, so Linux only."""
    stats = [thread.read_text() for thread in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)
