"""Grids share what others compute, whoever comes first; what one wants, another's wish does not undo; and nobody starves."""

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from backend.catalogue import queries
from backend.catalogue.engine import Catalogue
from backend.catalogue.models import DatasetRow, EncoderRow, GridCellRow, GridRow, JobRow
from backend.jobs import grids, order, store
from backend.jobs.cells import canonical, cell_of, standings
from backend.jobs.expansion import Axes, expand
from backend.jobs.grids import GridOrder
from backend.jobs.invariants import violations
from backend.jobs.needless import COMPUTED_ELSEWHERE
from backend.jobs.outcomes import Failed
from backend.jobs.states import Kind
from simclr.config import FineTuneConfig, KnnConfig, LabelsConfig, LinearProbeConfig
from tests.backend.jobs.rows import PRETRAINED, TRANSFERRED, add_encoder, claim, submit

NOWHERE = Path("/nowhere")


@pytest.fixture
def encoder_id(catalogue: Catalogue, dataset_id: str) -> str:
    return add_encoder(catalogue, dataset_id)


def ask(
    catalogue: Catalogue, dataset_id: str, encoder_id: str, ks: Sequence[int], *, limit: int = 1000, submitter: str = ""
) -> str:
    """The id of a grid of k-NN with so many neighbours each."""
    with catalogue.writing() as session:
        dataset, encoder = session.get_one(DatasetRow, dataset_id), session.get_one(EncoderRow, encoder_id)
        session.refresh(dataset, with_for_update=True)
        cells, _ = expand(Axes([KnnConfig(k=k) for k in ks]), [encoder], dataset)
        return grids.submit(session, GridOrder("grid", dataset_id, cells, {}, limit, submitter=submitter)).id


def wish(catalogue: Catalogue, grid_id: str, do: str) -> bool:
    with catalogue.writing() as session:
        grid = session.get_one(GridRow, grid_id)
        return grids.resume(session, grid, 1000) if do == "resume" else getattr(grids, do)(session, grid)


def jobs_of(catalogue: Catalogue) -> list[JobRow]:
    with catalogue.reading() as session:
        return list(session.scalars(select(JobRow).where(JobRow.kind == Kind.TRANSFER).order_by(JobRow.id)))


def states(catalogue: Catalogue) -> Counter[str]:
    return Counter(job.state for job in jobs_of(catalogue))


