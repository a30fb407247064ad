"""Previews are the views that training would draw, and are refused when they ask for what is not there."""

import base64
import hashlib
import io
import json
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from backend.api.augmentations import ParametersOut, PartName
from simclr.augment import apply_parameters, draw_views
from simclr.config import AugmentConfig
from simclr.overlap import boxes, overlap
from simclr.policy_parts import PARTS
from simclr.step_by_step import from_plain, neutral
from tests.backend.api import lab
from tests.backend.api.conftest import Shown
from tests.simclr.torchvision_views import EVERYTHING

IDENTITY = {"crop_scale_min": 1.0, "flip_p": 0.0, "jitter_p": 0.0, "grey_p": 0.0, "blur_p": 0.0}


def asked(shown: Shown, **more: object) -> dict[str, object]:
    return {"dataset_id": shown.dataset, "indices": [0, 7], "config": {}, "seed": 3, **more}


def pixels(address: str) -> np.ndarray:
    assert address.startswith("data:image/png;base64,")
    array = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))
    return array.transpose(2, 0, 1) if array.ndim == 3 else array[None]


def preview(client: TestClient, body: dict[str, object]) -> dict[str, Any]:
    answer = client.post("/api/augmentations/preview", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_without_any_operation_the_views_are_the_image(client: TestClient, shown: Shown) -> None:
    images = preview(client, asked(shown, config=IDENTITY))["images"]
    assert [image["index"] for image in images] == [0, 7]
    for image in images:
        for picture in (view["picture"] for view in image["views"]):
            np.testing.assert_array_equal(pixels(picture), lab.images().images[image["index"]])
        assert image["overlap"] == 1.0


def test_the_same_seed_draws_the_same_views(client: TestClient, shown: Shown) -> None:
    first = preview(client, asked(shown))
    assert preview(client, asked(shown)) == first
    assert preview(client, asked(shown, seed=4)) != first


def test_whoever_accepts_bytes_gets_the_pixels_of_the_same_pictures(client: TestClient, shown: Shown) -> None:
    body = asked(shown, alone=["blur"])
    expected = preview(client, body)
    answer = client.post("/api/augmentations/preview", json=body, headers={"accept": "application/octet-stream"})
    assert answer.headers["content-type"] == "application/octet-stream"
    length, n, channels, side = np.frombuffer(answer.content, "<u4", 4).tolist()
    told = json.loads(answer.content[16 : 16 + length])
    sent = np.frombuffer(answer.content[16 + length :], np.uint8).reshape(n, channels, side, side)
    pictures = [view for image in expected["images"] for view in image["views"]] + expected["alone"]
    assert len(sent) == len(pictures) == 5
    for picture, drawn in zip(pictures, sent, strict=True):
        np.testing.assert_array_equal(drawn, pixels(picture["picture"]))
        picture["picture"] = ""
    assert told == expected


def test_every_operation_can_be_asked_for_alone() -> None:
    assert get_args(PartName) == tuple(part.name for part in PARTS)


def test_parameters_are_reported_whole() -> None:
    assert list(ParametersOut.model_fields) == list(vars(neutral(1, 8)))


def test_a_previewed_view_is_the_training_pipelines_bit_for_bit(client: TestClient, shown: Shown) -> None:
    """The parameters that a preview reports, given to the function that training calls, make the very tensor.

    In a batch of 128, as in training: whoever shares the batch changes no bit. The digest is of the float32 numbers that the
    network would be fed, the picture is these rounded to 8 bits.
    """
    everything = EVERYTHING.model_dump()
    found = preview(client, asked(shown, indices=list(range(16)), config=everything))["images"]
    views = [(image["index"], view) for image in found for view in image["views"]]
    reported = from_plain([view["parameters"] for _, view in views] * 4)
    trained = apply_parameters(torch.from_numpy(lab.images().images[[index for index, _ in views] * 4]), reported)
    for (_, view), tensor in zip(views, trained, strict=False):
        assert hashlib.sha256(tensor.numpy().tobytes()).hexdigest() == view["digest"]
        np.testing.assert_array_equal(tensor.mul(255).round().byte().numpy(), pixels(view["picture"]))


def test_a_preview_draws_what_draw_views_draws_from_the_same_numbers(client: TestClient, shown: Shown) -> None:
    from backend.vision.previews import generator_of

    (image,) = preview(client, asked(shown, indices=[7]))["images"]
    row = torch.from_numpy(lab.images().images[[7, 7]])
    drawn = draw_views(row, AugmentConfig(), generator_of(3, 7))
    assert [hashlib.sha256(view.numpy().tobytes()).hexdigest() for view in drawn] == [
        view["digest"] for view in image["views"]
    ]


def test_many_views_begin_with_the_pair(client: TestClient, shown: Shown) -> None:
    (pair,) = preview(client, asked(shown, indices=[7]))["images"]
    (many,) = preview(client, asked(shown, indices=[7], views=32))["images"]
    assert (len(many["views"]), many["views"][:2]) == (32, pair["views"])


def test_overlaps_are_those_of_the_reported_boxes(client: TestClient, shown: Shown) -> None:
    found = preview(client, asked(shown, config={"crop_scale_min": 0.05}))
    for image in found["images"]:
        first, second = (boxes(from_plain([view["parameters"]])) for view in image["views"])
        assert image["overlap"] == pytest.approx(float(overlap(first, second)))
    law = found["overlaps"]
    assert (law["draws"], sum(law["counts"]), len(law["counts"])) == (256, 256, 20)
    assert preview(client, asked(shown, config=IDENTITY))["overlaps"]["counts"][-1] == 256


def test_each_operation_is_shown_alone(client: TestClient, shown: Shown) -> None:
    blurred, mirrored = preview(client, asked(shown, alone=["blur", "flip"]))["alone"]
    assert (blurred["part"], mirrored["part"]) == ("blur", "flip")
    np.testing.assert_array_equal(pixels(mirrored["picture"]), lab.images().images[0][:, :, ::-1])


def test_a_story_ends_in_the_previewed_views(client: TestClient, shown: Shown) -> None:
    body = asked(shown, indices=[7], config=EVERYTHING.model_dump())
    (image,) = preview(client, body)["images"]
    told = client.post("/api/augmentations/story", json=body).json()
    np.testing.assert_array_equal(pixels(told["original"]), lab.images().images[7])
    assert [steps[-1]["picture"] for steps in told["views"]] == [view["picture"] for view in image["views"]]
    assert told["overlap"] == image["overlap"]
    assert told["boxes"][0] == [image["views"][0]["parameters"][name] for name in ("top", "left", "height", "width")]
    assert client.post("/api/augmentations/story", json=asked(shown)).json()["error"]["code"] == "one_image"


def photo_of(client: TestClient, shown: Shown, picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    answer = client.post(f"/api/augmentations/photo?dataset_id={shown.dataset}", content=file.getvalue())
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["picture"]
    return found


def test_ones_own_photo_is_brought_to_the_sets_size_and_comes_first(client: TestClient, shown: Shown) -> None:
    taken = photo_of(client, shown, Image.new("RGB", (90, 40), (200, 30, 10)))
    assert pixels(taken).shape == (3, 16, 16)
    body = asked(shown, photo=taken.partition(",")[2], config=IDENTITY)
    found = preview(client, body)["images"]
    assert [image["index"] for image in found] == [None, 0, 7]
    assert found[0]["views"][0]["picture"] == taken
    # Those of the set stay what they are without it.
    assert found[1:] == preview(client, asked(shown, config=IDENTITY))["images"]
    alone = preview(client, {**body, "indices": []})["images"]
    assert alone == found[:1]


def test_what_is_no_photo_is_refused(client: TestClient, shown: Shown) -> None:
    answer = client.post(f"/api/augmentations/photo?dataset_id={shown.dataset}", content=b"<svg/>")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "not_an_image")
    junk = base64.b64encode(b"junk").decode()
    answer = client.post("/api/augmentations/preview", json=asked(shown, photo=junk))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "not_an_image")


