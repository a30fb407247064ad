"""Each operation alone equals torchvision's, given the same parameters."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as torchvision

from simclr.augment import OPERATIONS
from simclr.config import AugmentConfig
from simclr.native import Native, native
from simclr.views import colours, crops, filters
from tests.simclr.torchvision_views import EVERYTHING, TORCHVISION, hashed_noise, parameters_of, random_images

# float32 sums in another order differ in the last digits; 2e-6 is 1/2000 of a grey level.
ROUNDING = 2e-6
# Where rounding is magnified: hue divides by the chroma, which is small near grey, and a rotation's sources are computed
# in float32 here and in float64 there, half an image away from the centre. 1e-5 is 1/400 of a grey level.
MAGNIFIED = 1e-5
TOLERANCE = {"rotation": MAGNIFIED, "colour jitter": MAGNIFIED}


@pytest.fixture(params=["C", "torch"])
def arithmetic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Colour jitter as CPUs do it and as everything else does."""
    if request.param == "torch":
        monkeypatch.setattr(colours, "native", lambda _source: Native(None))
    elif native(colours.SOURCE).functions is None:
        pytest.skip(native(colours.SOURCE).why_not)


def test_the_references_are_those_of_all_operations_in_their_order() -> None:
    assert list(TORCHVISION) == list(OPERATIONS)


@pytest.mark.parametrize(("channels", "size"), [(3, 32), (1, 28), (3, 9), (3, 64)])
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_equals_torchvisions(name: str, channels: int, size: int) -> None:
    views = random_images(48, channels, size).float() / 255
    p = parameters_of(48, size, EVERYTHING)
    ours = OPERATIONS[name](views, p)
    for i, view in enumerate(ours):
        theirs = TORCHVISION[name](views[i], p, i)
        torch.testing.assert_close(view, theirs, atol=TOLERANCE.get(name, ROUNDING), rtol=0)
    if channels == 3 or name != "greyscale":
        changed = sum(not torch.equal(view, before) for view, before in zip(ours, views, strict=True))
        assert changed > 0


@pytest.mark.parametrize("size", [1, 2, 5, 32, 96])
@pytest.mark.parametrize("scale", [0.02, 0.5])
def test_bicubic_crops_equal_torchvisions_down_to_boxes_of_a_pixel(size: int, scale: float) -> None:
    views = random_images(24, size=size).float() / 255
    config = AugmentConfig(
        crop_interpolation="bicubic", crop_scale_min=scale, crop_ratio_min=0.3, crop_ratio_max=4.0, vertical_flip_p=0.5
    )
    p = parameters_of(24, size, config)
    assert bool(p.bicubic.all())
    ours = crops.crop_and_flip(views, p)
    for i, view in enumerate(ours):
        torch.testing.assert_close(view, TORCHVISION["crop and flips"](views[i], p, i), atol=ROUNDING, rtol=0)


def test_one_batch_may_mix_bilinear_and_bicubic_crops() -> None:
    views = random_images(20).float() / 255
    p = parameters_of(20, 32, EVERYTHING)
    p.bicubic[::2] = True
    for i, view in enumerate(crops.crop_and_flip(views, p)):
        torch.testing.assert_close(view, TORCHVISION["crop and flips"](views[i], p, i), atol=ROUNDING, rtol=0)


@pytest.mark.usefixtures("arithmetic")
@pytest.mark.parametrize("jitter_p", [0.8, 1.0])
@pytest.mark.parametrize("channels", [3, 1])
def test_jitter_equals_torchvisions_in_every_order(channels: int, jitter_p: float) -> None:
    views = random_images(256, channels, 16).float() / 255
    p = parameters_of(256, 16, AugmentConfig(jitter_p=jitter_p, jitter_strength=1.25))
    assert len({tuple(order) for order in p.order.tolist()}) == 24
    for i, view in enumerate(colours.jitter_colours(views, p)):
        torch.testing.assert_close(view, TORCHVISION["colour jitter"](views[i], p, i), atol=MAGNIFIED, rtol=0)


@pytest.mark.usefixtures("arithmetic")
@pytest.mark.parametrize("only", ["brightness", "contrast", "saturation", "hue"])
def test_jitter_of_a_single_kind_equals_torchvisions(only: str) -> None:
    ranges = dict.fromkeys(("brightness", "contrast", "saturation", "hue"), 0.0) | {only: 0.25}
    views = random_images(32, 3, 16).float() / 255
    p = parameters_of(32, 16, AugmentConfig(jitter_p=1.0, jitter_strength=2.0, **ranges))
    for i, view in enumerate(colours.jitter_colours(views, p)):
        torch.testing.assert_close(view, TORCHVISION["colour jitter"](views[i], p, i), atol=MAGNIFIED, rtol=0)


