"""Numbers that explain a policy: its shortcuts, how hard its pairs are for an encoder, what it costs the label."""

from typing import Any

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from pydantic import BaseModel

from backend.api.augmentations import Tab
from backend.api.fields import RowId
from backend.api.rows import dataset_row, encoder_row
from backend.deps import Lab, LabDep
from backend.errors import ApiError
from simclr.config import AugmentConfig, Seed
from simclr.datasets import Dataset
from simclr.datasets.store import SPLITS, UNLABELLED

router = APIRouter(tags=["augmentations"])

# Images that a study takes of a set: a batch for shortcuts and similarities, some hundreds for a probe.
BATCH, FITTED, SCORED = 256, 1000, 500
FEWEST_SCORED = 20


class StudyIn(BaseModel):
    dataset_id: RowId
    config: AugmentConfig
    seed: Seed = 0
    tab: Tab = ""


class EncoderStudyIn(StudyIn):
    encoder_id: RowId


class ShortcutOut(BaseModel):
    """How often a trivial feature finds a view's partner first, with its 95 % interval."""

    feature: str
    top1: float
    low: float
    high: float


class ChangeOut(BaseModel):
    """By how many of 255 levels an operation by itself changes a pixel on average."""

    part: str
    levels: float


class ShortcutsOut(BaseModel):
    """What trivial features reach on the contrastive task among ``views`` views; guessing reaches ``chance``."""

    views: int
    chance: float
    shortcuts: list[ShortcutOut]
    changes: list[ChangeOut]


class HardnessOut(BaseModel):
    """Cosine similarities of ``n`` pairs and of ``n`` strangers, as counts in equal bars from ``low`` to 1.

    ``told_apart`` is how often a pair is more similar than strangers: 0.5 is chance.
    """

    n: int
    low: float
    pairs: list[int]
    others: list[int]
    mean_pairs: float
    mean_others: float
    told_apart: float


class CostOut(BaseModel):
    """``lost`` is by how much the probe's accuracy falls under this operation by itself, with its 95 % interval."""

    part: str
    accuracy: float
    lost: float
    low: float
    high: float


class LabelCostsOut(BaseModel):
    """``accuracy`` is that without any operation, of a probe fitted on ``fitted`` images, on ``n`` held-out ones."""

    accuracy: float
    fitted: int
    n: int
    costs: list[CostOut]


@router.post("/augmentations/shortcuts")
def audit(body: StudyIn, lab: LabDep) -> ShortcutsOut:
    """Solve the contrastive task of this policy with features that know nothing."""
    dataset = _dataset(lab, body)
    images = _taken(dataset, _of_split(dataset, "train"), BATCH)
    found = _study(lab, body, "shortcuts", [images]).header
    changes = [ChangeOut(part=part, levels=levels) for part, levels in found.pop("changes").items()]
    return ShortcutsOut(**found, changes=changes)


@router.post("/augmentations/hardness")
def compare(body: EncoderStudyIn, lab: LabDep) -> HardnessOut:
    """How similar an encoder finds the pairs of this policy, against views of different images."""
    dataset = _dataset(lab, body)
    images = _taken(dataset, _of_split(dataset, "train"), BATCH)
    return HardnessOut(**_study(lab, body, "hardness", [images], encoder=_encoder(lab, body)).header)


@router.post("/augmentations/label-costs")
def cost(body: EncoderStudyIn, lab: LabDep) -> LabelCostsOut:
    """What each operation of this policy costs the label, as a probe on an encoder's features reads it."""
    dataset = _dataset(lab, body)
    labelled = dataset.labels != UNLABELLED
    fitting = np.flatnonzero(labelled & (dataset.splits == SPLITS.index("train")))
    scoring = np.flatnonzero(labelled & (dataset.splits == SPLITS.index("val")))
    if len(np.unique(dataset.labels[fitting])) < 2 or len(scoring) < FEWEST_SCORED:
        message = (
            f"This set has {len(fitting)} labelled training images and {len(scoring)} labelled validation images: "
            f"a probe needs training images of two classes and {FEWEST_SCORED} validation images."
        )
        raise ApiError(422, "no_labels", message, "dataset_id")
    arrays: list[NDArray[Any]] = []
    for indices, most in ((fitting, FITTED), (scoring, SCORED)):
        chosen = sample_of(indices, most)
        arrays += [np.ascontiguousarray(dataset.images[chosen]), dataset.labels[chosen].astype(np.int64)]
    return LabelCostsOut(**_study(lab, body, "label_costs", arrays, encoder=_encoder(lab, body)).header)


def _study(lab: Lab, body: StudyIn, what: str, arrays: list[NDArray[Any]], **more: str) -> Any:
    shapes = [array.shape for array in arrays if array.ndim == 4]
    request = {"do": what, "shapes": shapes, "config": body.config.model_dump(), "seed": body.seed, **more}
    return lab.study(request, [array.data.cast("B") for array in arrays], body.tab)


def _dataset(lab: Lab, body: StudyIn) -> Dataset:
    with lab.catalogue.reading() as session:
        return lab.dataset(dataset_row(session, body.dataset_id).key)


def _encoder(lab: Lab, body: EncoderStudyIn) -> str:
    with lab.catalogue.reading() as session:
        return str(lab.folder / encoder_row(session, body.encoder_id).key)


def _of_split(dataset: Dataset, split: str) -> NDArray[np.int64]:
    """The images of a split, or all where it has fewer than two."""
    found = np.flatnonzero(dataset.splits == SPLITS.index(split))
    if len(found) < 2:
        found = np.arange(len(dataset))
    if len(found) < 2:
        raise ApiError(
            422, "too_few_images", "This set has a single image: a policy is studied on 2 or more.", "dataset_id"
        )
    return found


def _taken(dataset: Dataset, indices: NDArray[np.int64], most: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(dataset.images[sample_of(indices, most)])


def sample_of(indices: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """``most`` of them: the same ones for the same set, in random order, so that any beginning of them is a fair sample."""
    return np.random.default_rng(0).permutation(indices)[:most]
