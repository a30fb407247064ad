"""Grids are planned, submitted whole, watched, and refused with one clear error where they cannot be computed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from backend.jobs import store
from backend.jobs.outcomes import Succeeded
from tests.backend.api import lab
from tests.backend.api.results import found, network

KNN, PROBE, TUNED = {"strategy": "knn"}, {"strategy": "linear_probe"}, {"strategy": "fine_tune", "batch_size": 4}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    with lab.running(tmp_path_factory.mktemp("grids"), max_grid_jobs=40) as app:
        yield app


@pytest.fixture(scope="module")
def client(own: FastAPI) -> TestClient:
    return lab.signed_in(own)


@pytest.fixture(scope="module")
def dataset_id(own: FastAPI) -> str:
    return lab.add_images(own, lab.images())


@pytest.fixture(scope="module")
def encoders(own: FastAPI, client: TestClient, dataset_id: str) -> list[str]:
    """Pixels, and two networks of one architecture."""
    pixels = client.post("/api/encoders", json={"origin": "pixels", "dataset_id": dataset_id}).json()["id"]
    return [pixels, network(own, dataset_id, "one"), network(own, dataset_id, "two")]


@pytest.fixture
def asked(dataset_id: str, encoders: list[str]) -> dict[str, Any]:
    return {"dataset_id": dataset_id, "encoders": encoders, "strategies": [KNN, PROBE, TUNED]}


def compute(own: FastAPI, count: int) -> None:
    """Play the worker for so many jobs."""
    for _ in range(count):
        with lab.lab(own).catalogue.writing() as session:
            claim = store.claim(session, "worker")
            assert claim is not None
            assert store.settle(session, claim.job_id, claim.epoch, Succeeded(found(claim.config["strategy"])))


def test_a_grid_is_planned_submitted_and_watched_and_never_computed_twice(
    own: FastAPI, client: TestClient, asked: dict[str, Any], encoders: list[str]
) -> None:
    body = {**asked, "depths": [0, None], "seeds": [0, 1], "from_scratch": True}
    plan = client.post("/api/grids/plan", json=body).json()
    # 3 k-NN and 3 probes know no seed; 2 networks with 2 depths and 2 seeds; one kind of network from scratch with 2 seeds.
    assert (plan["cells"], plan["computed"], plan["to_compute"], plan["seconds"]) == (3 + 3 + 8 + 2, 0, 16, None)
    assert [(left["encoder_id"], left["strategy"]) for left in plan["left_out"]] == [(encoders[0], "fine_tune")]
    key = {"idempotency-key": "grid-1"}
    grid, again = (client.post("/api/grids", json=body, headers=key) for _ in range(2))
    assert (grid.status_code, again.status_code) == (201, 200)
    assert grid.json() == again.json()
    assert (grid.json()["cells"], grid.json()["counts"]["queued"], grid.json()["is_over"]) == (16, 16, False)
    compute(own, 6)
    detail = client.get(f"/api/grids/{grid.json()['id']}").json()
    assert (detail["counts"]["computed"], detail["counts"]["queued"]) == (6, 10)
    done = [cell for cell in detail["items"] if cell["state"] == "computed"]
    assert all(cell["scores"][0]["accuracy"] == 0.5 and cell["result_id"] for cell in done)
    plan = client.post("/api/grids/plan", json=body).json()
    assert (plan["computed"], plan["under_way"], plan["to_compute"], plan["seconds"]) == (6, 10, 0, 0)
    plan = client.post("/api/grids/plan", json={**body, "seeds": [0, 2]}).json()
    assert (plan["to_compute"], plan["unestimated"]) == (5, 0), "like ones have run"
    assert plan["seconds"] > 0
    second = client.post("/api/grids", json={**body, "seeds": [0, 2]}).json()
    assert second["counts"]["queued"] + second["counts"]["computed"] == 16
    assert client.get("/api/system").json()["queue"]["queued"] == 10 + 5, "only what has seed 2 is new"
    assert [g["id"] for g in client.get("/api/grids").json()["items"]] == [second["id"], grid.json()["id"]]
    for wish, state in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
        told = client.post(f"/api/grids/{second['id']}/{wish}").json()
        assert told["counts"][state] >= 5
    assert client.post(f"/api/grids/{second['id']}/cancel").status_code == 409
    left = client.get(f"/api/grids/{grid.json()['id']}").json()["counts"]
    assert left["queued"] == 10, "what the first grid needs goes on"
    assert client.post(f"/api/grids/{grid.json()['id']}/cancel").json()["is_over"]


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({"encoders": []}, "empty_list", "encoders"),
        ({"strategies": []}, "empty_list", "strategies"),
        ({"strategies": [KNN, KNN]}, "named_twice", "strategies names number 2"),
        ({"seeds": [3, 4, 3]}, "named_twice", "seeds names 3"),
        ({"strategies": [KNN], "depths": [1]}, "no_fine_tuning", "depths"),
        ({"depths": [4]}, "too_deep", "resnet8) has 3 stages"),
        ({"shots": [8]}, "too_many_shots", "class ant of Little has 4"),
        ({"seeds": list(range(9)), "depths": [1, 2, 3]}, "too_many_cells", "SIMCLR_LAB_MAX_GRID_JOBS"),
        ({"strategies": [{**PROBE, "features": "z"}]}, "no_projection_head", "projection head"),
        ({"strategies": [{**KNN, "block": 1}]}, "no_network", "block is 1"),
        ({"strategies": [TUNED], "encoders": "pixels"}, "no_cells", "no network"),
        ({"dataset_id": "unlabelled"}, "no_labels", "Unlabelled"),
        ({"dataset_id": "one class"}, "one_class", "Single has 1 class, ant"),
        ({"dataset_id": "lacking"}, "class_missing", "Lacking has no training image of class cat"),
        ({"dataset_id": "untested"}, "no_labels", "Untested has no labelled test images"),
        ({"encoders": ["0" * 26]}, "unknown_encoder", "0" * 26),
        ({"fractions": [0.0]}, "invalid", "fractions"),
    ],
)  # fmt: skip
def test_a_grid_that_cannot_be_computed_is_refused_by_name(
    own: FastAPI, client: TestClient, asked: dict[str, Any], change: dict[str, Any], code: str, named: str
) -> None:
    body = {**asked, **change}
    if body["encoders"] == "pixels":
        body["encoders"] = asked["encoders"][:1]
    if body["dataset_id"] == "unlabelled":
        body["dataset_id"] = lab.add_images(own, lab.images(seed=1, labelled=False), "Unlabelled")
    if body["dataset_id"] == "one class":
        body["dataset_id"] = lab.add_images(own, lab.of_one_class(), "Single")
    if body["dataset_id"] in ("lacking", "untested"):
        whole = lab.images(seed=2)
        lacks = (whole.splits == 0) & (whole.labels == 2) if body["dataset_id"] == "lacking" else whole.splits == 2
        less = replace(whole, labels=np.where(lacks, -1, whole.labels))
        body["dataset_id"] = lab.add_images(own, less, body["dataset_id"].capitalize())
    for path in ("/api/grids/plan", "/api/grids"):
        error = client.post(path, json=body).json()["error"]
        assert error["code"] == code, error
        assert named in str(error)


def test_an_encoder_of_other_images_is_said_to_be_given_adapted_ones(
    own: FastAPI, client: TestClient, asked: dict[str, Any]
) -> None:
    grey = lab.add_images(own, lab.images(channels=1), "Grey")
    plan = client.post("/api/grids/plan", json={**asked, "dataset_id": grey}).json()
    assert "expects 3 channels of 16 px: the images of Grey, 1 channel of 16 px, are adapted" in plan["notes"][0]
