"""The API is killed while it receives: what was accepted is there, all else never was, and the next start tidies up."""

import contextlib
import io
import socket
import threading
import zipfile
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select

from backend.catalogue import queries
from backend.catalogue.engine import Catalogue
from backend.catalogue.models import JobRow
from backend.jobs.invariants import violations
from backend.settings import Settings
from benchmarks.squares import add_squares
from tests.backend.api.process import Api, children, is_gone, started
from tests.faults.lab import BRIEF
from tests.worker.imports import do_imports
from tests.worker.waiting import until
from worker.importing import Importer, sources_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def kill(api: Api) -> None:
    below = children(api.pid)
    api.process.kill()
    api.process.wait()
    until(lambda: all(map(is_gone, below)), "the end of what the API started")


def zip_of_noise() -> bytes:
    """120 pictures of two classes, some 4 MB."""
    rng, packed = np.random.default_rng(0), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(120):
            picture = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (112, 112, 3), dtype=np.uint8)).save(picture, "PNG")
            archive.writestr(f"{'ab'[number % 2]}/{number}.png", picture.getvalue())
    return packed.getvalue()


def send_half(api: Api, archive: bytes) -> socket.socket:
    """Begin an upload and leave it there."""
    head = (
        f"POST /api/datasets/upload?format=zip HTTP/1.1\r\nHost: 127.0.0.1:{api.settings.port}\r\n"
        f"Authorization: Bearer {api.settings.access_token}\r\nContent-Type: application/octet-stream\r\n"
        f"Content-Length: {len(archive)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", api.settings.port))
    connection.sendall(head.encode() + archive[: len(archive) // 2])
    return connection


def send(api: Api, archive: bytes) -> httpx2.Response:
    kind = {"content-type": "application/octet-stream"}
    return api.client.post("/api/datasets/upload?format=zip&name=noise", content=archive, headers=kind)


def must_hold_nothing(catalogue: Catalogue, folder: Path) -> None:
    with catalogue.reading() as session:
        assert queries.datasets(session) == []
    assert list((folder / "datasets").glob("*")) == []


def test_f18_an_api_that_is_killed_after_an_upload_imports_it_and_during_one_nothing(
    settings: Settings, catalogue: Catalogue
) -> None:
    folder, archive = settings.data_folder, zip_of_noise()
    staging = folder / "staging"
    with started(folder, seeing=False) as api:
        connection = send_half(api, archive)
        until(lambda: any(path.stat().st_size for path in staging.glob("*.part")), "the first bytes on the disk")
        kill(api)
        connection.close()
    must_hold_nothing(catalogue, folder)
    with started(folder, seeing=False) as api:
        assert list(staging.iterdir()) == []
        accepted = send(api, archive)
        assert accepted.status_code == 202
        kill(api)
    with started(folder, seeing=False) as api:
        assert [path.name for path in staging.iterdir()] == [f"{accepted.json()['id']}.upload"], "the import needs it"
        do_imports(catalogue, folder, Importer(sources_of(settings)))
        job = api.client.get(f"/api/jobs/{accepted.json()['id']}").json()
        assert (job["state"], job["result"]["n"]) == ("succeeded", 120)
        assert list(staging.iterdir()) == []
        [shown] = api.client.get("/api/datasets").json()["items"]
        assert shown["id"] == job["dataset_id"]
    with catalogue.reading() as session:
        assert violations(session, folder, stray_s=-1.0) == []


def test_f18_an_api_that_is_killed_during_submissions_keeps_each_once_or_not_at_all(
    settings: Settings, catalogue: Catalogue
) -> None:
    folder = settings.data_folder
    dataset_id = add_squares(catalogue, folder)
    asked = {"kind": "pretrain", "dataset_id": dataset_id, "config": BRIEF.model_dump(mode="json")}
    keys = [f"key-{number}" for number in range(60)]
    answered: dict[str, str] = {}

    def submit(api: Api, some: list[str]) -> None:
        for key in some:
            answer = api.client.post("/api/jobs", json=asked, headers={"idempotency-key": key})
            assert answer.status_code in (200, 201), answer.text
            answered[key] = answer.json()["id"]

    def submit_until_it_ends(api: Api, some: list[str]) -> None:
        with contextlib.suppress(httpx2.TransportError):
            submit(api, some)

    with started(folder, seeing=False) as api:
        people = [threading.Thread(target=submit_until_it_ends, args=(api, keys[start::3])) for start in range(3)]
        for person in people:
            person.start()
        until(lambda: len(answered) >= 10, "ten accepted jobs", within_s=60)
        kill(api)
        for person in people:
            person.join()
    accepted = dict(answered)
    assert len(accepted) < len(keys), "all were accepted before the API was killed"
    with catalogue.reading() as session:
        rows = {row.idempotency_key: row.id for row in session.scalars(select(JobRow))}
        assert accepted.items() <= rows.items(), "a job that was accepted is gone"
        assert violations(session, folder) == []
    with started(folder, seeing=False) as api:
        submit(api, keys)
        assert accepted.items() <= answered.items()
        shown = api.client.get("/api/jobs?limit=500").json()["items"]
    assert sorted(job["id"] for job in shown) == sorted(answered.values())
    assert len(set(answered.values())) == len(keys)
