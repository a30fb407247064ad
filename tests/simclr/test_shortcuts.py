"""The audit finds the shortcuts that are there, and says chance where there are none."""

import pytest
import torch

from simclr.config import AugmentConfig
from simclr.presets import augment_preset
from simclr.shortcuts import FEATURES, audit_shortcuts, colour_histogram, edge_histogram, partner_hits, thumbnail
from tests.simclr.torchvision_views import STILL, random_images

N = 64


def plain(n: int = N) -> torch.Tensor:
    """Images of one colour each."""
    colours = torch.randint(0, 256, (n, 3, 1, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))
    return colours.expand(-1, -1, 16, 16).contiguous()


def top1(images: torch.Tensor, config: AugmentConfig) -> dict[str, float]:
    found = audit_shortcuts(images, config, torch.Generator().manual_seed(0))
    return {shortcut.feature: shortcut.top1 for shortcut in found.shortcuts}


def test_colours_solve_crops_of_plain_images_and_jitter_takes_that_away() -> None:
    """The paper's Fig. 6 in the extreme: nothing but colour tells these images apart."""
    crops = top1(plain(), augment_preset("crop-only"))
    assert crops["colour histogram"] == crops["4 × 4 thumbnail"] == 1.0
    # An image without edges has none to tell.
    assert crops["edge histogram"] == pytest.approx(1 / (2 * N - 1), abs=0.01)
    jittered = top1(plain(), augment_preset("simclr-imagenet"))
    assert jittered["colour histogram"] < 0.2
    assert jittered["4 × 4 thumbnail"] < 0.2


def test_without_any_operation_every_feature_solves_the_task() -> None:
    assert set(top1(random_images(N), STILL).values()) == {1.0}


def test_what_tells_nothing_reaches_chance() -> None:
    """Features that have nothing to do with the view: 4,000 of them hit as often as guessing does."""
    hits = partner_hits(torch.randn(4000, 3, generator=torch.Generator().manual_seed(0)))
    assert float(hits.sum()) < 8  # one is expected; the chance of eight is 1e-5


def test_equals_share_the_hit() -> None:
    assert torch.allclose(partner_hits(torch.zeros(10, 2)), torch.full((10,), 1 / 9))
    pair_and_stranger = torch.tensor([[0.0], [5.0], [0.0], [5.0]])
    assert partner_hits(pair_and_stranger).tolist() == [1.0, 1.0, 1.0, 1.0]


def test_chance_is_that_of_one_among_all_other_views() -> None:
    found = audit_shortcuts(random_images(8), STILL, torch.Generator())
    assert (found.views, found.chance) == (16, 1 / 15)
    assert all(shortcut.low <= shortcut.top1 <= shortcut.high for shortcut in found.shortcuts)
    with pytest.raises(ValueError, match="at least 2"):
        audit_shortcuts(random_images(1), STILL, torch.Generator())


@pytest.mark.parametrize("channels", [1, 3])
def test_features_are_what_they_are_called(channels: int) -> None:
    views = random_images(4, channels) / 255
    assert torch.allclose(colour_histogram(views).view(4, channels, -1).sum(dim=2), torch.ones(4, channels), atol=1e-5)
    # A place between two levels counts for both, so the mean level is the mean of the pixels.
    levels = torch.arange(16) / 15
    means = (colour_histogram(views).view(4, channels, 16) * levels).sum(dim=2)
    assert torch.allclose(means, views.mean(dim=(2, 3)), atol=1e-4)
    assert torch.allclose(thumbnail(views).view(4, channels, 4, 4)[:, :, 0, 0], views[:, :, :8, :8].mean(dim=(2, 3)))
    for feature in FEATURES.values():
        # What is drawn of a view is a hair outside of [0, 1] at times.
        assert bool(feature(views * 1.0000001 - 5e-8).isfinite().all())


def test_edges_know_their_direction_and_not_their_place_or_sign() -> None:
    stripes = (torch.arange(32) // 4 % 2).float().expand(1, 1, 32, 32)
    upright, lying = edge_histogram(stripes), edge_histogram(stripes.transpose(2, 3))
    assert float(upright[0, 0]) == pytest.approx(1)
    assert float(lying[0, 6]) == pytest.approx(1)
    assert torch.allclose(edge_histogram(1 - stripes), upright, atol=1e-6)
    assert torch.allclose(edge_histogram(stripes.roll(8, dims=3)), upright, atol=1e-6)