def test_grids_submitted_at_once_compute_no_cell_twice(catalogue: Catalogue, dataset_id: str, encoder_id: str) -> None:
    together = threading.Barrier(4)

    def submit_one(first: int) -> None:
        together.wait()
        ask(catalogue, dataset_id, encoder_id, range(first, first + 10))

    threads = [threading.Thread(target=submit_one, args=(first,)) for first in (1, 3, 5, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(job.config["k"] for job in jobs_of(catalogue)) == list(range(1, 17))


def test_what_another_grid_needs_goes_on_when_one_is_paused_or_cancelled(
    catalogue: Catalogue, dataset_id: str, encoder_id: str
) -> None:
    first = ask(catalogue, dataset_id, encoder_id, [1, 2])
    second = ask(catalogue, dataset_id, encoder_id, [2, 3])
    assert wish(catalogue, first, "pause")
    assert {job.config["k"]: job.state for job in jobs_of(catalogue)} == {1: "paused", 2: "queued", 3: "queued"}
    assert wish(catalogue, second, "cancel")
    # What the second one ran for both is paused now, as the first one wants.
    assert {job.config["k"]: job.state for job in jobs_of(catalogue)} == {1: "paused", 2: "paused", 3: "cancelled"}
    assert not wish(catalogue, second, "cancel")
    third = ask(catalogue, dataset_id, encoder_id, [1])
    assert {job.config["k"]: job.state for job in jobs_of(catalogue)} == {1: "queued", 2: "paused", 3: "cancelled"}
    assert wish(catalogue, second, "resume")
    assert states(catalogue) == {"queued": 3, "cancelled": 1}
    assert wish(catalogue, first, "resume")
    assert not wish(catalogue, third, "resume")


def test_a_job_that_a_person_submitted_is_shared_but_never_stopped_by_a_grid(
    catalogue: Catalogue, dataset_id: str, encoder_id: str
) -> None:
    config = KnnConfig(k=1).model_dump(mode="json")
    alone = submit(catalogue, dataset_id, Kind.TRANSFER, encoder_id=encoder_id, config=config)
    grid = ask(catalogue, dataset_id, encoder_id, [1, 2])
    assert len(jobs_of(catalogue)) == 2
    for do in ("pause", "cancel"):
        wish(catalogue, grid, do)
        assert next(job for job in jobs_of(catalogue) if job.id == alone).state == "queued"


@pytest.mark.parametrize("do", ["pause", ""])
def test_what_a_person_computes_alone_meanwhile_no_grid_computes_again(
    catalogue: Catalogue, dataset_id: str, encoder_id: str, do: str
) -> None:
    grid = ask(catalogue, dataset_id, encoder_id, [1, 2])
    if do:
        wish(catalogue, grid, do)
    config = KnnConfig(k=1).model_dump(mode="json")
    alone = submit(catalogue, dataset_id, Kind.TRANSFER, encoder_id=encoder_id, config=config, priority=1)
    claimed = claim(catalogue)
    assert claimed.job_id == alone
    with catalogue.writing() as session:
        assert store.settle(session, claimed.job_id, claimed.epoch, TRANSFERRED)
    waits = "paused" if do else "queued"
    found = {(job.config["k"], job.state): job.id for job in jobs_of(catalogue)}
    assert set(found) == {(1, "cancelled"), (2, waits), (1, "succeeded")}
    with catalogue.reading() as session:
        cells = [row.cell for row in grids.cells_of(session, grid)]
        assert [standings(session, cells)[cell].is_computed for cell in cells] == [True, False]
        said = queries.told(session, found[1, "cancelled"], "state")[-1]["message"]
        assert said == COMPUTED_ELSEWHERE
        assert [sentence for sentence in violations(session, NOWHERE) if "missing" not in sentence] == []
    wish(catalogue, grid, "resume")
    assert states(catalogue) == {"cancelled": 1, "queued": 1, "succeeded": 1}


def test_a_job_that_was_left_paused_beside_a_computed_cell_ends_when_its_grid_is_resumed(
    catalogue: Catalogue, dataset_id: str, encoder_id: str
) -> None:
    grid = ask(catalogue, dataset_id, encoder_id, [1])
    claimed = claim(catalogue)
    with catalogue.writing() as session:
        store.settle(session, claimed.job_id, claimed.epoch, TRANSFERRED)
        # As an earlier version left it.
        asked = store.Submission(
            Kind.TRANSFER, dataset_id, KnnConfig(k=1).model_dump(mode="json"), encoder_id, grid_id=grid
        )
        left = store.submit(session, asked).id
        store.request_pause(session, left)
    wish(catalogue, grid, "resume")
    assert states(catalogue) == {"succeeded": 1, "cancelled": 1}


def test_a_cell_that_failed_is_tried_anew_and_one_that_is_computed_is_not(
    catalogue: Catalogue, dataset_id: str, encoder_id: str
) -> None:
    grid = ask(catalogue, dataset_id, encoder_id, [1, 2])
    for outcome in (TRANSFERRED, Failed("disk", "full")):
        claimed = claim(catalogue)
        with catalogue.writing() as session:
            store.settle(session, claimed.job_id, claimed.epoch, outcome)
    assert wish(catalogue, grid, "resume")
    assert states(catalogue) == {"succeeded": 1, "failed": 1, "queued": 1}
    ask(catalogue, dataset_id, encoder_id, [1, 2])
    assert len(jobs_of(catalogue)) == 3


def test_more_jobs_than_may_wait_are_refused_whole(catalogue: Catalogue, dataset_id: str, encoder_id: str) -> None:
    ask(catalogue, dataset_id, encoder_id, range(1, 6), limit=8)
    with pytest.raises(store.QueueFull, match="4 jobs are asked for and 5 of grids are waiting already, but 8 may"):
        ask(catalogue, dataset_id, encoder_id, range(3, 10), limit=8)
    assert len(jobs_of(catalogue)) == 5
    with catalogue.reading() as session:
        assert len(session.scalars(select(GridRow)).all()) == 1
    ask(catalogue, dataset_id, encoder_id, range(1, 9), limit=8)


@pytest.mark.parametrize(("owner", "other"), [("", ""), ("Ann", "Ben"), ("Ann", "Ann")])
def test_a_grid_of_a_hundred_lets_a_single_job_pass_after_one_of_its_own(
    catalogue: Catalogue, dataset_id: str, encoder_id: str, owner: str, other: str
) -> None:
    ask(catalogue, dataset_id, encoder_id, range(1, 101), submitter=owner)
    claimed = claim(catalogue)
    single = submit(catalogue, dataset_id, submitter=other)
    with catalogue.writing() as session:
        assert order.waiting_in_turn(session)[0][0].id == single
        store.settle(session, claimed.job_id, claimed.epoch, TRANSFERRED)
    assert claim(catalogue).job_id == single


def test_with_one_worker_those_who_wait_are_served_in_turn(catalogue: Catalogue, dataset_id: str) -> None:
    names = ["Ann"] * 3 + ["Ben"] * 2 + ["Cem"]
    asked = {submit(catalogue, dataset_id, submitter=name): name for name in names}
    served = []
    for _ in names:
        claimed = claim(catalogue)
        served.append(asked[claimed.job_id])
        with catalogue.writing() as session:
            store.settle(session, claimed.job_id, claimed.epoch, PRETRAINED)
    assert served == ["Ann", "Ben", "Cem", "Ann", "Ben", "Ann"]


def test_cells_are_named_by_what_is_computed_alone(catalogue: Catalogue, dataset_id: str, encoder_id: str) -> None:
    with catalogue.reading() as session:
        encoder, dataset = session.get_one(EncoderRow, encoder_id), session.get_one(DatasetRow, dataset_id)
        other = EncoderRow(sha256="other", description=encoder.description)

        def name(config: KnnConfig | LinearProbeConfig | FineTuneConfig, of: EncoderRow = encoder) -> str:
            return cell_of(of, dataset, config)

        exact, by_steps = LinearProbeConfig(seed=3, epochs=7), LinearProbeConfig(solver="sgd", seed=3)
        assert name(exact) == name(LinearProbeConfig()) != name(LinearProbeConfig(max_iterations=10))
        assert name(by_steps) != name(LinearProbeConfig(solver="sgd"))
        all_labels = LabelsConfig(fraction=1.0, seed=4)
        assert name(KnnConfig(labels=all_labels)) == name(KnnConfig())
        assert name(KnnConfig(labels=LabelsConfig(shots=2, seed=4))) != name(KnnConfig(labels=LabelsConfig(shots=2)))
        assert name(KnnConfig(), other) != name(KnnConfig())
        scratch = FineTuneConfig(start="scratch")
        assert name(scratch, other) == name(scratch) != name(FineTuneConfig())
        assert canonical(canonical(exact)) == canonical(exact)


def test_what_is_wrong_with_grids_is_found(catalogue: Catalogue, dataset_id: str, encoder_id: str) -> None:
    grid = ask(catalogue, dataset_id, encoder_id, [1, 2])
    with catalogue.writing() as session:
        session.get_one(GridRow, grid).desired = "cancel"
        session.add(GridCellRow(grid_id=grid, place=2, cell="lost", encoder_id=encoder_id, config={}))
    with catalogue.reading() as session:
        found = [sentence for sentence in violations(session, NOWHERE) if "missing" not in sentence]
    assert sum("goes on although every grid with it was cancelled" in sentence for sentence in found) == 2
    assert sum("number 2, that no job computes: resume" in sentence for sentence in found) == 1
    with catalogue.writing() as session:
        session.execute(delete(GridCellRow).where(GridCellRow.cell == "lost"))
        session.get_one(GridRow, grid).desired = "run"
    with catalogue.reading() as session:
        assert [s for s in violations(session, NOWHERE) if "missing" not in s] == []
        assert {s.is_under_way for s in standings(session, [str(j.cell) for j in jobs_of(catalogue)]).values()} == {
            True
        }
