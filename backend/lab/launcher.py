"""Starts Redis, the workers and the API in this order, watches over them, and stops them in the reverse one."""

import errno
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from backend.catalogue.engine import open_catalogue
from backend.catalogue.upgrade import CatalogueTooNew, upgrade
from backend.lab import redis
from backend.lab.errors import LabError
from backend.lab.ownership import Note, Ownership, read_note
from backend.lab.processes import Child
from backend.lab.signals import StopSignals
from backend.lab.workers import WORKER_COMMAND, planned_workers
from backend.settings import PREFIX, Settings

API_COMMAND = [sys.executable, "-m", "backend.app"]
# Many ask at once, and trainings have the cores: a product that waits for a second thread to get one takes several times as long.
API_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

REFUSE_BELOW_MIB = 200  # a catalogue that cannot grow takes no job
WARN_BELOW_MIB = 2048
REDIS_START_S = 30.0
API_START_S = 60.0

Say = Callable[[str], None]


class Launcher:
    """The lab of one data folder, running while it is entered.

    Entering raises ``LabError`` when something is in the way (settings, disk, port, another lab, a child that does not come
    up) and ``Interrupted`` when a stopping signal comes first; nothing is left running in either case.
    """

    def __init__(self, settings: Settings, signals: StopSignals, say: Say, environ: Mapping[str, str]) -> None:
        self.settings, self.address = settings, address_of(settings)
        self._signals, self._say, self._environ = signals, say, dict(environ)
        self._logs = settings.data_folder / "logs"
        self._children: list[Child] = []
        self._leaving = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as leaving:
            try:
                self._start(leaving)
            except OSError as error:
                raise cannot(error, self.settings.data_folder) from error
            self._leaving = leaving.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.__exit__(kind, error, trace)

    def link(self) -> str:
        return link_of(self.address, self.settings)

    def watch(self, until: Callable[[], bool]) -> None:
        """Restart what ends, until the condition holds.

        Raises:
            Interrupted: a stopping signal came.
            LabError: a child ends again and again.
        """

        def tended() -> bool:
            for child in self._children:
                child.tend(self._say, time.monotonic())
            return until()

        self._signals.wait(tended)

    def _start(self, leaving: ExitStack) -> None:
        folder = self.settings.data_folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._logs.mkdir(mode=0o700, exist_ok=True)
        ownership = leaving.enter_context(Ownership(folder))
        forget_killed_lab(folder)
        require_space(folder, self._say)
        require_free_port(self.settings)
        bring_up_to_date(self.settings)
        redis_url = self.settings.redis_url or self._start_redis(leaving)
        note = Note(os.getpid(), self.address, without_password(redis_url), time.time())
        ownership.write(note)
        environ = self._children_environ(redis_url)
        crew = [
            Child(worker.name, WORKER_COMMAND, {**environ, **worker.settings}, self._logs / worker.log, grace_s=30.0)
            for worker in planned_workers(self.settings, self._environ)
        ]
        for child in crew:
            self._run(child, leaving)
        for child in crew:  # before any is waited for, so that stopping many takes no longer than stopping one
            leaving.callback(child.ask_to_stop)
        api = Child("The API", API_COMMAND, {**environ, **API_THREADS}, self._logs / "api.log", grace_s=10.0)
        self._run(api, leaving)
        self._await(api, lambda: is_healthy(self.address), API_START_S)

    def _start_redis(self, leaving: ExitStack) -> str:
        folder = redis.make_socket_folder(self._environ)
        leaving.callback(redis.forget_socket_folder, redis.address(folder))
        data = self.settings.data_folder / "redis"
        server = redis.private_redis(folder, data, self._logs, self._environ)
        self._run(server, leaving)
        try:
            self._await(server, lambda: redis.answers(folder), REDIS_START_S)
        except LabError:
            # Its file may be broken, by a full disk or a power cut. Nothing in it is needed: SQL is the truth.
            shutil.rmtree(data, ignore_errors=True)
            data.mkdir(mode=0o700)
            server.stop()
            server.start()
            self._await(server, lambda: redis.answers(folder), REDIS_START_S)
        return redis.address(folder)

    def _run(self, child: Child, leaving: ExitStack) -> None:
        self._children.append(child)
        leaving.callback(child.stop, hurry=lambda: self._signals.count > 1)
        child.start()

    def _await(self, child: Child, ready: Callable[[], bool], timeout_s: float) -> None:
        is_ready = False

        def settled() -> bool:
            nonlocal is_ready
            is_ready = ready()
            return is_ready or not child.is_running()

        self._signals.wait(settled, timeout_s)
        if not is_ready:
            raise child.failure()

    def _children_environ(self, redis_url: str) -> dict[str, str]:
        return {
            **self._environ,
            f"{PREFIX}DATA": str(self.settings.data_folder),
            f"{PREFIX}PORT": str(self.settings.port),
            f"{PREFIX}REDIS_URL": redis_url,
            "PYTHONUNBUFFERED": "1",
        }


