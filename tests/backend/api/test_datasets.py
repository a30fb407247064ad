"""Data sets come in as built-ins and uploads; what is refused leaves nothing behind."""

import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from backend import staging
from backend.api.fields import clean_name
from tests.backend.api import lab
from tests.backend.api.conftest import Shown


def png(seed: int = 0, size: tuple[int, int] = (12, 12)) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def packed(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def archive(n: int = 20, seed: int = 0) -> bytes:
    return packed({f"{'ab'[i % 2]}/{i}.png": png(seed + i) for i in range(n)})


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


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
    """A lab whose data sets these tests may change."""
    with lab.running(tmp_path_factory.mktemp("own")) as app:
        yield app


def folders(app: FastAPI) -> tuple[list[Path], list[Path]]:
    """What lies in the data sets' folder and among the uploads."""
    folder = lab.lab(app).folder
    return sorted((folder / "datasets").glob("*")), sorted((folder / "staging").glob("*"))


def upload(client: TestClient, body: bytes, kind: str = "zip", **query: str | int) -> tuple[int, dict[str, object]]:
    answer = client.post("/api/datasets/upload", params={"format": kind, **query}, content=body)
    return answer.status_code, answer.json()


def test_an_uploaded_archive_becomes_a_data_set_once(own: FastAPI) -> None:
    client = lab.signed_in(own)
    status, made = upload(client, archive(), name="Letters", image_size=16)
    assert (status, made["name"], made["classes"], made["n"], made["image_size"]) == (
        201,
        "Letters",
        ["a", "b"],
        20,
        16,
    )
    before = folders(own)
    status, again = upload(client, archive(), name="Other", image_size=16)
    assert (status, again) == (200, made)
    assert folders(own) == before
    assert folders(own)[1] == []
    assert client.get(f"/api/datasets/{made['id']}").json() == made
    assert client.get("/api/datasets").json()["items"] == [made]


def test_the_same_images_in_a_compressed_tar_are_the_same_set(own: FastAPI) -> None:
    client, file, images = lab.signed_in(own), io.BytesIO(), archive(seed=500)
    with zipfile.ZipFile(io.BytesIO(images)) as zipped, tarfile.open(fileobj=file, mode="w:xz") as packing:
        for name in zipped.namelist():
            entry = tarfile.TarInfo(name)
            entry.size = len(content := zipped.read(name))
            packing.addfile(entry, io.BytesIO(content))
    status, made = upload(client, file.getvalue(), "tar", image_size=16)
    assert status == 201, made
    assert upload(client, images, image_size=16) == (200, made)


def test_the_set_of_known_factors_is_offered(own: FastAPI) -> None:
    made = lab.signed_in(own).post("/api/datasets/builtin", json={"source": "factors"}).json()
    assert (len(made["classes"]), made["image_size"], made["channels"]) == (10, 64, 3)


def test_an_uploaded_npz_becomes_a_data_set(own: FastAPI) -> None:
    random = np.random.default_rng(0)
    arrays = {"train_images": random.integers(0, 256, (30, 8, 8), dtype=np.uint8), "train_labels": np.arange(30) % 3}
    status, made = upload(lab.signed_in(own), npz(**arrays), "npz", name="Tiny")
    assert (status, made["n"], made["channels"]) == (201, 30, 1)


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_upload_is_refused_with_a_reason_and_leaves_nothing(own: FastAPI, case: str) -> None:
    kind, body = BROKEN[case]
    before = folders(own)
    status, answer = upload(lab.signed_in(own), body, kind)
    assert status == 422, answer
    error = answer["error"]
    assert isinstance(error, dict)
    assert error["message"]
    assert error["code"] != "internal"
    assert folders(own) == before
    assert before[1] == []


@pytest.mark.parametrize(
    "query", [{}, {"format": "rar"}, {"format": "zip", "image_size": 0}, {"format": "zip", "image_size": 4096},
              {"format": "zip", "image_size": "NaN"}, {"format": "zip", "name": "a" * 2000}]
)  # fmt: skip
def test_an_upload_without_sense_is_refused_before_it_is_read(own: FastAPI, query: dict[str, str]) -> None:
    answer = lab.signed_in(own).post("/api/datasets/upload", params=query, content=archive())
    assert answer.status_code == 422


def test_an_empty_upload_is_refused(own: FastAPI) -> None:
    status, answer = upload(lab.signed_in(own), b"")
    assert (status, answer["error"]["code"]) == (422, "empty_upload")  # type: ignore[index]


def test_an_upload_above_the_cap_is_refused_declared_or_counted(own: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.api.datasets.MIB", 1)  # so that the cap of 2048 MiB becomes 2048 bytes
    client = lab.signed_in(own)
    declared = client.post("/api/datasets/upload?format=zip", content=b"x" * 2049)
    streamed = client.post("/api/datasets/upload?format=zip", content=iter([b"x" * 700] * 3))
    for answer in (declared, streamed):
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert folders(own)[1] == []


def test_a_full_disk_is_said_before_anything_is_written(own: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "RESERVE_BYTES", 1 << 60)
    status, answer = upload(lab.signed_in(own), archive())
    assert (status, answer["error"]["code"]) == (507, "disk_full")  # type: ignore[index]
    assert folders(own)[1] == []


def test_what_a_crash_left_among_the_uploads_is_removed_at_start(tmp_path: Path) -> None:
    left = tmp_path / "staging" / "old"
    left.mkdir(parents=True)
    (left / "images.npy").write_bytes(b"x")
    with lab.running(tmp_path) as app:
        assert folders(app) == ([], [])


@pytest.mark.slow
def test_a_built_in_set_is_made_once(own: FastAPI) -> None:
    client = lab.signed_in(own)
    first = client.post("/api/datasets/builtin", json={"source": "digits"})
    second = client.post("/api/datasets/builtin", json={"source": "digits"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert (first.json()["n"], len(first.json()["classes"])) == (1797, 10)


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
