"""Maps over HTTP: a PCA at once, a UMAP as a job, the same one never twice, and what is said when something is missing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import delete
from starlette.testclient import TestClient

from backend.catalogue.models import MapRow
from backend.jobs import store
from backend.jobs.invariants import violations
from backend.jobs.maps import MapOrder
from backend.jobs.outcomes import Artefact, Paused, Succeeded
from backend.jobs.states import Kind
from simclr.datasets import Dataset
from simclr.events import Checkpoint
from simclr.maps.make import make_maps
from simclr.predictions import Predictions, write_predictions
from simclr.results import MapResult, TransferResult
from simclr.runs import Run
from tests.backend.api import lab
from tests.backend.api.conftest import Shown

UNKNOWN = "0" * 26
QUICK = {"method": "umap", "epochs": 20, "neighbours": 5}


def asked(shown: Shown, **config: object) -> dict[str, object]:
    return {"dataset_id": shown.dataset, "encoder_ids": [shown.encoder], "config": {**QUICK, **config}}


def work(app: FastAPI) -> None:
    """Play the worker: claim the map that waits, really make it, and settle."""
    here = lab.lab(app)
    with here.catalogue.writing() as session:
        claim = store.claim(session, "worker")
    assert claim is not None
    assert claim.kind is Kind.MAP
    run = here.folder / f"jobs/{claim.job_id}/{claim.epoch}"
    banks = tuple(here.folder / key for key in claim.bank_keys)
    result = make_maps(MapOrder.model_validate(claim.config).choices, banks, Run(run))
    key = f"jobs/{claim.job_id}/{claim.epoch}/map.npy"
    lab.settle_claimed(app, claim, Succeeded(result, Artefact(key, "0" * 64)))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A lab whose queue is empty."""
    with lab.running(tmp_path_factory.mktemp("maps")) as running:
        yield running


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return lab.images()


@pytest.fixture(scope="module")
def shown(app: FastAPI, dataset: Dataset) -> Shown:
    dataset_id = lab.add_images(app, dataset)
    body = {"origin": "pixels", "dataset_id": dataset_id}
    encoder = lab.signed_in(app).post("/api/encoders", json=body).json()["id"]
    features = lab.pixel_features(app, f"encoders/{encoder}.safetensors", dataset)
    lab.embed(app, encoder, dataset_id, features)
    return Shown(dataset_id, lab.add_images(app, lab.images(seed=1, labelled=False), "Unlabelled"), encoder, "")


@pytest.fixture(scope="module")
def umap(app: FastAPI, shown: Shown) -> dict[str, Any]:
    client = lab.signed_in(app)
    waits = client.post("/api/maps", json=asked(shown))
    assert waits.status_code == 202, waits.text
    assert waits.json()["map"] is None
    job = waits.json()["job"]
    assert (job["kind"], job["name"]) == ("map", "UMAP of Pixels of Little on Little")
    # Whoever asks for the same meanwhile gets the same job.
    assert client.post("/api/maps", json=asked(shown)).json()["job"]["id"] == job["id"]
    work(app)
    found: dict[str, Any] = client.post("/api/maps", json=asked(shown)).json()
    assert found["job"] is None
    return found["map"]  # type: ignore[no-any-return]


def points(client: TestClient, made: dict[str, Any], frame: int = 0) -> np.ndarray:
    answer = client.get(f"/api/maps/{made['id']}/points", params={"frame": frame})
    assert answer.status_code == 200, answer.text
    return np.frombuffer(answer.content, "<f4").reshape(-1, 2)


def test_a_umap_is_made_by_a_job_once_and_read_as_numbers(
    client: TestClient, app: FastAPI, shown: Shown, umap: dict[str, Any]
) -> None:
    assert (umap["method"], umap["n"], umap["encoder_ids"]) == ("umap", lab.N, [shown.encoder])
    assert 0 <= umap["maps"][0]["overlap"] <= 1
    assert 0 <= umap["maps"][0]["trustworthiness"] <= 1
    assert points(client, umap).shape == (lab.N, 2)
    assert [each["id"] for each in client.get(f"/api/maps?dataset_id={shown.dataset}").json()["items"]] == [umap["id"]]
    assert client.get(f"/api/maps/{umap['id']}").json() == umap
    with lab.lab(app).catalogue.reading() as session:
        assert violations(session, lab.lab(app).folder) == []


def test_points_that_a_browser_has_are_not_sent_again(client: TestClient, umap: dict[str, Any]) -> None:
    address = f"/api/maps/{umap['id']}/points"
    tag = client.get(address).headers["etag"]
    assert client.get(address, headers={"if-none-match": tag}).status_code == 304


