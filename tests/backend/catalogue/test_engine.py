"""The catalogue opens anywhere, keeps what it accepted, and its writers queue instead of failing."""

import sqlite3
import threading
import time

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from backend.catalogue import engine
from backend.catalogue.engine import Catalogue, now, open_catalogue
from backend.catalogue.models import DatasetRow, JobRow
from backend.catalogue.upgrade import upgrade
from backend.settings import Settings


def a_dataset(name: str = "digits", **changes: object) -> DatasetRow:
    values = {"name": name, "key": f"datasets/{name}", "content_hash": name, "info": {}, "created_at": 0.0}
    return DatasetRow(**{**values, **changes})


def test_a_catalogue_is_made_in_a_folder_that_does_not_exist_yet(settings: Settings) -> None:
    assert not settings.data_folder.exists()
    opened = open_catalogue(settings)
    upgrade(opened.engine)
    with opened.reading() as session:
        assert session.scalar(select(func.count()).select_from(JobRow)) == 0
    opened.close()


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("busy_timeout", 5000), ("foreign_keys", 1), ("synchronous", 2)]
)
def test_every_connection_is_configured(catalogue: Catalogue, pragma: str, value: object) -> None:
    with catalogue.reading() as session:
        assert session.scalar(text(f"PRAGMA {pragma}")) == value


def test_a_block_that_raises_leaves_nothing_behind(catalogue: Catalogue) -> None:
    def write_and_fail() -> None:
        with catalogue.writing() as session:
            session.add(a_dataset())
            session.flush()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_and_fail()
    with catalogue.reading() as session:
        assert session.scalar(select(func.count()).select_from(DatasetRow)) == 0


def test_rows_stay_readable_after_their_block(catalogue: Catalogue) -> None:
    with catalogue.writing() as session:
        row = a_dataset()
        session.add(row)
    assert row.name == "digits"
    assert len(row.id) == 26


@pytest.mark.parametrize(
    "value", [{}, {"a": None, "b": [1, -0.5, 1e300, 2**70]}, {"é": "\u2028", "n": "\0"}, {"half a pair": "\udcff"}]
)
def test_json_comes_back_as_it_was_given(catalogue: Catalogue, value: dict[str, object]) -> None:
    with catalogue.writing() as session:
        session.add(a_dataset(info=value))
    with catalogue.reading() as session:
        assert session.scalars(select(DatasetRow.info)).one() == value


def test_a_row_that_points_nowhere_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(IntegrityError), catalogue.writing() as session:
        session.add(JobRow(kind="pretrain", name="", state="queued", desired="run", config={}, dataset_id="nowhere", created_at=0.0))  # fmt: skip  # noqa: E501


def test_writers_that_read_before_they_write_queue_up_and_lose_nothing(catalogue: Catalogue) -> None:
    with catalogue.writing() as session:
        session.add(a_dataset(created_at=0.0))

    def count_up() -> None:
        for _ in range(25):
            with catalogue.writing() as session:
                before = session.scalars(select(DatasetRow.created_at)).one()
                session.execute(update(DatasetRow).values(created_at=before + 1))

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with catalogue.reading() as session:
        assert session.scalars(select(DatasetRow.created_at)).one() == 100


def test_no_writer_is_overtaken_by_all_others(catalogue: Catalogue) -> None:
    writers, each = 10, 20
    done: list[int] = []
    overtaken: list[int] = []

    def write(number: int) -> None:
        for _ in range(each):
            before = len(done)
            with catalogue.writing() as session:
                session.execute(update(DatasetRow).values(created_at=number))  # which waits for the lock
                overtaken.append(len(done) - before)
                time.sleep(0.01)  # so that there is a queue
                done.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == writers * each
    assert max(overtaken) < len(done) * 2 / 3, "SQLite's own waiting lets some wait until nearly all others are done"


def test_a_writer_that_waits_for_too_long_is_told_what_sqlite_would_say(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 20)
    with (
        catalogue.writing(),
        pytest.raises(OperationalError, match="database is locked") as refused,
        catalogue.writing(),
    ):
        pass
    assert isinstance(refused.value.orig, sqlite3.OperationalError)
    assert refused.value.orig.sqlite_errorcode == sqlite3.SQLITE_BUSY
    with catalogue.writing() as session:
        session.add(a_dataset())


def test_readers_do_not_wait_for_a_writer(catalogue: Catalogue) -> None:
    with catalogue.writing() as writer:
        writer.add(a_dataset())
        writer.flush()
        with catalogue.reading() as reader:
            assert reader.scalar(select(func.count()).select_from(DatasetRow)) == 0


def test_the_clock_is_the_databases_unless_another_is_given(settings: Settings, catalogue: Catalogue) -> None:

    with catalogue.reading() as session:
        assert now(session) == pytest.approx(time.time(), abs=2.0)

    def noon(_session: Session) -> float:
        return 43200.0

    stopped = open_catalogue(settings, clock=noon)
    with stopped.reading() as session:
        assert now(session) == 43200.0
    stopped.close()
