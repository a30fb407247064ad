"""Previews are shared among cores and come out as if they were not."""

import hashlib
import io

import numpy as np
import pytest
import torch
from PIL import Image

from backend.vision import previews
from simclr.augment import apply_parameters
from simclr.config import AugmentConfig
from simclr.overlap import drawn_overlaps
from simclr.step_by_step import from_plain, parts_alone
from tests.simclr.torchvision_views import EVERYTHING, parameters_of, random_images


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_views_do_not_depend_on_how_many_cores_draw_them(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "cores", lambda _: cores)
    images, drawn = random_images(17, size=64), parameters_of(17, 64, EVERYTHING)
    pictures, digests = previews._views(images, drawn)
    whole = apply_parameters(images, drawn)
    assert digests == [hashlib.sha256(view.numpy().tobytes()).hexdigest() for view in whole]
    assert torch.equal(pictures, whole.mul(255).round().to(torch.uint8))
    assert previews._pngs(pictures) == [previews._png(picture) for picture in pictures]


def test_pixels_are_those_of_the_pngs_and_a_miniature_is_its_operation_alone() -> None:
    images = random_images(3, size=32)
    header = {
        "shape": list(images.shape), "config": EVERYTHING.model_dump(), "seed": 3, "indices": [4, 0, 7], "views": 2,
        "alone": ["noise", "flip"],
    }  # fmt: skip
    told, files = previews.preview(header, [images.numpy().tobytes()])
    also_told, (pixels,) = previews.preview({**header, "raw": True}, [images.numpy().tobytes()])
    assert also_told == told
    assert len(told["digests"]) == 6
    pictures = np.frombuffer(pixels, np.uint8).reshape(8, 3, 32, 32)
    for picture, file in zip(pictures, files, strict=True):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(file))).transpose(2, 0, 1), picture)
    rows = parts_alone(from_plain(told["parameters"])[:1], 32, ["noise", "flip"])
    for picture, row in zip(pictures[6:], rows, strict=True):
        assert np.array_equal(picture, apply_parameters(images[:1], row)[0].mul(255).round().byte().numpy())


def test_the_law_of_overlaps_follows_the_crop_alone() -> None:
    config = AugmentConfig(crop_scale_min=0.3, noise_p=1.0, rotation_p=0.5)
    law = previews._law(previews._crops(config), 32, 5)
    others = (AugmentConfig(crop_scale_min=0.3), AugmentConfig(crop_scale_min=0.31))
    same, other = (previews._law(previews._crops(each), 32, 5) for each in others)
    assert same == law != other
    drawn = drawn_overlaps(config, 32, previews.DRAWS, torch.Generator().manual_seed(5))
    assert law["median"] == float(drawn.median())
