"""One lab for all tests that only look, with a data set, an encoder of its pixels, and its embeddings."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.backend.api import lab


@dataclass(frozen=True)
class Shown:
    """Ids of what the shared lab holds."""

    dataset: str
    unlabelled: str
    encoder: str
    job: str


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    pages = tmp_path_factory.mktemp("pages")
    (pages / "index.html").write_text("<!doctype html><title>SimCLR Lab</title>")
    (pages / "app.js").write_text("export {}")
    with lab.running(tmp_path_factory.mktemp("data"), pages, seeing=True) as running:
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
