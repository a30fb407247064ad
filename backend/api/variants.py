"""Variants of a data set: what other splits or fewer labels would leave, and the jobs that make a set of it."""

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Body, Response
from pydantic import BaseModel

from backend.api.fields import Name, RowId, clean_name
from backend.api.imports import KNOWN
from backend.api.job_answers import IdempotencyKey, JobOut, answered, submitted
from backend.api.rows import dataset_row
from backend.catalogue.models import DatasetRow
from backend.deps import Lab, LabDep
from backend.errors import ApiError
from backend.jobs.imports import ImportOrder
from backend.jobs.states import Kind
from backend.jobs.store import Submission
from simclr.datasets import Dataset, DatasetError, Split
from simclr.datasets.report import count_labels
from simclr.datasets.store import SPLITS
from simclr.datasets.variants import LabelsVariant, SplitsVariant, Variant, vary

router = APIRouter(tags=["datasets"])


class VariantPreviewOut(BaseModel):
    """What a variant would be: images of every split, and labelled ones of every split and class."""

    split_sizes: dict[Split, int]
    counts: dict[Split, list[int]]
    how: str


class VariantIn(BaseModel):
    """``variant`` is made as ``name``, or as the set's name with what is other."""

    variant: Variant
    name: Name = ""
    submitter: Name = ""


@router.post("/datasets/{dataset_id}/variants/preview")
def preview_variant(dataset_id: RowId, body: Annotated[Variant, Body()], lab: LabDep) -> VariantPreviewOut:
    """What other splits, or fewer labels, would leave; nothing is made."""
    _, made = _varied(lab, dataset_id, body)
    return VariantPreviewOut(
        split_sizes={split: len(made.indices(split)) for split in SPLITS},
        counts=count_labels(made),
        how=made.made_of.how if made.made_of else "",
    )


@router.post("/datasets/{dataset_id}/variants", status_code=202, responses=KNOWN)
def make_variant(
    dataset_id: RowId, body: VariantIn, response: Response, after: BackgroundTasks, lab: LabDep,
    idempotency_key: IdempotencyKey = None,
) -> JobOut:  # fmt: skip
    """Queue the making of a set with the same images, which are not copied, and other splits or fewer labels."""
    parent, _ = _varied(lab, dataset_id, body.variant)
    order = ImportOrder(origin="set", source=dataset_id, variant=body.variant, variant_of=parent.name)
    name = body.name or clean_name(f"{parent.name}, {_what_is_other(body.variant)}")
    asked = Submission(
        Kind.IMPORT, None, order.kept(), name=name, idempotency_key=idempotency_key, submitter=body.submitter
    )  # fmt: skip
    return answered(lab, submitted(lab, idempotency_key, lambda _: asked), after, response)


def _varied(lab: Lab, dataset_id: str, variant: SplitsVariant | LabelsVariant) -> tuple[DatasetRow, Dataset]:
    with lab.catalogue.reading() as session:
        row = dataset_row(session, dataset_id)
    try:
        return row, vary(lab.dataset(row.key), variant, row.name)
    except DatasetError as refusal:
        raise ApiError(422, refusal.code, f"{refusal}.") from None


def _what_is_other(variant: SplitsVariant | LabelsVariant) -> str:
    if isinstance(variant, SplitsVariant):
        return "split " + "/".join(f"{100 * getattr(variant, split):g}" for split in SPLITS)
    return f"{variant.shots} a class" if variant.shots is not None else f"{100 * (variant.fraction or 0):g} % of labels"
