"""One lab for all tests that only look, with a data set, an encoder of its pixels, and its embeddings."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from backend.deps import STUDY_TIMEOUT_S
from backend.vision import Vision
from tests.backend.api import lab


@dataclass(frozen=True)
class Shown:
    """Ids of what the shared lab holds."""

    dataset: str
    unlabelled: str
    encoder: str
    job: str


@pytest.fixture(scope="session")
def eyes() -> Iterator[Vision]:
    """The child that holds torch, one for all labs: each would take four seconds of a core to start."""
    child = Vision(timeout_s=STUDY_TIMEOUT_S)
    child.start()
    yield child
    child.stop()


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory, eyes: Vision) -> Iterator[FastAPI]:
    pages = tmp_path_factory.mktemp("pages")
    (pages / "index.html").write_text("<!doctype html><title>SimCLR Lab</title>")
    (pages / "app.js").write_text("export {}")
    with lab.running(tmp_path_factory.mktemp("data"), pages, eyes=eyes) as running:
        yield running


@pytest.fixture(scope="session")
def shown(app: FastAPI) -> Shown:
    client = lab.signed_in(app)
    dataset = lab.images()
    dataset_id = lab.add_images(app, dataset)
    unlabelled = lab.add_images(app, lab.images(seed=1, labelled=False), "Unlabelled")
    encoder = client.post("/api/encoders", json={"origin": "pixels", "dataset_id": dataset_id}).json()["id"]
    lab.embed(app, encoder, dataset_id, lab.pixel_features(app, f"encoders/{encoder}.safetensors", dataset))
    asked = {"kind": "pretrain", "dataset_id": dataset_id, "config": {"batch_size": 8}}
    return Shown(dataset_id, unlabelled, encoder, client.post("/api/jobs", json=asked).json()["id"])


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return lab.signed_in(app)


@pytest.fixture
def stranger(app: FastAPI) -> TestClient:
    return lab.visitor(app)
