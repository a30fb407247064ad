"""Built-in sets, made by jobs as all others are."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, Response
from pydantic import BaseModel, Field

from backend.api.fields import Name
from backend.api.job_answers import IdempotencyKey, JobOut, answered, jobs_out, submitted
from backend.deps import Lab, LabDep
from backend.errors import ApiError
from backend.jobs.imports import ImportOrder, import_that_stands
from backend.jobs.states import Kind
from backend.jobs.store import Submission
from simclr.config import Seed
from simclr.datasets.builtin import COUNTED

router = APIRouter(tags=["datasets"])

STANDS: dict[int | str, dict[str, Any]] = {
    200: {"model": JobOut, "description": "It is here or being made: the job that did so or does."}
}
# 3.7 GB, which is nearly as much as an import may store.
MOST = 300_000


class BuiltinIn(BaseModel):
    """A built-in set; of ``factors`` so many images as ``count`` says, 10,000 by default, from any ``seed``."""

    source: Literal["digits", "patterns", "factors"]
    count: Annotated[int, Field(ge=10, le=MOST)] | None = None
    seed: Seed = 0
    name: Name = ""
    submitter: Name = ""


@router.post("/datasets/builtin", status_code=202, responses=STANDS)
def add_builtin(
    body: BuiltinIn, response: Response, after: BackgroundTasks, lab: LabDep, idempotency_key: IdempotencyKey = None
) -> JobOut:
    """Queue the making of a built-in set; where it is here already, or being made, the answer is the job that did so."""
    if body.source not in COUNTED and (body.count is not None or body.seed):
        field = "count" if body.count is not None else "seed"
        message = f"{field} is {getattr(body, field)}, but {body.source} are as they are: leave count and seed out."
        raise ApiError(422, "not_counted", message, field)
    order = ImportOrder(origin="builtin", source=body.source, count=body.count, seed=body.seed)
    if standing := _standing(lab, order):
        response.status_code = 200
        return standing
    asked = Submission(
        Kind.IMPORT, None, order.kept(), name=body.name or _name(body), idempotency_key=idempotency_key,
        submitter=body.submitter,
    )  # fmt: skip
    return answered(lab, submitted(lab, idempotency_key, lambda _: asked), after, response)


def _standing(lab: Lab, order: ImportOrder) -> JobOut | None:
    with lab.catalogue.reading() as session:
        job = import_that_stands(session, order)
        return jobs_out(session, [job])[0] if job else None


def _name(asked: BuiltinIn) -> str:
    parts = [asked.source.capitalize()]
    if asked.count is not None:
        parts.append(f"{asked.count:,} images")
    if asked.seed:
        parts.append(f"seed {asked.seed}")
    return ", ".join(parts)
