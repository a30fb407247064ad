"""Search finds what the features say, never the query itself, and says what is missing."""

import io

import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from tests.backend.api import lab
from tests.backend.api.conftest import Shown

UNKNOWN = "0" * 26


def asked(shown: Shown, **more: object) -> dict[str, object]:
    return {"encoder_id": shown.encoder, "dataset_id": shown.dataset, "k": 5, "image_index": 7, **more}


def as_png(index: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(lab.images().images[index].transpose(1, 2, 0)).save(file, "PNG")
    return file.getvalue()


def test_neighbours_are_those_of_the_features_without_the_query(client: TestClient, app: FastAPI, shown: Shown) -> None:
    dataset = lab.images()
    features = lab.pixel_features(app, f"encoders/{shown.encoder}.safetensors", dataset).astype(np.float64)
    similarity = features @ features[7]
    similarity[7] = -np.inf
    expected = np.argsort(-similarity, kind="stable")[:5]
    found = client.post("/api/search", json=asked(shown)).json()
    assert [hit["index"] for hit in found["hits"]] == expected.tolist()
    # The bank holds float32, good for seven digits.
    np.testing.assert_allclose([hit["similarity"] for hit in found["hits"]], similarity[expected], atol=1e-5)
    assert found["query"] == {"index": 7, "label": 1, "class_name": "bee"}
    labels = dataset.labels[expected]
    assert found["precision_at_k"] == pytest.approx(np.mean(labels[labels >= 0] == 1))


def test_several_images_are_a_query_by_their_mean_and_away_from_others(
    client: TestClient, app: FastAPI, shown: Shown
) -> None:
    features = lab.pixel_features(app, f"encoders/{shown.encoder}.safetensors", lab.images()).astype(np.float64)
    query = features[[7, 9]].mean(axis=0) - features[[11, 12, 13]].mean(axis=0)
    similarity = features @ query / np.linalg.norm(query)
    similarity[[7, 9, 11, 12, 13]] = -np.inf
    expected = np.argsort(-similarity, kind="stable")[:5]
    found = client.post("/api/search", json=asked(shown, also=[9], unlike=[11, 12, 13])).json()
    assert [hit["index"] for hit in found["hits"]] == expected.tolist()
    np.testing.assert_allclose([hit["similarity"] for hit in found["hits"]], similarity[expected], atol=1e-5)


def test_hits_are_of_the_split_and_class_that_are_asked_for(client: TestClient, shown: Shown) -> None:
    everything = client.post("/api/search", json=asked(shown, k=lab.N - 1)).json()["hits"]
    of_train = client.post("/api/search", json=asked(shown, split="train")).json()
    assert of_train["hits"] == [hit for hit in everything if hit["split"] == "train"][:5]
    of_bees = client.post("/api/search", json=asked(shown, split="train", label=1)).json()
    assert of_bees["hits"] == [hit for hit in everything if hit["split"] == "train" and hit["label"] == 1][:5]
    assert (of_train["precision_at_k"] is None, of_bees["precision_at_k"]) == (False, None)
    params = {"encoder_id": shown.encoder, "dataset_id": shown.dataset, "k": 3, "split": "test"}
    uploaded = client.post("/api/search/upload", params=params, content=as_png(11)).json()
    assert {hit["split"] for hit in uploaded["hits"]} == {"test"}


def test_an_unlabelled_query_has_no_precision(client: TestClient, shown: Shown) -> None:
    found = client.post("/api/search", json=asked(shown, image_index=6)).json()
    assert (found["precision_at_k"], found["query"]["label"]) == (None, None)


def test_an_uploaded_image_of_the_set_finds_itself(client: TestClient, shown: Shown) -> None:
    params = {"encoder_id": shown.encoder, "dataset_id": shown.dataset, "k": 3}
    found = client.post("/api/search/upload", params=params, content=as_png(11)).json()
    assert (found["hits"][0]["index"], len(found["hits"])) == (11, 3)
    assert found["hits"][0]["similarity"] == pytest.approx(1.0, abs=1e-5)
    assert found["query"] == {"index": None, "label": None, "class_name": None}
    assert found["precision_at_k"] is None


@pytest.mark.parametrize(
    "body", [b"GIF89a", b"<svg/>", b"%PDF-1.4", b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, as_png(0)[:100]]
)
def test_what_is_no_image_cannot_be_searched_for(client: TestClient, shown: Shown, body: bytes) -> None:
    params = {"encoder_id": shown.encoder, "dataset_id": shown.dataset, "k": 3}
    answer = client.post("/api/search/upload", params=params, content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "not_an_image")


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(client: TestClient, shown: Shown) -> None:
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    params = {"encoder_id": shown.encoder, "dataset_id": shown.dataset}
    answer = client.post("/api/search/upload", params=params, content=file.getvalue())
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "too_many_pixels")


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"encoder_id": UNKNOWN}, 404, "unknown_encoder"),
        ({"dataset_id": UNKNOWN}, 404, "unknown_data_set"),
        ({"dataset_id": "unlabelled"}, 409, "no_embeddings"),
        ({"image_index": lab.N}, 422, "unknown_image"),
        ({"image_index": -1}, 422, "invalid"),
        ({"k": 0}, 422, "invalid"),
        ({"k": 201}, 422, "invalid"),
        ({"k": lab.N}, 422, "k_too_large"),
        ({"k": 1.5}, 422, "invalid"),
        ({"also": [lab.N]}, 422, "unknown_image"),
        ({"unlike": [7]}, 422, "no_query"),
        ({"unlike": [1] * 21}, 422, "invalid"),
        ({"label": 99}, 422, "unknown_class"),
        ({"split": "everything"}, 422, "invalid"),
        ({"split": "test", "k": 40}, 422, "k_too_large"),
    ],
)
def test_a_search_that_cannot_be_is_refused(
    client: TestClient, shown: Shown, wrong: dict[str, object], status: int, code: str
) -> None:
    body = asked(shown, **wrong)
    if body["dataset_id"] == "unlabelled":
        body["dataset_id"] = shown.unlabelled
    answer = client.post("/api/search", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_all_others_can_be_asked_for(client: TestClient, shown: Shown) -> None:
    found = client.post("/api/search", json=asked(shown, k=lab.N - 1)).json()
    assert sorted(hit["index"] for hit in found["hits"]) == [i for i in range(lab.N) if i != 7]


def test_an_empty_or_giant_upload_is_refused(client: TestClient, shown: Shown) -> None:
    params = {"encoder_id": shown.encoder, "dataset_id": shown.dataset}
    assert client.post("/api/search/upload", params=params, content=b"").status_code == 422
    giant = client.post("/api/search/upload", params=params, content=iter([b"x" * (1 << 20)] * 33))
    assert (giant.status_code, giant.json()["error"]["code"]) == (413, "too_large")


def test_a_bank_is_named_at_its_encoder(client: TestClient, shown: Shown) -> None:
    assert client.get(f"/api/encoders/{shown.encoder}").json()["embedded_dataset_ids"] == [shown.dataset]
