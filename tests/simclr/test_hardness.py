"""Pairs are as similar as their views are alike, and strangers stay strangers."""

import pytest
import torch
from torch import nn

from simclr.encoder_file import ImageFacts
from simclr.encoders import Pixels
from simclr.hardness import Hardness, features_of, hardness
from simclr.presets import augment_preset
from tests.simclr.torchvision_views import STILL, random_images

FACTS = ImageFacts(channels=3, image_size=16, mean=(0.5, 0.5, 0.5), std=(0.3, 0.3, 0.3))


def encoder() -> nn.Module:
    return Pixels(3 * 16 * 16).eval()


def test_identical_views_are_as_similar_as_can_be() -> None:
    found = hardness(encoder(), FACTS, random_images(32, size=16), STILL, torch.Generator())
    assert torch.allclose(found.pairs, torch.ones(32))
    assert float(found.others.abs().max()) < 0.3
    assert found.told_apart == 1.0


def test_harder_crops_make_less_similar_pairs() -> None:
    images = random_images(128, size=16)
    means = [
        float(hardness(encoder(), FACTS, images, STILL.model_copy(update={"crop_scale_min": low}),
                       torch.Generator().manual_seed(0)).pairs.mean())
        for low in (0.05, 0.5, 0.9)
    ]  # fmt: skip
    assert means == sorted(means)


def test_what_tells_strangers_apart_is_a_share_with_ties_halved() -> None:
    assert Hardness(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.5])).told_apart == pytest.approx(
        (1 + 1 + 0.5 + 0) / 4
    )


def test_strangers_are_other_images() -> None:
    plain = torch.arange(4, dtype=torch.uint8).mul(80).view(4, 1, 1, 1).expand(-1, 3, 16, 16).contiguous()
    found = hardness(encoder(), FACTS, plain, STILL, torch.Generator())
    assert found.others.tolist() == pytest.approx([-1.0, -1.0, -1.0, -1.0], abs=1e-5)  # dark beside bright


def test_features_do_not_depend_on_the_batch() -> None:
    views = random_images(10, size=16) / 255
    assert torch.equal(features_of(encoder(), FACTS, views, 3), features_of(encoder(), FACTS, views))


def test_a_single_image_has_no_strangers() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        hardness(encoder(), FACTS, random_images(1, size=16), augment_preset("gentle"), torch.Generator())
