"""Baselines are made once and are what they say."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from backend.jobs.outcomes import Artefact, Succeeded
from simclr.config import EncoderConfig
from simclr.encoder_file import image_facts
from simclr.encoders import load_encoder, seeded, untrained_encoder
from simclr.results import PretrainResult
from simclr.runs import sha256_of
from tests.backend.api import lab
from tests.backend.api.conftest import Shown

UNKNOWN = "0" * 26


@pytest.fixture
def own(tmp_path: Path) -> Iterator[FastAPI]:
    with lab.running(tmp_path, seeing=True) as app:
        yield app


def pretrained(app: FastAPI) -> str:
    """The id of an encoder that a pretraining made; its weights are random, which nobody here looks at."""
    client, dataset = lab.signed_in(app), lab.images()
    dataset_id = lab.add_images(app, dataset)
    asked = {"kind": "pretrain", "dataset_id": dataset_id, "config": {"batch_size": 8}}
    job_id = client.post("/api/jobs", json=asked).json()["id"]
    path = lab.lab(app).folder / f"jobs/{job_id}/1/encoder.safetensors"
    path.parent.mkdir(parents=True)
    file = untrained_encoder(EncoderConfig(width=8), image_facts(dataset), 99, path)
    result = PretrainResult(
        epochs=1, steps=3, loss=2.0, chance=2.7, knn_accuracy=None, feature_dim=file.feature_dim, images_per_s=1.0,
        seconds=1.0, device="cpu",
    )  # fmt: skip
    made = Artefact(f"jobs/{job_id}/1/encoder.safetensors", sha256_of(path), file.model_dump(mode="json"))
    lab.settle(app, job_id, Succeeded(result, made))
    encoder_id: str = client.get(f"/api/jobs/{job_id}").json()["produced_encoder_id"]
    return encoder_id


def test_the_pixels_of_a_set_become_one_encoder(client: TestClient, app: FastAPI, shown: Shown) -> None:
    answer = client.post("/api/encoders", json={"origin": "pixels", "dataset_id": shown.dataset})
    assert (answer.status_code, answer.json()["id"]) == (200, shown.encoder)
    assert (answer.json()["feature_dim"], answer.json()["architecture"]) == (3 * 16 * 16, None)
    files = list((lab.lab(app).folder / "encoders").iterdir())
    assert len(files) == len({encoder["id"] for encoder in client.get("/api/encoders").json()["items"]})


def test_an_untrained_encoder_has_the_weights_that_its_seed_gives(own: FastAPI) -> None:
    client, like = lab.signed_in(own), pretrained(own)
    asked = {"origin": "untrained", "like": like, "seed": 5}
    first, again = client.post("/api/encoders", json=asked), client.post("/api/encoders", json=asked)
    other = client.post("/api/encoders", json={**asked, "seed": 6})
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 201)
    assert first.json() == again.json()
    assert other.json()["id"] != first.json()["id"]
    encoder, file = load_encoder(lab.lab(own).folder / f"encoders/{first.json()['id']}.safetensors")
    assert file.origin == "untrained"
    expected = seeded(EncoderConfig(width=8), 3, 5).state_dict()
    assert all(bool((tensor == expected[name]).all()) for name, tensor in encoder.state_dict().items())
    assert len(list((lab.lab(own).folder / "encoders").iterdir())) == 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"origin": "pixels", "dataset_id": UNKNOWN}, 404, "unknown_data_set"),
        ({"origin": "untrained", "like": UNKNOWN}, 404, "unknown_encoder"),
        ({"origin": "untrained", "like": "pixels"}, 422, "invalid"),
        ({"origin": "untrained", "like": "the pixels' id"}, 422, "no_network"),
        ({"origin": "pretrained"}, 422, "invalid"),
        ({"origin": "untrained", "like": UNKNOWN, "seed": -1}, 422, "invalid"),
    ],
)
def test_a_baseline_that_cannot_be_is_refused(
    client: TestClient, shown: Shown, body: dict[str, object], status: int, code: str
) -> None:
    if code == "no_network":
        body = {**body, "like": shown.encoder}
    answer = client.post("/api/encoders", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
