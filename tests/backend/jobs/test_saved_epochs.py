"""Encoders of a pretraining's epochs: rows as soon as they are told, few of them, and never one less that is in use."""

from pathlib import Path

from sqlalchemy import select

from backend.catalogue import queries
from backend.catalogue.engine import Catalogue
from backend.catalogue.models import EncoderRow
from backend.jobs import store
from backend.jobs.outcomes import Crashed
from backend.jobs.saved import in_use, remove_unused
from backend.jobs.states import Kind
from backend.jobs.store import Claim
from backend.jobs.timing import Timing
from simclr.events import SavedEpoch
from simclr.kept_epochs import kept_epochs
from tests.backend.jobs.rows import PRETRAINED, claim, submit

AT_ONCE = Timing(backoff_s=(0.0,))


def save(catalogue: Catalogue, claimed: Claim, epoch: int, most: int = 4, sha256: str = "ab" * 32) -> bool:
    event = SavedEpoch(
        epoch=epoch, step=3 * epoch, name=f"epoch-{epoch}", sha256=sha256, kept=kept_epochs(epoch, most),
        description={"origin": "pretrained" if epoch else "untrained", "feature_dim": 16},
    )  # fmt: skip
    with catalogue.writing() as session:
        return store.progress(session, claimed.job_id, claimed.epoch, [event])


def settle(catalogue: Catalogue, claimed: Claim, outcome: object) -> None:
    with catalogue.writing() as session:
        assert store.settle(session, claimed.job_id, claimed.epoch, outcome, AT_ONCE)  # type: ignore[arg-type]


def epochs(catalogue: Catalogue, job_id: str) -> list[tuple[int | None, str]]:
    with catalogue.reading() as session:
        return [(row.epoch, row.origin) for row in queries.encoders_on_the_way(session, job_id)]


def test_epochs_are_encoders_while_the_job_runs_but_in_no_list_of_all(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id)
    claimed = claim(catalogue)
    assert save(catalogue, claimed, 0)
    assert save(catalogue, claimed, 1)
    assert epochs(catalogue, job_id) == [(0, "untrained"), (1, "pretrained")]
    with catalogue.reading() as session:
        assert queries.encoders(session) == []
        event = queries.events_after(session, job_id, 0)[-1]
        assert (event.kind, event.data) == ("saved_epoch", {"epoch": 1, "step": 3})
    settle(catalogue, claimed, PRETRAINED)
    assert epochs(catalogue, job_id) == [(0, "untrained"), (1, "pretrained"), (2, "pretrained")]
    with catalogue.reading() as session:
        assert [(row.epoch, row.step) for row in queries.encoders(session)] == [(2, 8)]
        assert queries.encoders_of_run(session, job_id) == {}


def test_superseded_epochs_go_with_their_files_but_for_those_in_use(
    catalogue: Catalogue, dataset_id: str, tmp_path: Path
) -> None:
    job_id = submit(catalogue, dataset_id)
    claimed = claim(catalogue)
    folder = tmp_path / f"jobs/{job_id}/1"
    folder.mkdir(parents=True)
    for epoch in (0, 1, 2, 3, 4, 8):  # those that are saved of eight, of which 4 are kept in the end
        (folder / f"epoch-{epoch}").touch()
        save(catalogue, claimed, epoch)
        if epoch == 3:
            with catalogue.reading() as session:
                used = session.scalars(select(EncoderRow).where(EncoderRow.epoch == 3)).one()
            submit(catalogue, dataset_id, kind=Kind.EMBED, encoder_id=used.id)
    left = [0, 1, 2, 3, 8]
    assert [epoch for epoch, _ in epochs(catalogue, job_id)] == left
    settle(catalogue, claimed, Crashed("killed"))
    with catalogue.reading() as session:
        assert in_use(session, job_id).files == {f"jobs/{job_id}/1/epoch-{epoch}" for epoch in left}
        remove_unused(session, tmp_path, job_id)
    assert sorted(path.name for path in folder.iterdir()) == [f"epoch-{epoch}" for epoch in left]


def test_an_epoch_that_an_earlier_attempt_left_stays_what_it_is(catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(catalogue, dataset_id)
    first = claim(catalogue)
    save(catalogue, first, 1)
    settle(catalogue, first, Crashed("killed"))
    second = claim(catalogue)
    assert not save(catalogue, first, 2), "an attempt that was replaced may save nothing"
    save(catalogue, second, 1, sha256="cd" * 32)
    save(catalogue, second, 2)
    with catalogue.reading() as session:
        rows = queries.encoders_on_the_way(session, job_id)
    assert [(row.key, row.sha256[:2]) for row in rows] == [
        (f"jobs/{job_id}/1/epoch-1", "ab"),
        (f"jobs/{job_id}/2/epoch-2", "ab"),
    ]


def test_a_job_with_more_epochs_shows_the_way_of_the_one_that_it_continues(
    catalogue: Catalogue, dataset_id: str
) -> None:
    first = submit(catalogue, dataset_id)
    claimed = claim(catalogue)
    save(catalogue, claimed, 0)
    save(catalogue, claimed, 1)
    settle(catalogue, claimed, PRETRAINED)
    second = submit(catalogue, dataset_id, continues=first, config={"epochs": 4})
    save(catalogue, claim(catalogue), 4)
    assert [epoch for epoch, _ in epochs(catalogue, second)] == [0, 1, 2, 4]
    assert [epoch for epoch, _ in epochs(catalogue, first)] == [0, 1, 2]
