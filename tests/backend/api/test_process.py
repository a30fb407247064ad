"""The API as it is really run: quick to start, without torch, streaming, and gone when asked to go."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import httpx2
import numpy as np
import pytest

from backend.catalogue.engine import Catalogue, open_catalogue
from backend.jobs import store
from backend.jobs.outcomes import Failed
from simclr.events import Log
from tests.backend.api.lab import images
from tests.backend.api.packing import npz
from tests.backend.api.process import Api, children, is_gone, started, wait_until
from tests.worker.imports import do_imports, importer_here
from worker.importing import sources_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with started(tmp_path_factory.mktemp("api")) as running:
        yield running


@pytest.fixture(scope="module")
def catalogue(api: Api) -> Iterator[Catalogue]:
    """The process's catalogue, opened by another one: what a worker sees."""
    opened = open_catalogue(api.settings)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def dataset_id(api: Api, catalogue: Catalogue) -> str:
    return add_images(api, catalogue)


def add_images(api: Api, catalogue: Catalogue) -> str:
    """An upload, and its import as a worker does it."""
    dataset = images(24)
    body = npz(train_images=dataset.images.transpose(0, 2, 3, 1), train_labels=np.arange(24) % 3)
    answer = api.client.post("/api/datasets/upload?format=npz&name=Little", content=body)
    assert answer.status_code == 202, answer.text
    do_imports(catalogue, api.settings.data_folder, importer_here(sources_of(api.settings)))
    found: str = api.client.get(f"/api/jobs/{answer.json()['id']}").json()["dataset_id"]
    return found


def submit(api: Api, dataset_id: str) -> str:
    asked = {"kind": "pretrain", "dataset_id": dataset_id, "config": {"batch_size": 4}}
    answer = api.client.post("/api/jobs", json=asked)
    assert answer.status_code == 201, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def claim(catalogue: Catalogue) -> store.Claim:
    with catalogue.writing() as session:
        found = store.claim(session, "worker")
    assert found is not None
    return found


def tell(catalogue: Catalogue, claim: store.Claim, *messages: str) -> None:
    with catalogue.writing() as session:
        assert store.progress(session, claim.job_id, claim.epoch, [Log(message=message) for message in messages])


def end(catalogue: Catalogue, claim: store.Claim) -> None:
    with catalogue.writing() as session:
        assert store.settle(session, claim.job_id, claim.epoch, Failed("test", "The test is over."))


def events(stream: httpx2.Response) -> Iterator[dict[str, str]]:
    """The events of a stream, comments left out."""
    event: dict[str, str] = {}
    for line in stream.iter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            event[name] = value
        elif event:
            yield event
            event = {}


def test_the_first_answer_waits_for_no_large_library_and_a_killed_api_leaves_sessions_but_no_child(
    tmp_path: Path,
) -> None:
    """Each of them takes from half a second to several to import."""
    with started(tmp_path) as api:
        loaded = Path(f"/proc/{api.pid}/maps").read_text()
        answer = api.client.post("/api/session", json={"token": api.settings.access_token})
        wait_until(lambda: bool(children(api.pid)))
        (child,) = children(api.pid)
        api.process.kill()
        wait_until(lambda: is_gone(child))
    assert "numpy" in loaded  # so that a library would be seen
    for library in ("torch", "torchvision", "scipy", "sklearn", "PIL", "pandas", "playwright"):
        assert f"/{library}/" not in loaded
    with started(tmp_path, seeing=False) as api:
        cookie = answer.headers["set-cookie"].partition(";")[0]
        host = {"host": f"127.0.0.1:{api.settings.port}"}
        assert httpx2.get(f"{api.origin}/api/session", headers={**host, "cookie": cookie}).status_code == 200


