"""What an encoder's neighbours are worth on a whole set: how often they share the class, and who is everybody's or nobody's."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, Field

from backend.api.augmentations import Tab
from backend.api.banks import Features, bank_of
from backend.api.fields import RowId
from backend.api.rows import dataset_row
from backend.api.studies import sample_of
from backend.deps import Lab, LabDep
from backend.errors import ApiError
from simclr.datasets import Dataset, Split
from simclr.datasets.store import SPLITS

router = APIRouter(tags=["search"])

# Images that take part at most: some seconds of one core. A fair sample, the same one for the same set.
QUERIES, GALLERY, COUNTED = 1_000, 50_000, 10_000
SHOWN = 24
FEWEST_QUERIES, FEWEST_FOUND = 2, 11
QUERIED_FIRST: tuple[Split, ...] = ("test", "val", "train")


class _Asked(BaseModel):
    encoder_id: RowId
    dataset_id: RowId
    features: Features = "h"
    tab: Tab = ""


class RetrievalIn(_Asked):
    """``queries`` and ``gallery`` are splits; null stands for test, or what has labels, and for train."""

    queries: Split | None = None
    gallery: Split | None = None


class HubsIn(_Asked):
    k: Annotated[int, Field(ge=1, le=100)] = 10


class MeanOut(BaseModel):
    """A mean over queries with its 95 % interval."""

    value: float
    low: float | None
    high: float | None


class AtKOut(BaseModel):
    """``precision``: the share of the k nearest that are of the query's class; ``recall``: how often at least one is."""

    k: int
    precision: MeanOut
    recall: MeanOut


class ClassRetrievalOut(BaseModel):
    """``n`` queries of a class: precision at the largest k, and mean average precision."""

    label: int
    class_name: str
    n: int
    precision: float
    average_precision: float


class RetrievalOut(BaseModel):
    """``n`` queries, of ``queries_of`` labelled ones, among ``gallery_n``; random neighbours have precision ``chance``."""

    queries: Split
    gallery: Split
    n: int
    queries_of: int
    gallery_n: int
    at: list[AtKOut]
    mean_average_precision: MeanOut
    chance: float
    per_class: list[ClassRetrievalOut]


class HubOut(BaseModel):
    index: int
    occurrences: int


class HubsOut(BaseModel):
    """Among ``n`` images, of ``of``: how often each is one of the ``k`` nearest of another, ``k`` times on average.

    ``hubs`` are those found most often; ``orphans`` images are never found, ``orphan_examples`` some of them. ``skewness`` of the
    counts is 0 where all are found alike, and large where few are found by many.
    """

    k: int
    n: int
    of: int
    skewness: float
    hubs: list[HubOut]
    orphans: int
    orphan_examples: list[int]


@router.post("/search/retrieval")
def judge(body: RetrievalIn, lab: LabDep) -> RetrievalOut:
    """How well images of one split find those of their class in another, under an encoder."""
    dataset, bank = _opened(lab, body)
    labelled = {split: dataset.indices(split, labelled=True) for split in SPLITS}
    usual: list[Split] = [split for split in QUERIED_FIRST if len(labelled[split])] or ["test"]
    asking, among = body.queries or usual[0], body.gallery or "train"
    _check_labels(asking, len(labelled[asking]), FEWEST_QUERIES)
    _check_labels(among, len(labelled[among]), FEWEST_FOUND)
    queries, gallery = sample_of(labelled[asking], QUERIES), np.sort(sample_of(labelled[among], GALLERY))
    blobs = [dataset.labels.astype(np.int64), queries.astype(np.int64), gallery.astype(np.int64)]
    found = lab.study({"do": "retrieval", "bank": bank}, [blob.data.cast("B") for blob in blobs], body.tab).header
    return RetrievalOut(
        queries=asking,
        gallery=among,
        n=found["queries"],
        queries_of=len(labelled[asking]),
        gallery_n=found["gallery"],
        at=[AtKOut(k=int(k), precision=found["precision"][k], recall=found["recall"][k]) for k in found["precision"]],
        mean_average_precision=found["mean_average_precision"],
        chance=found["chance"],
        per_class=[ClassRetrievalOut(class_name=dataset.classes[each["label"]], **each) for each in found["per_class"]],
    )


@router.post("/search/hubs")
def hubs(body: HubsIn, lab: LabDep) -> HubsOut:
    """Which images an encoder holds for everybody's neighbours, and how many for nobody's."""
    dataset, bank = _opened(lab, body)
    if len(dataset) <= body.k:
        message = f"k is {body.k} but the set has {len(dataset)} images: choose a smaller k."
        raise ApiError(422, "k_too_large", message, "k")
    chosen = np.sort(sample_of(np.arange(len(dataset)), COUNTED)).astype(np.int64)
    answer = lab.study({"do": "hubs", "bank": bank, "k": body.k}, [chosen.data.cast("B")], body.tab)
    occurrences = np.frombuffer(answer.blobs[0], dtype=np.int64)
    orphans = chosen[occurrences == 0]
    most = np.argsort(-occurrences, kind="stable")[:SHOWN]
    return HubsOut(
        k=body.k,
        n=len(chosen),
        of=len(dataset),
        skewness=answer.header["skewness"],
        hubs=[HubOut(index=int(chosen[each]), occurrences=int(occurrences[each])) for each in most],
        orphans=len(orphans),
        orphan_examples=orphans[:SHOWN].tolist(),
    )


def _opened(lab: Lab, body: _Asked) -> tuple[Dataset, str]:
    """The set, and the path of its embeddings."""
    with lab.catalogue.reading() as session:
        row = dataset_row(session, body.dataset_id)
        _, key = bank_of(session, body.encoder_id, row, body.features)
    return lab.dataset(row.key), str(lab.folder / key)


def _check_labels(split: Split, found: int, fewest: int) -> None:
    if found < fewest:
        message = (
            f"The {split} split has {found} labelled images, but {fewest} or more are needed: choose another split, "
            "or a set with labels."
        )
        raise ApiError(422, "no_labels", message, "dataset_id")
