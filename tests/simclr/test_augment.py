import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from simclr.augment import (
    OPERATIONS,
    ViewParameters,
    apply_parameters,
    draw_parameters,
    draw_views,
    draw_with_parameters,
    steps,
)
from simclr.config import AugmentConfig
from simclr.views import colours
from tests.simclr.torchvision_views import EVERYTHING, STILL, TORCHVISION, parameters_of, random_images

# float32 sums in another order differ in the last digits; 2e-6 is 1/2000 of a grey level.
ROUNDING = 2e-6


@pytest.mark.parametrize(("channels", "size"), [(3, 32), (1, 28)])
def test_a_whole_view_equals_torchvisions_operations_in_the_order_told(channels: int, size: int) -> None:
    images = random_images(60, channels, size)
    p = parameters_of(60, size, EVERYTHING)
    ours = steps(images, p)
    for i in range(60):
        view, near_threshold = images[i].float() / 255, torch.zeros_like(images[i], dtype=torch.bool)
        for name, after in ours:
            if name == "solarisation":
                # Rounding decides on which side of the threshold such a pixel falls.
                near_threshold = (view - p.threshold[i]).abs() < 1e-4
            view = TORCHVISION[name](view, p, i)
            # Rotation and hue magnify rounding: 1e-5 is 1/400 of a grey level, and later steps up to triple it.
            assert float(((after[i] - view).abs() * ~near_threshold).max()) < 3e-5, name


def test_the_last_step_is_the_view() -> None:
    images = random_images(150)
    p = parameters_of(150, 32, EVERYTHING)
    told = steps(images, p)
    assert [name for name, _ in told] == list(OPERATIONS)
    torch.testing.assert_close(told[-1][1], apply_parameters(images, p), atol=ROUNDING, rtol=0)


def test_a_step_that_is_off_repeats_the_one_before() -> None:
    images = random_images(5)
    before = images.float().mul(1 / 255)
    for _, view in steps(images, parameters_of(5, 32, STILL)):
        torch.testing.assert_close(view, before, atol=1e-7, rtol=0)


def test_views_come_with_the_parameters_that_replay_them() -> None:
    images = random_images(100)
    views, p = draw_with_parameters(images, EVERYTHING, torch.Generator().manual_seed(3))
    assert torch.equal(views, apply_parameters(images, p))
    assert torch.equal(views, draw_views(images, EVERYTHING, torch.Generator().manual_seed(3)))


def test_whatever_the_config_says_a_view_takes_as_many_numbers() -> None:
    states = []
    for config in (EVERYTHING, STILL, AugmentConfig(crop_interpolation="bicubic", erase_p=1.0, noise_p=1.0)):
        generator = torch.Generator().manual_seed(0)
        draw_parameters(7, 32, config, generator)
        states.append(generator.get_state())
    assert all(torch.equal(state, states[0]) for state in states)


@given(
    size=st.integers(1, 40),
    low=st.floats(0.02, 1.0),
    high=st.floats(0.02, 1.0),
    strength=st.floats(0, 2),
    channels=st.sampled_from([1, 3]),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
    seed=st.integers(0, 2**31),
)
@settings(deadline=None, max_examples=50)
def test_any_view_stays_inside_the_image_and_the_colour_range(
    size: int, low: float, high: float, strength: float, channels: int, interpolation: str, seed: int
) -> None:
    bounds = {"crop_scale_min": min(low, high), "crop_scale_max": max(low, high), "jitter_strength": strength}
    config = EVERYTHING.model_copy(update=bounds | {"crop_interpolation": interpolation})
    p = parameters_of(20, size, config, seed)
    assert bool(((p.top >= 0) & (p.top + p.height <= size) & (p.height >= 1)).all())
    assert bool(((p.left >= 0) & (p.left + p.width <= size) & (p.width >= 1)).all())
    assert bool(((p.erase_top >= 0) & (p.erase_top + p.erase_height <= size)).all())
    assert bool(((p.erase_left >= 0) & (p.erase_left + p.erase_width <= size)).all())
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


@pytest.mark.parametrize(
    "operation", ["rotate", "flip", "vertical_flip", "jitter", "grey", "blur", "solarise", "noise", "erase"]
)
def test_switching_one_operation_off_leaves_the_others_as_they_were(operation: str) -> None:
    on = parameters_of(200, 32, EVERYTHING)
    field = "rotation_p" if operation == "rotate" else f"{operation}_p"
    off = parameters_of(200, 32, EVERYTHING.model_copy(update={field: 0.0}))
    assert bool(getattr(on, operation).any())
    assert not bool(getattr(off, operation).any())
    for field in dataclasses.fields(ViewParameters):
        if field.name != operation:
            assert torch.equal(getattr(on, field.name), getattr(off, field.name)), field.name


def test_with_every_operation_off_a_view_is_the_image() -> None:
    images = random_images(10)
    views = draw_views(images, STILL, torch.Generator().manual_seed(0))
    torch.testing.assert_close(views, images.float() / 255, atol=1e-7, rtol=0)


@pytest.mark.parametrize(
    "off",
    [
        {},
        {"jitter_p": 1.0, "jitter_strength": 0.0},
        {"jitter_p": 1.0, "brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0},
        {"rotation_p": 1.0, "rotation_max": 0.0},
        {"noise_p": 1.0, "noise_std": 0.0},
        {"erase_p": 1.0, "erase_scale_min": 0.0, "erase_scale_max": 0.0},
    ],
)
def test_an_operation_that_is_off_costs_no_work(off: dict[str, float]) -> None:
    views = random_images(10).float() / 255
    p = parameters_of(10, 32, STILL.model_copy(update=off))
    for operation in OPERATIONS.values():
        # The very tensor comes back: nothing was computed or copied.
        assert operation(views, p) is views


def test_on_one_channel_saturation_hue_and_grey_change_nothing() -> None:
    views = random_images(50, channels=1).float() / 255
    p = dataclasses.replace(
        parameters_of(50, 32, EVERYTHING.model_copy(update={"jitter_p": 1.0, "grey_p": 1.0})),
        brightness=torch.ones(50),
        contrast=torch.ones(50),
    )
    torch.testing.assert_close(colours.drop_colours(colours.jitter_colours(views, p), p), views)


def test_a_batch_larger_than_one_chunk_is_the_same_as_its_images_alone() -> None:
    images = random_images(150)
    p = parameters_of(150, 32, EVERYTHING)
    together = apply_parameters(images, p)
    alone = torch.cat([apply_parameters(images[i : i + 1], p[i : i + 1]) for i in range(100, 150)])
    together = together[100:]
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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("channels", [3, 1])
def test_an_accelerator_gives_the_views_of_the_processor(channels: int) -> None:
    images = random_images(100, channels)
    p = parameters_of(100, 32, EVERYTHING)
    for (name, ours), (_, theirs) in zip(steps(images.cuda(), p), steps(images, p), strict=True):
        # Where rounding decides on which side of the threshold a pixel falls, the views differ: one in ten thousand.
        assert float(((ours.cpu() - theirs).abs() > 1e-4).float().mean()) < 1e-4, name
