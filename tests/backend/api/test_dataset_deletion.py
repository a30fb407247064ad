"""A deleted set: its images are gone, and what was made with them stays, until the same images come back."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI

from tests.backend.api import lab

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    with lab.running(tmp_path_factory.mktemp("own")) as app:
        yield app


def test_a_set_that_nobody_worked_with_is_gone(own: FastAPI) -> None:
    client, dataset = lab.signed_in(own), lab.images(seed=20)
    dataset_id = lab.add_images(own, dataset)
    path, folder = f"/api/datasets/{dataset_id}", lab.folder_of(own, dataset_id)
    assert client.get(f"{path}/images/0").status_code == 200
    uses = client.get(f"{path}/uses").json()
    assert uses["bytes"] > dataset.images.nbytes
    assert {name: found for name, found in uses.items() if name != "bytes"} == {
        "unfinished": [], "encoders": [], "embeddings": 0, "results": 0, "jobs": 0, "shares_images": False,
    }  # fmt: skip
    assert client.delete(path).status_code == 204
    assert not folder.exists()
    assert [client.get(f"{path}{below}").status_code for below in ("", "/images/0", "/report")] == [404] * 3
    assert client.delete(path).status_code == 404
    assert lab.add_images(own, dataset) != dataset_id


def test_of_two_who_delete_at_once_one_is_told_that_there_is_nothing(own: FastAPI) -> None:
    path = f"/api/datasets/{lab.add_images(own, lab.images(seed=21))}"
    with ThreadPoolExecutor(2) as people:
        answers = people.map(lambda _: lab.signed_in(own).delete(path).status_code, range(2))
    assert sorted(answers) == [204, 404]


def test_a_waiting_job_keeps_its_set(own: FastAPI) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images(seed=22))
    path, asked = f"/api/datasets/{dataset_id}", {"batch_size": 8}
    job = client.post("/api/jobs", json={"kind": "pretrain", "dataset_id": dataset_id, "config": asked}).json()
    refused = client.delete(path)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "dataset_in_use")
    assert job["name"] in refused.json()["error"]["message"]
    assert client.get(f"{path}/uses").json()["unfinished"] == [
        {"id": job["id"], "name": job["name"], "state": "queued"}
    ]
    assert lab.folder_of(own, dataset_id).exists()
    client.post(f"/api/jobs/{job['id']}/cancel")
    assert client.delete(path).status_code == 204
    assert client.get(f"/api/jobs/{job['id']}").json()["dataset_id"] == dataset_id
    again = client.post(f"/api/jobs/{job['id']}/again", json={"epochs": None})
    assert (again.status_code, again.json()["error"]["code"]) == (410, "dataset_deleted")


def test_a_variant_needs_its_set_until_it_is_made_and_not_afterwards(own: FastAPI) -> None:
    client, dataset = lab.signed_in(own), lab.images(seed=24)
    parent = f"/api/datasets/{lab.add_images(own, dataset, 'Garden')}"
    accepted = client.post(f"{parent}/variants", json={"variant": {"make": "labels", "shots": 2}})
    assert accepted.json()["name"] == "Garden, 2 a class"
    assert (
        client.delete(parent).json()["error"]["message"].startswith("Garden is in use: 1 job has not ended, Garden, 2")
    )
    job = lab.imported(own, accepted)
    child = f"/api/datasets/{job['dataset_id']}"
    made = client.get(child).json()
    assert (made["made_of"]["name"], made["counts"]["train"]) == ("Garden", [2, 2, 2])
    assert made["made_of"]["content_hash"] == client.get(parent).json()["content_hash"]
    uses = client.get(f"{parent}/uses").json()
    assert uses["shares_images"]
    assert uses["bytes"] < dataset.images.nbytes
    assert client.delete(parent).status_code == 204
    assert client.get(f"{child}/images/47").status_code == 200
    assert client.get(f"{child}/uses").json()["bytes"] > dataset.images.nbytes


def test_what_was_made_with_the_images_outlives_them_and_is_whole_when_they_come_back(own: FastAPI) -> None:
    client, dataset = lab.signed_in(own), lab.images(seed=23)
    dataset_id = lab.add_images(own, dataset)
    encoder = client.post("/api/encoders", json={"origin": "pixels", "dataset_id": dataset_id}).json()
    lab.embed(own, encoder["id"], dataset_id, np.eye(lab.N, dtype=np.float32))
    path, query = (
        f"/api/datasets/{dataset_id}",
        {"encoder_id": encoder["id"], "dataset_id": dataset_id, "image_index": 3},
    )
    found, folder = client.post("/api/search", json=query).json(), lab.folder_of(own, dataset_id)
    uses = client.get(f"{path}/uses").json()
    assert uses["encoders"] == [{"id": encoder["id"], "name": encoder["name"]}]
    assert (uses["embeddings"], uses["jobs"]) == (1, 1)
    assert client.delete(path).status_code == 204
    assert not folder.exists()
    assert dataset_id not in [item["id"] for item in client.get("/api/datasets").json()["items"]]
    assert client.get(f"/api/encoders/{encoder['id']}").status_code == 200
    assert client.get(f"/api/results?dataset_id={dataset_id}").status_code == 200
    gone = [
        client.get(f"{path}{below}") for below in ("", "/images/0", "/images/0/about", "/tiles/0", "/report", "/uses")
    ]
    gone += [client.post("/api/search", json=query), client.delete(path)]
    assert {(answer.status_code, answer.json()["error"]["code"]) for answer in gone} == {(410, "dataset_deleted")}
    assert lab.add_images(own, dataset, "Under another name") == dataset_id
    assert client.get(path).json()["name"] == "Little"
    again = client.post("/api/search", json=query).json()
    assert again | {"engine": found["engine"]} == found  # which tells how long it took
    assert client.delete(path).status_code == 204


def test_files_that_a_crash_left_go_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lab.running(tmp_path) as app, monkeypatch.context() as crashing:
        dataset_id = lab.add_images(app, lab.images())
        folder = lab.folder_of(app, dataset_id)
        crashing.setattr("backend.api.dataset_deletion.delete_files", lambda *_: None)
        assert lab.signed_in(app).delete(f"/api/datasets/{dataset_id}").status_code == 204
        assert folder.exists()
    with lab.running(tmp_path) as app:
        assert not folder.exists()
