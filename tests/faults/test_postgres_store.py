"""The statements on jobs in PostgreSQL: the same tests as on SQLite, which differ in locks, clocks and refusals."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from backend.catalogue import queries
from backend.catalogue.engine import Catalogue, open_catalogue, open_url
from backend.catalogue.migrations import HEAD
from backend.catalogue.upgrade import is_current, upgrade
from backend.jobs import store
from backend.settings import Settings
from tests.backend.catalogue.test_engine import (  # noqa: F401  they run on this module's catalogue
    test_a_block_that_raises_leaves_nothing_behind,
    test_a_row_that_points_nowhere_is_refused,
    test_readers_do_not_wait_for_a_writer,
    test_rows_stay_readable_after_their_block,
    test_the_clock_is_the_databases_unless_another_is_given,
)
from tests.backend.catalogue.test_migrations import (  # noqa: F401
    test_a_catalogue_from_a_newer_lab_is_left_alone,
    test_upgrading_twice_changes_nothing,
)
from tests.backend.jobs.conftest import dataset_id  # noqa: F401
from tests.backend.jobs.rows import add_dataset, claim, submit
from tests.backend.jobs.test_checkpoints import (  # noqa: F401
    test_the_newest_two_are_kept_and_the_best,
    test_the_next_attempt_is_told_of_what_the_last_one_saved,
)
from tests.backend.jobs.test_grids import (  # noqa: F401
    encoder_id,
    test_a_cell_that_failed_is_tried_anew_and_one_that_is_computed_is_not,
    test_grids_submitted_at_once_compute_no_cell_twice,
    test_more_jobs_than_may_wait_are_refused_whole,
    test_what_a_person_computes_alone_meanwhile_no_grid_computes_again,
    test_what_another_grid_needs_goes_on_when_one_is_paused_or_cancelled,
    test_with_one_worker_those_who_wait_are_served_in_turn,
)
from tests.backend.jobs.test_imports import (  # noqa: F401
    test_a_submitter_whose_import_runs_is_not_served_later_in_trainings,
    test_imports_and_trainings_wait_for_each_other_neither_in_a_worker_nor_in_the_queue,
    test_the_same_images_again_come_to_the_set_that_is_there_and_their_folder_goes,
)
from tests.backend.jobs.test_lifecycle import run
from tests.backend.jobs.test_races import (  # noqa: F401
    test_a_person_who_cancels_while_the_job_ends_gets_one_ending,
    test_every_job_is_claimed_once,
    test_the_same_key_from_many_sides_is_one_job,
)
from tests.backend.test_deletion import (  # noqa: F401
    test_a_set_that_nobody_worked_with_leaves_no_row,
    test_a_set_with_an_encoder_keeps_its_row_and_gets_the_same_images_back,
    test_no_job_waits_for_a_set_that_was_deleted_at_the_same_time,
)
from tests.faults.postgres import Postgres
from tests.worker.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def settings(tmp_path: Path, postgres: Postgres) -> Settings:
    """A deployment whose catalogue is an empty database."""
    return Settings(data=tmp_path / "data", database_url=postgres.create(f"test_{secrets.token_hex(4)}"))


@pytest.fixture
def catalogue(settings: Settings) -> Iterator[Catalogue]:
    """Its tables, made by the migrations: those of a file cannot be copied into it."""
    opened = open_catalogue(settings)
    upgrade(opened.engine)
    yield opened
    opened.close()


def test_the_migrations_make_the_tables_of_the_newest_version(catalogue: Catalogue) -> None:
    with catalogue.reading() as session:
        assert session.scalar(text("SELECT version_num FROM alembic_version")) == HEAD


def test_four_that_start_at_once_migrate_once(settings: Settings) -> None:
    doors = [open_catalogue(settings) for _ in range(4)]
    with ThreadPoolExecutor(4) as starters:
        list(starters.map(lambda door: upgrade(door.engine), doors))
    assert all(is_current(door.engine) for door in doors)
    for door in doors:
        door.close()


def test_a_reader_sees_one_moment(catalogue: Catalogue) -> None:
    with catalogue.reading() as session:
        before = queries.datasets(session)
        add_dataset(catalogue)
        assert queries.datasets(session) == before == []
    with catalogue.reading() as session:
        assert len(queries.datasets(session)) == 1


def test_every_job_keeps_one_life(postgres: Postgres) -> None:
    url = postgres.create(f"life_{secrets.token_hex(4)}")
    door = open_url(url)
    upgrade(door.engine)
    door.close()
    run(6, 25, url)


def test_whoever_stops_in_the_middle_of_a_write_is_put_out_so_that_others_go_on(
    catalogue: Catalogue, settings: Settings
) -> None:
    submit(catalogue, add_dataset(catalogue))
    held = claim(catalogue)
    frozen = open_catalogue(settings)

    def renewed() -> bool:
        try:
            with catalogue.writing() as session:
                return store.renew(session, held.job_id, held.epoch) is not None
        except OperationalError:
            return False

    def stop_in_the_middle() -> None:
        with frozen.writing() as session:
            store.renew(session, held.job_id, held.epoch)
            until(renewed, "a renewal", within_s=60)

    with pytest.raises(OperationalError):
        stop_in_the_middle()
    frozen.close()