def test_the_sheet_holds_the_previewed_views(client: TestClient, shown: Shown) -> None:
    body = asked(shown)
    answer = client.post("/api/augmentations/sheet", json=body)
    assert answer.headers["content-type"] == "image/png"
    tiles = np.asarray(Image.open(io.BytesIO(answer.content))).transpose(2, 0, 1)
    found = preview(client, body)["images"]
    side, gap = 96, 4  # tiles of 16 px are enlarged six times
    for row, image in enumerate(found):
        shown_here = [lab.images().images[image["index"]], *(pixels(view["picture"]) for view in image["views"])]
        for column, expected in enumerate(shown_here):
            top, left = gap + row * (side + gap), gap + column * (side + gap)
            np.testing.assert_array_equal(tiles[:, top : top + side : 6, left : left + side : 6], expected)


def test_a_policy_is_exported_for_the_size_of_the_set(client: TestClient, shown: Shown) -> None:
    body = {"dataset_id": shown.dataset, "config": {"blur_p": 0.5, "flip_p": 0.25}}
    found = client.post("/api/augmentations/export", json=body).json()
    assert AugmentConfig.model_validate_json(found["json_text"]) == AugmentConfig(blur_p=0.5, flip_p=0.25)
    assert "flip_p=0.25" in found["python"]
    assert "v2.RandomResizedCrop(16," in found["torchvision"]