def test_the_api_never_holds_torch(api: Api, dataset_id: str) -> None:
    preview = {"dataset_id": dataset_id, "indices": [0, 1], "config": {}}
    assert api.client.post("/api/augmentations/preview", json=preview).status_code == 200
    made = api.client.post("/api/encoders", json={"origin": "pixels", "dataset_id": dataset_id})
    assert made.status_code == 201
    params = {"dataset_id": dataset_id, "encoder_id": made.json()["id"]}
    assert api.client.post("/api/search/upload", params=params, content=b"x").status_code == 409
    assert api.client.get(f"/api/datasets/{dataset_id}/images/0").status_code == 200
    loaded = Path(f"/proc/{api.pid}/maps").read_text()
    assert "libtorch" not in loaded
    assert "torch/_C" not in loaded
    (child,) = children(api.pid)
    assert "libtorch" in Path(f"/proc/{child}/maps").read_text()


def test_a_stream_tells_everything_in_order_and_ends_with_the_job(
    api: Api, catalogue: Catalogue, dataset_id: str
) -> None:
    job_id = submit(api, dataset_id)
    seen: list[dict[str, str]] = []
    with api.client.stream("GET", f"/api/jobs/{job_id}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["x-content-type-options"] == "nosniff"
        coming = events(stream)
        seen.append(next(coming))
        held = claim(catalogue)
        seen.append(next(coming))
        for n in range(3):
            tell(catalogue, held, f"{n}a", f"{n}b")
            seen += [next(coming), next(coming)]
        end(catalogue, held)
        seen += coming
    assert [int(event["id"]) for event in seen] == list(range(1, 10))
    assert [event["event"] for event in seen] == ["state"] * 2 + ["log"] * 6 + ["state"]
    assert '"kind": "state"' in seen[-1]["data"]
    assert '"failed"' in seen[-1]["data"]
    for first, second in pairwise(seen):
        assert int(second["id"]) == int(first["id"]) + 1


@pytest.mark.parametrize("seen", [0, 1, 2, 3, 99])
def test_a_stream_resumes_after_the_last_event_seen(api: Api, catalogue: Catalogue, dataset_id: str, seen: int) -> None:
    job_id = submit(api, dataset_id)
    end(catalogue, claim(catalogue))
    with api.client.stream("GET", f"/api/jobs/{job_id}/events", headers={"last-event-id": str(seen)}) as stream:
        assert [int(event["id"]) for event in events(stream)] == list(range(seen + 1, 4))


@pytest.mark.parametrize("last", ["x", "-1", "1e3", "9" * 30, "NaN"])
def test_a_last_event_that_cannot_be_is_refused(api: Api, dataset_id: str, last: str) -> None:
    job_id = submit(api, dataset_id)
    answer = api.client.get(f"/api/jobs/{job_id}/events", headers={"last-event-id": last})
    assert answer.status_code == 422
    assert api.client.post(f"/api/jobs/{job_id}/cancel").status_code == 200


def test_many_follow_one_job_and_nobody_misses_anything(api: Api, catalogue: Catalogue, dataset_id: str) -> None:
    job_id = submit(api, dataset_id)
    numbers: list[list[int]] = []
    following = threading.Barrier(9)

    def follow() -> None:
        with api.client.stream("GET", f"/api/jobs/{job_id}/events") as stream:
            coming = events(stream)
            first = next(coming)
            following.wait(30)
            numbers.append([int(first["id"]), *(int(event["id"]) for event in coming)])

    followers = [threading.Thread(target=follow) for _ in range(8)]
    for follower in followers:
        follower.start()
    following.wait(30)
    held = claim(catalogue)
    for n in range(20):
        tell(catalogue, held, str(n))
    end(catalogue, held)
    for follower in followers:
        follower.join(30)
    assert numbers == [list(range(1, 24))] * 8


@contextmanager
def deaf_to(api: Api, job_id: str) -> Iterator[None]:
    """A client that asks for a job's events and reads none."""
    lines = (
        f"GET /api/jobs/{job_id}/events HTTP/1.1",
        f"Host: 127.0.0.1:{api.settings.port}",
        f"Authorization: Bearer {api.settings.access_token}",
    )
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", api.settings.port))
        deaf.sendall("\r\n".join((*lines, "", "")).encode())
        yield


def test_a_client_that_does_not_read_costs_the_api_little_and_others_nothing(
    api: Api, catalogue: Catalogue, dataset_id: str
) -> None:
    def held_kib() -> int:
        status = Path(f"/proc/{api.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    job_id = submit(api, dataset_id)
    held = claim(catalogue)
    with deaf_to(api, job_id):
        with api.client.stream("GET", f"/api/jobs/{job_id}/events") as stream:
            coming = events(stream)
            next(coming)
            words = "word " * 1000
            for n in range(80):
                if n == 20:  # by now whatever is read and written once has been
                    before = held_kib()
                # 40 MB in all for the one that does not read, more than a socket takes.
                tell(catalogue, held, *(f"{n}.{k} {words}" for k in range(100)))
            end(catalogue, held)
            numbers = [int(event["id"]) for event in coming]
        assert numbers == list(range(2, 8004))
        assert held_kib() - before < 20 * 1024
    assert api.answers()


def head(api: Api, length: str) -> bytes:
    """The head of an upload whose body is said to have ``length`` bytes."""
    lines = (
        "POST /api/datasets/upload?format=zip HTTP/1.1",
        f"Host: 127.0.0.1:{api.settings.port}",
        f"Authorization: Bearer {api.settings.access_token}",
        f"Content-Length: {length}",
    )
    return "\r\n".join((*lines, "", "")).encode()


def connected(api: Api) -> socket.socket:
    return socket.create_connection(("127.0.0.1", api.settings.port), 30)


def test_an_upload_that_breaks_off_leaves_nothing(api: Api) -> None:
    staging = api.settings.data_folder / "staging"
    with connected(api) as connection:
        connection.sendall(head(api, "4000000") + b"x" * 2_000_000)
        wait_until(lambda: list(staging.iterdir()) != [])
    wait_until(lambda: list(staging.iterdir()) == [])
    assert api.answers()


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "9" * 30, str(3 << 30)])
def test_an_upload_of_an_absurd_length_is_refused_at_once(api: Api, length: str) -> None:
    with connected(api) as connection:
        connection.sendall(head(api, length))
        assert connection.recv(1000).split(b" ")[1] in (b"400", b"413")
    assert api.answers()


