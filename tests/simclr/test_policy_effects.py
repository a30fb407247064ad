"""An operation costs the label where it makes classes alike, and only there."""

import numpy as np
import pytest
import torch

from simclr.config import AugmentConfig
from simclr.datasets.digits import digits
from simclr.encoders import Pixels, image_facts
from simclr.policy_effects import Cost, Labelled, label_costs, mean_changes
from tests.simclr.torchvision_views import STILL, random_images


def costs(train: Labelled, held_out: Labelled, config: AugmentConfig) -> tuple[float, dict[str, Cost]]:
    channels, size = train.images.shape[1], train.images.shape[-1]
    facts = image_facts(_set_of(train))
    encoder = Pixels(channels * size * size).eval()
    found = label_costs(encoder, facts, train, held_out, config, torch.Generator().manual_seed(0))
    assert (found.fitted, found.n) == (len(train.labels), len(held_out.labels))
    return found.accuracy, {cost.part: cost for cost in found.costs}


def _set_of(labelled: Labelled):  # type: ignore[no-untyped-def]
    from simclr.datasets import Dataset

    n = len(labelled.images)
    return Dataset(labelled.images.numpy(), labelled.labels.numpy(), np.zeros(n, np.uint8), ("a", "b", "c"), "test")


def coloured(n: int, seed: int) -> Labelled:
    """Red, green or blue, which is the label, with a bright bar left or right, which is none."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, n)
    images = random.integers(0, 40, (n, 3, 12, 12)).astype(np.uint8)
    images[np.arange(n), labels] += 150
    side = random.integers(0, 2, n)
    images[side == 0, :, :, :2] = 255
    images[side == 1, :, :, -2:] = 255
    return Labelled(torch.from_numpy(images), torch.from_numpy(labels))


def test_hue_and_grey_cost_a_colour_its_label_and_mirroring_costs_nothing() -> None:
    policy = STILL.model_copy(
        update={"jitter_p": 1.0, "jitter_strength": 2.0, "hue": 0.25, "grey_p": 1.0, "flip_p": 0.5}
    )
    accuracy, found = costs(coloured(300, 0), coloured(200, 1), policy)
    assert accuracy == 1.0
    assert list(found) == ["flip", "jitter", "grey"]
    assert found["flip"].lost == 0.0
    # A hue drawn anywhere on the circle leaves nothing of three even colours: chance is 1/3.
    assert found["jitter"].low > 0.4
    assert found["grey"].lost == pytest.approx(1 - found["grey"].accuracy)
    assert found["grey"].low <= found["grey"].lost <= found["grey"].high


def test_turning_digits_upside_down_costs_them_their_label_and_a_little_noise_does_not() -> None:
    real = digits()
    images, labels = (torch.from_numpy(array.copy()) for array in (real.images, real.labels))
    policy = STILL.model_copy(update={"rotation_p": 1.0, "rotation_max": 180.0, "noise_p": 1.0, "noise_std": 0.02})
    accuracy, found = costs(
        Labelled(images[:500], labels[:500]), Labelled(images[1000:1300], labels[1000:1300]), policy
    )
    assert accuracy > 0.85
    assert found["rotation"].low > 0.2
    assert abs(found["noise"].lost) < 0.05


def test_a_probe_needs_labels() -> None:
    one = Labelled(random_images(4, size=8), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match="two classes"):
        label_costs(Pixels(192), image_facts(_set_of(one)), one, one, STILL, torch.Generator())


def test_changes_of_pixels_are_in_levels_and_follow_how_often() -> None:
    images = torch.full((400, 3, 8, 8), 100, dtype=torch.uint8)
    solarised = STILL.model_copy(update={"solarise_p": 0.5, "solarise_threshold": 0.0, "flip_p": 1.0})
    found = mean_changes(images, solarised, torch.Generator().manual_seed(0))
    assert list(found) == ["flip", "solarise"]
    assert found["flip"] == pytest.approx(0.0, abs=1e-4)
    # 100 becomes 155 in half of 400 views, whose share has a standard error of 0.025.
    assert found["solarise"] == pytest.approx(55 / 2, abs=4 * 0.025 * 55)
