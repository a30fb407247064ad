"""What an encoder's neighbours are worth on a whole set, told by the child that takes seconds."""

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from simclr.retrieval import find_hubs, retrieval
from tests.backend.api import lab
from tests.backend.api.conftest import Shown

# The first of them waits until the child has imported torch.
pytestmark = pytest.mark.slow

UNKNOWN = "0" * 26


def asked(shown: Shown, **more: object) -> dict[str, object]:
    return {"encoder_id": shown.encoder, "dataset_id": shown.dataset, "tab": "a", **more}


def test_retrieval_is_that_of_the_features_with_test_images_among_those_of_train(
    client: TestClient, app: FastAPI, shown: Shown
) -> None:
    dataset = lab.images()
    features = lab.pixel_features(app, f"encoders/{shown.encoder}.safetensors", dataset)
    queries, gallery = (dataset.indices(split, labelled=True) for split in ("test", "train"))
    expected = retrieval(features, dataset.labels, queries, gallery)
    found = client.post("/api/search/retrieval", json=asked(shown)).json()
    assert (found["queries"], found["n"], found["gallery_n"]) == ("test", len(queries), len(gallery))
    assert [each["k"] for each in found["at"]] == [1, 5, 10]
    assert found["at"][2]["precision"]["value"] == pytest.approx(expected.precision[10].value)
    assert found["at"][1]["recall"]["low"] == pytest.approx(expected.recall[5].low)
    assert found["mean_average_precision"]["value"] == pytest.approx(expected.mean_average_precision.value)
    assert found["chance"] == pytest.approx(expected.chance)
    assert [each["class_name"] for each in found["per_class"]] == [
        dataset.classes[each.label] for each in expected.per_class
    ]
    alone = client.post("/api/search/retrieval", json=asked(shown, queries="train")).json()
    assert (alone["queries"], alone["n"]) == ("train", len(gallery))


def test_hubs_and_orphans_are_those_of_the_features(client: TestClient, app: FastAPI, shown: Shown) -> None:
    features = lab.pixel_features(app, f"encoders/{shown.encoder}.safetensors", lab.images())
    expected = find_hubs(features, 5)
    found = client.post("/api/search/hubs", json=asked(shown, k=5)).json()
    assert (found["n"], found["of"], found["k"]) == (lab.N, lab.N, 5)
    assert [each["occurrences"] for each in found["hubs"]] == np.sort(expected.occurrences)[::-1][:24].tolist()
    assert all(expected.occurrences[each["index"]] == each["occurrences"] for each in found["hubs"])
    assert found["orphans"] == len(expected.orphans)
    assert found["orphan_examples"] == expected.orphans[:24].tolist()
    assert found["skewness"] == pytest.approx(expected.skewness)


@pytest.mark.parametrize(
    ("path", "wrong", "status", "code"),
    [
        ("retrieval", {"encoder_id": UNKNOWN}, 404, "unknown_encoder"),
        ("retrieval", {"dataset_id": "unlabelled"}, 409, "no_embeddings"),
        ("retrieval", {"gallery": "val"}, 422, "no_labels"),
        ("retrieval", {"queries": "all"}, 422, "invalid"),
        ("hubs", {"k": lab.N}, 422, "k_too_large"),
        ("hubs", {"k": 0}, 422, "invalid"),
        ("hubs", {"dataset_id": UNKNOWN}, 404, "unknown_data_set"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    client: TestClient, shown: Shown, path: str, wrong: dict[str, object], status: int, code: str
) -> None:
    body = asked(shown, **wrong)
    if wrong.get("dataset_id") == "unlabelled":
        body["dataset_id"] = shown.unlabelled
    answer = client.post(f"/api/search/{path}", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