def address_of(settings: Settings) -> str:
    """Where a browser on this machine reaches the lab."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://{host}:{settings.port}"


def link_of(address: str, settings: Settings) -> str:
    """The address that signs a browser in; the token is in the fragment, which browsers send to nobody."""
    return f"{address}/#token={settings.access_token}"


def is_healthy(address: str) -> bool:
    # Asked ten times a second while the API starts; a client that could do HTTPS would load its certificates every time.
    connection = HTTPConnection(address.removeprefix("http://"), timeout=2.0)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def without_password(redis_url: str) -> str:
    """An address that may be written down: what stands between ``//`` and ``@`` is left out."""
    scheme, separator, rest = redis_url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def require_space(folder: Path, say: Say) -> None:
    free_mib = shutil.disk_usage(folder).free // 2**20
    if free_mib < REFUSE_BELOW_MIB:
        raise LabError(
            f"the disk of {folder} has {free_mib} MiB free, the lab needs {REFUSE_BELOW_MIB}: free some, or name "
            f"another folder in {PREFIX}DATA"
        )
    if free_mib < WARN_BELOW_MIB:
        say(f"The disk of {folder} has only {free_mib} MiB free; a job that fills it will fail.")


def require_free_port(settings: Settings) -> None:
    """Fail early and plainly; the API binds the port itself a moment later."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except socket.gaierror as error:
        raise LabError(f"{PREFIX}HOST={settings.host} is not an address of this machine: {error.strerror}") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise LabError(
                f"port {settings.port} is already in use: stop the program that listens there, or choose another port "
                f"with {PREFIX}PORT=8766"
            ) from error
        raise LabError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; choose another with {PREFIX}HOST and "
            f"{PREFIX}PORT"
        ) from error


def bring_up_to_date(settings: Settings) -> None:
    """Make or migrate the tables, so that a problem is told here and not in a child's log."""
    catalogue = open_catalogue(settings)
    try:
        upgrade(catalogue.engine)
    except CatalogueTooNew as error:
        raise LabError(str(error)) from error
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__)
        if "disk" in reason or "full" in reason:
            raise LabError(f"the catalogue cannot be written: {reason}; free some space, then start again") from error
        raise LabError(f"the catalogue cannot be opened: {reason}; {PREFIX}DATABASE_URL says where it is") from error
    finally:
        catalogue.close()


def forget_killed_lab(folder: Path) -> None:
    """Clear away what a lab that was killed left behind; the lock of the folder is ours by now."""
    left_over = read_note(folder)
    if left_over:
        redis.forget_socket_folder(left_over.redis_url)
        (folder / "lab.json").unlink(missing_ok=True)


def cannot(error: OSError, folder: Path) -> LabError:
    """An error of the file system as a sentence."""
    if error.errno == errno.ENOSPC:
        return LabError(f"the disk of {folder} is full: free some space, then start again")
    place = error.filename or folder
    return LabError(f"cannot use {place}: {error.strerror}; name a folder that you may write to in {PREFIX}DATA")
