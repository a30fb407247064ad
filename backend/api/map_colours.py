"""What the points of a map can be coloured by: class, split, what a result answered, the factors of a drawn set."""

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query, Response
from numpy.typing import NDArray
from pydantic import BaseModel
from sqlalchemy import select

from backend.api.fields import RowId
from backend.api.maps import MEDIA_TYPE
from backend.api.rows import dataset_row
from backend.catalogue.models import DatasetRow, ResultRow
from backend.deps import Lab, LabDep
from backend.errors import ApiError
from simclr.datasets import Dataset
from simclr.datasets.factors import FACTOR_VALUES
from simclr.datasets.store import SPLITS, UNLABELLED
from simclr.predictions import HeldOut, Predictions, read_predictions

router = APIRouter(tags=["maps"])

Kind = Literal["class", "kind", "measure"]
Values = NDArray[np.int32] | NDArray[np.float32]
HELD_OUT: tuple[HeldOut, ...] = ("val", "test")
ANSWERS = ("prediction", "error", "confidence")


class ColourOut(BaseModel):
    """A choice of colours: ``values`` names those of a class or kind, of a measure it is empty; ``unit`` is in words.

    Of a result's answers ``result`` names whose, as there may be several.
    """

    name: str
    title: str
    kind: Kind
    values: list[str]
    unit: str
    result: str | None


class ColoursOut(BaseModel):
    items: list[ColourOut]


class ColoursQuery(BaseModel):
    dataset_id: RowId
    encoder_id: RowId


@router.get("/map-colours")
def list_colours(query: Annotated[ColoursQuery, Query()], lab: LabDep) -> ColoursOut:
    """All that points of this set can be coloured by; answers are those of the newest result of the encoder on the set."""
    dataset, row = _opened(lab, query.dataset_id)
    classes = list(dataset.classes)
    items: list[ColourOut] = []
    if classes:
        items.append(_colour("class", "Class", "class", classes))
    items.append(_colour("split", "Split", "kind", list(SPLITS)))
    result = _newest(lab, query.encoder_id, row)
    if result is not None:
        named = result.name or result.strategy.replace("_", " ")
        items += [
            _colour("prediction", "Prediction", "class", classes, result=named),
            _colour("error", "Error", "kind", ["right", "wrong"], result=named),
            _colour("confidence", "Confidence", "measure", [], "probability of the answer", named),
        ]
    for name in sorted(dataset.factors):
        is_kind = np.issubdtype(dataset.factors[name].dtype, np.integer)
        title = f"Factor: {name.replace('_', ' ')}"
        items.append(
            _colour(f"factor:{name}", title, "kind" if is_kind else "measure", _names_of(name, dataset, is_kind))
        )
    return ColoursOut(items=items)


@router.get("/map-colours/{name}", responses={200: {"content": {MEDIA_TYPE: {}}}}, response_class=Response)
def read_colours(name: str, query: Annotated[ColoursQuery, Query()], lab: LabDep) -> Response:
    """One number an image, little-endian: int32 places in the ``values`` of a class or kind, -1 for none; float32 of a measure,
    NaN for none."""
    dataset, row = _opened(lab, query.dataset_id)
    values = _values(lab, name, dataset, row, query.encoder_id)
    kind = "<f4" if np.issubdtype(values.dtype, np.floating) else "<i4"
    return Response(
        values.astype(kind).tobytes(), media_type=MEDIA_TYPE, headers={"Cache-Control": "private, no-cache"}
    )


def _values(lab: Lab, name: str, dataset: Dataset, row: DatasetRow, encoder_id: str) -> Values:
    if name == "class" and dataset.classes:
        return dataset.labels.astype(np.int32)
    if name == "split":
        return dataset.splits.astype(np.int32)
    if name in ANSWERS:
        return _of_answers(lab, name, len(dataset), _newest(lab, encoder_id, row))
    factor = dataset.factors.get(name.removeprefix("factor:")) if name.startswith("factor:") else None
    if factor is None:
        message = f"Points of {row.name} cannot be coloured by {name[:60]}: choose one that GET /api/map-colours lists."
        raise ApiError(404, "unknown_colours", message, "name")
    return factor.astype(np.int32) if np.issubdtype(factor.dtype, np.integer) else factor.astype(np.float32)


def _of_answers(lab: Lab, name: str, n: int, result: ResultRow | None) -> Values:
    """Images of validation and test have answers, the others none."""
    if result is None or result.predictions is None:
        message = "This encoder has no result on this set yet: run a k-NN or a probe on the Transfer page."
        raise ApiError(404, "unknown_colours", message, "name")
    take: dict[str, Callable[[Predictions], Values]] = {
        "prediction": lambda found: found.probabilities.argmax(axis=1).astype(np.int32),
        "error": lambda found: (~found.is_right).astype(np.int32),
        "confidence": lambda found: found.probabilities.max(axis=1),
    }
    values: Values = np.full(n, np.nan, np.float32) if name == "confidence" else np.full(n, UNLABELLED, np.int32)
    for split in HELD_OUT:
        try:
            found = read_predictions(lab.folder / result.predictions, split)
        except ValueError:
            continue  # of a set without this split
        values[found.indices] = take[name](found)
    return values


def _newest(lab: Lab, encoder_id: str, dataset: DatasetRow) -> ResultRow | None:
    """The last result of the encoder on the set whose answers were kept."""
    of_both = (ResultRow.encoder_id == encoder_id, ResultRow.dataset_id == dataset.id)
    wanted = select(ResultRow).where(*of_both, ResultRow.predictions.is_not(None))
    with lab.catalogue.reading() as session:
        return session.scalar(wanted.order_by(ResultRow.id.desc()).limit(1))


def _opened(lab: Lab, dataset_id: str) -> tuple[Dataset, DatasetRow]:
    with lab.catalogue.reading() as session:
        row = dataset_row(session, dataset_id)
    return lab.dataset(row.key), row


def _names_of(name: str, dataset: Dataset, is_kind: bool) -> list[str]:
    if not is_kind:
        return []
    known = FACTOR_VALUES.get(name)
    most = int(dataset.factors[name].max(initial=0)) + 1
    return list(known) if known is not None and len(known) >= most else [str(value) for value in range(most)]


def _colour(
    name: str, title: str, kind: Kind, values: list[str], unit: str = "", result: str | None = None
) -> ColourOut:
    return ColourOut(name=name, title=title, kind=kind, values=values, unit=unit, result=result)
