"""Tiles of thumbnails, what is known of an image, and its original: what the grid of a set is made of."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
import pytest
from fastapi import FastAPI
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from backend.api.tiles import PER_TILE, thumbnails
from simclr.datasets import Dataset
from simclr.datasets.origin import Origin
from simclr.datasets.originals import Keeper
from tests.backend.api import lab
from tests.backend.api.conftest import Shown


@dataclass(frozen=True)
class Tile:
    positions: NDArray[np.int32]
    labels: NDArray[np.int32]
    splits: NDArray[np.uint8]
    pixels: NDArray[np.uint8]


def parsed(body: bytes) -> Tile:
    """A tile as its docstring describes it."""
    n, channels, side = (int(number) for number in np.frombuffer(body, "<u4", 3))
    positions, labels = np.frombuffer(body, "<i4", 2 * n, offset=12).reshape(2, n)
    splits = np.frombuffer(body, np.uint8, n, offset=12 + 8 * n)
    pixels = np.frombuffer(body, np.uint8, offset=12 + 8 * n + n + -n % 4).reshape(n, channels, side, side)
    return Tile(positions, labels, splits, pixels)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    with lab.running(tmp_path_factory.mktemp("own")) as app:
        yield app


@pytest.fixture(scope="module")
def large() -> Dataset:
    """More images than two tiles hold, whose splits and classes are mixed."""
    return lab.images(n=2 * PER_TILE + 37, seed=2)


@pytest.fixture(scope="module")
def large_id(own: FastAPI, large: Dataset) -> str:
    return lab.add_images(own, large)


@pytest.mark.parametrize("choice", [{}, {"split": "test"}, {"class_index": 1}, {"split": "train", "class_index": -1}])
def test_the_tiles_of_a_choice_hold_its_images_in_order(
    own: FastAPI, large: Dataset, large_id: str, choice: dict[str, str | int]
) -> None:
    client, tiles = lab.signed_in(own), []
    while (answer := client.get(f"/api/datasets/{large_id}/tiles/{len(tiles)}", params=choice)).status_code == 200:
        tiles.append(parsed(answer.content))
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_tile")
    assert {len(tile.positions) for tile in tiles[:-1]} <= {PER_TILE}
    splits = {"train": 0, "val": 1, "test": 2}
    wanted = np.ones(len(large), bool)
    if "split" in choice:
        wanted &= large.splits == splits[str(choice["split"])]
    if "class_index" in choice:
        wanted &= large.labels == choice["class_index"]
    positions = np.concatenate([tile.positions for tile in tiles])
    np.testing.assert_array_equal(positions, np.flatnonzero(wanted))
    np.testing.assert_array_equal(np.concatenate([tile.pixels for tile in tiles]), large.images[positions])
    np.testing.assert_array_equal(np.concatenate([tile.labels for tile in tiles]), large.labels[positions])
    np.testing.assert_array_equal(np.concatenate([tile.splits for tile in tiles]), large.splits[positions])


def test_a_tile_may_be_kept_for_good_under_a_tag_of_its_content(own: FastAPI, large_id: str) -> None:
    client, path = lab.signed_in(own), f"/api/datasets/{large_id}/tiles/0"
    tags = set()
    for query in ("", "?split=test", "?class_index=0"):
        answer = client.get(path + query)
        assert "immutable" in answer.headers["cache-control"]
        tag = answer.headers["etag"]
        tags.add(tag)
        assert client.get(path + query, headers={"if-none-match": tag}).status_code == 304
    assert len(tags) == 3
    assert client.get(path, headers={"if-none-match": '"other"'}).status_code == 200


@pytest.mark.parametrize("query", ["-1", "x", "99999999999", "0?split=all", "0?class_index=-2"])
def test_a_tile_that_cannot_be_is_refused(client: TestClient, shown: Shown, query: str) -> None:
    assert client.get(f"/api/datasets/{shown.dataset}/tiles/{query}").status_code == 422


@pytest.mark.parametrize(("size", "side"), [(8, 8), (48, 48), (49, 24), (64, 32), (224, 44), (784, 46)])
def test_a_thumbnail_is_the_mean_over_blocks(size: int, side: int) -> None:
    images = np.random.default_rng(size).integers(0, 256, (2, 3, size, size), dtype=np.uint8)
    images[0] = 255  # the largest sum there can be
    found = thumbnails(images)
    assert found.shape == (2, 3, side, side)
    block = size // side if size > 48 else 1
    edge = (size - side * block) // 2
    middle = images[:, :, edge : edge + side * block, edge : edge + side * block].astype(float)
    means = middle.reshape(2, 3, side, block, side, block).mean((3, 5))
    assert np.abs(found - means).max() <= 0.5


def test_an_image_tells_its_file_its_factors_and_its_neighbours(own: FastAPI) -> None:
    plain = lab.images(seed=8)
    factors = {"hue": np.linspace(0, 1, lab.N), "shape": np.arange(lab.N) % 4}
    names = [f"train/<b>{i}</b>.png" for i in range(lab.N)]
    dataset = replace(plain, factors=factors, origin=Origin(names=names))
    path = f"/api/datasets/{lab.add_images(own, dataset)}/images"
    client = lab.signed_in(own)
    about = client.get(f"{path}/7/about").json()
    assert (about["index"], about["class_name"], about["split"]) == (7, "bee", "train")
    assert (about["file_name"], about["has_original"]) == ("train/<b>7</b>.png", False)
    assert about["factors"] == {"hue": pytest.approx(7 / (lab.N - 1)), "shape": 3}
    assert (about["place"], about["previous"], about["next"]) == (7, 6, 8)
    bees = np.flatnonzero(dataset.labels == 1).tolist()
    among = client.get(f"{path}/7/about?class_index=1").json()
    assert (among["place"], among["previous"], among["next"]) == (bees.index(7), bees[bees.index(7) - 1], 10)
    other = client.get(f"{path}/8/about?class_index=1").json()
    assert (other["place"], other["previous"], other["next"]) == (None, 7, 10)
    first, last = (client.get(f"{path}/{i}/about").json() for i in (0, lab.N - 1))
    assert (first["previous"], last["next"]) == (None, None)
    assert client.get(f"{path}/{lab.N}/about").status_code == 404


def test_the_kept_original_is_shown_where_there_is_one(own: FastAPI, tmp_path_factory: pytest.TempPathFactory) -> None:
    keeper = Keeper(tmp_path_factory.mktemp("originals") / "kept", 300, 10**6)
    keeper.keep(3, Image.new("RGB", (300, 200), "red"))
    dataset = replace(lab.images(seed=9), originals=keeper.done(list(range(lab.N))))
    path = f"/api/datasets/{lab.add_images(own, dataset)}/images"
    client = lab.signed_in(own)
    assert [client.get(f"{path}/{i}/about").json()["has_original"] for i in (2, 3)] == [False, True]
    answer = client.get(f"{path}/3/original")
    assert answer.headers["content-type"] == "image/jpeg"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert Image.open(BytesIO(answer.content)).size == (300, 200)
    assert client.get(f"{path}/3/original", headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    missing = client.get(f"{path}/2/original")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "no_original")
