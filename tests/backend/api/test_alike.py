"""Why a hit is alike: maps of both images that sum to what search says of them."""

import base64
import io

import numpy as np
import pytest
import torch
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from backend.baselines import enter_encoder
from simclr.config import EncoderConfig
from simclr.encoder_file import image_facts
from simclr.encoders import load_encoder, prepare, untrained_encoder
from tests.backend.api import lab
from tests.backend.api.conftest import Shown

UNKNOWN = "0" * 26


@pytest.fixture(scope="module")
def network(app: FastAPI, shown: Shown) -> str:
    """The id of a small network with random weights."""
    facts = image_facts(lab.images())
    row, _ = enter_encoder(
        lab.lab(app),
        lambda path: untrained_encoder(EncoderConfig(width=8), facts, 5, path),
        "Small and untrained",
        shown.dataset,
    )
    return row.id


def test_both_maps_sum_to_the_cosine_whether_the_query_is_of_the_set_or_sent(
    client: TestClient, app: FastAPI, shown: Shown, network: str
) -> None:
    images = lab.images().images
    encoder, file = load_encoder(lab.lab(app).folder / f"encoders/{network}.safetensors")
    with torch.inference_mode():
        query, hit = encoder(prepare(torch.from_numpy(images[[7, 9]]), file)).double()
    cosine = float(query @ hit / query.norm() / hit.norm())
    asked = {"encoder_id": network, "dataset_id": shown.dataset, "hit": 9}
    found = client.post("/api/search/why", json={**asked, "image_index": 7}).json()
    assert found["cosine"] == pytest.approx(cosine, abs=1e-5)
    for side in ("query", "hit"):
        assert np.shape(found[side]) == (found["rows"], found["columns"]) == (2, 2)
        assert np.sum(found[side]) == pytest.approx(cosine, abs=1e-5)
    file_of_query = io.BytesIO()
    Image.fromarray(images[7].transpose(1, 2, 0)).save(file_of_query, "PNG")
    sent = {**asked, "photo": base64.b64encode(file_of_query.getvalue()).decode()}
    assert client.post("/api/search/why", json=sent).json() == found
    picture = Image.open(io.BytesIO(base64.b64decode(found["query_picture"].partition(",")[2])))
    assert np.array_equal(np.asarray(picture).transpose(2, 0, 1), images[7])


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"hit": lab.N}, "unknown_image", "hit"),
        ({"image_index": lab.N}, "unknown_image", "image_index"),
        ({"image_index": None}, "invalid", None),
        ({"image_index": None, "photo": base64.b64encode(b"no image").decode()}, "not_an_image", None),
        ({"photo": base64.b64encode(b"no image").decode()}, "invalid", None),
    ],
)
def test_what_cannot_be_explained_is_refused(
    client: TestClient, shown: Shown, network: str, wrong: dict[str, object], code: str, field: str | None
) -> None:
    asked = {"encoder_id": network, "dataset_id": shown.dataset, "image_index": 7, "hit": 9, **wrong}
    answer = client.post("/api/search/why", json=asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code), answer.text
    if field:
        assert answer.json()["error"]["fields"][0]["path"] == field


def test_raw_pixels_have_no_maps_and_a_missing_encoder_is_named(client: TestClient, shown: Shown) -> None:
    asked = {"encoder_id": shown.encoder, "dataset_id": shown.dataset, "image_index": 7, "hit": 9}
    refused = client.post("/api/search/why", json=asked)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "no_feature_maps")
    missing = client.post("/api/search/why", json={**asked, "encoder_id": UNKNOWN})
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "unknown_encoder")
