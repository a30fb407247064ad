"""Whatever people ask of overlapping grids while a worker works, no cell is computed twice and every wish is obeyed."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete, select, update

from backend.catalogue.engine import Catalogue, open_url
from backend.catalogue.models import Base, DatasetRow, EncoderRow, GridCellRow, GridRow, JobRow, ResultRow
from backend.jobs import grids, store
from backend.jobs.cells import cell_of
from backend.jobs.expansion import Axes, expand
from backend.jobs.grids import GridOrder
from backend.jobs.invariants import violations
from backend.jobs.outcomes import Cancelled, Failed, Outcome, Paused, Released
from backend.jobs.states import Desired, Kind, State
from backend.jobs.store import Claim
from simclr.config import KnnConfig
from tests.backend.jobs.rows import TRANSFERRED, add_dataset, add_encoder, submit
from tests.backend.jobs.test_lifecycle import IN_MEMORY

pytestmark = pytest.mark.slow

NOWHERE = Path("/nowhere")
KS = st.sets(st.integers(1, 4), min_size=1)
STRONGEST = (Desired.RUN, Desired.PAUSE, Desired.CANCEL)


class Stories(RuleBasedStateMachine):
    door: Catalogue

    @initialize()
    def an_encoder_and_a_set(self) -> None:
        with self.door.writing() as session:
            session.execute(update(JobRow).values(encoder_id=None))  # the two tables name each other
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(delete(table))
        self.dataset_id = add_dataset(self.door)
        self.encoder_id = add_encoder(self.door, self.dataset_id)
        self.grids: list[str] = []
        self.held: list[Claim] = []
        with self.door.reading() as session:
            found = session.get_one(EncoderRow, self.encoder_id), session.get_one(DatasetRow, self.dataset_id)
        self.cells = {cell_of(*found, KnnConfig(k=k)): k for k in range(1, 5)}

    @rule(ks=KS)
    def ask(self, ks: set[int]) -> None:
        covered, before = self.covered(), {job.id for job in self.jobs()}
        with self.door.writing() as session:
            dataset, encoder = (
                session.get_one(DatasetRow, self.dataset_id),
                session.get_one(EncoderRow, self.encoder_id),
            )
            cells, _ = expand(Axes([KnnConfig(k=k) for k in sorted(ks)]), [encoder], dataset)
            self.grids.append(grids.submit(session, GridOrder("", self.dataset_id, cells, {}, 1000)).id)
        assert self.new(before) == sorted(ks - covered)

    @rule(number=st.integers(0, 5), do=st.sampled_from(["pause", "resume", "cancel"]))
    def wish(self, number: int, do: str) -> None:
        if not self.grids:
            return
        covered, before = self.covered(), {job.id for job in self.jobs()}
        with self.door.writing() as session:
            grid = session.get_one(GridRow, self.grids[number % len(self.grids)])
            cells = set(session.scalars(select(GridCellRow.cell).where(GridCellRow.grid_id == grid.id)))
            grids.resume(session, grid, 1000) if do == "resume" else getattr(grids, do)(session, grid)
        assert self.new(before) == (sorted({self.cells[cell] for cell in cells} - covered) if do == "resume" else [])

    @rule(k=st.integers(1, 4))
    def somebody_wants_one_alone(self, k: int) -> None:
        config = KnnConfig(k=k).model_dump(mode="json")
        submit(self.door, self.dataset_id, Kind.TRANSFER, encoder_id=self.encoder_id, config=config)

    @rule()
    def start(self) -> None:
        with self.door.writing() as session:
            claim = store.claim(session, "worker")
        if claim is not None:
            self.held.append(claim)

    @rule(outcome=st.sampled_from([TRANSFERRED, TRANSFERRED, Failed("disk", "full"), Released()]))
    def finish(self, outcome: Outcome) -> None:
        if not self.held:
            return
        claim = self.held.pop(0)
        with self.door.writing() as session:
            wanted = Desired(session.get_one(JobRow, claim.job_id).desired)
            ended = {Desired.PAUSE: Paused(), Desired.CANCEL: Cancelled(), Desired.RUN: outcome}[wanted]
            assert store.settle(session, claim.job_id, claim.epoch, ended)

    @rule(k=st.integers(1, 4))
    def a_result_is_deleted(self, k: int) -> None:
        with self.door.writing() as session:
            for result in session.scalars(select(ResultRow)).all():
                job = session.get_one(JobRow, result.job_id)
                if self.cells[str(job.cell)] == k and grids.open_grid_with(session, job.cell) is None:
                    session.delete(result)
                    job.result = None

    @invariant()
    def nothing_is_wrong(self) -> None:
        with self.door.reading() as session:
            assert [sentence for sentence in violations(session, NOWHERE) if "missing" not in sentence] == []
            wishes = session.execute(
                select(GridCellRow.cell, GridRow.desired).join(GridRow, GridCellRow.grid_id == GridRow.id)
            ).all()
            computed = set(session.scalars(select(JobRow.cell).join(ResultRow, ResultRow.job_id == JobRow.id)))
        jobs = [job for job in self.jobs() if self.is_live(job)]
        # What somebody computes alone lets a paused job of a grid rest.
        alone = {job.cell for job in jobs if not job.grid_id and job.desired == Desired.RUN}
        live = [job for job in jobs if job.grid_id]
        assert len({job.cell for job in live}) == len(live), "two jobs of grids compute one cell"
        for job in live:
            # One that had begun when the other found it may end; nobody waits for what is computed.
            assert job.state == State.RUNNING or job.cell not in computed
            if job.cell in computed:
                continue
            wanted = {desired for cell, desired in wishes if cell == job.cell}
            strongest = next(wish for wish in STRONGEST if wish in wanted)
            assert job.desired == strongest or (job.cell in alone and job.desired == Desired.PAUSE)

    def covered(self) -> set[int]:
        """Cells that no grid needs a new job for."""
        with self.door.reading() as session:
            computed = set(session.scalars(select(ResultRow.job_id)))
        relied_on = [
            job
            for job in self.jobs()
            if job.id in computed or (self.is_live(job) and (job.grid_id or job.desired == Desired.RUN))
        ]
        return {self.cells[job.cell] for job in relied_on}

    def new(self, before: set[str]) -> list[int]:
        """Cells of the jobs that have come since."""
        return sorted(self.cells[job.cell] for job in self.jobs() if job.id not in before)

    def jobs(self) -> list[Any]:
        with self.door.engine.connect() as connection:
            return list(connection.execute(select(JobRow.__table__)))

    @staticmethod
    def is_live(job: Any) -> bool:
        return not State(job.state).is_terminal and job.desired != Desired.CANCEL


def test_no_cell_is_computed_twice_and_every_wish_is_obeyed() -> None:
    with tempfile.TemporaryDirectory(prefix="grids-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
        Stories.door = open_url(f"sqlite:///{folder}/catalogue.sqlite")
        Base.metadata.create_all(Stories.door.engine)
        told = settings(max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
        run_state_machine_as_test(Stories, settings=told)
        Stories.door.close()
