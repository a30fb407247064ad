"""One lab per data folder: a lock that dies with its holder, and a note of who holds it."""

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from backend.lab.errors import LabError


@dataclass(frozen=True)
class Note:
    """Who runs the lab of a data folder; ``started_at`` is in UTC seconds since 1970."""

    pid: int
    address: str
    redis_url: str
    started_at: float


class AlreadyRunning(LabError):
    """Another lab holds the data folder; ``note`` tells which, once it has written it."""

    def __init__(self, folder: Path, note: Note | None) -> None:
        self.note = note
        who = f"process {note.pid}, at {note.address}" if note else "a process that is just starting"
        super().__init__(
            f"a lab already runs on the data folder {folder}: {who}; use that one, stop it, or name another folder in "
            "SIMCLR_LAB_DATA"
        )


class Ownership:
    """Holds the data folder while it is entered; the kernel lets go of it when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        descriptor = os.open(self._folder / "lab.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise AlreadyRunning(self._folder, read_note(self._folder)) from error
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self._folder / "lab.json").unlink(missing_ok=True)
        if self._descriptor is not None:
            os.close(self._descriptor)

    def write(self, note: Note) -> None:
        """Tell others who holds the folder; readable by its owner only."""
        draft = self._folder / "lab.json.new"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(note), file)
        draft.replace(self._folder / "lab.json")


def read_note(folder: Path) -> Note | None:
    """The note in a data folder; it may be left over from a lab that was killed."""
    try:
        return Note(**json.loads((folder / "lab.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def is_held(folder: Path) -> bool:
    """Whether a lab runs on the folder now."""
    try:
        descriptor = os.open(folder / "lab.lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
