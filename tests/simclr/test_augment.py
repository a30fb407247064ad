import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as torchvision

from simclr import augment
from simclr.augment import ViewParameters, apply_parameters, draw_parameters, draw_views
from simclr.config import AugmentConfig

STILL = AugmentConfig(crop_scale_min=1.0, flip_p=0.0, jitter_p=0.0, grey_p=0.0, blur_p=0.0)
EVERYTHING = AugmentConfig(crop_scale_min=0.08, jitter_p=0.9, jitter_strength=1.0, grey_p=0.3, blur_p=0.5)
# float32 sums in another order differ in the last digits; 2e-6 is 1/2000 of a grey level.
ROUNDING = 2e-6


def random_images(n: int, channels: int = 3, size: int = 32, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8, generator=generator)


def parameters_of(n: int, size: int, config: AugmentConfig, seed: int = 0) -> ViewParameters:
    return draw_parameters(n, size, config, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("channels", "size"), [(3, 32), (1, 28), (3, 9), (3, 64)])
def test_crop_and_flip_equal_torchvisions(channels: int, size: int) -> None:
    images = random_images(64, channels, size)
    p = parameters_of(64, size, AugmentConfig(crop_scale_min=0.05, flip_p=0.5))
    ours = augment.crop_and_flip(images, p)
    for i, view in enumerate(ours):
        box = [int(side[i]) for side in (p.top, p.left, p.height, p.width)]
        theirs = torchvision.resized_crop(images[i].float() / 255, *box, [size, size], antialias=True)
        if p.flip[i]:
            theirs = torchvision.horizontal_flip(theirs)
        torch.testing.assert_close(view, theirs, atol=ROUNDING, rtol=0)


def torchvision_jitter(view: Tensor, p: ViewParameters, i: int) -> Tensor:
    steps = {
        augment.BRIGHTNESS: lambda x: torchvision.adjust_brightness(x, float(p.brightness[i])),
        augment.CONTRAST: lambda x: torchvision.adjust_contrast(x, float(p.contrast[i])),
        augment.SATURATION: lambda x: torchvision.adjust_saturation(x, float(p.saturation[i])),
        augment.HUE: lambda x: torchvision.adjust_hue(x, float(p.hue[i])),
    }
    for operation in p.order[i].tolist():
        view = steps[operation](view)
    return view


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("jitter_p", [0.8, 1.0])
def test_jitter_equals_torchvisions_in_every_order(channels: int, jitter_p: float) -> None:
    views = random_images(256, channels, 16).float() / 255
    p = parameters_of(256, 16, AugmentConfig(jitter_p=jitter_p, jitter_strength=1.5))
    assert len({tuple(order) for order in p.order.tolist()}) == 24
    ours = augment.jitter_colours(views, p)
    for i in range(len(views)):
        theirs = torchvision_jitter(views[i], p, i) if p.jitter[i] else views[i]
        # Hue near grey divides by a small chroma, which magnifies rounding: 1e-5 is 1/400 of a grey level.
        torch.testing.assert_close(ours[i], theirs, atol=1e-5, rtol=0)


def test_hue_is_exact_also_for_greys_and_pure_colours() -> None:
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 0.5, 1.0])] * 3).T.reshape(1, 3, 27, 1)
    for turn in (-0.5, -0.2, 0.0, 0.1, 0.5):
        ours = augment.turn_hue(corners, torch.tensor([turn]))
        torch.testing.assert_close(ours, torchvision.adjust_hue(corners, turn), atol=ROUNDING, rtol=0)


