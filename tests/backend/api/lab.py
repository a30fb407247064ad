"""A lab in a temporary folder, with little images in it, as the API's tests need one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from httpx2 import Response
from numpy.typing import NDArray
from starlette.testclient import TestClient

from backend.app import create_app
from backend.catalogue import queries
from backend.catalogue.models import DatasetRow
from backend.deps import Lab
from backend.jobs import store
from backend.jobs.outcomes import Artefact, Outcome, Succeeded
from backend.jobs.states import Kind
from backend.settings import Settings
from backend.vision import Vision
from benchmarks.sets import put_set
from simclr.datasets import Dataset
from simclr.encoder_file import read_encoder_file
from simclr.index import norms_beside
from simclr.results import EmbedResult, TransferResult
from tests.backend.api.blind import BLIND
from tests.tables import lay_tables
from tests.worker.imports import do_imports, importer_here, reads_here
from worker.importing import Reads, sources_of

HOST = "127.0.0.1:8765"
ORIGIN = f"http://{HOST}"
N = 48


@contextmanager
def running(
    folder: Path, pages: Path | None = None, *, eyes: Vision | None = None, **settings: object
) -> Iterator[FastAPI]:
    """The real application, started and stopped, over a new or an old data folder.

    It sees images through ``eyes``, which it borrows for previews and studies alike; without them it has studies alone.
    """
    here = Settings(data=folder, **settings)
    lay_tables(here)
    app = create_app(here, pages or folder / "no pages", Vision(BLIND))
    with TestClient(app) as first:
        app.state.portal = first.portal
        its_own = lab(app).vision, lab(app).studies
        if eyes is not None:
            lab(app).vision = lab(app).studies = eyes
        try:
            yield app
        finally:
            lab(app).vision, lab(app).studies = its_own


def visitor(app: FastAPI, **headers: str) -> TestClient:
    """A browser that nobody has signed in, on a page of the lab itself."""
    # The lifespan is run by ``running``; a second client must not run it again, but share its event loop, as in the real process.
    client = TestClient(app, base_url=ORIGIN, headers={"origin": ORIGIN, **headers}, raise_server_exceptions=False)
    client.portal = app.state.portal
    return client


def signed_in(app: FastAPI) -> TestClient:
    """A browser that holds the session cookie."""
    client = visitor(app)
    assert client.post("/api/session", json={"token": lab(app).settings.access_token}).status_code == 204
    return client


def lab(app: FastAPI) -> Lab:
    found: Lab = app.state.lab
    return found


def images(n: int = N, channels: int = 3, seed: int = 0, *, labelled: bool = True) -> Dataset:
    """Random images of 16 × 16: three classes, every sixth image without a label, half for training."""
    random = np.random.default_rng(seed)
    labels = np.arange(n, dtype=np.int64) % 3
    labels[::6] = -1
    return Dataset(
        images=random.integers(0, 256, (n, channels, 16, 16), dtype=np.uint8),
        labels=labels if labelled else np.full(n, -1, dtype=np.int64),
        splits=np.where(np.arange(n) < n // 2, 0, 1 + np.arange(n) % 2).astype(np.uint8),
        classes=("ant", "bee", "cat") if labelled else (),
        source="random",
    )


def of_one_class() -> Dataset:
    """Twelve images that are all of one class."""
    whole = images(12)
    return replace(whole, labels=np.zeros(12, dtype=np.int64), classes=("ant",))


def add_images(app: FastAPI, dataset: Dataset, name: str = "Little") -> str:
    return put_set(lab(app).catalogue, lab(app).folder, dataset, name)


def folder_of(app: FastAPI, dataset_id: str) -> Path:
    """Where the images of a set lie."""
    with lab(app).catalogue.reading() as session:
        row = session.get_one(DatasetRow, dataset_id)
    return lab(app).folder / str(row.key)


def settle(app: FastAPI, job_id: str, outcome: Outcome) -> None:
    """Play the worker: claim the job, which must be next, and end it."""
    with lab(app).catalogue.writing() as session:
        claim = store.claim(session, "worker")
        assert claim is not None
        assert claim.job_id == job_id
    settle_claimed(app, claim, outcome)


def settle_claimed(app: FastAPI, claim: store.Claim, outcome: Outcome) -> None:
    """Play the worker that has claimed a job, and end it."""
    with lab(app).catalogue.writing() as session:
        assert store.settle(session, claim.job_id, claim.epoch, outcome)


def imported(app: FastAPI, answer: Response, reads: Reads = reads_here) -> dict[str, Any]:
    """Play the worker for the import that ``answer`` accepted, and what the API then tells of the job."""
    assert answer.status_code == 202, answer.text
    do_imports(lab(app).catalogue, lab(app).folder, importer_here(sources_of(lab(app).settings), reads))
    found: dict[str, Any] = signed_in(app).get(f"/api/jobs/{answer.json()['id']}").json()
    return found


def embed(app: FastAPI, encoder_id: str, dataset_id: str, features: NDArray[np.float32]) -> None:
    """Give a data set the bank ``features``, as an embed job leaves it."""
    with lab(app).catalogue.writing() as session:
        asked = store.Submission(Kind.EMBED, dataset_id, {"batch_size": 512}, encoder_id)
        job_id = store.submit(session, asked).id
    path = lab(app).folder / f"jobs/{job_id}/1/features.npy"
    path.parent.mkdir(parents=True)
    np.save(path, features)
    np.save(norms_beside(path), lengths(len(features)))
    result = EmbedResult(n=len(features), feature_dim=features.shape[1], images_per_s=1.0, seconds=1.0)
    settle(app, job_id, Succeeded(result, Artefact(str(path.relative_to(lab(app).folder)), "0" * 64)))


def lengths(n: int = N) -> NDArray[np.float32]:
    """What the banks of ``embed`` say that their features' lengths were."""
    return np.random.default_rng(5).uniform(1, 3, n).astype(np.float32)


def bank_path(app: FastAPI, encoder_id: str, dataset_id: str) -> Path:
    """The file of a data set's features."""
    with lab(app).catalogue.reading() as session:
        bank = queries.bank(session, encoder_id, dataset_id)
        assert bank is not None
        return lab(app).folder / bank.key


def pixel_features(app: FastAPI, encoder_key: str, dataset: Dataset) -> NDArray[np.float32]:
    """Features of the raw pixels, worked out without the code under test."""
    facts = read_encoder_file(lab(app).folder / encoder_key)
    mean, std = (np.reshape(v, (1, -1, 1, 1)) for v in (facts.mean, facts.std))
    flat = ((dataset.images / 255 - mean) / std).reshape(len(dataset), -1)
    return (flat / np.linalg.norm(flat, axis=1, keepdims=True)).astype(np.float32)


def add_result(app: FastAPI, job_id: str, result: TransferResult) -> None:
    settle(app, job_id, Succeeded(result))
