"""Images from outside: what is sent or named becomes a job, the job a data set; what is refused leaves nothing behind."""

import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from backend import staging
from simclr.datasets.importer import import_in_child
from tests.backend.api import lab
from tests.backend.api.packing import archive, npz, packed, png


def outside() -> bytes:
    return packed({"../../token.png": png(), **{f"a/{i}.png": png(i) for i in range(20)}})


def link() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        entry = zipfile.ZipInfo("a/link.png")
        entry.create_system, entry.external_attr = 3, 0o120777 << 16
        made.writestr(entry, "/etc/passwd")
    return file.getvalue()


LONELY = ["train/a"] * 9 + ["train/b"] * 9 + ["test/a"]

BROKEN: dict[str, tuple[str, bytes]] = {
    "not a zip": ("zip", b"this is no archive"),
    "half a zip": ("zip", archive()[:900]),
    "an empty zip": ("zip", packed({})),
    "paths outside": ("zip", outside()),
    "a link": ("zip", link()),
    "no image in it": ("zip", packed({"a/1.png": b"<svg/>", "b/2.png": b"GIF89a"})),
    "one image": ("zip", packed({"a/1.png": png()})),
    "a split with one image": ("zip", packed({f"{folder}/{i}.png": png(i) for i, folder in enumerate(LONELY)})),
    "a bomb": ("zip", packed({}) + b"PK"),
    "not an npz": ("npz", b"PK\x03\x04"),
    "no labels of that length": (
        "npz",
        npz(train_images=np.zeros((20, 8, 8), np.uint8), train_labels=np.zeros(3, np.int64)),
    ),
    "labels missing": ("npz", npz(train_images=np.zeros((20, 8, 8), np.uint8))),
    "pickles": ("npz", npz(train_images=np.array([{"a": 1}], dtype=object))),
    "a zip said to be an npz": ("npz", archive()),
    "images of floats with NaN": (
        "npz",
        npz(train_images=np.full((20, 8, 8), np.nan), train_labels=np.zeros(20, np.int64)),
    ),
}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """A lab whose data sets these tests may change, with folders on the server."""
    folders = tmp_path_factory.mktemp("folders")
    for i in range(20):
        path = folders / f"flowers/{'ab'[i % 2]}/{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(2000 + i))
    (folders / "secret").symlink_to("/etc")
    with lab.running(tmp_path_factory.mktemp("own"), folders=folders) as app:
        yield app


def traces(app: FastAPI) -> list[Path]:
    """What imports can leave: sets, attempts, files that were sent."""
    folder = lab.lab(app).folder
    return sorted(path for place in ("datasets", "jobs", "staging") for path in (folder / place).glob("*"))


def send(client: TestClient, body: bytes, kind: str = "zip", key: str = "", **query: str | int) -> httpx2.Response:
    headers = {"idempotency-key": key} if key else {}
    return client.post("/api/datasets/upload", params={"format": kind, **query}, content=body, headers=headers)


def set_of(client: TestClient, job: dict[str, object]) -> dict[str, object]:
    """The data set that an import made."""
    assert (job["state"], job["error"]) == ("succeeded", None)
    found: dict[str, object] = client.get(f"/api/datasets/{job['dataset_id']}").json()
    return found


def test_an_uploaded_archive_is_a_job_that_makes_a_data_set_once(own: FastAPI) -> None:
    client = lab.signed_in(own)
    answer = send(client, archive(), name="Letters", image_size=16, fit="pad", originals_px=0, submitter="Ada")
    asked = answer.json()
    assert (asked["kind"], asked["name"], asked["state"], asked["lane"]) == ("import", "Letters", "queued", "import")
    assert (asked["dataset_id"], asked["submitter"], asked["predicted_s"]) == (None, "Ada", None)
    assert asked["config"] == {
        "image_size": 16, "fit": "pad", "originals_px": 0, "origin": "upload", "source": "zip",
    }  # fmt: skip
    # By a child of its own, as in the worker.
    job = lab.imported(own, answer, import_in_child)
    made = set_of(client, job)
    assert (made["name"], made["classes"], made["n"], made["image_size"]) == ("Letters", ["a", "b"], 20, 16)
    assert (job["result"]["n"], job["result"]["classes"]) == (20, 2)
    assert (job["progress"]["step"], job["progress"]["steps"], job["progress"]["unit"]) == (20, 20, "image")
    before = traces(own)
    again = lab.imported(own, send(client, archive(), name="Other", image_size=16, fit="pad"))
    assert set_of(client, again) == made
    assert traces(own) == before
    assert client.get("/api/datasets").json()["items"] == [made]
    assert client.get(f"/api/datasets/{made['id']}/images/3").status_code == 200


def test_the_same_images_in_a_compressed_tar_are_the_same_set(own: FastAPI) -> None:
    client, file, images = lab.signed_in(own), io.BytesIO(), archive(seed=500)
    with zipfile.ZipFile(io.BytesIO(images)) as zipped, tarfile.open(fileobj=file, mode="w:xz") as packing:
        for name in zipped.namelist():
            entry = tarfile.TarInfo(name)
            entry.size = len(content := zipped.read(name))
            packing.addfile(entry, io.BytesIO(content))
    made = [lab.imported(own, send(client, body, kind)) for body, kind in ((file.getvalue(), "tar"), (images, "zip"))]
    assert set_of(client, made[0]) == set_of(client, made[1])