def test_uploads_do_not_pile_up_in_memory(api: Api) -> None:
    def held_kib() -> int:
        status = Path(f"/proc/{api.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0])

    before = held_kib()
    body = (b"x" * (1 << 20) for _ in range(200))
    job = api.client.post("/api/datasets/upload?format=zip", content=body).json()
    assert held_kib() - before < 50 * 1024
    assert api.client.post(f"/api/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    assert list((api.settings.data_folder / "staging").iterdir()) == []


def test_stopping_ends_open_streams_and_leaves_no_process(tmp_path: Path) -> None:
    with started(tmp_path) as api:
        catalogue = open_catalogue(api.settings)
        own_id = add_images(api, catalogue)
        catalogue.close()
        preview = {"dataset_id": own_id, "indices": [0], "config": {}}
        assert api.client.post("/api/augmentations/preview", json=preview).status_code == 200
        with api.client.stream("GET", f"/api/jobs/{submit(api, own_id)}/events") as stream:
            coming = events(stream)
            next(coming)
            processes = children(api.pid)
            assert processes
            assert api.stop() < 4
            assert list(coming) == []
        for pid in processes:
            wait_until(lambda pid=pid: is_gone(pid))  # type: ignore[misc]


def test_a_client_that_does_not_read_holds_nobody_up_who_stops_the_lab(tmp_path: Path) -> None:
    with started(tmp_path, seeing=False) as api:
        catalogue = open_catalogue(api.settings)
        job_id = submit(api, add_images(api, catalogue))
        held = claim(catalogue)
        with deaf_to(api, job_id):
            words = "word " * 4000
            for n in range(20):
                tell(catalogue, held, *(f"{n}.{k} {words}" for k in range(25)))
            catalogue.close()
            api.stop(10.0)
