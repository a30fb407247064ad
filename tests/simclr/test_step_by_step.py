"""A view's story ends in the view that training gets, and each of its steps is one operation."""

import json

import pytest
import torch

from simclr.augment import apply_parameters, draw_with_parameters, steps
from simclr.config import AugmentConfig
from simclr.policy_parts import PARTS, alone, parts_on
from simclr.step_by_step import from_plain, neutral, parts_alone, story, to_plain
from tests.simclr.torchvision_views import EVERYTHING, STILL, parameters_of, random_images


@pytest.mark.parametrize("channels", [1, 3])
def test_a_story_ends_in_the_view_that_training_gets_bit_for_bit(channels: int) -> None:
    images = random_images(12, channels, 20)
    views, drawn = draw_with_parameters(images, EVERYTHING, torch.Generator().manual_seed(1))
    for i in range(12):
        told = story(images[i : i + 1], drawn[i : i + 1])
        assert torch.equal(told[-1].view, views[i])
        before = images[i] / 255
        for step in told:
            if not step.applied:
                assert torch.allclose(step.view, before, atol=1e-6), step
            before = step.view


def test_the_stages_are_those_of_the_batch() -> None:
    """Of each operation of the pipeline the last step shows the same view as ``steps`` of a whole batch."""
    images, p = random_images(6), parameters_of(6, 32, EVERYTHING, seed=2)
    batch = [views for _, views in steps(images, p)]
    ends = [0, 3, 7, 8, 9, 10, 11, 12]  # rotation; crop and flips; four of jitter; the others
    for i in range(6):
        told = story(images[i : i + 1], p[i : i + 1])
        for stage, end in zip(batch, ends, strict=True):
            assert torch.equal(stage[i], told[end].view)


def test_jitter_is_told_in_the_order_drawn() -> None:
    p = parameters_of(8, 16, EVERYTHING)
    names = ["brightness", "contrast", "saturation", "hue"]
    for i in range(8):
        told = [step.step for step in story(random_images(1, size=16), p[i : i + 1]) if step.part == "jitter"]
        assert told == [names[number] for number in p.order[i].tolist()]


def test_what_was_drawn_is_said() -> None:
    config = STILL.model_copy(update={"rotation_p": 1.0, "rotation_max": 30.0, "blur_p": 1.0})
    p = parameters_of(1, 32, config)
    said = {step.step: step.said for step in story(random_images(1), p)}
    assert said["rotation"].startswith(f"{abs(float(p.angle[0])):.1f}°")
    assert said["blur"] == f"σ {float(p.sigma[0]):.2f} px over 3 px"
    assert (said["flip"], said["crop"]) == ("not this time", "the whole image")


def test_parameters_survive_json_to_the_last_bit() -> None:
    p = parameters_of(64, 32, EVERYTHING)
    back = from_plain(json.loads(json.dumps(to_plain(p))))
    for name, tensor in vars(p).items():
        assert torch.equal(tensor, getattr(back, name)), name
        assert tensor.dtype == getattr(back, name).dtype, name


def test_neutral_parameters_change_nothing() -> None:
    images = random_images(3)
    assert torch.equal(apply_parameters(images, neutral(3, 32)), images.float() * (1 / 255))


def test_each_operation_alone_is_what_a_policy_of_it_alone_draws() -> None:
    images = random_images(1)
    rows = parts_alone(parameters_of(1, 32, EVERYTHING, seed=4), 32)
    for part, row in zip(PARTS, rows, strict=True):
        surely = alone(EVERYTHING, part)
        switch = part.fields[0]
        if switch.endswith("_p"):
            surely = surely.model_copy(update={switch: 1.0})
        views = apply_parameters(images, parameters_of(1, 32, surely, seed=4))
        assert torch.equal(apply_parameters(images, row), views), part.name


def test_every_field_of_a_policy_belongs_to_one_operation() -> None:
    fields = [name for part in PARTS for name in part.fields]
    assert sorted(fields) == sorted(AugmentConfig.model_fields)


def test_a_part_is_switched_off_and_on() -> None:
    assert parts_on(STILL) == []
    for part in PARTS:
        switched = STILL.model_copy(update=part.on)
        AugmentConfig.model_validate(switched.model_dump())
        assert parts_on(switched) == [part]
        assert parts_on(EVERYTHING.model_copy(update=part.off)) == [
            other for other in parts_on(EVERYTHING) if other != part
        ]
