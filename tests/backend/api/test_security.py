"""Nobody gets in without a key, no page of another site gets anything done, and every answer says how to be treated."""

import re
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from backend.headers import HEADERS
from backend.security import COOKIE, Attempts, Keys, is_open
from backend.settings import Settings
from tests.backend.api import lab
from tests.backend.api.conftest import Shown
from tests.backend.api.routes import all_routes, filled

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
OPEN = {("GET", "/api/health"), ("POST", "/api/session")}
FOREIGN_ORIGINS = (
    "http://evil.example",
    "https://evil.example",
    "null",
    "",
    "http://127.0.0.1",
    "http://127.0.0.1:8766",
    "http://127.0.0.1:87650",
    f"{lab.ORIGIN}.evil.example",
    f"http://evil.example/{lab.HOST}",
    f"http://evil.example@{lab.HOST}",
    "HTTP://127.0.0.1:8765",
    "ftp://127.0.0.1:8765",
    f"{lab.ORIGIN}/",
    f"{lab.ORIGIN} http://evil.example",
)
HOSTS = (
    "evil.example",
    "127.0.0.1",
    "127.0.0.1:80",
    "127.0.0.1.evil.example:8765",
    "evil.example:8765",
    "[::1]",
    "",
    "LOCALHOST:8765",
    "localhost:8765 ",
    "localhost:8765,evil.example",
    "user@localhost:8765",
)


def test_every_route_but_two_refuses_strangers(app: FastAPI, stranger: TestClient) -> None:
    routes = [(method, path) for method, path in all_routes(app) if path.startswith("/api")]
    assert len(routes) > 20
    for _, path in routes:
        for method in METHODS:
            answer = stranger.request(method, filled(path))
            if (method, path) not in OPEN:
                assert answer.status_code == 401, (method, path)


def test_only_pages_lie_outside_the_api(app: FastAPI) -> None:
    assert [path for _, path in all_routes(app) if not path.startswith("/api/")] == []


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/unknown", "/api//health", "/api/health/"])
def test_an_unknown_address_below_the_api_tells_strangers_nothing(stranger: TestClient, path: str) -> None:
    assert stranger.get(path, headers={"accept": "text/html"}).status_code == 401


def test_no_route_takes_a_path(app: FastAPI) -> None:
    assert not [path for _, path in all_routes(app) if ":path" in path]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("path", ["/", "/api/health", "/api/jobs"])
def test_another_host_is_not_answered(client: TestClient, host: str, path: str) -> None:
    answer = client.get(path, headers={"host": host})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_host")


def test_two_hosts_are_not_answered(client: TestClient) -> None:
    answer = client.get("/api/health", headers=[("host", lab.HOST), ("host", "evil.example")])
    assert answer.status_code == 400


@pytest.mark.parametrize("host", ["localhost:8765", "127.0.0.1:8765", "[::1]:8765"])
def test_the_own_hosts_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/api/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
@pytest.mark.parametrize("method", [m for m in METHODS if m not in ("GET", "HEAD")])
def test_a_foreign_page_changes_nothing_though_the_cookie_is_there(
    client: TestClient, method: str, origin: str
) -> None:
    answer = client.request(method, "/api/session", headers={"origin": origin})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_origin")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", None])
def test_without_an_origin_the_cookie_alone_is_not_enough(client: TestClient, site: str | None) -> None:
    del client.headers["origin"]
    headers = {"sec-fetch-site": site} if site else {}
    assert client.delete("/api/session", headers=headers).status_code == 403


def test_without_an_origin_a_browser_that_says_same_origin_may(client: TestClient) -> None:
    del client.headers["origin"]
    assert client.delete("/api/session", headers={"sec-fetch-site": "same-origin"}).status_code == 204


def test_without_an_origin_a_program_with_the_token_may(app: FastAPI) -> None:
    program = lab.visitor(app, authorization=f"Bearer {lab.lab(app).settings.access_token}")
    del program.headers["origin"]
    assert program.delete("/api/session").status_code == 204


def test_a_token_does_not_excuse_a_foreign_origin(app: FastAPI) -> None:
    program = lab.visitor(app, authorization=f"Bearer {lab.lab(app).settings.access_token}")
    assert program.delete("/api/session", headers={"origin": "http://evil.example"}).status_code == 403


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(app: FastAPI, stranger: TestClient) -> None:
    token = lab.lab(app).settings.access_token
    answer = stranger.post("/api/session", json={"token": token})
    morsel = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    assert (morsel["httponly"], morsel["samesite"], morsel["path"]) == (True, "strict", "/")
    assert token not in answer.headers["set-cookie"]
    assert stranger.get("/api/session").json() == {"signed_in": True}


def test_signing_out_forgets_the_session(client: TestClient) -> None:
    assert client.delete("/api/session").status_code == 204
    assert client.get("/api/session").status_code == 401


@pytest.mark.parametrize(
    "cookie", ["", "x", "1.2", "99999999999.0", "é.é", "9" * 5000, f"{'9' * 12}.{'0' * 64}", "1700000000.", "."]
)
def test_a_made_up_cookie_opens_nothing(stranger: TestClient, cookie: str) -> None:
    answer = stranger.get("/api/session", headers={"cookie": f"{COOKIE}={cookie}".encode()})
    assert answer.status_code == 401


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer x", "Basic eDp4", "Bearer é", "bearer\ttoken"])
def test_a_made_up_token_opens_nothing(stranger: TestClient, value: str) -> None:
    assert stranger.get("/api/session", headers={"authorization": value.encode()}).status_code == 401


