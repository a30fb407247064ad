"""Features are h or z wherever they are asked for, and whoever asks for a z that is not there is told why."""

from collections.abc import Iterator

import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import update
from starlette.testclient import TestClient

from backend.catalogue.engine import now
from backend.catalogue.models import BankRow, EncoderRow
from tests.backend.api import lab
from tests.backend.api.conftest import Shown

RANDOM = np.random.default_rng(0)


def directions(dim: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    rows = RANDOM.normal(size=(lab.N, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    with lab.running(tmp_path_factory.mktemp("banks")) as running:
        yield running


@pytest.fixture(scope="module")
def shown(app: FastAPI) -> Shown:
    """Pixels that have embedded a set."""
    client, dataset = lab.signed_in(app), lab.images()
    dataset_id = lab.add_images(app, dataset)
    pixels = client.post("/api/encoders", json={"origin": "pixels", "dataset_id": dataset_id}).json()["id"]
    lab.embed(app, pixels, dataset_id, lab.pixel_features(app, f"encoders/{pixels}.safetensors", dataset))
    return Shown(dataset_id, "", pixels, "")


@pytest.fixture(scope="module")
def headed(app: FastAPI, shown: Shown) -> str:
    """The id of an encoder with a projection head that has embedded the set, and so far has no z of it."""
    with lab.lab(app).catalogue.writing() as session:
        pixels = session.get_one(EncoderRow, shown.encoder)
        description = {**pixels.description, "projection": {"layers": 2, "width": 8, "dim": 4, "norm": True}}
        row = EncoderRow(
            name="With a head", origin="pretrained", key=pixels.key, sha256="h" * 64, description=description,
            dataset_id=shown.dataset, created_at=now(session),
        )  # fmt: skip
        session.add(row)
    lab.embed(app, row.id, shown.dataset, directions(6))
    return row.id


def test_what_has_no_z_says_whether_it_could(client: TestClient, shown: Shown, headed: str) -> None:
    for path, more in (("search", {"image_index": 7}), ("search/retrieval", {}), ("search/hubs", {"k": 3})):
        asked = {"dataset_id": shown.dataset, "features": "z", **more}
        none = client.post(f"/api/{path}", json={**asked, "encoder_id": shown.encoder})
        assert (none.status_code, none.json()["error"]["code"]) == (422, "no_projections")
        early = client.post(f"/api/{path}", json={**asked, "encoder_id": headed})
        assert (early.status_code, early.json()["error"]["code"]) == (409, "no_embeddings")
        assert "has no projections of Little yet: press Embed" in early.json()["error"]["message"]
    assert client.post("/api/search", json={**asked, "features": "x", "encoder_id": headed}).status_code == 422


def test_neighbours_by_z_are_those_of_the_projections(
    client: TestClient, app: FastAPI, shown: Shown, headed: str
) -> None:
    z, folder = directions(4), lab.lab(app).folder
    with lab.lab(app).catalogue.writing() as session:
        mine = (BankRow.encoder_id == headed, BankRow.dataset_id == shown.dataset)
        key = session.scalar(update(BankRow).where(*mine).values(projection_dim=4).returning(BankRow.key))
    np.save(folder / str(key).replace("features", "projections"), z)
    asked = {"encoder_id": headed, "dataset_id": shown.dataset, "image_index": 7, "k": 5}
    found = client.post("/api/search", json={**asked, "features": "z"}).json()
    similarity = z.astype(np.float64) @ z[7]
    similarity[7] = -np.inf
    assert [hit["index"] for hit in found["hits"]] == np.argsort(-similarity)[:5].tolist()
    assert found["hits"] != client.post("/api/search", json=asked).json()["hits"]
    told = client.get(f"/api/encoders/{headed}").json()
    assert (told["embedded_dataset_ids"], told["projected_dataset_ids"]) == ([shown.dataset], [shown.dataset])
    pixels = client.get(f"/api/encoders/{shown.encoder}").json()
    assert (pixels["embedded_dataset_ids"], pixels["projected_dataset_ids"]) == ([shown.dataset], [])
