"""Jobs are accepted when they can succeed, once per key, up to a limit; and can be watched and cancelled."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from backend.catalogue import queries
from backend.jobs import dry_runs, presence, store
from backend.jobs.order import Reach
from backend.jobs.outcomes import Artefact, Failed, Succeeded
from backend.jobs.presence import Presence
from backend.jobs.states import Lane
from simclr.config import EncoderConfig
from simclr.costs import Costs
from simclr.encoder_file import EncoderFile
from simclr.events import Progress
from simclr.results import PretrainResult, Score, TransferResult
from tests.backend.api import lab
from tests.backend.api.conftest import Shown

UNKNOWN = "0" * 26


@pytest.fixture
def own(tmp_path: Path) -> Iterator[FastAPI]:
    with lab.running(tmp_path) as app:
        yield app


def pretrain(dataset_id: str, **more: object) -> dict[str, object]:
    return {"kind": "pretrain", "dataset_id": dataset_id, "config": {"batch_size": 8}, **more}


def test_a_submitted_job_waits_and_says_all_that_is_known_of_it(own: FastAPI) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images())
    answer = client.post("/api/jobs", json=pretrain(dataset_id, name=" First\u202e  try "))
    job = answer.json()
    assert (answer.status_code, job["name"], job["state"], job["desired"]) == (201, "First try", "queued", "run")
    assert job["config"]["batch_size"] == 8
    assert job["config"]["temperature"] == 0.2
    assert {job[name] for name in ("progress", "result", "error", "started_at", "produced_encoder_id")} == {None}
    assert client.get(f"/api/jobs/{job['id']}").json() == job
    assert client.get("/api/jobs").json()["items"] == [job]
    assert client.get("/api/system").json()["queue"] == {"queued": 1, "running": 0}


def test_a_job_that_ran_shows_its_progress_its_result_and_its_encoder(own: FastAPI) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images())
    job_id = client.post("/api/jobs", json=pretrain(dataset_id)).json()["id"]
    file = EncoderFile(
        origin="pretrained", architecture=EncoderConfig(), channels=3, image_size=16, feature_dim=128,
        mean=(0.5,) * 3, std=(0.2,) * 3,
    )  # fmt: skip
    result = PretrainResult(
        epochs=1, steps=3, loss=2.0, chance=2.7, knn_accuracy=None, feature_dim=128, images_per_s=1.0, seconds=1.0, device="cpu"
    )  # fmt: skip
    with lab.lab(own).catalogue.writing() as session:
        claim = store.claim(session, "worker")
        assert claim is not None
        store.progress(session, job_id, claim.epoch, [Progress(step=1, steps=3, loss=float("nan"))])
    running = client.get(f"/api/jobs/{job_id}").json()
    assert (running["state"], running["progress"]["step"], running["progress"]["loss"]) == ("running", 1, None)
    made = Artefact("jobs/x/1/encoder.safetensors", "0" * 64, file.model_dump(mode="json"))
    with lab.lab(own).catalogue.writing() as session:
        assert store.settle(session, job_id, claim.epoch, Succeeded(result, made))
    done = client.get(f"/api/jobs/{job_id}").json()
    assert (done["state"], done["result"]["kind"], done["result"]["loss"]) == ("succeeded", "pretrain", 2.0)
    encoder = client.get(f"/api/encoders/{done['produced_encoder_id']}").json()
    assert (encoder["origin"], encoder["job_id"], encoder["dataset_id"]) == ("pretrained", job_id, dataset_id)
    assert encoder["architecture"] == {"architecture": "resnet8", "width": 32, "stem": "strided"}


def test_a_failed_job_says_why(own: FastAPI) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images())
    job_id = client.post("/api/jobs", json=pretrain(dataset_id)).json()["id"]
    lab.settle(own, job_id, Failed("bad_config", "The loss is not a number at step 3: lower the learning rate."))
    job = client.get(f"/api/jobs/{job_id}").json()
    assert (job["state"], job["error"]["code"]) == ("failed", "bad_config")


def test_jobs_are_listed_a_page_at_a_time_and_found_by_their_names(own: FastAPI) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images())
    names = ["Beetles 100 %", "moths", "Beetles, again", "beetles"]
    ids = [client.post("/api/jobs", json=pretrain(dataset_id, name=name)).json()["id"] for name in names]

    def listed(**query: str | int) -> list[str]:
        return [job["id"] for job in client.get("/api/jobs", params=query).json()["items"]]

    assert listed(limit=2) == [ids[3], ids[2]]
    assert listed(limit=2, before=ids[2]) == [ids[1], ids[0]]
    assert listed(before=ids[0]) == []
    assert listed(named="beetles", before=ids[3]) == [ids[2], ids[0]]
    assert listed(named="0 %") == [ids[0]], "what means anything to the database is only a letter here"
    assert listed(named="beetles", kind="embed") == []
    assert client.get("/api/jobs", params={"before": "first"}).json()["error"]["fields"]


def test_a_result_is_listed_with_its_encoder_and_its_data_set(own: FastAPI) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images(), "Insects")
    other = lab.add_images(own, lab.images(seed=5))
    encoder = client.post("/api/encoders", json={"origin": "pixels", "dataset_id": dataset_id}).json()
    asked = {"kind": "transfer", "dataset_id": dataset_id, "encoder_id": encoder["id"], "config": {"strategy": "knn"}}
    job_id = client.post("/api/jobs", json=asked).json()["id"]
    score = Score(split="test", n=10, accuracy=0.5, accuracy_low=0.2, accuracy_high=0.8)
    found = TransferResult(strategy="knn", scores=[score], chance=0.3, seconds=1.0, chosen={"k": 20.0})
    lab.settle(own, job_id, Succeeded(found))
    items = client.get("/api/results").json()["items"]
    assert [(i["job_id"], i["encoder_name"], i["encoder_origin"], i["dataset_name"]) for i in items] == [
        (job_id, encoder["name"], "pixels", "Insects")
    ]
    assert items[0]["scores"][0]["accuracy"] == 0.5
    assert client.get("/api/results", params={"dataset_id": dataset_id}).json()["items"] == items
    assert client.get("/api/results", params={"dataset_id": other}).json()["items"] == []


def test_the_same_key_submits_once(own: FastAPI) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images())
    headers = {"idempotency-key": "k-1"}
    first = client.post("/api/jobs", json=pretrain(dataset_id), headers=headers)
    second = client.post("/api/jobs", json=pretrain(dataset_id), headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert len(client.get("/api/jobs").json()["items"]) == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "a" * 201])
def test_a_key_that_is_none_is_refused(client: TestClient, shown: Shown, key: str) -> None:
    answer = client.post("/api/jobs", json=pretrain(shown.dataset), headers={"idempotency-key": key.encode()})
    assert answer.status_code == 422


def test_the_hundred_and_first_waiting_job_is_refused(own: FastAPI) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images())
    with lab.lab(own).catalogue.writing() as session:
        for _ in range(store.QUEUE_LIMIT - 1):
            store.submit(session, store.Submission(store.Kind.PRETRAIN, dataset_id, {}))
    codes = [client.post("/api/jobs", json=pretrain(dataset_id)).status_code for _ in range(2)]
    assert codes == [201, 429]


def test_jobs_are_filtered_and_limited(own: FastAPI) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images())
    ids = [client.post("/api/jobs", json=pretrain(dataset_id)).json()["id"] for _ in range(3)]
    assert client.post(f"/api/jobs/{ids[0]}/cancel").json()["state"] == "cancelled"

    def found(query: str) -> list[str]:
        return [job["id"] for job in client.get(f"/api/jobs?{query}").json()["items"]]

    assert found("") == ids[::-1]
    assert found("state=queued") == [ids[2], ids[1]]
    assert found("state=cancelled&kind=pretrain") == [ids[0]]
    assert found("kind=embed") == []
    assert found("limit=1") == [ids[2]]


@pytest.mark.parametrize("query", ["state=done", "kind=x", "limit=0", "limit=501", "limit=x"])
def test_a_list_that_cannot_be_is_refused(client: TestClient, query: str) -> None:
    assert client.get(f"/api/jobs?{query}").status_code == 422


def test_cancelling_twice_is_a_conflict(own: FastAPI) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images())
    job_id = client.post("/api/jobs", json=pretrain(dataset_id)).json()["id"]
    assert client.post(f"/api/jobs/{job_id}/cancel").status_code == 200
    again = client.post(f"/api/jobs/{job_id}/cancel")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "job_is_over")


def test_a_running_job_is_asked_to_stop(own: FastAPI) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images())
    job_id = client.post("/api/jobs", json=pretrain(dataset_id)).json()["id"]
    with lab.lab(own).catalogue.writing() as session:
        assert store.claim(session, "worker")
    answer = client.post(f"/api/jobs/{job_id}/cancel").json()
    assert (answer["state"], answer["desired"]) == ("running", "cancel")


@pytest.mark.parametrize(
    ("job", "status", "code"),
    [
        ({"dataset_id": UNKNOWN}, 404, "unknown_data_set"),
        ({"config": {"batch_size": 25}}, 422, "batch_too_large"),
        ({"kind": "transfer", "config": {"strategy": "knn"}, "encoder_id": UNKNOWN}, 404, "unknown_encoder"),
        ({"kind": "transfer", "config": {"strategy": "fine_tune", "batch_size": 4}}, 422, "no_network"),
        ({"kind": "transfer", "config": {"strategy": "fine_tune", "batch_size": 21}}, 422, "batch_too_large"),
        ({"kind": "transfer", "config": {"strategy": "knn"}, "dataset_id": "unlabelled"}, 422, "no_labels"),
        ({"kind": "transfer", "config": {"strategy": "guess"}}, 422, "invalid"),
        ({"kind": "transfer", "config": {}}, 422, "invalid"),
        ({"kind": "embed", "config": {}, "encoder_id": UNKNOWN}, 404, "unknown_encoder"),
        ({"kind": "embed", "config": {"batch_size": 0}}, 422, "invalid"),
        ({"config": {"epochs": 0}}, 422, "invalid"),
        ({"config": {"epochs": 1001}}, 422, "invalid"),
        ({"config": {"batch_size": 4097}}, 422, "invalid"),
        ({"config": {"learning_rate": 0}}, 422, "invalid"),
        ({"config": {"temperature": "0.5x"}}, 422, "invalid"),
        ({"extra": 1, "config": {"batch_size": 8}, "kind": "none"}, 422, "invalid"),
    ],
)
def test_a_job_that_cannot_succeed_is_refused_at_once(
    client: TestClient, shown: Shown, job: dict[str, object], status: int, code: str
) -> None:
    body = {**pretrain(shown.dataset), "encoder_id": shown.encoder, **job}
    if body["dataset_id"] == "unlabelled":
        body["dataset_id"] = shown.unlabelled
    answer = client.post("/api/jobs", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_an_embed_job_needs_no_config(own: FastAPI) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images())
    encoder = client.post("/api/encoders", json={"origin": "pixels", "dataset_id": dataset_id}).json()["id"]
    answer = client.post("/api/jobs", json={"kind": "embed", "dataset_id": dataset_id, "encoder_id": encoder})
    assert (answer.status_code, answer.json()["config"]) == (201, {"batch_size": 512, "precision": "auto"})


def test_the_bell_rings_once_for_a_new_job(own: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images())
    rung: list[int] = []
    monkeypatch.setattr(lab.lab(own).bell, "ring", lambda: rung.append(1))
    headers = {"idempotency-key": "k-1"}
    for _ in range(2):
        client.post("/api/jobs", json=pretrain(dataset_id), headers=headers)
    client.post("/api/jobs", json=pretrain(UNKNOWN))
    assert rung == [1]


def worker(app: FastAPI, device_name: str | None, owner: str = "w") -> None:
    """A worker says that it lives."""
    with lab.lab(app).catalogue.writing() as session:
        reach = Reach(lanes=frozenset({Lane.LONG, Lane.SHORT}), device=device_name)
        pid = sum(owner.encode())
        presence.say_alive(session, Presence(owner, "host", pid, reach, device_name and f"{device_name} in words"))
        # Beside it in the same process, on no device.
        presence.say_alive(session, Presence(f"{owner}-imports", "host", pid, Reach(lanes=frozenset({Lane.IMPORT}))))


@pytest.mark.parametrize(
    ("workers", "status"), [([], 201), ([None], 201), (["cuda:0", "cuda:1"], 201), (["cuda:0", "cpu"], 422)]
)
def test_a_job_is_pinned_to_a_device_that_a_worker_has_or_may_turn_out_to_have(
    own: FastAPI, workers: list[str | None], status: int
) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images())
    for number, name in enumerate(workers):
        worker(own, name, str(number))
    answer = client.post("/api/jobs", json=pretrain(dataset_id, device="cuda:1"))
    assert answer.status_code == status
    if status == 201:
        assert (answer.json()["pinned_to"], answer.json()["device"]) == ("cuda:1", None)
    else:
        assert (
            answer.json()["error"]["message"] == "device is cuda:1, but workers have cpu, cuda:0: choose one of them."
        )


@pytest.mark.parametrize("device", ["gpu", "cuda", "cuda:x", "cuda:1 ", "CPU"])
def test_a_device_that_cannot_be_is_refused(client: TestClient, shown: Shown, device: str) -> None:
    assert client.post("/api/jobs", json=pretrain(shown.dataset, device=device)).status_code == 422


def test_who_runs_what_and_where_is_shown_and_kept(own: FastAPI) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images())
    job_id = client.post("/api/jobs", json=pretrain(dataset_id)).json()["id"]
    worker(own, "cuda:1", "worker")
    worker(own, "cuda:0", "another")
    with lab.lab(own).catalogue.writing() as session:
        claim = store.claim(session, "worker")
    system = client.get("/api/system").json()
    assert (system["workers"], system["bell"]) == (2, False)
    assert [(w["device_name"], w["lanes"], w["job_id"]) for w in system["workers_seen"]] == [
        ("cuda:0", ["long", "short"], None),
        ("cuda:1", ["long", "short"], job_id),
        (None, ["import"], None),
        (None, ["import"], None),
    ]
    assert claim is not None
    with lab.lab(own).catalogue.writing() as session:
        store.settle(session, job_id, claim.epoch, Failed("x", "It did not work."))
    assert client.get(f"/api/jobs/{job_id}").json()["device"] == "cuda:1 in words"


def test_an_estimate_comes_from_like_jobs_and_says_when_it_would_start(own: FastAPI) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images())
    asked = {**pretrain(dataset_id), "config": {"batch_size": 8, "epochs": 2}}
    job_id = client.post("/api/jobs", json=asked).json()["id"]
    worker(own, "cpu", "worker")
    nothing = client.post("/api/jobs/estimate", json=asked).json()
    assert (nothing["seconds"], nothing["source"], nothing["waiting"], nothing["starts_in_s"]) == (None, None, 1, None)
    result = PretrainResult(
        epochs=2, steps=6, loss=2.0, chance=2.7, knn_accuracy=None, feature_dim=128, images_per_s=1.0, seconds=1.0, device="cpu"
    )  # fmt: skip
    with lab.lab(own).catalogue.writing() as session:
        claim = store.claim(session, "worker")
        assert claim is not None
        store.settle(session, job_id, claim.epoch, Succeeded(result, Artefact("k", "0" * 64), peak_bytes=5))
        queries.job(session, job_id).spent_s = 8.0  # type: ignore[union-attr]
    longer = client.post("/api/jobs/estimate", json={**asked, "config": {"batch_size": 8, "epochs": 4}}).json()
    assert (longer["seconds"], longer["peak_bytes"], longer["source"], longer["jobs"]) == (16.0, 5, "history", 1)
    assert (longer["waiting"], longer["starts_in_s"]) == (0, 0.0)
    submitted = client.post("/api/jobs", json=asked).json()
    assert (submitted["predicted_s"], submitted["predicted_peak_bytes"]) == (8.0, 5)


def test_an_idle_worker_is_asked_to_try_what_nobody_knows_and_a_busy_one_is_not(own: FastAPI) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images())
    asked = pretrain(dataset_id)

    def told() -> tuple[float | None, str | None, bool]:
        answer = client.post("/api/jobs/estimate", json=asked).json()
        return answer["seconds"], answer["source"], answer["pending"]

    assert told() == (None, None, False)
    worker(own, "cpu", "worker")
    assert told() == (None, None, True)
    with lab.lab(own).catalogue.writing() as session:
        taken = dry_runs.take(session, Reach(device="cpu"))
        assert taken is not None
        dry_runs.answer(session, taken.key, Costs(step_s=0.5, peak_bytes=7))
    assert told() == (15.0, "dry_run", False)  # 10 epochs of 3 steps
    job = client.post("/api/jobs", json=asked).json()
    assert (job["predicted_s"], job["predicted_peak_bytes"]) == (15.0, 7)
    with lab.lab(own).catalogue.writing() as session:
        assert store.claim(session, "worker") is not None
    asked["config"] = {"batch_size": 4}
    assert told() == (None, None, False)