def test_a_session_survives_a_restart_and_no_other_token() -> None:
    cookie = Keys("the token of this lab").new_cookie()
    assert Keys("the token of this lab").accepts_cookie(cookie)
    assert not Keys("another token").accepts_cookie(cookie)


def test_a_session_ends_after_thirty_days() -> None:
    day_s = 24 * 3600.0
    cookie = Keys("token", clock=lambda: 0.0).new_cookie()
    assert Keys("token", clock=lambda: 29 * day_s).accepts_cookie(cookie)
    assert not Keys("token", clock=lambda: 31 * day_s).accepts_cookie(cookie)


def test_guessing_tokens_is_slowed_down(tmp_path: Path) -> None:
    with lab.running(tmp_path) as app:
        guesser = lab.visitor(app)
        codes = [guesser.post("/api/session", json={"token": f"guess {n}"}).status_code for n in range(21)]
        assert codes == [401] * 20 + [429]
        right = {"token": lab.lab(app).settings.access_token}
        assert guesser.post("/api/session", json=right).status_code == 429


def test_attempts_are_forgiven_after_a_minute() -> None:
    time_s = 0.0
    attempts = Attempts(limit=2, window_s=60.0, clock=lambda: time_s)
    attempts.failed("a")
    attempts.failed("a")
    assert attempts.is_spent("a")
    assert not attempts.is_spent("b")
    time_s = 61.0
    assert not attempts.is_spent("a")


def test_every_kind_of_answer_carries_the_protective_headers(client: TestClient, app: FastAPI, shown: Shown) -> None:
    image = f"/api/datasets/{shown.dataset}/images/0"
    answers = {
        200: client.get("/api/jobs"),
        201: client.post("/api/encoders", json={"origin": "pixels", "dataset_id": shown.unlabelled}),
        204: lab.signed_in(app).delete("/api/session"),
        304: lab.signed_in(app).get(image, headers={"if-none-match": lab.signed_in(app).get(image).headers["etag"]}),
        400: client.get("/api/jobs", headers={"host": "evil.example"}),
        401: lab.visitor(app).get("/api/jobs"),
        403: lab.signed_in(app).post("/api/jobs", headers={"origin": "null"}),
        404: lab.signed_in(app).get("/api/nothing"),
        405: lab.signed_in(app).put("/api/jobs"),
        413: lab.signed_in(app).post("/api/jobs", content=b" " * (1 << 20) + b"{}"),
        422: lab.signed_in(app).post("/api/jobs", json={}),
        "page": lab.visitor(app).get("/jobs/1", headers={"accept": "text/html"}),
        "script": lab.visitor(app).get("/app.js"),
        "image": lab.signed_in(app).get(image),
    }
    for kind, answer in answers.items():
        assert not isinstance(kind, int) or answer.status_code == kind
        for name, value in HEADERS.items():
            if (kind, name) not in ((304, "Content-Security-Policy"), ("image", "Content-Security-Policy")):
                assert answer.headers.get(name) == value, (kind, name)
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert "cache-control" in answer.headers or kind in ("page", "script")


def test_the_policy_allows_scripts_from_here_only() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "object-src 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_pages_are_open_and_routed_by_history(stranger: TestClient) -> None:
    page = stranger.get("/jobs/123", headers={"accept": "text/html"})
    assert (page.status_code, "SimCLR Lab" in page.text) == (200, True)
    assert stranger.get("/").text == page.text
    assert stranger.get("/missing.js").status_code == 404


@pytest.mark.parametrize(
    "path", ["/%2e%2e/token", "/..%2ftoken", "/%2e%2e%2f%2e%2e%2ftoken", "//evil.example/..", "/..\\token"]
)
def test_pages_never_lead_out_of_their_folder(app: FastAPI, stranger: TestClient, path: str) -> None:
    answer = stranger.get(path, follow_redirects=False)
    # The client itself turns one of them into "/"; nothing is redirected, and nothing but the page is ever sent.
    assert answer.status_code == 404 or "SimCLR Lab" in answer.text
    assert "location" not in answer.headers


def test_documentation_pages_are_off_and_the_description_is_behind_the_key(
    client: TestClient, stranger: TestClient
) -> None:
    assert stranger.get("/api/openapi.json").status_code == 401
    assert client.get("/api/openapi.json").json()["info"]["title"] == "SimCLR Lab"
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert stranger.get(path).status_code == 404


def test_no_request_field_is_an_address(client: TestClient) -> None:
    text = client.get("/api/openapi.json").text
    assert not re.search(r'"format":\s*"(uri|url)', text)


def test_the_token_is_in_no_answer_and_no_description(client: TestClient, app: FastAPI) -> None:
    token = lab.lab(app).settings.access_token
    for path in ("/api/openapi.json", "/api/system", "/api/session", "/api/configs"):
        assert token not in client.get(path).text


def test_the_open_doors_are_these() -> None:
    assert is_open("GET", "/")
    assert is_open("HEAD", "/data/1")
    assert not is_open("POST", "/")
    assert not is_open("GET", "/api")
    assert not is_open("GET", "/api/jobs")


def test_listening_to_strangers_needs_a_token() -> None:
    with pytest.raises(ValueError, match="SIMCLR_LAB_TOKEN"):
        Settings(host="0.0.0.0")  # noqa: S104


def test_at_port_80_the_host_comes_without_a_port() -> None:
    assert "localhost" in Settings(port=80).origin_hosts
    assert "localhost" not in Settings().origin_hosts
