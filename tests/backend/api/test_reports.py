"""The report of a set: made once, beside the API, never at others' cost; and what the import left out, as a table."""

import csv
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from backend.api.reports import as_csv
from backend.reports import Reports
from simclr.datasets.origin import Skipped
from simclr.datasets.report import make_report
from simclr.datasets.reporter import ReportFailed
from simclr.events import ShouldStop, Stopped
from tests.backend.api import lab
from tests.backend.api.conftest import Shown
from tests.backend.api.process import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """A lab whose data sets these tests may damage."""
    with lab.running(tmp_path_factory.mktemp("own")) as app:
        yield app


def test_a_report_is_made_when_first_asked_for_and_kept(client: TestClient, shown: Shown, app: FastAPI) -> None:
    path = f"/api/datasets/{shown.dataset}/report"
    first = client.get(path)
    assert (first.status_code, first.json()) == (202, {"before": 0})
    wait_until(lambda: client.get(path).status_code == 200)
    assert client.get(path).json() == make_report(lab.images()).model_dump(mode="json")
    assert (lab.folder_of(app, shown.dataset) / "report.json").exists()
    assert client.get(f"/api/datasets/{lab.N:026}/report").status_code == 404


def test_a_report_that_fails_is_told_once_and_tried_again(own: FastAPI) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images(seed=5))
    labels = lab.folder_of(own, dataset_id) / "labels.npy"
    whole = labels.read_bytes()
    labels.write_bytes(b"")
    path = f"/api/datasets/{dataset_id}/report"
    wait_until(lambda: client.get(path).status_code == 503)
    labels.write_bytes(whole)
    wait_until(lambda: client.get(path).status_code == 200)


def test_one_report_is_made_at_a_time_in_the_order_of_asking_and_what_nobody_wants_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []
    may_end = threading.Event()

    def make(folder: Path, should_stop: ShouldStop) -> None:
        made.append(folder.name)
        if folder.name == "broken":
            raise ReportFailed("exit 1: a long story")
        while not may_end.wait(0.001):
            if should_stop():
                raise Stopped("nobody wants it")

    monkeypatch.setattr("backend.reports.report_in_child", make)
    reports, paths = Reports(), {name: Path(name) for name in ("a", "broken", "c", "d", "e")}
    assert [reports.ask(paths[name]) for name in ("a", "broken", "c", "a")] == [0, 1, 2, 0]
    wait_until(lambda: made == ["a"])
    may_end.set()
    wait_until(lambda: made == ["a", "broken", "c"])
    assert [reports.failure(paths["broken"]) for _ in range(2)] == ["exit 1", None]
    may_end.clear()
    assert reports.ask(paths["d"]) == 0
    assert reports.ask(paths["e"]) == 1
    wait_until(lambda: made[-1] == "d")
    reports.stop(paths["e"])
    assert reports.ask(paths["d"]) == 0
    reports.stop()
    assert made == ["a", "broken", "c", "d"]
    assert reports.failure(paths["d"]) is None


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("train/cat/1.png", "train/cat/1.png"),
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        (" +1", "' +1"),
        ("-2", "'-2"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("＝1", "'＝1"),
        ("\t=1", "\\t=1"),
        ("a\r\nb\x00c\x1b[31m", "a\\r\\nb\\x00c\\x1b[31m"),
        ("evil\u202egnp.exe", "evil\\u202egnp.exe"),
        ("half\ud800", "half\\ud800"),
        ('a","b', 'a","b'),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("كلب/狗.png", "كلب/狗.png"),
    ],
)
def test_no_file_name_does_anything_in_a_spreadsheet(name: str, cell: str) -> None:
    rows = list(csv.reader(io.StringIO(as_csv([Skipped(name=name, code="not_an_image", reason="it is broken")]))))
    assert rows == [["file", "code", "reason"], [cell, "not_an_image", "it is broken"]]


def test_the_files_left_out_are_a_table_to_keep_and_never_a_page(own: FastAPI) -> None:
    client, dataset_id = lab.signed_in(own), lab.add_images(own, lab.images(seed=6))
    path = f"/api/datasets/{dataset_id}/skipped.csv"
    assert client.get(path).text.splitlines() == ['\ufeff"file","code","reason"']
    origin = lab.folder_of(own, dataset_id) / "origin.json"
    origin.write_text('{"skipped": [{"name": "é.png", "code": "empty", "reason": "it is empty"}], "skipped_n": 1}')
    answer = client.get(path)
    assert answer.content.decode("utf-8-sig").splitlines()[1] == '"é.png","empty","it is empty"'
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == "attachment; filename=skipped.csv"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
