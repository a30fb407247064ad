"""Deleting a set's rows: nobody's work is lost, no row points nowhere, no job waits for images that are gone."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from backend.api.rows import dataset_row
from backend.catalogue import queries
from backend.catalogue.engine import Catalogue
from backend.catalogue.models import DryRunRow, JobRow
from backend.deletion import NOTES, delete_files, delete_rows, finish_deletions, uses_of
from backend.errors import ApiError
from backend.jobs import dry_runs, store
from backend.jobs.invariants import violations
from backend.jobs.made import enter_dataset
from backend.jobs.order import Reach
from backend.jobs.outcomes import Artefact, Succeeded
from backend.jobs.states import Kind, Lane
from simclr.results import ImportResult
from tests.backend.jobs.rows import add_dataset, add_encoder, submit

IMPORTED = ImportResult(n=20, classes=2, image_size=16, channels=3, seconds=1.0)


def remove(catalogue: Catalogue, dataset_id: str, folder: Path) -> str | None:
    """Delete the rows as the API does; None, or why not."""
    with catalogue.writing() as session:
        row = dataset_row(session, dataset_id, lock="update")
        uses = uses_of(session, dataset_id)
        if uses.unfinished:
            return uses.refusal(row.name)
        delete_rows(session, row, uses, folder)
    return None


def change(catalogue: Catalogue, work: Callable[[Session], object]) -> None:
    with catalogue.writing() as session:
        work(session)


def test_a_set_that_nobody_worked_with_leaves_no_row(catalogue: Catalogue, tmp_path: Path) -> None:
    dataset_id = add_dataset(catalogue)
    change(catalogue, lambda session: dry_runs.ask(session, {}, dataset_id, None))
    assert remove(catalogue, dataset_id, tmp_path) is None
    with catalogue.reading() as session:
        assert queries.dataset(session, dataset_id) is None
        assert session.query(DryRunRow).all() == []


def test_the_import_that_made_a_set_does_not_keep_it(catalogue: Catalogue, tmp_path: Path) -> None:
    with catalogue.writing() as session:
        job_id = store.submit(session, store.Submission(Kind.IMPORT, None, {"origin": "upload", "source": "zip"})).id
        claimed = store.claim(session, "worker", reach=Reach(frozenset({Lane.IMPORT})))
        assert claimed is not None
        made = Artefact(f"jobs/{job_id}/1/set", "ab" * 32, {})
        store.settle(session, job_id, claimed.epoch, Succeeded(IMPORTED, made))
        dataset_id = session.get_one(JobRow, job_id).dataset_id
    assert dataset_id is not None
    assert remove(catalogue, dataset_id, tmp_path) is None
    with catalogue.reading() as session:
        assert queries.dataset(session, dataset_id) is None
        assert session.get_one(JobRow, job_id).dataset_id is None
        assert violations(session, tmp_path) == []


def test_a_set_with_an_encoder_keeps_its_row_and_gets_the_same_images_back(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    dataset_id = add_dataset(catalogue)
    add_encoder(catalogue, dataset_id)
    assert remove(catalogue, dataset_id, tmp_path) is None
    with catalogue.writing() as session:
        assert queries.datasets(session) == []
        with pytest.raises(ApiError) as refused:
            dataset_row(session, dataset_id)
        assert refused.value.status == 410
        for turn, is_new in enumerate((True, False)):
            made = Artefact(f"datasets/again {turn}", "digits", {"n": turn})
            row, found = enter_dataset(session, "Other", made)
            assert (row.id, row.name, row.info, found) == (dataset_id, "digits", {"n": 0}, is_new)
    with catalogue.reading() as session:
        assert dataset_row(session, dataset_id).key == "datasets/again 0"


def test_a_job_that_has_not_ended_keeps_its_set_and_is_named(catalogue: Catalogue, tmp_path: Path) -> None:
    dataset_id = add_dataset(catalogue)
    ids = [submit(catalogue, dataset_id, name=f"job {i}") for i in range(5)]
    refusal = remove(catalogue, dataset_id, tmp_path)
    assert refusal is not None
    assert "5 jobs have not ended, job 0 (queued), job 1 (queued), job 2 (queued) and 2 more" in refusal
    assert not (tmp_path / NOTES).exists()
    for job_id in ids[1:]:
        change(catalogue, lambda session, job_id=job_id: store.request_cancel(session, job_id))
    refusal = remove(catalogue, dataset_id, tmp_path)
    assert refusal is not None
    assert refusal.endswith("1 job has not ended, job 0 (queued). Wait for it or cancel it, then delete the set.")
    change(catalogue, lambda session: store.request_cancel(session, ids[0]))
    assert remove(catalogue, dataset_id, tmp_path) is None
    with catalogue.reading() as session:
        assert session.query(JobRow).count() == 5


def test_no_job_waits_for_a_set_that_was_deleted_at_the_same_time(catalogue: Catalogue, tmp_path: Path) -> None:
    """Whoever comes second finds what the first has done: the deletion is refused, or the submission is."""

    def submit_one(dataset_id: str) -> bool:
        try:
            with catalogue.writing() as session:
                dataset_row(session, dataset_id, lock="share")
                store.submit(session, store.Submission(Kind.PRETRAIN, dataset_id, {}))
        except ApiError:
            return False
        return True

    for turn in range(12):
        dataset_id = add_dataset(catalogue, f"set {turn}")
        if turn % 2:  # so that the row stays
            add_encoder(catalogue, dataset_id)
        with ThreadPoolExecutor(2) as people:
            submitted = people.submit(submit_one, dataset_id)
            refusal = people.submit(remove, catalogue, dataset_id, tmp_path)
            assert submitted.result() == (refusal.result() is not None)


def test_a_crash_after_the_rows_is_made_good_at_the_next_start(catalogue: Catalogue, tmp_path: Path) -> None:
    dataset_id = add_dataset(catalogue, "gone")
    images = tmp_path / "datasets/gone/images.npy"
    images.parent.mkdir(parents=True)
    images.write_bytes(b"x")
    remove(catalogue, dataset_id, tmp_path)
    assert images.exists()
    finish_deletions(catalogue, tmp_path)
    assert not images.parent.exists()
    assert list((tmp_path / NOTES).iterdir()) == []


def test_a_crash_before_the_commit_costs_nobody_images(catalogue: Catalogue, tmp_path: Path) -> None:
    dataset_id = add_dataset(catalogue, "kept")
    images = tmp_path / "datasets/kept/images.npy"
    images.parent.mkdir(parents=True)
    images.write_bytes(b"x")
    with catalogue.writing() as session:
        delete_rows(session, dataset_row(session, dataset_id), uses_of(session, dataset_id), tmp_path)
        session.rollback()
    (tmp_path / NOTES / "empty").touch()
    finish_deletions(catalogue, tmp_path)
    assert images.exists()
    assert list((tmp_path / NOTES).iterdir()) == []


@pytest.mark.parametrize("key", [".", "..", "/etc", "datasets/../.."])
def test_nothing_but_what_lies_below_the_data_folder_is_ever_deleted(
    catalogue: Catalogue, tmp_path: Path, key: str
) -> None:
    folder = tmp_path / "data/lab"
    (folder / NOTES).mkdir(parents=True)
    (folder / NOTES / "planted").write_text(key)
    finish_deletions(catalogue, folder)
    delete_files(folder, key)
    assert folder.exists()
    assert Path("/etc/passwd").exists()
