"""Imports are jobs beside all others: they wait for none, make a data set once, and leave nothing."""

from pathlib import Path

import pytest
from sqlalchemy import select

from backend.catalogue import queries
from backend.catalogue.engine import Catalogue
from backend.catalogue.models import DatasetRow
from backend.jobs import order, places, presence, store
from backend.jobs.imports import awaited_uploads, remove_leftovers, upload_path
from backend.jobs.invariants import violations
from backend.jobs.order import Reach
from backend.jobs.outcomes import Artefact, Cancelled, Crashed, Failed, Succeeded
from backend.jobs.presence import Presence
from backend.jobs.states import Kind, Lane, State
from simclr.results import ImportResult
from tests.backend.jobs.rows import add_dataset, job, state, submit

IMPORTS = Reach(lanes=frozenset({Lane.IMPORT}))
TRAININGS = Reach(lanes=frozenset({Lane.LONG, Lane.SHORT}))
RESULT = ImportResult(n=20, classes=2, image_size=16, channels=3, seconds=1.0)


def ask(catalogue: Catalogue, name: str = "Letters", **more: object) -> str:
    return submit(catalogue, None, Kind.IMPORT, name=name, config={"origin": "upload", "source": "zip"}, **more)


def claim(catalogue: Catalogue, reach: Reach) -> store.Claim | None:
    with catalogue.writing() as session:
        return store.claim(session, "worker", reach=reach)


def settle(catalogue: Catalogue, job_id: str, content: str = "ab" * 32, outcome: object = None) -> None:
    """As a worker does that has made the set."""
    claimed = claim(catalogue, IMPORTS)
    assert claimed is not None
    assert claimed.job_id == job_id
    made = Artefact(f"jobs/{job_id}/{claimed.epoch}/set", content, {"n": 20})
    with catalogue.writing() as session:
        assert store.settle(session, job_id, claimed.epoch, outcome or Succeeded(RESULT, made))  # type: ignore[arg-type]


def last_word(catalogue: Catalogue, job_id: str) -> str:
    with catalogue.reading() as session:
        return str(queries.events_after(session, job_id, 0)[-1].data["message"])


def test_an_import_makes_a_data_set_of_its_name(catalogue: Catalogue) -> None:
    job_id = ask(catalogue)
    assert job(catalogue, job_id).dataset_id is None
    settle(catalogue, job_id)
    row = job(catalogue, job_id)
    with catalogue.reading() as session:
        made = queries.dataset(session, str(row.dataset_id))
    assert made is not None
    assert (row.state, made.name, made.key, made.info) == ("succeeded", "Letters", f"jobs/{job_id}/1/set", {"n": 20})


