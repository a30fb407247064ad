"""A catalogue of two thousand results, as grids of transfers leave them: every row with curves and confusions behind it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from sqlalchemy.orm import Session

from backend.catalogue.models import DatasetRow, EncoderRow
from backend.jobs import made, store
from backend.jobs.outcomes import Artefact
from backend.jobs.states import Desired, Kind, State
from benchmarks.load_lab import LoadLab
from simclr.config import EncoderConfig, FineTuneConfig, KnnConfig, LabelsConfig, LinearProbeConfig
from simclr.datasets.store import DatasetInfo, Split
from simclr.encoder_file import EncoderFile
from simclr.results import SplitDetails, TransferResult
from simclr.score_sheet import score_sheet

N = 2_000
SETS, ENCODERS = 4, 6
FRACTIONS, SEEDS = (None, 0.5, 0.1, 0.01), (0, 1, 2)
DEPTHS: tuple[Literal[0, 1, 2, 3] | None, ...] = (None, 3, 2, 1, 0)
CLASSES = tuple(f"class {number}" for number in range(10))
SPLIT_IMAGES = 1_000
TAGS = ("baseline", "paper", "draft")
Config = KnnConfig | LinearProbeConfig | FineTuneConfig


@dataclass(frozen=True)
class Wanted:
    """One result: what was transferred to what, and how well that is to have gone, as a share of answers that are right."""

    dataset: DatasetRow
    encoder: EncoderRow
    config: Config
    quality: float


def add_results(lab: LoadLab, count: int = N) -> None:
    """``count`` results on some sets and encoders, three seeds of everything."""
    random = np.random.default_rng(0)
    with lab.catalogue.writing() as session:
        sets = [_dataset(session, number) for number in range(SETS)]
        session.flush()
        encoders = [_encoder(session, number, sets[number % SETS]) for number in range(ENCODERS)]
        session.flush()
        details = _behind(random)
        for number, wanted in zip(range(count), _wanted(sets, encoders), strict=False):
            _add(session, wanted, number, details[number % len(details)], random)


def _dataset(session: Session, number: int) -> DatasetRow:
    counts: dict[Split, list[int]] = {"train": [500] * 10, "val": [100] * 10, "test": [100] * 10}
    sizes = {split: sum(of_classes) for split, of_classes in counts.items()}
    info = DatasetInfo(
        source="made for a benchmark", content_hash=f"{number:064}", n=sum(sizes.values()), channels=3, image_size=32,
        classes=list(CLASSES), split_sizes=sizes, counts=counts, factors=[], notes=[],
    )  # fmt: skip
    row = DatasetRow(
        name=f"Images {number + 1}", key=f"datasets/many-{number}", content_hash=info.content_hash,
        info=info.model_dump(mode="json"), created_at=time.time(),
    )  # fmt: skip
    session.add(row)
    return row


def _encoder(session: Session, number: int, dataset: DatasetRow) -> EncoderRow:
    file = EncoderFile(
        origin="pretrained", architecture=EncoderConfig(width=32), channels=3, image_size=32, feature_dim=128,
        mean=(0.5,) * 3, std=(0.2,) * 3,
    )  # fmt: skip
    row = EncoderRow(
        name=f"SimCLR on {dataset.name}, recipe {number}", origin="pretrained", dataset_id=dataset.id,
        key=f"encoders/many-{number}.safetensors", sha256=f"{number:064}", description=file.model_dump(mode="json"),
        created_at=time.time(),
    )  # fmt: skip
    session.add(row)
    return row


def _wanted(sets: list[DatasetRow], encoders: list[EncoderRow]) -> Iterator[Wanted]:
    for dataset, (place, encoder), fraction in product(sets, enumerate(encoders), FRACTIONS):
        labels = LabelsConfig(fraction=fraction)
        quality = 0.55 + 0.02 * place - 0.1 * FRACTIONS.index(fraction)
        for seed in SEEDS:
            seeded = labels.model_copy(update={"seed": seed})
            yield Wanted(dataset, encoder, KnnConfig(labels=seeded), quality)
            yield Wanted(dataset, encoder, LinearProbeConfig(solver="sgd", labels=seeded, seed=seed), quality + 0.05)
            for depth in DEPTHS:
                tuned = FineTuneConfig(labels=seeded, seed=seed, unfrozen_blocks=depth)
                yield Wanted(dataset, encoder, tuned, quality + 0.1 - 0.02 * (depth if depth is not None else 4))


def _behind(random: np.random.Generator) -> list[SplitDetails]:
    """What stands behind some scores: confusion, classes, reliability, ten ROC curves."""
    labels = np.arange(SPLIT_IMAGES) % len(CLASSES)
    found = []
    for _ in range(4):
        logits = random.normal(size=(SPLIT_IMAGES, len(CLASSES))) + 2 * np.eye(len(CLASSES))[labels]
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        found.append(score_sheet("test", shares.astype(np.float32), labels, CLASSES)[1])
    return found


def _add(session: Session, wanted: Wanted, number: int, details: SplitDetails, random: np.random.Generator) -> None:
    config = wanted.config.model_dump(mode="json")
    submission = store.Submission(
        kind=Kind.TRANSFER, dataset_id=wanted.dataset.id, config=config, encoder_id=wanted.encoder.id
    )
    job = store.new_row(session, submission, time.time())
    job.state, job.desired, job.cell = State.SUCCEEDED, Desired.RUN, f"{number:064}"
    job.finished_at = time.time()
    session.add(job)
    session.flush()
    scores = [_score(split, wanted.quality, random) for split in ("val", "test")]
    result = TransferResult.model_validate(
        {
            "strategy": wanted.config.strategy, "scores": scores, "chance": 0.1, "chosen": {},
            "seconds": float(random.uniform(2, 200)), "labels_used": int(5000 * (wanted.config.labels.fraction or 1)),
            "images_seen": 50_000,
            "details": [details.model_copy(update={"split": split}) for split in ("val", "test")],
        }
    )  # fmt: skip
    made.record(session, job, result, Artefact(f"jobs/{job.id}/1/predictions.npz", "0" * 64))
    session.flush()


def _score(split: str, quality: float, random: np.random.Generator) -> dict[str, Any]:
    """A score whose figures are near ``quality``."""
    near = float(np.clip(quality + random.normal(0, 0.01), 0.02, 0.98))
    figures = dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1", "average_precision"), near)
    area = 0.5 + near / 2
    return {
        **figures, "split": split, "n": SPLIT_IMAGES, "accuracy_low": near - 0.02, "accuracy_high": near + 0.02,
        "auc": area, "auc_low": area - 0.01, "auc_high": area + 0.01, "log_loss": 1.5 - near, "ece": 0.05,
    }  # fmt: skip
