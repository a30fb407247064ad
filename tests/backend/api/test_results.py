"""Results are listed flat, shown whole, looked into image by image, compared in pairs, named, and deleted with their files."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score
from starlette.testclient import TestClient

from backend.api.predictions import COMPARING
from backend.jobs.invariants import violations
from backend.jobs.outcomes import Artefact, Succeeded
from backend.jobs.saved import finish_deletions_of_results
from simclr.predictions import Predictions, write_predictions
from tests.backend.api import lab
from tests.backend.api.results import found

LABELS = np.array([0, 0, 1, 1, 2, 2])
# Answers and how sure they are: right, right, wrong, right, wrong, wrong.
ANSWERS, SURE = np.array([0, 0, 2, 1, 1, 0]), np.array([0.9, 0.8, 0.6, 0.7, 0.95, 0.5])


def probabilities(answers: Any = ANSWERS, sure: Any = SURE) -> Any:
    whole = np.repeat((1 - sure)[:, None] / 2, 3, axis=1)
    whole[np.arange(6), answers] = sure
    return whole.astype(np.float32)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    with lab.running(tmp_path_factory.mktemp("results")) as app:
        yield app


@pytest.fixture(scope="module")
def client(own: FastAPI) -> TestClient:
    return lab.signed_in(own)


@pytest.fixture(scope="module")
def dataset_id(own: FastAPI) -> str:
    return lab.add_images(own, lab.images(), "Insects")


def computed(own: FastAPI, dataset_id: str, answered: Any = None, k: int = 20, indices: Any = None) -> str:
    """The id of a result whose transfer answered so."""
    client = lab.signed_in(own)
    encoder = client.post("/api/encoders", json={"origin": "pixels", "dataset_id": dataset_id}).json()["id"]
    body = {"kind": "transfer", "dataset_id": dataset_id, "encoder_id": encoder, "config": {"strategy": "knn", "k": k}}
    job_id = client.post("/api/jobs", json=body).json()["id"]
    key = f"jobs/{job_id}/1/predictions.npz"
    places = np.arange(10, 16) if indices is None else indices
    test = Predictions(places, LABELS, probabilities() if answered is None else answered)
    write_predictions(lab.lab(own).folder / key, {"val": test, "test": test})
    lab.settle(own, job_id, Succeeded(found("knn", labels_used=20, versions={"torch": "2"}), Artefact(key, "0" * 64)))
    return str(next(r for r in client.get("/api/results").json()["items"] if r["job_id"] == job_id)["id"])


@pytest.fixture(scope="module")
def result_id(own: FastAPI, dataset_id: str) -> str:
    return computed(own, dataset_id)


def test_a_result_is_listed_short_and_shown_whole(own: FastAPI, client: TestClient, result_id: str) -> None:
    listed = next(r for r in client.get("/api/results").json()["items"] if r["id"] == result_id)
    assert (listed["config"]["k"], listed["labels_used"], listed["tags"], listed["pinned"]) == (20, 20, [], False)
    assert not {"details", "versions"} & set(listed)
    whole = client.get(f"/api/results/{result_id}").json()
    assert {name: whole[name] for name in listed} == listed
    assert (whole["versions"], whole["classes"], whole["has_predictions"]) == (
        {"torch": "2"},
        ["ant", "bee", "cat"],
        True,
    )
    dataset = client.get(f"/api/datasets/{listed['dataset_id']}").json()
    assert whole["dataset_name"] == dataset["name"]


@pytest.mark.parametrize(
    ("query", "indices"),
    [
        ({}, [14, 12, 15]),
        ({"limit": 1}, [14]),
        ({"truth": 2}, [14, 15]),
        ({"predicted": 0}, [10, 11, 15]),
        ({"truth": 0, "predicted": 0, "split": "val"}, [10, 11]),
        ({"truth": 0, "predicted": 1}, []),
    ],
)
def test_the_images_behind_a_confusion_are_found_the_most_confident_first(
    client: TestClient, result_id: str, query: dict[str, Any], indices: list[int]
) -> None:
    told = client.get(f"/api/results/{result_id}/mistakes", params=query).json()
    assert [item["index"] for item in told["items"]] == indices
    assert told["total"] == (3 if query.get("limit") else len(indices))
    for item in told["items"]:
        assert item["probability"] == max(item["probabilities"]) == item["probabilities"][item["predicted"]]
        assert LABELS[item["index"] - 10] == item["truth"]


def test_two_results_are_tested_on_the_same_images(
    own: FastAPI, client: TestClient, dataset_id: str, result_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    better = probabilities(LABELS, SURE)
    second = computed(own, dataset_id, better, k=5)
    told = client.get("/api/results/compare", params={"first": result_id, "second": second}).json()
    assert (told["n"], told["only_first"], told["only_second"]) == (6, 0, 3)
    assert (told["first_accuracy"], told["second_accuracy"]) == (0.5, 1.0)
    assert told["p"] == pytest.approx(binomtest(0, 3).pvalue)
    ours = roc_auc_score(LABELS, probabilities() / probabilities().sum(1, keepdims=True), multi_class="ovr")
    assert told["auc"]["first"] == pytest.approx(ours, abs=1e-6)
    monkeypatch.setattr("backend.api.predictions.MOST_ANSWERS", 17)
    short = client.get("/api/results/compare", params={"first": result_id, "second": second}).json()
    assert short == {**told, "auc": None, "is_auc_too_long": True}, "6 images of 3 classes are more"
    monkeypatch.setattr("backend.api.predictions.PATIENCE_S", 0.0)
    with COMPARING:
        busy = client.get("/api/results/compare", params={"first": result_id, "second": second})
    assert (busy.status_code, busy.json()["error"]["code"]) == (503, "busy")
    other = computed(own, dataset_id, better, k=6, indices=np.arange(6))
    answer = client.get("/api/results/compare", params={"first": result_id, "second": other})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "not_comparable")


def test_a_result_is_named_tagged_and_pinned(client: TestClient, result_id: str) -> None:
    path = f"/api/results/{result_id}"
    changed = client.patch(path, json={"name": " Best ", "tags": ["paper", "paper", " draft"], "pinned": True}).json()
    assert (changed["name"], changed["tags"], changed["pinned"]) == ("Best", ["paper", "draft"], True)
    kept = client.patch(path, json={"pinned": False}).json()
    assert (kept["name"], kept["tags"], kept["pinned"]) == ("Best", ["paper", "draft"], False)
    assert client.get(path).json()["name"] == "Best"
    assert client.patch(path, json={"tags": ["x" * 41]}).status_code == 422


def test_a_result_goes_with_its_files_unless_it_is_pinned_or_a_grid_needs_it(
    own: FastAPI, client: TestClient, dataset_id: str
) -> None:
    result_id = computed(own, dataset_id, k=7)
    row = client.get(f"/api/results/{result_id}").json()
    body = {
        "dataset_id": dataset_id,
        "encoders": [row["encoder_id"]],
        "strategies": [row["config"], {"strategy": "linear_probe"}],
    }
    grid = client.post("/api/grids", json=body).json()
    assert (grid["counts"]["computed"], grid["counts"]["queued"]) == (1, 1)
    client.patch(f"/api/results/{result_id}", json={"pinned": True})
    assert client.delete(f"/api/results/{result_id}").json()["error"]["code"] == "pinned"
    client.patch(f"/api/results/{result_id}", json={"pinned": False})
    assert client.delete(f"/api/results/{result_id}").json()["error"]["code"] == "grid_not_over"
    client.post(f"/api/grids/{grid['id']}/cancel")
    folder = lab.lab(own).folder / f"jobs/{row['job_id']}"
    assert (folder / "1/predictions.npz").is_file()
    assert client.delete(f"/api/results/{result_id}").status_code == 204
    assert not folder.exists()
    assert client.get(f"/api/results/{result_id}").status_code == 404
    assert client.get(f"/api/grids/{grid['id']}").json()["counts"] == {
        **grid["counts"],
        "computed": 0,
        "missing": 1,
        "queued": 0,
        "cancelled": 1,
    }
    # A crash before the files went: the next start finishes it.
    (folder / "1").mkdir(parents=True)
    (folder / "1/predictions.npz").touch()
    with lab.lab(own).catalogue.reading() as session:
        finish_deletions_of_results(session, lab.lab(own).folder)
        assert violations(session, lab.lab(own).folder, stray_s=-1.0) == []
    assert not folder.exists()
    again = client.post(f"/api/grids/{grid['id']}/resume").json()
    assert again["counts"]["queued"] == 2, "what is missing is computed anew"
    client.post(f"/api/grids/{grid['id']}/cancel")


def test_a_result_without_single_answers_says_so(own: FastAPI, client: TestClient, dataset_id: str) -> None:
    result_id = computed(own, dataset_id, k=8)
    key = f"jobs/{client.get(f'/api/results/{result_id}').json()['job_id']}/1/predictions.npz"
    (lab.lab(own).folder / key).write_bytes(b"PK nothing")
    answer = client.get(f"/api/results/{result_id}/mistakes")
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "predictions_gone")
    assert key in answer.json()["error"]["message"]
