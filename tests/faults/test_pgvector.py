"""Neighbours through the extension pgvector of a real PostgreSQL: one table for all processes, exact scores, honest recall."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from backend.catalogue.engine import Catalogue, open_catalogue, open_url
from backend.catalogue.models import BankRow
from backend.catalogue.upgrade import upgrade
from backend.catalogue.vectors import SCHEMA, NoVectors, VectorTable, table_name
from backend.search_engines import SearchEngines
from backend.settings import Settings
from simclr.approximate import Approximate
from simclr.hnsw import Damaged
from simclr.index import Found, Index, Metric
from tests.backend.jobs.rows import add_dataset, add_encoder, submit
from tests.faults.postgres import Postgres
from tests.simclr.test_index import unit
from tests.worker.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

N, D = 400, 12
EXACT = Index(unit(N, D), np.random.default_rng(1).uniform(5e4, 2e5, N).astype(np.float32))


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> str:
    address = postgres.create(f"vectors_{secrets.token_hex(4)}")
    door = open_url(address)
    upgrade(door.engine)
    door.close()
    return address


@pytest.fixture(scope="module")
def catalogue(url: str) -> Iterator[Catalogue]:
    opened = open_url(url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def bank_id(catalogue: Catalogue) -> str:
    dataset_id = add_dataset(catalogue)
    about = {"dataset_id": dataset_id, "encoder_id": add_encoder(catalogue, dataset_id)}
    with catalogue.writing() as session:
        row = BankRow(
            **about, job_id=submit(catalogue, dataset_id), key="features.npy", feature_dim=D, created_at=0.0
        )  # fmt: skip
        session.add(row)
    return row.id


@pytest.fixture(autouse=True)
def small_banks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simclr.approximate.FEWEST", 50)
    monkeypatch.setattr("backend.catalogue.vectors.QUERIES", 40)


def tables(catalogue: Catalogue) -> list[str]:
    with catalogue.reading() as session:
        return list(session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = :s"), {"s": SCHEMA}))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_table_proposes_most_of_the_exact_neighbours_to_any_process(
    catalogue: Catalogue, url: str, bank_id: str, metric: Metric
) -> None:
    exact, name = EXACT.by(metric), table_name(bank_id, "features", metric)
    with pytest.raises(FileNotFoundError):
        VectorTable(catalogue, name).open(exact)
    VectorTable(catalogue, name).make(exact)
    other = open_url(url)
    table = VectorTable(other, name).open(exact)
    assert (table.recall.at, table.recall.queries) == (10, 40)
    assert table.recall.value >= 0.95
    engine, among = Approximate(exact, table), np.arange(N) % 3 == 0
    shares = []
    for row in range(0, N, 35):
        query = exact.vectors(np.array([row]))[0]
        for filters in (None, among):
            found, expected = (each.search(query, 10, {row}, filters) for each in (engine, exact))
            assert (found.engine, len(found.indices), row in found.indices) == ("pgvector", 10, False)
            np.testing.assert_array_equal(found.scores, exact.rank(query, 10, np.sort(found.indices)).scores)
            assert filters is None or filters[found.indices].all()
            shares.append(len(set(found.indices.tolist()) & set(expected.indices.tolist())) / 10)
    assert np.mean(shares) >= 0.95
    with pytest.raises(Damaged, match="other embeddings"):
        table.open(Index(unit(N, D, seed=7)))
    other.close()


def test_the_index_is_used_and_tables_of_banks_that_are_gone_are_dropped(catalogue: Catalogue, bank_id: str) -> None:
    gone = VectorTable(catalogue, table_name("0" * 26, "features", "cosine"))
    small = Index(unit(60, D))
    gone.make(small)
    assert gone.name_in_database in tables(catalogue)
    kept = VectorTable(catalogue, table_name(bank_id, "projections", "cosine"))
    kept.make(small)
    assert gone.name_in_database not in tables(catalogue)
    assert kept.name_in_database in tables(catalogue)
    with catalogue.engine.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = connection.scalars(
            text(f"EXPLAIN TABLE {kept._quoted} ORDER BY features <-> '[{','.join('1' * D)}]' LIMIT 5")
        ).all()
    assert "Index Scan" in plan[1]


def test_while_the_table_is_being_filled_the_exact_engine_answers(
    catalogue: Catalogue, bank_id: str, tmp_path: Path
) -> None:
    engines = SearchEngines(Settings(data=tmp_path, search_exact_up_to=10), catalogue)
    notes: list[str] = []

    def answered() -> Found | None:
        chosen = engines.choose("auto", tmp_path / "other.npy", bank_id, EXACT)
        found = chosen.engine.search(EXACT.features[3], 5, {3})
        assert len(found.indices) == 5
        notes.append(chosen.note)
        return found if found.engine == "pgvector" else None

    found = until(answered, "a table")
    assert "is being" in notes[0]
    assert found.note == ""
    engines.stop()


def without_the_extension(url: str) -> str:
    """An address under which PostgreSQL says that it has no extensions."""
    door = open_url(url)
    with door.engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA bare"))
        connection.execute(text("CREATE VIEW bare.pg_available_extensions AS SELECT ''::text AS name WHERE false"))
    door.close()
    return f"{url}&options=-c%20search_path%3Dbare,public,pg_catalog"


def test_without_the_extension_the_exact_engine_answers_and_says_what_to_do(
    url: str, bank_id: str, tmp_path: Path
) -> None:
    bare = open_catalogue(Settings(data=tmp_path, database_url=without_the_extension(url)))
    engines = SearchEngines(Settings(data=tmp_path), bare)

    def told() -> str:
        chosen = engines.choose("pgvector", tmp_path / "bare.npy", bank_id, EXACT)
        assert chosen.engine.name == "exact"
        return chosen.note if "install" in chosen.note else ""

    assert until(told, "a refusal") == (
        "This PostgreSQL has no pgvector: install the extension on its server; all images were read."
    )
    engines.stop()
    bare.close()


def test_more_dimensions_than_an_index_holds_are_refused(catalogue: Catalogue, bank_id: str) -> None:
    wide = np.zeros((2, 4001), np.float32)
    wide[:, 0] = 1
    with pytest.raises(NoVectors, match="4,000 dimensions at most, not 4,001"):
        VectorTable(catalogue, table_name(bank_id, "wide", "cosine")).make(Index(wide))