def test_the_same_images_again_come_to_the_set_that_is_there_and_their_folder_goes(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    first, second = ask(catalogue), ask(catalogue, "Other")
    for job_id in (first, second):
        made = tmp_path / f"jobs/{job_id}/1/set/dataset.json"
        made.parent.mkdir(parents=True)
        made.touch()
        settle(catalogue, job_id)
    assert job(catalogue, first).dataset_id == job(catalogue, second).dataset_id
    assert last_word(catalogue, second) == "The same images are here already, as Letters."
    with catalogue.reading() as session:
        assert violations(session, tmp_path, stray_s=-1.0) == [
            f"job {second}: nothing needs jobs/{second}/1/set/dataset.json: delete it"
        ]
        remove_leftovers(session, tmp_path)
        assert violations(session, tmp_path, stray_s=-1.0) == []
    assert [path.name for path in (tmp_path / "jobs").iterdir()] == [first]


def test_imports_and_trainings_wait_for_each_other_neither_in_a_worker_nor_in_the_queue(catalogue: Catalogue) -> None:
    dataset_id = add_dataset(catalogue)
    trainings = [submit(catalogue, dataset_id) for _ in range(2)]
    imports = [ask(catalogue) for _ in range(2)]
    with catalogue.writing() as session:
        for owner, reach in (("w", TRAININGS), ("i", IMPORTS)):
            presence.say_alive(session, Presence(owner, "host", 1, reach, "CPU"))
    with catalogue.reading() as session:
        assert {job_id: place.position for job_id, place in places.places(session).items()} == {
            trainings[0]: 1, trainings[1]: 2, imports[0]: 1, imports[1]: 2,
        }  # fmt: skip
    for reach, first in ((IMPORTS, imports[0]), (TRAININGS, trainings[0])):
        claimed = claim(catalogue, reach)
        assert claimed is not None
        assert claimed.job_id == first


def test_a_submitter_whose_import_runs_is_not_served_later_in_trainings(catalogue: Catalogue) -> None:
    dataset_id = add_dataset(catalogue)
    ask(catalogue, submitter="Ada")
    claim(catalogue, IMPORTS)
    ask(catalogue, submitter="Ada")
    theirs = submit(catalogue, dataset_id, submitter="Ada")
    submit(catalogue, dataset_id, submitter="Bob")
    with catalogue.reading() as session:
        assert order.round_of_new(session, "Ada", 0)[0] == 2
    claimed = claim(catalogue, TRAININGS)
    assert claimed is not None
    assert claimed.job_id == theirs


def test_many_trainings_that_wait_leave_room_for_imports(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "QUEUE_LIMIT", 2)
    dataset_id = add_dataset(catalogue)
    for _ in range(2):
        submit(catalogue, dataset_id)
        ask(catalogue)
    with pytest.raises(store.QueueFull):
        submit(catalogue, dataset_id)
    with pytest.raises(store.QueueFull):
        ask(catalogue)


def test_an_import_is_not_paused(catalogue: Catalogue) -> None:
    job_id = ask(catalogue)
    with catalogue.writing() as session:
        assert not store.request_pause(session, job_id)
    assert state(catalogue, job_id) is State.QUEUED


def test_what_was_sent_stays_until_the_import_has_ended(catalogue: Catalogue, tmp_path: Path) -> None:
    def there(job_id: str) -> bool:
        with catalogue.reading() as session:
            remove_leftovers(session, tmp_path)
            kept = upload_path(tmp_path, job_id)
            assert kept.exists() == (kept in awaited_uploads(session, tmp_path))
            return kept.exists()

    def sent() -> str:
        job_id = ask(catalogue)
        upload_path(tmp_path, job_id).write_bytes(b"PK")
        return job_id

    upload_path(tmp_path, "x").parent.mkdir()
    crashed = sent()
    assert there(crashed)
    settle(catalogue, crashed, outcome=Crashed("The worker fell"))
    assert there(crashed)
    assert state(catalogue, crashed) is State.QUEUED
    with catalogue.writing() as session:
        assert store.request_cancel(session, crashed)
    assert not there(crashed)
    for outcome in (None, Failed("broken_archive", "it is no zip"), Cancelled()):
        job_id = sent()
        settle(catalogue, job_id, outcome=outcome)
        assert not there(job_id)
    with catalogue.reading() as session:
        assert len(session.scalars(select(DatasetRow)).all()) == 1


def test_the_folder_of_an_attempt_in_vain_goes_but_never_one_in_use(catalogue: Catalogue, tmp_path: Path) -> None:
    job_id = ask(catalogue)
    settle(catalogue, job_id, outcome=Crashed("The worker fell"))
    with catalogue.writing() as session:
        queries.job(session, job_id).not_before = 0.0  # type: ignore[union-attr]
    claim(catalogue, IMPORTS)
    folders = [tmp_path / f"jobs/{job_id}/{epoch}" for epoch in (1, 2, 3)]
    for folder in folders:
        (folder / "set").mkdir(parents=True)
    with catalogue.reading() as session:
        remove_leftovers(session, tmp_path)
    # The third may be of a worker that has claimed the job since the catalogue was read.
    assert [folder.exists() for folder in folders] == [False, True, True]