def test_neighbours_are_those_of_the_space_not_of_the_map(
    client: TestClient, app: FastAPI, dataset: Dataset, shown: Shown, umap: dict[str, Any]
) -> None:
    features = lab.pixel_features(app, f"encoders/{shown.encoder}.safetensors", dataset).astype(np.float64)
    similarity = features @ features[7]
    similarity[7] = -np.inf
    nearest = np.argsort(-similarity, kind="stable")[:6]
    found = client.get(f"/api/maps/{umap['id']}/neighbours?index=7&k=6").json()
    assert found["neighbours"] == nearest.tolist()
    apart = np.square(points(client, umap) - points(client, umap)[7]).sum(axis=1)
    apart[7] = np.inf
    assert found["in_map"] == len(set(nearest.tolist()) & set(np.argsort(apart)[:6].tolist()))


@pytest.mark.slow
def test_a_pca_is_drawn_at_once_and_kept(client: TestClient, shown: Shown) -> None:
    body = asked(shown, method="pca")
    drawn = client.post("/api/maps", json=body)
    assert drawn.status_code == 200, drawn.text
    made = drawn.json()["map"]
    assert len(made["maps"][0]["explained"]) == 2
    # What plays no part in a PCA makes no other one of it.
    assert client.post("/api/maps", json=asked(shown, method="pca", seed=3)).json()["map"]["id"] == made["id"]


@pytest.mark.slow
def test_a_truncated_map_is_told_and_made_again(client: TestClient, app: FastAPI, shown: Shown) -> None:
    body = {**asked(shown, method="pca"), "encoder_ids": [shown.encoder, shown.encoder]}
    made = client.post("/api/maps", json=body).json()["map"]
    first, second = points(client, made), points(client, made, 1)
    np.testing.assert_allclose(first, second, atol=1e-5)
    here = lab.lab(app)
    with here.catalogue.reading() as session:
        path = here.folder / session.get_one(MapRow, made["id"]).key
    path.write_bytes(path.read_bytes()[:200])
    here.maps.forget(path)
    gone = client.get(f"/api/maps/{made['id']}/points")
    assert (gone.status_code, gone.json()["error"]["code"]) == (410, "map_damaged")
    again = client.post("/api/maps", json=body).json()
    assert again["remade"]
    np.testing.assert_array_equal(points(client, again["map"]), first)


def test_what_cannot_be_mapped_is_refused_by_name(client: TestClient, shown: Shown) -> None:
    few = client.post("/api/maps", json=asked(shown, neighbours=60))
    assert few.status_code == 422
    assert "neighbours is 60, but Little has 48 images: choose 47 or fewer" in few.json()["error"]["message"]
    bare = client.post("/api/maps", json={**asked(shown), "dataset_id": shown.unlabelled})
    assert (bare.status_code, bare.json()["error"]["code"]) == (409, "no_embeddings")
    assert "Pixels of Little has no embeddings of Unlabelled yet" in bare.json()["error"]["message"]
    assert client.post("/api/maps", json={**asked(shown), "encoder_ids": []}).status_code == 422
    assert client.post("/api/maps", json={**asked(shown), "encoder_ids": [UNKNOWN]}).status_code == 404
    assert client.get(f"/api/maps/{UNKNOWN}/points").status_code == 404


def test_points_and_images_that_are_not_there_are_refused(client: TestClient, umap: dict[str, Any]) -> None:
    beyond = client.get(f"/api/maps/{umap['id']}/neighbours?index=48")
    assert (beyond.status_code, beyond.json()["error"]["code"]) == (422, "unknown_image")
    frame = client.get(f"/api/maps/{umap['id']}/points?frame=1")
    assert (frame.status_code, frame.json()["error"]["code"]) == (422, "unknown_frame")


def test_a_map_outlives_its_encoder_and_says_what_is_gone(
    client: TestClient, app: FastAPI, umap: dict[str, Any]
) -> None:
    with lab.lab(app).catalogue.writing() as session:
        row = session.get_one(MapRow, umap["id"])
        gone = MapRow(
            encoder_ids=[UNKNOWN], dataset_id=row.dataset_id, content="gone", config=row.config, key=row.key,
            result=row.result, created_at=0.0,
        )  # fmt: skip
        session.add(gone)
        session.flush()
        gone_id = gone.id
    assert client.get(f"/api/maps/{gone_id}/points").status_code == 200
    refused = client.get(f"/api/maps/{gone_id}/neighbours?index=1")
    assert refused.status_code == 410
    assert "an encoder that was deleted" in refused.json()["error"]["message"]
    with lab.lab(app).catalogue.writing() as session:
        session.delete(session.get_one(MapRow, gone_id))


def test_a_map_whose_encoder_is_deleted_while_it_is_made_is_not_kept(app: FastAPI, shown: Shown) -> None:
    here = lab.lab(app)
    order = MapOrder(encoder_ids=[shown.encoder, UNKNOWN])
    with here.catalogue.writing() as session:
        asked_for = store.Submission(Kind.MAP, shown.dataset, order.model_dump(mode="json"), shown.encoder)
        job_id = store.submit(session, asked_for).id
        claim = store.claim(session, "worker")
        assert claim is not None
        assert claim.bank_keys[1] == f"embeddings of encoder {UNKNOWN}"
        result = MapResult(method="umap", n=lab.N, maps=[], seconds=1.0)
        assert store.settle(session, job_id, claim.epoch, Succeeded(result, Artefact("jobs/j/1/map.npy", "0" * 64)))
    told = lab.signed_in(app).get(f"/api/jobs/{job_id}").json()
    assert told["state"] == "succeeded"


