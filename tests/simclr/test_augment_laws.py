"""What is drawn follows torchvision's laws.

Seeds are fixed, so a test passes always or never. A right law would fail one of these comparisons for one seed in 10,000.
"""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor
from torchvision.transforms import v2

from simclr.config import AugmentConfig
from simclr.views.filters import standard_noise
from tests.simclr.torchvision_views import parameters_of, random_images

FALSE_ALARM = 1e-4
N = 4000
# Large, so that whole pixels are nearly continuous: ties only make the Kolmogorov–Smirnov test milder.
SIZE = 224


def drawn_by(transform: v2.Transform, name: str, *, size: int = SIZE, n: int = N) -> NDArray[np.float64]:
    """``n`` draws of one of the parameters that ``transform`` makes for itself."""
    torch.manual_seed(0)
    image = random_images(1, size=size)[0]
    drawn = [transform.make_params([image])[name] for _ in range(n)]
    return np.array([value[0] if isinstance(value, list) else value for value in drawn], dtype=np.float64)


def assert_same_law(ours: Tensor, theirs: NDArray[np.float64], what: str) -> None:
    assert stats.ks_2samp(ours.double().numpy(), theirs).pvalue > FALSE_ALARM, what


@pytest.mark.parametrize(("scale", "ratio"), [((0.08, 1.0), (0.75, 1.3333)), ((0.5, 0.9), (0.2, 2.0))])
def test_crops_are_distributed_as_torchvisions(scale: tuple[float, float], ratio: tuple[float, float]) -> None:
    torch.manual_seed(0)
    reference = v2.RandomResizedCrop(SIZE, scale, ratio)
    image = random_images(1, size=SIZE)[0]
    made = [reference.make_params([image]) for _ in range(N)]
    theirs = {name: np.array([float(one[name]) for one in made]) for name in made[0]}
    config = AugmentConfig(
        crop_scale_min=scale[0], crop_scale_max=scale[1], crop_ratio_min=ratio[0], crop_ratio_max=ratio[1]
    )
    p = parameters_of(N, SIZE, config)
    for name in ("top", "left", "height", "width"):
        assert_same_law(getattr(p, name), theirs[name], name)
    assert_same_law(p.height * p.width, theirs["height"] * theirs["width"], "area")
    assert_same_law(p.width / p.height, (theirs["width"] / theirs["height"]).astype(np.float32), "ratio")


def test_crops_of_tiny_images_have_every_box_as_often_as_torchvisions() -> None:
    torch.manual_seed(0)
    reference = v2.RandomResizedCrop(4, (0.1, 1.0))
    image = random_images(1, size=4)[0]
    made = [reference.make_params([image]) for _ in range(N)]
    p = parameters_of(N, 4, AugmentConfig(crop_scale_min=0.1, crop_ratio_min=3 / 4, crop_ratio_max=4 / 3))
    sides = ("top", "left", "height", "width")
    theirs = [tuple(int(one[side]) for side in sides) for one in made]
    ours = list(zip(*(getattr(p, side).tolist() for side in sides), strict=True))
    boxes = [box for box in sorted({*ours, *theirs}) if ours.count(box) + theirs.count(box) >= 10]
    assert len(boxes) > 20
    table = [[side.count(box) for box in boxes] for side in (ours, theirs)]
    assert stats.chi2_contingency(table).pvalue > FALSE_ALARM


@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_the_jitter_is_distributed_as_torchvisions(strength: float) -> None:
    config = AugmentConfig(jitter_strength=strength, brightness=0.8, contrast=0.6, saturation=0.4, hue=0.2)
    p = parameters_of(N, 32, config)
    ranges = [strength * reach for reach in (0.8, 0.6, 0.4, 0.2)]
    for name in ("brightness", "contrast", "saturation", "hue"):
        theirs = drawn_by(v2.ColorJitter(*ranges), f"{name}_factor", size=4)
        assert_same_law(getattr(p, name), theirs, name)


def test_every_order_of_the_jitter_is_as_likely() -> None:
    orders = parameters_of(N, 32, AugmentConfig()).order
    counts = torch.unique(orders, dim=0, return_counts=True)[1]
    assert len(counts) == math.factorial(4)
    assert stats.chisquare(counts.numpy()).pvalue > FALSE_ALARM


def test_rotations_are_distributed_as_torchvisions() -> None:
    angles = parameters_of(N, 32, AugmentConfig(rotation_p=1.0, rotation_max=30.0)).angle
    assert_same_law(angles, drawn_by(v2.RandomRotation(30), "angle", size=4), "angle")


