"""Whatever is sent, the answer has one shape, repeats nothing of it, and is never a crash."""

import sqlite3
import urllib.parse
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.testclient import TestClient

from backend.catalogue import engine
from tests.backend.api import lab
from tests.backend.api.conftest import Shown
from tests.backend.api.routes import ID, ID_ROUTES, JSON_ROUTES

pytestmark = pytest.mark.slow

CANARY = "canary-7f3a"
BODIES: tuple[bytes, ...] = (
    b"",
    b" ",
    b"{",
    b"}",
    b"[]",
    b"[[]]",
    b"null",
    b"true",
    b"0",
    b"-0",
    b'""',
    b'"x"',
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"-1e999",
    b"{}",
    b'{"":""}',
    b'{"kind":null}',
    b'{"kind":"pretrain"}',
    b'{"kind":"unknown"}',
    b'{"kind":["pretrain"]}',
    b'{"kind":{"a":1}}',
    b'{"kind":"\\ud800"}',
    b'{"\\ud800":"\\udfff"}',
    b'{"origin":"\\ud800"}',
    b'{"kind":"pretrain","dataset_id":NaN,"config":NaN}',
    b'{"kind":"pretrain","dataset_id":1e999,"config":{"temperature":NaN}}',
    b'{"kind":"pretrain","dataset_id":"' + ID.encode() + b'","config":{"temperature":Infinity}}',
    b'{"kind":"pretrain","dataset_id":"' + ID.encode() + b'","config":{"\\ud800":1}}',
    b'{"kind":"transfer","config":{"strategy":"\\ud800"}}',
    b'{"k":' + b"9" * 5000 + b"}",
    b'{"k":1' + b"0" * 400 + b"}",
    b'{"token":' + b"[" * 900 + b"]" * 900 + b"}",
    b"[" * 100_000,
    b"[" * 100_000 + b"]" * 100_000,
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b"\xff\xfe\x00",
    b'{"token":"\xff"}',
    b"\xef\xbb\xbf{}",
    '{"token":"x"}'.encode("utf-16"),
    '{"token":"x"}'.encode("utf-32"),
    b'{"token":"\x00"}',
    b'{"token":"\\u0000","token":1}',
    b"{'token':'x'}",
    b'{"token":"x",}',
    b'{"token":undefined}',
    b'{"__proto__":{"a":1}}',
    b"<xml/>",
    b"token=x",
    b"\x80\x04\x95.",
)
NAMES = (
    "..",
    "../..",
    "../../etc/passwd",
    "..\\..\\token",
    "....//token",
    "/etc/passwd",
    "C:\\token",
    "\\\\host\\share",
    "file:///etc/passwd",
    "token",
    "%00",
    "\x00",
    "a\x00b",
    ID + "\n",
    ID + "\x00",
    ID + "/",
    ID + ";a",
    ID + "#",
    ID + "?x",
    ID + "%2f..",
    ID.replace("0", "٠"),
    ID + "0",
    ID[:-1],
    ID[:-1] + "A",
    ID[:-1] + "-",
    " " + ID[:-1],
    "'; DROP TABLE job; --",
    "{{7*7}}",
    "<script>",
    "NaN",
    "-1",
    "1e9",
    "9" * 30,
    "é",
    "\u202e" + ID,
    "😀",
    "a" * 8000,
)


