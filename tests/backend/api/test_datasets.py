"""Data sets are built in or imported, and are looked at; what a crash has left goes at the next start."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from backend.api.fields import clean_name
from tests.backend.api import lab
from tests.backend.api.conftest import Shown


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """A lab whose data sets these tests may change."""
    with lab.running(tmp_path_factory.mktemp("own")) as app:
        yield app


def folders(app: FastAPI) -> tuple[list[Path], list[Path]]:
    """What lies in the data sets' folder and among the uploads."""
    folder = lab.lab(app).folder
    return sorted((folder / "datasets").glob("*")), sorted((folder / "staging").glob("*"))


def test_what_a_crash_left_among_the_uploads_is_removed_at_start(tmp_path: Path) -> None:
    left = tmp_path / "staging" / "old"
    left.mkdir(parents=True)
    (left / "images.npy").write_bytes(b"x")
    with lab.running(tmp_path) as app:
        assert folders(app) == ([], [])


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  two   words ", "two words"),
        ("a\u202eb\u200bc\x00d\x07", "abcd"),
        ("line\nbreak\ttab", "line break tab"),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        ("é" * 200, "é" * 100),
        ("\u2067\u2069", ""),
    ],
)
def test_names_become_one_visible_line(raw: str, clean: str) -> None:
    assert clean_name(raw) == clean


def test_images_are_listed_by_split_and_class(client: TestClient, shown: Shown) -> None:
    dataset = lab.images()
    path = f"/api/datasets/{shown.dataset}/images"
    assert client.get(path).json()["total"] == lab.N
    found = client.get(path, params={"split": "train", "class_index": 1, "limit": 3, "offset": 1}).json()
    expected = np.flatnonzero((dataset.splits == 0) & (dataset.labels == 1))
    assert found["total"] == len(expected)
    assert [item["index"] for item in found["items"]] == expected[1:4].tolist()
    assert {(item["label"], item["class_name"], item["split"]) for item in found["items"]} == {(1, "bee", "train")}
    unlabelled = client.get(path, params={"limit": 1}).json()["items"][0]
    assert (unlabelled["label"], unlabelled["class_name"]) == (None, None)
    assert client.get(path, params={"offset": 10**6}).json()["items"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=NaN", "offset=-1", "split=all", "class_index=-2"])
def test_a_page_of_images_that_cannot_be_is_refused(client: TestClient, shown: Shown, query: str) -> None:
    assert client.get(f"/api/datasets/{shown.dataset}/images?{query}").status_code == 422


def test_an_image_comes_as_the_png_of_its_pixels_and_may_be_kept(client: TestClient, shown: Shown) -> None:
    path = f"/api/datasets/{shown.dataset}/images/7"
    answer = client.get(path)
    pixels = np.asarray(Image.open(io.BytesIO(answer.content)))
    np.testing.assert_array_equal(pixels.transpose(2, 0, 1), lab.images().images[7])
    assert answer.headers["content-type"] == "image/png"
    assert "immutable" in answer.headers["cache-control"]
    assert "sandbox" in answer.headers["content-security-policy"]
    assert client.get(path, headers={"if-none-match": answer.headers["etag"]}).status_code == 304


def test_an_image_beyond_the_end_is_unknown(client: TestClient, shown: Shown) -> None:
    answer = client.get(f"/api/datasets/{shown.dataset}/images/{lab.N}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_image")


def test_a_grey_set_has_grey_images(own: FastAPI) -> None:
    dataset = lab.images(n=24, channels=1, seed=3)
    answer = lab.signed_in(own).get(f"/api/datasets/{lab.add_images(own, dataset, 'Grey')}/images/2")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), dataset.images[2, 0])
