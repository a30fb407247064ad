"""What is answered about results of transfers: as many as there are in one list, and one of them whole."""

import json
from operator import itemgetter
from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from backend.catalogue import queries
from simclr.encoder_file import Origin
from simclr.results import EpochScore, Score, SplitDetails


class ResultOut(BaseModel):
    """A result in a list. ``chance`` is the accuracy of guessing the commonest class; ``chosen`` what validation chose.

    ``name``, ``tags`` and ``pinned`` are people's. ``config`` is the job's, ``grid_id`` the grid that submitted it. What an older
    version did not record is null.
    """

    id: str
    job_id: str
    grid_id: str | None
    encoder_id: str
    encoder_name: str
    encoder_origin: Origin
    dataset_id: str
    dataset_name: str
    strategy: Literal["knn", "linear_probe", "fine_tune"]
    config: dict[str, Any]
    name: str
    tags: list[str]
    pinned: bool
    scores: list[Score]
    chance: float
    chosen: dict[str, float]
    seconds: float
    labels_used: int | None
    images_seen: int | None
    created_at: float


TEXTS = itemgetter("id", "job_id", "encoder_id", "dataset_id", "encoder_name", "encoder_origin", "dataset_name", "name")
_quoted = json.encoder.encode_basestring_ascii


class ResultsOut(BaseModel):
    items: list[ResultOut]


class ResultDetailOut(ResultOut):
    """A result with all that stands behind it, and what it needs to be had again.

    ``details`` are empty for results of before there were any, ``curve`` where nothing was trained by epochs. ``has_predictions``
    where every single answer was kept. ``dataset_key`` and ``encoder_key`` are what to give to the command line, below the data
    folder; a set whose images were deleted has an empty one.
    """

    chosen_on: Literal["val"] = "val"
    details: list[SplitDetails] = []
    curve: list[EpochScore] = []
    device: str | None = None
    versions: dict[str, str] = {}
    classes: list[str]
    content_hash: str
    dataset_key: str
    encoder_sha256: str
    encoder_key: str
    has_predictions: bool


class MistakeOut(BaseModel):
    """What was answered to an image: classes by number, and the ``probability`` of the answer among those of all classes."""

    index: int
    truth: int
    predicted: int
    probability: float
    probabilities: list[float]


class MistakesOut(BaseModel):
    """The first of ``total`` images, the most confident answer first."""

    total: int
    items: list[MistakeOut]


class AucDifferenceOut(BaseModel):
    """Second minus first, with a 95 % interval and p by a paired bootstrap over images."""

    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float


class ComparisonOut(BaseModel):
    """Two results on the same ``n`` images of a split: how many only one got right, and McNemar's exact ``p``.

    ``auc`` is null where only one class occurs, and where ``is_auc_too_long`` says that its bootstrap would take too long.
    """

    split: Literal["val", "test"]
    n: int
    first_accuracy: float
    second_accuracy: float
    only_first: int
    only_second: int
    p: float
    auc: AucDifferenceOut | None
    is_auc_too_long: bool = False


def results_json(session: Session, *, dataset_id: str | None = None) -> bytes:
    """A ``ResultsOut`` of all results, or those on one data set, newest first, as JSON: the catalogue has most of it as text."""
    rows = queries.results(session, dataset_id=dataset_id)
    return b'{"items":[%b]}' % b",".join(_as_json(row).encode() for row in rows)


def result_out(session: Session, result_id: str) -> ResultOut | None:
    """One of them as a list has it."""
    row = queries.results(session, result_id=result_id).first()
    return ResultOut.model_validate_json(_as_json(row)) if row is not None else None


def _as_json(row: RowMapping) -> str:
    # Written by hand: of thousands of rows, making and dumping a dictionary each takes as long as reading them.
    id_, job_id, encoder_id, dataset_id, encoder_name, encoder_origin, dataset_name, name = map(_quoted, TEXTS(row))
    grid_id = "null" if row["grid_id"] is None else _quoted(row["grid_id"])
    return (
        f'{{"id":{id_},"job_id":{job_id},"grid_id":{grid_id},"encoder_id":{encoder_id},"encoder_name":{encoder_name},'
        f'"encoder_origin":{encoder_origin},"dataset_id":{dataset_id},"dataset_name":{dataset_name},"name":{name},'
        f'"pinned":{"true" if row["pinned"] else "false"},"created_at":{row["created_at"]!r},'
        f'"tags":{row["tags"]},"config":{row["config"]},{row["summary"][1:]}'
    )
