"""What job tests need to exist first: a data set, an encoder, and short ways to submit."""

from typing import Any

from backend.catalogue.engine import Catalogue
from backend.catalogue.models import DatasetRow, EncoderRow, JobRow
from backend.jobs import store
from backend.jobs.outcomes import Artefact, Succeeded
from backend.jobs.states import Kind, State
from simclr.results import EmbedResult, PretrainResult, Score, TransferResult

PRETRAINED = Succeeded(
    PretrainResult(
        epochs=2, steps=8, loss=3.0, chance=4.1, knn_accuracy=0.5, feature_dim=16, images_per_s=900.0, seconds=1.0, device="cpu"
    ),
    Artefact("jobs/j/1/encoder.safetensors", "ab" * 32, {"feature_dim": 16}),
)  # fmt: skip
EMBEDDED = Succeeded(
    EmbedResult(n=10, feature_dim=16, images_per_s=900.0, seconds=0.1), Artefact("jobs/j/1/features.npy", "cd" * 32)
)
TRANSFERRED = Succeeded(
    TransferResult(
        strategy="knn",
        scores=[Score(split="test", n=10, accuracy=0.5, accuracy_low=0.2, accuracy_high=0.8)],
        chance=0.1,
        seconds=0.1,
        chosen={"k": 20.0},
    )
)


def add_dataset(catalogue: Catalogue, name: str = "digits") -> str:
    with catalogue.writing() as session:
        row = DatasetRow(name=name, key=f"datasets/{name}", content_hash=name, info={}, created_at=0.0)
        session.add(row)
    return row.id


def add_encoder(catalogue: Catalogue, dataset_id: str) -> str:
    with catalogue.writing() as session:
        row = EncoderRow(
            name="pixels", origin="pixels", key="encoders/p.safetensors", sha256="ef" * 32, description={},
            dataset_id=dataset_id, created_at=0.0,
        )  # fmt: skip
        session.add(row)
    return row.id


def submit(catalogue: Catalogue, dataset_id: str | None, kind: Kind = Kind.PRETRAIN, **more: Any) -> str:
    with catalogue.writing() as session:
        asked = store.Submission(kind=kind, dataset_id=dataset_id, **{"config": {"epochs": 2}, **more})
        return store.submit(session, asked).id


def claim(catalogue: Catalogue, owner: str = "worker", **more: Any) -> store.Claim:
    """Claim the next job, which must be there."""
    with catalogue.writing() as session:
        claimed = store.claim(session, owner, **more)
    assert claimed is not None
    return claimed


def job(catalogue: Catalogue, job_id: str) -> JobRow:
    with catalogue.reading() as session:
        return session.get_one(JobRow, job_id)


def state(catalogue: Catalogue, job_id: str) -> State:
    return State(job(catalogue, job_id).state)
