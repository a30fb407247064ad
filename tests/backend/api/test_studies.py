"""What is said of a policy as a whole, by the child that takes seconds."""

import pytest
from starlette.testclient import TestClient

from tests.backend.api import lab
from tests.backend.api.conftest import Shown
from tests.backend.api.test_augmentations import IDENTITY

# The first of them waits until the second child has imported torch.
pytestmark = pytest.mark.slow

GREY_CROPS = {**IDENTITY, "crop_scale_min": 0.3, "grey_p": 1.0}


def asked(shown: Shown, **more: object) -> dict[str, object]:
    return {"dataset_id": shown.dataset, "config": GREY_CROPS, "seed": 1, **more}


def test_shortcuts_and_changes_are_told(client: TestClient, shown: Shown) -> None:
    found = client.post("/api/augmentations/shortcuts", json=asked(shown, tab="a")).json()
    training = lab.N // 2
    assert (found["views"], found["chance"]) == (2 * training, pytest.approx(1 / (2 * training - 1)))
    assert len(found["shortcuts"]) == 3
    assert [each["part"] for each in found["changes"]] == ["crop", "grey"]
    assert client.post("/api/augmentations/shortcuts", json=asked(shown)).json() == found


def test_pairs_are_compared_with_strangers_under_an_encoder(client: TestClient, shown: Shown) -> None:
    body = asked(shown, encoder_id=shown.encoder, config=IDENTITY)
    found = client.post("/api/augmentations/hardness", json=body).json()
    assert found["n"] == sum(found["pairs"]) == sum(found["others"]) == lab.N // 2
    assert (found["pairs"][-1], found["told_apart"]) == (found["n"], 1.0)
    assert found["mean_others"] < 0.3


def test_what_an_operation_costs_the_label_is_measured_on_held_out_images(client: TestClient, shown: Shown) -> None:
    body = asked(shown, encoder_id=shown.encoder)
    refused = client.post("/api/augmentations/label-costs", json=body)
    # Of the little set's 48 images ten are for validation, which tells nothing.
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "no_labels")
    larger = lab.add_images(client.app, lab.images(200, seed=3), "Larger")  # type: ignore[arg-type]
    found = client.post("/api/augmentations/label-costs", json={**body, "dataset_id": larger}).json()
    assert (found["fitted"], found["n"]) == (83, 33)  # without the sixth that has no label
    assert [cost["part"] for cost in found["costs"]] == ["crop", "grey"]
    # Random images: there is no label to lose.
    assert all(cost["low"] <= cost["lost"] <= cost["high"] for cost in found["costs"])


def test_studies_of_what_is_not_there_are_refused(client: TestClient, shown: Shown) -> None:
    assert client.post("/api/augmentations/shortcuts", json=asked(shown, dataset_id="0" * 26)).status_code == 404
    body = asked(shown, encoder_id="0" * 26)
    for study in ("hardness", "label-costs"):
        answer = client.post(f"/api/augmentations/{study}", json={**body, "config": IDENTITY})
        assert answer.status_code in (404, 422)
    labels = client.post(
        "/api/augmentations/label-costs", json=asked(shown, encoder_id=shown.encoder, dataset_id=shown.unlabelled)
    )
    assert labels.json()["error"]["code"] == "no_labels"
