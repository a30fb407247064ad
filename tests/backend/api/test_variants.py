"""Other splits and fewer labels, as they would be, and refused before a job is made of what cannot be."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.backend.api.conftest import Shown


def test_what_would_be_is_counted_before_it_is_made(client: TestClient, shown: Shown) -> None:
    path = f"/api/datasets/{shown.dataset}/variants/preview"
    few = client.post(path, json={"make": "labels", "shots": 3}).json()
    assert few["split_sizes"] == {"train": 24, "val": 12, "test": 12}
    assert few["counts"]["train"] == [3, 3, 3]
    assert few["how"] == "3 training labels of every class kept (seed 0)."
    anew = client.post(path, json={"make": "splits", "train": 0.5, "val": 0.25, "test": 0.25, "seed": 1}).json()
    assert [sum(anew["counts"][split]) for split in ("train", "val", "test")] == [20, 10, 10]
    assert anew["split_sizes"]["train"] == 28  # with those that have no label


@pytest.mark.parametrize(
    ("asked", "code", "says"),
    [
        ({"make": "labels", "shots": 5}, "too_few_images", "ant has 4 labelled training images, but shots is 5: choose 4"),
        ({"make": "labels"}, "no_choice", "a fraction of them, or shots"),
        ({"make": "labels", "shots": 2, "fraction": 0.5}, "invalid", "exclude each other"),
        ({"make": "splits", "train": 0.5, "val": 0.2, "test": 0.2}, "invalid", "add up to 0.9: make it 1"),
        ({"make": "splits", "train": 0.998, "val": 0.001, "test": 0.001}, "too_few_images", "val would get 0 of 40"),
        ({"make": "cake"}, "invalid", "make"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_alike_when_it_is_shown_and_when_it_is_made(
    client: TestClient, shown: Shown, asked: dict[str, Any], code: str, says: str
) -> None:
    path = f"/api/datasets/{shown.dataset}/variants"
    for answer in (client.post(f"{path}/preview", json=asked), client.post(path, json={"variant": asked})):
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
        assert says in answer.text
    answer = client.post(f"/api/datasets/{shown.unlabelled}/variants/preview", json={"make": "splits"})
    assert answer.json()["error"] == {
        "code": "no_labels", "fields": [],
        "message": "Unlabelled has no labels, so there is nothing to divide: choose a labelled set.",
    }  # fmt: skip