def test_an_uploaded_npz_becomes_a_data_set(own: FastAPI) -> None:
    random = np.random.default_rng(0)
    arrays = {"train_images": random.integers(0, 256, (30, 8, 8), dtype=np.uint8), "train_labels": np.arange(30) % 3}
    client = lab.signed_in(own)
    made = set_of(client, lab.imported(own, send(client, npz(**arrays), "npz", name="Tiny")))
    assert (made["n"], made["channels"], made["name"]) == (30, 1, "Tiny")


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_upload_fails_with_a_reason_and_leaves_nothing(own: FastAPI, case: str) -> None:
    kind, body = BROKEN[case]
    before = traces(own)
    job = lab.imported(own, send(lab.signed_in(own), body, kind))
    assert job["state"] == "failed"
    assert job["error"]["message"]
    assert job["error"]["code"] not in ("internal", "crashed")
    assert job["crashes"] == 0
    assert traces(own) == before


@pytest.mark.parametrize(
    "query", [{}, {"format": "rar"}, {"format": "zip", "image_size": 0}, {"format": "zip", "image_size": 4096},
              {"format": "zip", "image_size": "NaN"}, {"format": "zip", "name": "a" * 2000}, {"format": "zip", "fit": "squeeze"},
              {"format": "zip", "originals_px": -1}, {"format": "zip", "path": "/etc"}]
)  # fmt: skip
def test_an_upload_without_sense_is_refused_before_it_is_read(own: FastAPI, query: dict[str, str]) -> None:
    answer = lab.signed_in(own).post("/api/datasets/upload", params=query, content=archive())
    assert answer.status_code == 422


def test_an_empty_upload_is_refused(own: FastAPI) -> None:
    answer = send(lab.signed_in(own), b"")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "empty_upload")


def test_an_upload_above_the_cap_is_refused_declared_or_counted(own: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.api.imports.MIB", 1)  # so that the cap of 2048 MiB becomes 2048 bytes
    client, before = lab.signed_in(own), traces(own)
    declared = client.post("/api/datasets/upload?format=zip", content=b"x" * 2049)
    streamed = client.post("/api/datasets/upload?format=zip", content=iter([b"x" * 700] * 3))
    for answer in (declared, streamed):
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert traces(own) == before


def test_a_full_disk_is_said_before_anything_is_written(own: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "RESERVE_BYTES", 1 << 60)
    before, answer = traces(own), send(lab.signed_in(own), archive())
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "disk_full")
    assert traces(own) == before


def test_an_upload_that_is_sent_again_under_its_key_is_the_same_job(own: FastAPI) -> None:
    client, before = lab.signed_in(own), traces(own)
    first, second = (send(client, archive(seed=40), key="once") for _ in range(2))
    assert (first.status_code, second.status_code, second.json()) == (202, 200, first.json())
    assert len(traces(own)) == len(before) + 1
    set_of(client, lab.imported(own, first))


def test_a_full_queue_refuses_an_upload_and_keeps_nothing_of_it(own: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.jobs.store.QUEUE_LIMIT", 0)
    before, answer = traces(own), send(lab.signed_in(own), archive())
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "queue_full")
    assert traces(own) == before


def test_an_import_that_waits_is_cancelled_and_what_was_sent_goes(own: FastAPI) -> None:
    client, before = lab.signed_in(own), traces(own)
    job = send(client, archive(seed=60)).json()
    assert len(traces(own)) == len(before) + 1
    assert client.post(f"/api/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    assert traces(own) == before
    again = client.post(f"/api/jobs/{job['id']}/again", json={})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "upload_gone")


def test_an_import_is_not_paused_and_says_why(own: FastAPI) -> None:
    client = lab.signed_in(own)
    job = send(client, archive(seed=80), name="Busy").json()
    answer = client.post(f"/api/jobs/{job['id']}/pause")
    assert answer.status_code == 409
    assert answer.json()["error"]["message"].startswith("Busy is an import, which cannot be paused")
    client.post(f"/api/jobs/{job['id']}/cancel")


def test_folders_on_the_server_are_offered_and_imported(own: FastAPI) -> None:
    client = lab.signed_in(own)
    assert client.get("/api/datasets/sources").json()["folders"] == ["flowers"]
    made = set_of(client, lab.imported(own, client.post("/api/datasets/import", json={"folder": "flowers"})))
    assert (made["name"], made["n"], made["classes"]) == ("flowers", 20, ["a", "b"])


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../own", "/etc", "flowers/../..", "secret", "nothing", "flowers\\a", "a\0b", "flo" * 900,
             "C:flowers"]
)  # fmt: skip
def test_no_folder_outside_the_configured_one_is_imported(own: FastAPI, name: str) -> None:
    answer = lab.signed_in(own).post("/api/datasets/import", json={"folder": name})
    assert (answer.status_code, answer.json()["error"]["fields"][0]["path"]) == (422, "folder")


@pytest.mark.parametrize(
    "body", [{}, {"source": "cifar10", "folder": "flowers"}, {"source": "cifar11"}, {"source": ""}]
)
def test_an_import_of_nothing_or_of_two_things_is_refused(own: FastAPI, body: dict[str, str]) -> None:
    assert lab.signed_in(own).post("/api/datasets/import", json=body).status_code == 422


def test_published_sets_are_listed_with_what_they_are_and_take(client: TestClient) -> None:
    found = client.get("/api/datasets/sources").json()
    cifar = next(each for each in found["published"] if each["name"] == "cifar10")
    assert (cifar["title"], cifar["image_size"], cifar["bytes"], cifar["is_here"]) == (
        "CIFAR-10",
        32,
        170_052_171,
        False,
    )
    assert found["folders"] is None
    assert found["choices"]["properties"]["fit"]["description"]
    refused = client.post("/api/datasets/import", json={"folder": "flowers"})
    assert "SIMCLR_LAB_FOLDERS" in refused.json()["error"]["message"]