def test_a_map_is_paused_goes_on_from_its_state_and_needs_it_no_more_when_done(
    client: TestClient, app: FastAPI, shown: Shown
) -> None:
    job = client.post("/api/maps", json=asked(shown, seed=99)).json()["job"]
    catalogue = lab.lab(app).catalogue
    with catalogue.writing() as session:
        claim = store.claim(session, "worker")
        assert claim is not None
        state = Checkpoint(step=110, epoch=10, name="map-000000110.npz", sha256="0" * 64)
        assert store.progress(session, claim.job_id, claim.epoch, [state])
    assert client.post(f"/api/jobs/{job['id']}/pause").status_code == 200
    lab.settle_claimed(app, claim, Paused())
    paused = client.get(f"/api/jobs/{job['id']}").json()
    assert (paused["state"], paused["saved_step"]) == ("paused", 110)
    assert client.post(f"/api/jobs/{job['id']}/resume").json()["state"] == "queued"
    with catalogue.writing() as session:
        claim = store.claim(session, "worker")
        assert claim is not None
        assert [saved.key for saved in claim.saved] == [f"jobs/{job['id']}/1/map-000000110.npz"]
    result = MapResult(method="umap", n=lab.N, maps=[], seconds=1.0)
    lab.settle_claimed(app, claim, Succeeded(result, Artefact("jobs/j/2/map.npy", "0" * 64)))
    assert client.get(f"/api/jobs/{job['id']}").json()["saved_step"] is None
    with catalogue.writing() as session:
        session.execute(delete(MapRow).where(MapRow.job_id == job["id"]))  # whose file was never there


def test_a_map_that_waits_can_be_cancelled(client: TestClient, shown: Shown) -> None:
    job = client.post("/api/maps", json=asked(shown, seed=98)).json()["job"]
    assert client.post(f"/api/jobs/{job['id']}/cancel").json()["state"] == "cancelled"


def colours(client: TestClient, shown: Shown, name: str, kind: str = "<i4") -> np.ndarray:
    query = {"dataset_id": shown.dataset, "encoder_id": shown.encoder}
    answer = client.get(f"/api/map-colours/{name}", params=query)
    assert answer.status_code == 200, answer.text
    return np.frombuffer(answer.content, kind)


def test_points_can_be_coloured_by_class_split_and_what_a_result_answered(
    client: TestClient, app: FastAPI, dataset: Dataset, shown: Shown
) -> None:
    query = f"dataset_id={shown.dataset}&encoder_id={shown.encoder}"
    listed = client.get(f"/api/map-colours?{query}").json()["items"]
    assert [each["name"] for each in listed] == ["class", "split"]
    assert (colours(client, shown, "class") == dataset.labels).all()
    assert (colours(client, shown, "split") == dataset.splits).all()
    missing = client.get(f"/api/map-colours/error?{query}")
    assert missing.status_code == 404
    assert "Transfer page" in missing.json()["error"]["message"]

    indices = dataset.indices("test", labelled=True)
    probabilities = np.tile(np.array([0.2, 0.7, 0.1], np.float32), (len(indices), 1))
    path: Path = lab.lab(app).folder / "answers.npz"
    write_predictions(path, {"test": Predictions(indices, dataset.labels[indices], probabilities)})
    body = {"kind": "transfer", "dataset_id": shown.dataset, "encoder_id": shown.encoder, "config": {"strategy": "knn"}}
    job = client.post("/api/jobs", json=body).json()["id"]
    result = TransferResult(strategy="knn", scores=[], chance=0.5, seconds=1.0, chosen={})
    lab.settle(app, job, Succeeded(result, Artefact("answers.npz", "0" * 64)))

    listed = client.get(f"/api/map-colours?{query}").json()["items"]
    assert [each["name"] for each in listed] == ["class", "split", "prediction", "error", "confidence"]
    answered = np.zeros(len(dataset), bool)
    answered[indices] = True
    assert (colours(client, shown, "prediction") == np.where(answered, 1, -1)).all()
    assert (colours(client, shown, "error")[answered] == (dataset.labels[answered] != 1)).all()
    confidence = colours(client, shown, "confidence", "<f4")
    assert confidence[answered] == pytest.approx(0.7)
    assert np.isnan(confidence[~answered]).all()


def test_colours_that_do_not_exist_are_refused(client: TestClient, shown: Shown) -> None:
    query = {"dataset_id": shown.dataset, "encoder_id": shown.encoder}
    for name in ("factor:hue", "colour"):
        answer = client.get(f"/api/map-colours/{name}", params=query)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_colours")
