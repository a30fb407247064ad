"""Encoders and results for tests that only need rows: no file of theirs is looked at."""

from typing import Any, Literal

from fastapi import FastAPI

from backend.catalogue.models import EncoderRow
from simclr.config import EncoderConfig
from simclr.encoder_file import EncoderFile
from simclr.results import Score, TransferResult
from tests.backend.api import lab


def network(app: FastAPI, dataset_id: str, name: str) -> str:
    """The id of an encoder of three stages whose file has the digest of its name."""
    file = EncoderFile(
        origin="untrained", architecture=EncoderConfig(width=8), channels=3, image_size=16, feature_dim=32,
        mean=(0.5,) * 3, std=(0.2,) * 3,
    )  # fmt: skip
    with lab.lab(app).catalogue.writing() as session:
        row = EncoderRow(
            name=name, origin=file.origin, key=f"encoders/{name}.safetensors", sha256=name, dataset_id=dataset_id,
            description=file.model_dump(mode="json"), created_at=0.0,
        )  # fmt: skip
        session.add(row)
    return row.id


def found(strategy: Literal["knn", "linear_probe", "fine_tune"], accuracy: float = 0.5, **more: Any) -> TransferResult:
    """A result with one score."""
    score = Score(split="test", n=12, accuracy=accuracy, accuracy_low=0.2, accuracy_high=0.8)
    return TransferResult(strategy=strategy, scores=[score], chance=0.3, seconds=1.0, chosen={}, **more)
