"""Built-in sets are made by jobs, once each, and of some any number of images can be drawn."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from httpx2 import Response

from simclr.datasets.factors import factors
from simclr.datasets.store import content_hash
from tests.backend.api import lab


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    with lab.running(tmp_path_factory.mktemp("own")) as app:
        yield app


def ask(app: FastAPI, **body: object) -> Response:
    return lab.signed_in(app).post("/api/datasets/builtin", json=body)


def test_a_built_in_set_is_a_job_that_is_the_same_until_its_set_is_deleted(own: FastAPI) -> None:
    first, client = ask(own, source="factors", count=30, seed=2, submitter="Ada"), lab.signed_in(own)
    job = first.json()
    assert (first.status_code, job["kind"], job["state"], job["lane"]) == (202, "import", "queued", "import")
    assert (job["name"], job["submitter"]) == ("Factors, 30 images, seed 2", "Ada")
    assert job["config"] == {"origin": "builtin", "source": "factors", "count": 30, "seed": 2}
    meanwhile = ask(own, source="factors", count=30, seed=2, name="Mine")
    assert (meanwhile.status_code, meanwhile.json()["id"]) == (200, job["id"])
    done = lab.imported(own, first)
    assert (done["state"], done["progress"]["step"], done["progress"]["steps"]) == ("succeeded", 30, 30)
    made = client.get(f"/api/datasets/{done['dataset_id']}").json()
    assert (made["n"], made["content_hash"]) == (30, content_hash(factors(30, 2)))
    again = ask(own, source="factors", count=30, seed=2)
    assert (again.status_code, again.json()) == (200, done)
    assert client.delete(f"/api/datasets/{made['id']}").status_code == 204
    anew = ask(own, source="factors", count=30, seed=2)
    assert (anew.status_code, anew.json()["id"] == job["id"]) == (202, False)


def test_what_was_cancelled_or_is_another_set_does_not_stand_for_it(own: FastAPI) -> None:
    asked = {"source": "factors", "count": 10}
    first = ask(own, **asked).json()
    other = ask(own, **asked, seed=1)
    assert (other.status_code, other.json()["id"] == first["id"]) == (202, False)
    lab.signed_in(own).post(f"/api/jobs/{first['id']}/cancel")
    assert ask(own, **asked).json()["id"] not in (first["id"], other.json()["id"])


def test_a_key_that_was_used_gives_the_job_it_was_used_for(own: FastAPI) -> None:
    client = lab.signed_in(own)
    answers = [
        client.post(
            "/api/datasets/builtin", json={"source": "factors", "count": n}, headers={"idempotency-key": "once"}
        )
        for n in (11, 12)
    ]
    assert [answer.status_code for answer in answers] == [202, 200]
    assert answers[0].json()["id"] == answers[1].json()["id"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"source": "digits", "count": 100}, "digits are as they are"),
        ({"source": "patterns", "seed": 1}, "patterns are as they are"),
        ({"source": "factors", "count": 9}, "10"),
        ({"source": "factors", "count": 10**6}, "300000"),
        ({"source": "factors", "seed": -1}, "0"),
        ({"source": "cats"}, "digits"),
        ({}, "source"),
    ],
)
def test_what_is_not_built_in_is_refused(own: FastAPI, body: dict[str, object], said: str) -> None:
    answer = ask(own, **body)
    assert answer.status_code == 422
    assert said in answer.text
