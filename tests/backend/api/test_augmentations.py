"""Previews are the views that training would draw, and are refused when they ask for what is not there."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from tests.backend.api import lab
from tests.backend.api.conftest import Shown

IDENTITY = {"crop_scale_min": 1.0, "flip_p": 0.0, "jitter_p": 0.0, "grey_p": 0.0, "blur_p": 0.0}


def asked(shown: Shown, **more: object) -> dict[str, object]:
    return {"dataset_id": shown.dataset, "indices": [0, 7], "config": {}, "seed": 3, **more}


def pixels(address: str) -> np.ndarray:
    assert address.startswith("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))).transpose(2, 0, 1)


def test_without_any_operation_the_views_are_the_image(client: TestClient, shown: Shown) -> None:
    pairs = client.post("/api/augmentations/preview", json=asked(shown, config=IDENTITY)).json()["pairs"]
    assert [pair["index"] for pair in pairs] == [0, 7]
    for pair in pairs:
        for name in ("original", "first", "second"):
            np.testing.assert_array_equal(pixels(pair[name]), lab.images().images[pair["index"]])


def test_the_same_seed_draws_the_same_views(client: TestClient, shown: Shown) -> None:
    first = client.post("/api/augmentations/preview", json=asked(shown)).json()
    assert client.post("/api/augmentations/preview", json=asked(shown)).json() == first
    assert client.post("/api/augmentations/preview", json=asked(shown, seed=4)).json() != first


def test_what_is_switched_on_in_vain_is_said(client: TestClient, shown: Shown) -> None:
    said = client.post(
        "/api/augmentations/preview", json=asked(shown, config={**IDENTITY, "noise_p": 1, "noise_std": 0})
    )
    assert said.json()["in_vain"] == ["Noise (noise_p) does nothing: noise_std is 0."]
    assert client.post("/api/augmentations/preview", json=asked(shown, config=IDENTITY)).json()["in_vain"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"indices": []},
        {"indices": list(range(17))},
        {"indices": [-1]},
        {"indices": [lab.N]},
        {"indices": [2**40]},
        {"indices": "0"},
        {"config": {"flip_p": 1.5}},
        {"config": {"jitter_strength": -0.1}},
        {"config": {"crop_scale_min": 0.9, "crop_scale_max": 0.2}},
        {"config": {"unknown": 1}},
        {"seed": -1},
        {"seed": 2**31},
        {"seed": 0.5},
        {"dataset_id": "x"},
    ],
)
def test_a_preview_that_cannot_be_is_refused(client: TestClient, shown: Shown, wrong: dict[str, object]) -> None:
    answer = client.post("/api/augmentations/preview", json=asked(shown, **wrong))
    assert (answer.status_code, bool(answer.json()["error"]["fields"])) == (422, True)


def test_a_preview_of_an_unknown_set_is_not_found(client: TestClient, shown: Shown) -> None:
    assert client.post("/api/augmentations/preview", json=asked(shown, dataset_id="0" * 26)).status_code == 404