def test_blurs_are_distributed_as_torchvisions() -> None:
    sigma = parameters_of(N, 32, AugmentConfig(blur_p=1.0, blur_sigma_min=0.3, blur_sigma_max=1.5)).sigma
    assert_same_law(sigma, drawn_by(v2.GaussianBlur(3, (0.3, 1.5)), "sigma", size=4), "sigma")


@pytest.mark.slow
@pytest.mark.parametrize("scale", [(0.02, 0.33), (0.5, 1.0)])
def test_erased_rectangles_are_distributed_as_torchvisions(scale: tuple[float, float]) -> None:
    torch.manual_seed(0)
    reference = v2.RandomErasing(1.0, scale)
    image = random_images(1, size=SIZE)[0]
    made = [reference.make_params([image]) for _ in range(N)]
    p = parameters_of(N, SIZE, AugmentConfig(erase_p=1.0, erase_scale_min=scale[0], erase_scale_max=scale[1]))
    # torchvision leaves the image as it is where no try fits; here such a rectangle has no area.
    fits, their_fits = p.erase_height > 0, np.array([one["v"] is not None for one in made])
    table = [[int(fits.sum()) + 1, int((~fits).sum()) + 1], [their_fits.sum() + 1, (~their_fits).sum() + 1]]
    assert stats.chi2_contingency(table).pvalue > FALSE_ALARM
    for name, their_name in (("top", "i"), ("left", "j"), ("height", "h"), ("width", "w")):
        theirs = np.array([float(one[their_name]) for one in made])[their_fits]
        assert_same_law(getattr(p, f"erase_{name}")[fits], theirs, name)


def test_every_operation_is_applied_as_often_as_the_config_says_whatever_the_others_do() -> None:
    shares = {
        "rotate": 0.1, "flip": 0.5, "vertical_flip": 0.3, "jitter": 0.8, "grey": 0.2, "blur": 0.4, "solarise": 0.15,
        "noise": 0.6, "erase": 0.7,
    }  # fmt: skip
    fields = {"rotate": "rotation_p"} | {name: f"{name}_p" for name in shares if name != "rotate"}
    p = parameters_of(N, 32, AugmentConfig(**{fields[name]: share for name, share in shares.items()}))
    for name, share in shares.items():
        assert stats.binomtest(int(getattr(p, name).sum()), N, share).pvalue > FALSE_ALARM, name
    for one, other in combinations(shares, 2):
        table = [
            [int((getattr(p, one) == a).logical_and(getattr(p, other) == b).sum()) for a in (0, 1)] for b in (0, 1)
        ]
        assert stats.chi2_contingency(table).pvalue > FALSE_ALARM, (one, other)


def test_the_drawn_numbers_of_a_view_do_not_depend_on_each_other() -> None:
    p = parameters_of(N, SIZE, AugmentConfig(crop_scale_max=0.6, erase_scale_max=0.1))
    names = ["angle", "brightness", "contrast", "saturation", "hue", "sigma", "noise_seed"]
    columns = [getattr(p, name).double() for name in names]
    columns += [p.height * p.width, p.height / p.width, p.erase_height * p.erase_width, p.erase_height / p.erase_width]
    columns += [top / (SIZE - side) for top, side in (
        (p.top, p.height), (p.left, p.width), (p.erase_top, p.erase_height), (p.erase_left, p.erase_width))]  # fmt: skip
    for one, other in combinations(columns, 2):
        assert stats.spearmanr(one.numpy(), other.numpy()).pvalue > FALSE_ALARM


def test_the_noise_is_standard_normal_and_every_pixel_and_seed_has_its_own() -> None:
    # Seeds that differ in a single low or high bit are the hardest to keep apart.
    seeds = torch.cat((torch.arange(30), torch.arange(1, 31) << 32 | 7))
    noise = standard_noise(seeds, 1001).double().numpy()
    assert stats.kstest(noise.ravel(), "norm").pvalue > FALSE_ALARM
    for shift in (1, 2, 32, 500, 501):
        assert stats.pearsonr(noise[:, :-shift].ravel(), noise[:, shift:].ravel()).pvalue > FALSE_ALARM, shift
    assert stats.pearsonr(noise[:-1].ravel(), noise[1:].ravel()).pvalue > FALSE_ALARM
    # Rounding makes a few of 60,000 numbers equal.
    assert len(np.unique(noise)) > 0.99 * noise.size