@pytest.mark.parametrize("path", JSON_ROUTES)
def test_no_body_whatever_crashes_a_route(client: TestClient, path: str) -> None:
    for body in BODIES:
        answer = client.post(path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (401, 422), (path, body[:60])
        assert set(answer.json()["error"]) == {"code", "message", "fields"}
        assert len(answer.content) < 20_000


@pytest.mark.parametrize("path", JSON_ROUTES)
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_json_under_another_name_is_refused(client: TestClient, path: str, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    answer = client.post(path, content=b'{"token":"x","origin":"pixels","source":"digits"}', headers=headers)
    assert answer.status_code == 422


@pytest.mark.parametrize("path", ID_ROUTES)
def test_no_name_whatever_reaches_a_file(client: TestClient, app: FastAPI, path: str) -> None:
    secret = lab.lab(app).settings.access_token
    for name in NAMES:
        quoted = urllib.parse.quote(name, safe="")
        for part in {quoted, urllib.parse.quote(quoted, safe="")}:
            answer = client.get(path.format(part), follow_redirects=False)
            assert answer.status_code in (404, 422), (path, name)
            assert secret not in answer.text
            assert "root:" not in answer.text


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"config": {"temperature": CANARY}}, "config.temperature"),
        ({"config": {"augment": {"flip_p": 2}}}, "config.augment.flip_p"),
        ({"config": {"encoder": {"width": -1}}}, "config.encoder.width"),
        ({"config": {"epochs": 10**9}}, "config.epochs"),
        ({"config": {"seed": -1}}, "config.seed"),
        ({"config": {"nonsense": CANARY}}, "config.nonsense"),
        ({"dataset_id": CANARY}, "dataset_id"),
        ({"config": {"augment": {"crop_scale_min": 0.9, "crop_scale_max": 0.5}}}, "config.augment"),
    ],
)
def test_a_refusal_names_the_value_and_repeats_nothing(
    client: TestClient, shown: Shown, body: dict[str, object], path: str
) -> None:
    whole = {"kind": "pretrain", "dataset_id": shown.dataset, "config": {}, **body}
    answer = client.post("/api/jobs", json=whole)
    assert answer.status_code == 422
    assert [field["path"] for field in answer.json()["error"]["fields"]] == [path]
    assert CANARY not in answer.text


def test_an_unknown_tag_is_not_repeated(client: TestClient) -> None:
    answer = client.post("/api/jobs", json={"kind": CANARY})
    assert answer.json()["error"]["fields"] == [
        {"path": "body", "message": "'kind' must be one of 'pretrain', 'transfer', 'embed'"}
    ]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "not_found"),
        ("PUT", "/api/jobs", 405, "method_not_allowed"),
        ("GET", f"/api/datasets/{ID}", 404, "unknown_data_set"),
        ("GET", f"/api/datasets/{ID}/images", 404, "unknown_data_set"),
        ("GET", f"/api/datasets/{ID}/images/0", 404, "unknown_data_set"),
        ("GET", f"/api/jobs/{ID}", 404, "unknown_job"),
        ("GET", f"/api/jobs/{ID}/events", 404, "unknown_job"),
        ("POST", f"/api/jobs/{ID}/cancel", 404, "unknown_job"),
        ("GET", f"/api/encoders/{ID}", 404, "unknown_encoder"),
        ("GET", f"/api/results?dataset_id={ID}", 404, "unknown_data_set"),
    ],
)
def test_what_is_not_there_is_said_in_the_same_shape(
    client: TestClient, method: str, path: str, status: int, code: str
) -> None:
    answer = client.request(method, path, headers={"accept": "text/html"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_body_over_the_limit_is_refused_by_its_length_and_while_it_comes(client: TestClient) -> None:
    declared = client.post("/api/jobs", content=b"[" * (1 << 20) + b"]")
    streamed = client.post(
        "/api/jobs", content=iter([b"[" * 70_000] * 20), headers={"content-type": "application/json"}
    )
    for answer in (declared, streamed):
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_a_write_while_the_catalogue_is_locked_is_put_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 50)
    with lab.running(tmp_path) as app, sqlite3.connect(tmp_path / "catalogue.sqlite", isolation_level=None) as other:
        client = lab.signed_in(app)
        other.execute("BEGIN IMMEDIATE")
        answer = client.post(f"/api/jobs/{ID}/cancel")
        assert answer.status_code == 503, answer.text
        assert answer.json()["error"]["code"] == "catalogue_busy"
        assert int(answer.headers["retry-after"]) > 0
        assert client.get("/api/jobs").is_success, "readers have to wait for nobody"
        other.execute("ROLLBACK")
        assert client.post(f"/api/jobs/{ID}/cancel").status_code == 404
    other.close()


def test_a_mistake_in_a_statement_is_a_failure_of_our_own(tmp_path: Path) -> None:
    with lab.running(tmp_path) as app:

        @app.get("/api/broken")
        def broken() -> None:
            with lab.lab(app).catalogue.reading() as session:
                session.execute(text("SELECT nothing FROM nowhere"))

        assert lab.signed_in(app).get("/api/broken").status_code == 500


def test_a_failure_of_our_own_shows_a_number_and_no_trace(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with lab.running(tmp_path) as app:

        @app.get("/api/broken")
        def broken() -> None:
            raise RuntimeError(CANARY)

        answer = lab.signed_in(app).get("/api/broken")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert CANARY not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    number = answer.json()["error"]["message"].split()[-1].rstrip(".")
    assert number in caplog.text
