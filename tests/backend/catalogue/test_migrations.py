"""The migrations make exactly the tables of the models, once, whoever starts first."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.exc import IntegrityError

from backend.api.result_answers import ResultsOut, results_json
from backend.catalogue import migrations
from backend.catalogue.engine import Catalogue, open_catalogue
from backend.catalogue.models import Base, JobRow, ResultRow
from backend.catalogue.upgrade import CatalogueTooNew, upgrade
from backend.jobs.cells import name_cells, standings
from backend.settings import Settings
from simclr.results import Score, TransferResult

pytestmark = pytest.mark.slow


def shape_of(engine: Engine) -> dict[str, object]:
    """Columns, keys and indexes of every table, as the database tells them."""
    inspector = inspect(engine)
    return {
        table: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)],
            inspector.get_pk_constraint(table)["constrained_columns"],
            sorted((k["constrained_columns"], k["referred_table"]) for k in inspector.get_foreign_keys(table)),
            sorted(u["column_names"] for u in inspector.get_unique_constraints(table)),
            sorted((i["name"] or "", i["column_names"]) for i in inspector.get_indexes(table)),
        )
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def test_migrating_an_empty_file_gives_the_tables_of_the_models(catalogue: Catalogue) -> None:
    from_models = create_engine("sqlite://")
    Base.metadata.create_all(from_models)
    assert shape_of(catalogue.engine) == shape_of(from_models)
    with catalogue.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_a_lab_with_jobs_of_before_imports_keeps_them_and_may_have_jobs_without_a_data_set(settings: Settings) -> None:
    opened = open_catalogue(settings)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    job = (
        "INSERT INTO job (id, kind, name, state, desired, config, dataset_id, epoch, not_before, crashes, created_at) "
        "VALUES (:id, 'pretrain', 'n', 'queued', 'run', '{}', :set, 0, 0, 0, 1.5)"
    )
    with opened.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        connection.execute(text("INSERT INTO dataset VALUES ('d', 'set', 'datasets/d', 'hash', '{}', 1)"))
        connection.execute(text(job), {"id": "old", "set": "d"})
    with opened.engine.connect() as still_open:
        upgrade(opened.engine)
        assert still_open.scalar(text("SELECT dataset_id FROM job")) == "d"
    with opened.engine.begin() as connection:
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
        assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
        connection.execute(text(job), {"id": "import", "set": None})
    with pytest.raises(IntegrityError), opened.engine.begin() as connection:
        connection.execute(text(job), {"id": "lost", "set": "nowhere"})
    opened.close()


def test_results_of_before_grids_are_summarised_by_all_that_was_known(settings: Settings) -> None:
    opened = open_catalogue(settings)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with opened.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        for row in (
            "dataset VALUES ('d', 'set', 'datasets/d', 'hash', '{}', 1)",
            "encoder VALUES ('e', 'pixels', 'pixels', 'k', 'sha', '{}', NULL, 'd', 1)",
            "job (id, kind, name, state, desired, config, dataset_id, encoder_id, epoch, not_before, crashes, created_at) "
            "VALUES ('j', 'transfer', 'n', 'succeeded', 'run', '{\"strategy\": \"knn\"}', 'd', 'e', 1, 0, 0, 1)",
        ):
            connection.execute(text(f"INSERT INTO {row}"))
        old = Score(split="test", n=9, accuracy=0.5, accuracy_low=0.2, accuracy_high=0.8)
        content = TransferResult(strategy="knn", scores=[old], chance=0.3, seconds=1.0, chosen={})
        before = content.model_dump_json(exclude_unset=True)
        connection.execute(
            text("INSERT INTO result VALUES ('r', 'j', 'e', 'd', 'knn', :content, 1)"), {"content": before}
        )
    upgrade(opened.engine)
    name_cells(opened)
    with opened.reading() as session:
        result = session.get_one(ResultRow, "r")
        assert (result.predictions, result.tags, result.pinned) == (None, [], False)
        told = ResultsOut.model_validate_json(results_json(session)).items[0]
        assert (told.id, told.chance, told.labels_used, told.scores[0].ece) == ("r", 0.3, None, None)
        assert standings(session, [str(session.get_one(JobRow, "j").cell)]).popitem()[1].result_id == "r"
    opened.close()


def test_the_head_that_a_start_compares_with_is_the_newest_step() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD


def test_upgrading_twice_changes_nothing(catalogue: Catalogue) -> None:
    before = shape_of(catalogue.engine)
    upgrade(catalogue.engine)
    assert shape_of(catalogue.engine) == before


def test_a_start_with_tables_up_to_date_does_not_load_alembic(catalogue: Catalogue, settings: Settings) -> None:
    script = (
        "import sys, time; from backend.catalogue.engine import open_catalogue;"
        "from backend.catalogue.upgrade import upgrade; from backend.settings import Settings;"
        "start = time.monotonic(); upgrade(open_catalogue(Settings()).engine);"
        "print('alembic' in sys.modules, time.monotonic() - start)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"SIMCLR_LAB_DATA": str(settings.data_folder)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded, seconds = done.stdout.split()
    assert loaded == "False"
    assert float(seconds) < 0.4


def test_four_processes_that_start_at_once_migrate_once(settings: Settings) -> None:
    start_at = time.time() + 1.5
    script = (
        "import time; from backend.catalogue.engine import open_catalogue;"
        "from backend.catalogue.upgrade import upgrade; from backend.settings import Settings;"
        f"time.sleep(max(0, {start_at} - time.time())); upgrade(open_catalogue(Settings()).engine)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script], env={"SIMCLR_LAB_DATA": str(settings.data_folder)})
        for _ in range(4)
    ]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0, 0]
    opened = open_catalogue(settings)
    assert "job" in inspect(opened.engine).get_table_names()
    opened.close()


def test_a_catalogue_from_a_newer_lab_is_left_alone(catalogue: Catalogue) -> None:
    with catalogue.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(CatalogueTooNew, match="9999"):
        upgrade(catalogue.engine)
