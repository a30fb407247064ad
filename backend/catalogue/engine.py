"""Opens the catalogue: one engine, short transactions, and a writer that never has to upgrade its lock.

SQLite lets one connection write at a time. A transaction that reads first and writes later would have to upgrade its lock
and may be refused at once, whatever the busy timeout; therefore ``writing`` begins with ``BEGIN IMMEDIATE``. Whoever waits for
the lock sleeps and looks again, longer every time, so that of many writers some never come to it; therefore those of one process
take turns before they ask for it.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, Engine, Float, create_engine, event, func, make_url, select, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from backend.settings import Settings

BUSY_TIMEOUT_MS = 5000
BEGIN = "catalogue_begin"
PUT_OUT = "25P03"  # idle_in_transaction_session_timeout
# Of PostgreSQL's driver. A dead network and a lock that nobody lets go of come back as errors, long before a lease is lost; who
# stops in the middle of a write, such as a frozen process, is put out, so that others can go on.
POSTGRES = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "options": f"-c lock_timeout={BUSY_TIMEOUT_MS} -c idle_in_transaction_session_timeout={BUSY_TIMEOUT_MS}",
}

# unixepoch('subsec') came with SQLite 3.42; Debian 12 ships 3.40.
SQLITES_NOW = text("SELECT (julianday('now') - 2440587.5) * 86400.0")
POSTGRES_NOW = select(func.extract("epoch", func.clock_timestamp()).cast(Float))

Clock = Callable[[Session], float]


def database_clock(session: Session) -> float:
    """UTC seconds since 1970 as the database sees them, so that all writers share one clock."""
    if session.get_bind().dialect.name == "sqlite":
        return float(session.scalar(SQLITES_NOW) or 0.0)
    return float(session.scalar(POSTGRES_NOW) or 0.0)


def now(session: Session) -> float:
    """The time by the clock that the session was opened with."""
    clock: Clock = session.info["clock"]
    return clock(session)


@dataclass(frozen=True)
class Catalogue:
    """The door to the tables. ``clock`` is replaced only by tests that move time."""

    engine: Engine
    clock: Clock = database_clock
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session over one consistent snapshot; whatever is changed in it is thrown away."""
        with self._session(self._reader) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session in one write transaction, committed at the end of the block, rolled back if the block raises.

        Raises:
            OperationalError: others write for longer than ``BUSY_TIMEOUT_MS``.
        """
        with self._in_turn(), self._session(self._writer) as session, session.begin():
            yield session

    def close(self) -> None:
        self.engine.dispose()

    # Kept, as a new one has to find its listeners anew, which takes half as long as a statement.
    @cached_property
    def _writer(self) -> Engine:
        return self.engine.execution_options(**{BEGIN: "BEGIN IMMEDIATE"})

    @cached_property
    def _reader(self) -> Engine:
        # In PostgreSQL every statement has a snapshot of its own unless told otherwise.
        is_sqlite = self.engine.dialect.name == "sqlite"
        return self.engine if is_sqlite else self.engine.execution_options(isolation_level="REPEATABLE READ")

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self.engine.dialect.name != "sqlite":
            yield
            return
        if not self._turn.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            raise _busy()
        try:
            yield
        finally:
            self._turn.release()

    def _session(self, engine: Engine) -> Session:
        # Rows stay readable after the block, without another query.
        return Session(engine, expire_on_commit=False, info={"clock": self.clock})


def open_catalogue(settings: Settings, *, clock: Clock = database_clock) -> Catalogue:
    """Open the catalogue of a deployment; its folder is made if absent, its tables are not (see ``upgrade``)."""
    return open_url(settings.catalogue_url, clock=clock)


def open_url(url: str, *, clock: Clock = database_clock) -> Catalogue:
    """Open the catalogue at a SQLAlchemy address."""
    address = make_url(url)
    is_sqlite = address.get_backend_name() == "sqlite"
    # What the address says itself holds.
    ours = {} if is_sqlite else {name: value for name, value in POSTGRES.items() if name not in address.query}
    engine = create_engine(address, pool_pre_ping=not is_sqlite, connect_args=ours, json_deserializer=read_json)
    if is_sqlite:
        if engine.url.database:
            Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "handle_error", _call_it_operational, retval=True)
    return Catalogue(engine, clock)


def read_json(text: str) -> Any:
    """Three to ten times as fast as the standard library, which alone takes half a surrogate pair, as in a file's odd name."""
    try:
        return from_json(text)
    except ValueError:
        return json.loads(text)


def _call_it_operational(context: ExceptionContext) -> OperationalError | None:
    # The driver takes being put out (see POSTGRES) for an error of its own.
    if getattr(context.original_exception, "sqlstate", None) != PUT_OUT:
        return None
    context.is_disconnect = True
    return OperationalError(context.statement, None, context.original_exception)


def _busy() -> OperationalError:
    """What SQLite itself would say."""
    reason = sqlite3.OperationalError("database is locked")
    reason.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return OperationalError("BEGIN IMMEDIATE", None, reason)


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late and is never IMMEDIATE
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    # FULL syncs the log at every commit: an accepted job survives a power cut. Writers commit about once a second.
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(BEGIN, "BEGIN"))
