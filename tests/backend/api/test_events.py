"""Streams are kept alive, counted, and forgotten when they end."""

import threading

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.backend.api import lab
from tests.backend.api.conftest import Shown


def test_one_stream_too_many_is_turned_away(client: TestClient, shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.streams.MAX_STREAMS", 0)
    answer = client.get(f"/api/jobs/{shown.job}/events")
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_streams")


def test_a_silent_stream_is_pinged_and_then_forgotten(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.05)
    client = lab.signed_in(app)
    dataset_id = lab.add_images(app, lab.images(seed=8), "Followed")
    asked = {"kind": "pretrain", "dataset_id": dataset_id, "config": {"batch_size": 8}}
    job_id = client.post("/api/jobs", json=asked).json()["id"]
    # The test client hands a response over when it is complete: cancelling the job a little later completes it.
    later = threading.Timer(0.5, lambda: lab.signed_in(app).post(f"/api/jobs/{job_id}/cancel"))
    later.start()
    text = client.get(f"/api/jobs/{job_id}/events").text
    later.join()
    assert text.count(": ping") >= 2
    assert text.count("event: state") == 2
    assert len(lab.lab(app).streams) == 0