@pytest.mark.usefixtures("arithmetic")
def test_jitter_is_exact_also_for_greys_and_pure_colours() -> None:
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])] * 3).T.reshape(3, 125)
    views = torch.cat((corners, corners[:, :44]), dim=1).view(1, 3, 13, 13).repeat(64, 1, 1, 1)
    p = parameters_of(64, 13, AugmentConfig(jitter_p=1.0, jitter_strength=2.0))
    for i, view in enumerate(colours.jitter_colours(views, p)):
        torch.testing.assert_close(view, TORCHVISION["colour jitter"](views[i], p, i), atol=MAGNIFIED, rtol=0)


@pytest.mark.usefixtures("arithmetic")
@pytest.mark.parametrize("size", [1, 3, 7])
def test_jitter_leaves_its_input_and_views_that_are_not_chosen_as_they_are(size: int) -> None:
    views = random_images(40, 3, size).float() / 255
    before = views.clone()
    p = parameters_of(40, size, AugmentConfig(jitter_p=0.5))
    jittered = colours.jitter_colours(views, p)
    assert torch.equal(views, before)
    assert torch.equal(jittered[~p.jitter], views[~p.jitter])
    assert not torch.equal(jittered[p.jitter], views[p.jitter])


@pytest.mark.usefixtures("arithmetic")
def test_jitter_takes_parameters_however_they_lie_in_memory() -> None:
    views = random_images(24, 3, 8).float() / 255
    p = parameters_of(24, 8, AugmentConfig(jitter_p=1.0))
    order = torch.empty(4, 24, dtype=torch.int64).copy_(p.order.T).T
    assert not order.is_contiguous()
    hue = torch.stack((p.hue, p.brightness), dim=1)[:, 0]
    other = replace(p, hue=hue, order=order)
    assert torch.equal(colours.jitter_colours(views, other), colours.jitter_colours(views, p))


def test_hue_is_exact_also_for_greys_and_pure_colours() -> None:
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 0.5, 1.0])] * 3).T.reshape(1, 3, 27, 1)
    for turn in (-0.5, -0.2, 0.0, 0.1, 0.5):
        ours = colours.turn_hue(corners, torch.tensor([turn]))
        torch.testing.assert_close(ours, torchvision.adjust_hue(corners, turn), atol=ROUNDING, rtol=0)


def test_hue_may_be_turned_in_place() -> None:
    views = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    turn = torch.tensor([-0.3, 0.0, 0.1, 0.5])
    expected = colours.turn_hue(views, turn)
    colours.turn_hue(views, turn, out=views)
    assert torch.equal(views, expected)


@pytest.mark.parametrize("size", [3, 8, 28, 32, 96])
def test_blur_equals_torchvisions(size: int) -> None:
    views = random_images(8, size=size).float() / 255
    p = parameters_of(8, size, AugmentConfig(blur_p=1.0, blur_sigma_min=0.05, blur_sigma_max=10.0))
    for i, view in enumerate(filters.blur(views, p)):
        torch.testing.assert_close(view, TORCHVISION["blur"](views[i], p, i), atol=ROUNDING, rtol=0)


@pytest.mark.parametrize(("size", "width"), [(8, 3), (28, 3), (32, 3), (64, 7), (96, 9), (224, 23)])
def test_the_blur_is_about_a_tenth_of_the_image_and_odd(size: int, width: int) -> None:
    assert filters.blur_width(size) == width


@pytest.mark.parametrize("angle", [0.0, 90.0, -90.0, 180.0, 37.0])
def test_rotations_are_counter_clockwise_as_torchvisions(angle: float) -> None:
    # torchvision takes right angles as permutations of pixels; by sampling they come out within rounding.
    views = random_images(1, size=16).float() / 255
    p = parameters_of(1, 16, AugmentConfig(rotation_p=1.0))
    p.angle[:] = angle
    torch.testing.assert_close(
        crops.rotate(views, p)[0], TORCHVISION["rotation"](views[0], p, 0), atol=MAGNIFIED, rtol=0
    )


@pytest.mark.parametrize("count", [1, 2, 27, 3072])
def test_noise_is_that_of_the_same_hash_in_numpy(count: int) -> None:
    seeds = torch.tensor([0, 1, 2**24 - 1, 2**48 - 1, 123456789012345])
    # Where the radius is large or the angle near 2π, float32 is off by some 1e-6 from float64.
    for row, seed in zip(filters.standard_noise(seeds, count), seeds.tolist(), strict=True):
        torch.testing.assert_close(row.double(), torch.from_numpy(hashed_noise(seed, count)), atol=1e-5, rtol=0)


def test_pixels_at_the_threshold_are_inverted_and_those_below_are_not() -> None:
    views = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0, 0.4999]).expand(1, 1, 6, 6)
    p = parameters_of(1, 6, AugmentConfig(solarise_p=1.0, solarise_threshold=0.5))
    expected: Tensor = torchvision.solarize(views, 0.5)
    torch.testing.assert_close(colours.solarise(views, p), expected, atol=ROUNDING, rtol=0)
