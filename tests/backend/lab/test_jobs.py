"""Jobs from a terminal: the commands do what the page does, on a real API, and say what went wrong in one line."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from backend.catalogue.engine import Catalogue, open_catalogue
from backend.jobs import store
from backend.jobs.outcomes import Failed
from backend.lab import cli
from backend.lab.errors import LabError
from backend.lab.jobs import changed, duration, time_of
from benchmarks.sets import put_set
from simclr.config import PretrainConfig
from simclr.events import Checkpoint, Progress
from tests.backend.api.lab import images
from tests.backend.api.process import Api, started

pytestmark = pytest.mark.slow

Run = Callable[..., str]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with started(tmp_path_factory.mktemp("api"), seeing=False) as running:
        yield running


@pytest.fixture(scope="module")
def dataset_id(api: Api) -> Iterator[str]:
    catalogue = open_catalogue(api.settings)
    yield put_set(catalogue, api.settings.data_folder, images(600), "Little")
    catalogue.close()


@pytest.fixture
def catalogue(api: Api) -> Iterator[Catalogue]:
    opened = open_catalogue(api.settings)
    yield opened
    opened.close()


@pytest.fixture
def run(api: Api, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("SIMCLR_LAB_DATA", str(api.settings.data_folder))
    monkeypatch.setenv("SIMCLR_LAB_PORT", str(api.settings.port))
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*arguments: str) -> str:
        done = CliRunner().invoke(cli.app, list(arguments), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    return invoke


@pytest.fixture
def job_id(api: Api, dataset_id: str) -> Iterator[str]:
    body = {"kind": "pretrain", "dataset_id": dataset_id, "config": {"epochs": 4}, "name": "A [nice] one"}
    job: str = api.client.post("/api/jobs", json=body).json()["id"]
    yield job
    for left in api.client.get("/api/jobs").json()["items"]:
        api.client.post(f"/api/jobs/{left['id']}/cancel")


def job(api: Api, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.client.get(f"/api/jobs/{job_id}").json()
    return found


def test_jobs_are_listed_with_place_progress_and_time(run: Run, api: Api, catalogue: Catalogue, job_id: str) -> None:
    listed = run("jobs")
    assert job_id[-6:] in listed
    assert "A [nice] one" in listed
    assert "queued, 1." in listed
    assert "No worker has said" in listed
    with catalogue.writing() as session:
        claim = store.claim(session, "worker")
        assert claim is not None
        store.progress(session, job_id, claim.epoch, [Progress(step=7, steps=28, epoch=1, epochs=4, eta_s=130.0)])
    listed = run("jobs")
    assert "epoch 1/4, 25 %" in listed
    assert "2 min left" in listed
    assert "pausing" in run("job", "pause", job_id[-6:])


def test_a_job_is_paused_resumed_and_cancelled(run: Run, api: Api, job_id: str) -> None:
    assert "paused" in run("job", "pause", job_id)
    assert "queued" in run("job", "resume", job_id[-8:])
    assert "cancelled" in run("job", "cancel", job_id)
    assert job(api, job_id)["state"] == "cancelled"
    assert '"epochs": 4' in run("job", "show", job_id)


def test_a_job_goes_on_or_begins_anew_with_other_choices(run: Run, api: Api, catalogue: Catalogue, job_id: str) -> None:
    with catalogue.writing() as session:
        claim = store.claim(session, "worker")
        assert claim is not None
        saved = Checkpoint(step=7, epoch=1, name="checkpoint-000000007.pt", sha256="0" * 64)
        store.progress(session, job_id, claim.epoch, [saved])
        store.settle(session, job_id, claim.epoch, Failed("disk", "The disk is full."))
    assert "The disk is full." in run("job", "show", job_id)
    known = {one["id"] for one in api.client.get("/api/jobs").json()["items"]}
    run("job", "again", job_id, "--epochs", "8")
    run("job", "again", job_id, "--set", "batch_size=64", "--set", "augment.flip_p=0", "--epochs", "2")
    edited, further = (one for one in api.client.get("/api/jobs").json()["items"] if one["id"] not in known)
    assert (further["continues"], further["config"]["epochs"]) == (job_id, 8)
    assert (edited["continues"], edited["name"]) == (None, "A [nice] one")
    choices = edited["config"]
    assert (choices["batch_size"], choices["augment"]["flip_p"], choices["epochs"]) == (64, 0.0, 2)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("job", "pause", "zzzzzz"), "there is no job zzzzzz: 'simclr-lab jobs --all' lists them"),
        (("job", "resume", "JOB"), "is not paused, so it cannot be resumed"),
        (("job", "again", "JOB"), "has not ended: resume it, or wait for its end"),
        (("job", "again", "JOB", "--set", "temperature"), "name a choice and its value"),
        (("job", "again", "JOB", "--set", "batch_size=1"), "batch_size"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(run: Run, job_id: str, arguments: tuple[str, ...], says: str) -> None:
    with pytest.raises(LabError, match=says):
        run(*(job_id if argument == "JOB" else argument for argument in arguments))


def test_an_import_is_repeated_as_it_was_or_not_at_all(run: Run, api: Api) -> None:
    asked = api.client.post("/api/datasets/import", json={"source": "breastmnist", "name": "Scans"}).json()
    with pytest.raises(LabError, match="Scans is an import, which '--set' cannot change"):
        run("job", "again", asked["id"], "--set", "image_size=28")
    run("job", "cancel", asked["id"])
    assert "queued" in run("job", "again", asked["id"])
    again = api.client.get("/api/jobs").json()["items"][0]
    assert (again["name"], again["config"]) == ("Scans", asked["config"])
    run("job", "cancel", again["id"])


def test_without_a_lab_it_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIMCLR_LAB_DATA", str(tmp_path))
    monkeypatch.setenv("SIMCLR_LAB_PORT", "1")
    monkeypatch.setattr("backend.lab.jobs.PATIENCE_S", 0.0)
    with pytest.raises(LabError, match="does not answer: start the lab with 'simclr-lab up'"):
        CliRunner().invoke(cli.app, ["jobs"], catch_exceptions=False)


@pytest.mark.parametrize("change", ["nothing=1", "augment=1", "augment.nothing=1", "batch_size.x=1", "=1", "epochs"])
def test_a_choice_that_is_none_is_refused(change: str) -> None:
    with pytest.raises(LabError, match="name a choice and its value"):
        changed(PretrainConfig().model_dump(mode="json"), [change])


def test_time_stands_beside_what_was_predicted() -> None:
    known = {"progress": None, "starts_in_s": None, "spent_s": 0.0, "predicted_s": None, "state": "succeeded"}
    assert time_of(known | {"spent_s": 200.0, "predicted_s": 7200.0}) == "3 min taken, 2.0 h predicted"
    assert time_of(known | {"state": "queued", "starts_in_s": 0.0}) == "starts in 0 s"
    assert [duration(seconds) for seconds in (0.4, 89, 90, 5399, 5400)] == ["0 s", "89 s", "2 min", "90 min", "1.5 h"]