def test_what_is_switched_on_in_vain_is_said(client: TestClient, shown: Shown) -> None:
    said = preview(client, asked(shown, config={**IDENTITY, "noise_p": 1, "noise_std": 0}))
    assert said["in_vain"] == ["Noise (noise_p) does nothing: noise_std is 0."]
    assert preview(client, asked(shown, config=IDENTITY))["in_vain"] == []


def test_a_preview_of_a_tab_that_waits_is_superseded_by_its_next(
    client: TestClient, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend.vision import VisionSuperseded

    def superseded(*_: object) -> None:
        raise VisionSuperseded("a newer request took its place")

    held: Callable[..., object] = superseded
    monkeypatch.setattr(lab.lab(client.app).vision, "ask", held)  # type: ignore[arg-type]
    answer = client.post("/api/augmentations/preview", json=asked(shown, tab="one"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "superseded")


@pytest.mark.parametrize(
    "wrong",
    [
        {"indices": []},
        {"indices": list(range(17))},
        {"indices": list(range(16)), "views": 5},
        {"indices": [-1]},
        {"indices": [lab.N]},
        {"indices": [2**40]},
        {"indices": "0"},
        {"views": 1},
        {"views": 33},
        {"alone": ["paint"]},
        {"tab": "a b"},
        {"photo": "abc"},
        {"config": {"flip_p": 1.5}},
        {"config": {"jitter_strength": -0.1}},
        {"config": {"crop_scale_min": 0.9, "crop_scale_max": 0.2}},
        {"config": {"unknown": 1}},
        {"seed": -1},
        {"seed": 2**31},
        {"seed": 0.5},
        {"dataset_id": "x"},
    ],
)
def test_a_preview_that_cannot_be_is_refused(client: TestClient, shown: Shown, wrong: dict[str, object]) -> None:
    answer = client.post("/api/augmentations/preview", json=asked(shown, **wrong))
    assert (answer.status_code, bool(answer.json()["error"]["fields"])) == (422, True)


def test_a_preview_of_an_unknown_set_is_not_found(client: TestClient, shown: Shown) -> None:
    assert client.post("/api/augmentations/preview", json=asked(shown, dataset_id="0" * 26)).status_code == 404