def test_grey_equals_torchvisions() -> None:
    views = random_images(32).float() / 255
    p = parameters_of(32, 32, AugmentConfig(grey_p=0.5))
    assert 0 < int(p.grey.sum()) < 32
    expected = torch.where(p.grey[:, None, None, None], torchvision.rgb_to_grayscale(views, 3), views)
    torch.testing.assert_close(augment.drop_colours(views, p), expected, atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("size", [3, 8, 28, 32, 96])
def test_blur_equals_torchvisions(size: int) -> None:
    views = random_images(8, size=size).float() / 255
    p = parameters_of(8, size, AugmentConfig(blur_p=1.0))
    width = augment.blur_width(size)
    for i, view in enumerate(augment.blur(views, p)):
        theirs = torchvision.gaussian_blur(views[i], [width, width], [float(p.sigma[i])])
        torch.testing.assert_close(view, theirs, atol=ROUNDING, rtol=0)


@pytest.mark.parametrize(("size", "width"), [(8, 3), (28, 3), (32, 3), (64, 7), (96, 9), (224, 23)])
def test_the_blur_is_about_a_tenth_of_the_image_and_odd(size: int, width: int) -> None:
    assert augment.blur_width(size) == width


def test_a_whole_view_equals_the_operations_in_the_papers_order() -> None:
    images = random_images(40)
    p = parameters_of(40, 32, EVERYTHING)
    ours = apply_parameters(images, p)
    for i in range(40):
        box = [int(side[i]) for side in (p.top, p.left, p.height, p.width)]
        view = torchvision.resized_crop(images[i].float() / 255, *box, [32, 32], antialias=True)
        view = torchvision.horizontal_flip(view) if p.flip[i] else view
        view = torchvision_jitter(view, p, i) if p.jitter[i] else view
        view = torchvision.rgb_to_grayscale(view, 3) if p.grey[i] else view
        view = torchvision.gaussian_blur(view, [3, 3], [float(p.sigma[i])]) if p.blur[i] else view
        torch.testing.assert_close(ours[i], view, atol=1e-5, rtol=0)


def test_crops_are_distributed_as_torchvisions() -> None:
    torch.manual_seed(0)
    reference = v2.RandomResizedCrop(32, scale=(0.2, 1.0))
    image = random_images(1)[0]
    theirs = [reference.make_params([image]) for _ in range(4000)]
    p = parameters_of(4000, 32, AugmentConfig(crop_scale_min=0.2))
    for ours, name in ((p.top, "top"), (p.left, "left"), (p.height, "height"), (p.width, "width")):
        expected = torch.tensor([float(params[name]) for params in theirs])
        error = math.sqrt(2 * float(expected.var()) / 4000)
        assert abs(float(ours.float().mean() - expected.mean())) < 4 * error, name
        assert abs(float(ours.float().std() / expected.std()) - 1) < 0.06, name


@given(
    size=st.integers(1, 40),
    low=st.floats(0.02, 1.0),
    high=st.floats(0.02, 1.0),
    strength=st.floats(0, 2),
    channels=st.sampled_from([1, 3]),
    seed=st.integers(0, 2**31),
)
@settings(deadline=None, max_examples=50)
def test_any_view_stays_inside_the_image_and_the_colour_range(
    size: int, low: float, high: float, strength: float, channels: int, seed: int
) -> None:
    config = AugmentConfig(
        crop_scale_min=min(low, high), crop_scale_max=max(low, high), jitter_strength=strength, blur_p=0.5
    )
    p = parameters_of(20, size, config, seed)
    assert bool(((p.top >= 0) & (p.top + p.height <= size) & (p.height >= 1)).all())
    assert bool(((p.left >= 0) & (p.left + p.width <= size) & (p.width >= 1)).all())
    views = apply_parameters(random_images(20, channels, size, seed), p)
    assert views.shape == (20, channels, size, size)
    assert bool(((views >= -ROUNDING) & (views <= 1 + ROUNDING)).all())


def test_the_same_seed_gives_the_same_views_and_another_seed_others() -> None:
    images = random_images(100)
    first, again, other = (draw_views(images, EVERYTHING, torch.Generator().manual_seed(seed)) for seed in (7, 7, 8))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_two_draws_from_one_generator_make_a_pair_of_different_views() -> None:
    generator = torch.Generator().manual_seed(0)
    images = random_images(10)
    first, second = (draw_views(images, EVERYTHING, generator) for _ in range(2))
    assert all(not torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("operation", ["flip", "jitter", "grey", "blur"])
def test_switching_one_operation_off_leaves_the_others_as_they_were(operation: str) -> None:
    on = parameters_of(200, 32, EVERYTHING)
    off = parameters_of(200, 32, EVERYTHING.model_copy(update={f"{operation}_p": 0.0}))
    assert not bool(getattr(off, operation).any())
    for field in dataclasses.fields(ViewParameters):
        if field.name != operation:
            assert torch.equal(getattr(on, field.name), getattr(off, field.name)), field.name


def test_with_every_operation_off_a_view_is_the_image() -> None:
    images = random_images(10)
    views = draw_views(images, STILL, torch.Generator().manual_seed(0))
    torch.testing.assert_close(views, images.float() / 255, atol=1e-7, rtol=0)


def test_an_operation_that_is_off_costs_no_work() -> None:
    views = random_images(10).float() / 255
    for config in (STILL, STILL.model_copy(update={"jitter_p": 1.0, "jitter_strength": 0.0})):
        p = parameters_of(10, 32, config)
        # The very tensor comes back: nothing was computed or copied.
        assert augment.jitter_colours(views, p) is views
        assert augment.drop_colours(views, p) is views
        assert augment.blur(views, p) is views


def test_on_one_channel_saturation_hue_and_grey_change_nothing() -> None:
    views = random_images(50, channels=1).float() / 255
    p = dataclasses.replace(
        parameters_of(50, 32, EVERYTHING.model_copy(update={"jitter_p": 1.0, "grey_p": 1.0})),
        brightness=torch.ones(50),
        contrast=torch.ones(50),
    )
    torch.testing.assert_close(augment.drop_colours(augment.jitter_colours(views, p), p), views)


def test_a_batch_larger_than_one_chunk_is_the_same_as_its_images_alone() -> None:
    images = random_images(150)
    p = parameters_of(150, 32, EVERYTHING)
    together = apply_parameters(images, p)
    alone = torch.cat([apply_parameters(images[i : i + 1], p[i : i + 1]) for i in range(150)])
    torch.testing.assert_close(together, alone, atol=ROUNDING, rtol=0)


def test_autocast_does_not_touch_the_views() -> None:
    images = random_images(20)
    p = parameters_of(20, 32, EVERYTHING)
    with torch.autocast("cpu", torch.bfloat16):
        inside = apply_parameters(images, p)
    assert torch.equal(inside, apply_parameters(images, p))


def test_images_are_left_as_they_were() -> None:
    images = random_images(20)
    before = images.clone()
    draw_views(images, EVERYTHING, torch.Generator().manual_seed(0))
    assert torch.equal(images, before)


@pytest.mark.parametrize(
    "images",
    [torch.zeros(2, 3, 8, 8), torch.zeros(2, 2, 8, 8, dtype=torch.uint8), torch.zeros(2, 3, 8, 9, dtype=torch.uint8)],
)
def test_images_of_another_kind_are_refused_with_their_shape(images: Tensor) -> None:
    with pytest.raises(ValueError, match=r"images must be uint8 of shape \(N, 1 or 3, S, S\), not torch"):
        draw_views(images, STILL, torch.Generator())


def test_parameters_of_another_number_of_views_are_refused() -> None:
    with pytest.raises(ValueError, match="3 images but parameters of 2 views"):
        apply_parameters(random_images(3), parameters_of(2, 32, STILL))
