"""Brings the tables up to date when a process starts; API, worker and launcher may all do so at once."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from backend.catalogue.engine import BEGIN
from backend.catalogue.migrations import HEAD

LOCK_NUMBER = 0x51AC1A8  # of PostgreSQL's advisory lock: any number that nobody else takes


class CatalogueTooNew(RuntimeError):
    """The tables were made by a newer version of the lab."""


def upgrade(engine: Engine) -> None:
    """Run the missing migrations, one process at a time; a few milliseconds when there are none.

    Raises:
        CatalogueTooNew: the tables are at a version that this code does not know.
    """
    if is_current(engine):
        return
    # A worker of the version before may still be writing, and SQLite refuses who reads first and wants to write after it.
    at_once = engine.execution_options(**{BEGIN: "BEGIN IMMEDIATE"})
    with _alone(engine), at_once.begin() as connection:
        if _version(connection) != HEAD:
            _migrate(connection)


def is_current(engine: Engine) -> bool:
    """Whether the tables are those that this code knows."""
    with engine.connect() as connection:
        return _version(connection) == HEAD


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return version


def _migrate(connection: Connection) -> None:
    # Alembic costs 0.15 s and is needed once a release.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    version = _version(connection)
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in known:
        raise CatalogueTooNew(
            f"the catalogue is at version {version}, this lab knows none after {HEAD}: start the newer lab that made it"
        )
    command.upgrade(config, "head")


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    if engine.dialect.name != "sqlite":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.detach()  # closed at the end, as it is made to wait for as long as another process migrates
            connection.execute(text("SET lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": LOCK_NUMBER})
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": LOCK_NUMBER})
        return
    with Path(f"{engine.url.database}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
