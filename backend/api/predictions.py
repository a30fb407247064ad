"""What single images were answered: mistakes, the images behind a confusion matrix, and two results tested in pairs."""

import threading
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel

from backend.api.fields import RowId
from backend.api.result_answers import AucDifferenceOut, ComparisonOut, MistakeOut, MistakesOut
from backend.api.rows import result_row
from backend.deps import Lab, LabDep
from backend.errors import ApiError
from simclr.predictions import HeldOut, Predictions, compare, read_predictions

router = APIRouter(tags=["results"])

COMPARING = threading.Lock()
PATIENCE_S = 10.0
# Images times classes: a bootstrap of so many takes some 6 s of a core.
MOST_ANSWERS = 1_000_000


class PairQuery(BaseModel):
    first: RowId
    second: RowId
    split: HeldOut = "test"


class MistakesQuery(BaseModel):
    """Classes by number; without ``truth`` or ``predicted`` of all. With neither, wrong answers alone."""

    split: HeldOut = "test"
    truth: int | None = Query(None, ge=0)
    predicted: int | None = Query(None, ge=0)
    limit: int = Query(100, ge=1, le=1000)


# Before /results/{result_id}, which would take "compare" for an id.
@router.get("/results/compare")
def compare_results(query: Annotated[PairQuery, Query()], lab: LabDep) -> ComparisonOut:
    """Whether two results on the same images differ by more than chance; 422 where the images are not the same."""
    first, second = (_answers(lab, result_id, query.split) for result_id in (query.first, query.second))
    # Seconds of a core where there are many images and classes: one at a time, so that other requests find threads and a core.
    if not COMPARING.acquire(timeout=PATIENCE_S):
        raise ApiError(503, "busy", "Others are having results compared: try again in a few seconds.")
    try:
        found = compare(first, second, most=MOST_ANSWERS)
    except ValueError as refusal:
        raise ApiError(422, "not_comparable", f"{refusal}.", "second") from None
    finally:
        COMPARING.release()
    first_accuracy, second_accuracy = found.accuracy
    return ComparisonOut(
        split=query.split,
        n=found.n,
        first_accuracy=first_accuracy,
        second_accuracy=second_accuracy,
        **found.mcnemar._asdict(),
        auc=AucDifferenceOut(**found.auc._asdict()) if found.auc is not None else None,
        is_auc_too_long=found.is_auc_too_long,
    )


@router.get("/results/{result_id}/mistakes")
def list_mistakes(result_id: RowId, query: Annotated[MistakesQuery, Query()], lab: LabDep) -> MistakesOut:
    """The images behind a cell, a row or a column of the confusion matrix, or all mistakes; the most confident answer first."""
    answers = _answers(lab, result_id, query.split)
    classes = answers.probabilities.shape[1]
    for name, number in (("truth", query.truth), ("predicted", query.predicted)):
        if number is not None and number >= classes:
            message = f"{name} is {number}, but there are {classes} classes, numbered from 0."
            raise ApiError(422, "unknown_class", message, name)
    predicted = answers.probabilities.argmax(axis=1)
    wanted = ~answers.is_right if query.truth is None and query.predicted is None else np.ones(len(predicted), bool)
    if query.truth is not None:
        wanted &= answers.labels == query.truth
    if query.predicted is not None:
        wanted &= predicted == query.predicted
    places = np.flatnonzero(wanted)
    confidence = answers.probabilities[places, predicted[places]]
    chosen = places[np.argsort(-confidence, kind="stable")][: query.limit]
    return MistakesOut(
        total=len(places),
        items=[
            MistakeOut(
                index=int(answers.indices[place]),
                truth=int(answers.labels[place]),
                predicted=int(predicted[place]),
                probability=float(answers.probabilities[place, predicted[place]]),
                probabilities=[float(share) for share in answers.probabilities[place]],
            )
            for place in chosen
        ],
    )


def _answers(lab: Lab, result_id: str, split: HeldOut) -> Predictions:
    with lab.catalogue.reading() as session:
        key = result_row(session, result_id).predictions
    if key is None:
        message = "This result is of an earlier version, which kept no single answers: run it again to look into it."
        raise ApiError(409, "no_predictions", message)
    try:
        return read_predictions(lab.folder / key, split)
    except ValueError:
        message = f"The answers of this result, {key}, are missing or damaged: delete it, and run it again."
        raise ApiError(410, "predictions_gone", message) from None
