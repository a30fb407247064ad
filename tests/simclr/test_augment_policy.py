"""What a policy says in vain is said, and only that."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simclr.augment import draw_views
from simclr.config import AugmentConfig
from simclr.policy import hardly_any_effect, may_change_the_label, without_effect
from simclr.views.filters import blur_width
from tests.simclr.torchvision_views import STILL, random_images

# Setting, channels, size, and how each sentence begins.
IN_VAIN: list[tuple[dict[str, float], int, int, list[str]]] = [
    ({"jitter_p": 0.8}, 1, 16, ["Saturation does nothing", "Hue does nothing"]),
    ({"jitter_p": 0.8, "hue": 0.0}, 1, 16, ["Saturation does nothing"]),
    ({"grey_p": 0.2}, 1, 16, ["Greyscale (grey_p) does nothing"]),
    ({"jitter_p": 0.8, "jitter_strength": 0.0}, 1, 16, ["Colour jitter (jitter_p) does nothing: jitter_strength is 0"]),
    (
        {"jitter_p": 0.8, "brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}, 3, 16,
        ["Colour jitter (jitter_p) does nothing: brightness, contrast, saturation and hue are all 0."],
    ),
    ({"rotation_p": 1.0, "rotation_max": 0.0}, 3, 16, ["Rotation (rotation_p) does nothing"]),
    ({"noise_p": 1.0, "noise_std": 0.0}, 3, 16, ["Noise (noise_p) does nothing"]),
    ({"blur_p": 1.0}, 3, 2, ["Blur (blur_p) does nothing"]),
    ({"flip_p": 1.0, "vertical_flip_p": 1.0}, 3, 1, ["Flip (flip_p) does", "Vertical flip (vertical_flip_p) does"]),
    ({"erase_p": 1.0}, 3, 1, ["Erasing (erase_p) does nothing: a rectangle of erase_scale_min does not fit",]),
    ({"erase_p": 1.0, "erase_scale_min": 1.0, "erase_scale_max": 1.0}, 3, 16, ["Erasing (erase_p) does nothing: a"]),
    ({"erase_p": 1.0, "erase_scale_min": 0.0, "erase_scale_max": 0.0005}, 3, 16, ["Erasing (erase_p) does nothing: er"]),
]  # fmt: skip


@pytest.mark.parametrize(("settings_", "channels", "size", "sentences"), IN_VAIN)
def test_an_operation_that_does_nothing_is_named(
    settings_: dict[str, float], channels: int, size: int, sentences: list[str]
) -> None:
    config = STILL.model_copy(update=settings_)
    found = without_effect(config, channels, size)
    assert len(found) == len(sentences)
    assert all(said.startswith(start) for said, start in zip(found, sentences, strict=True)), found


@pytest.mark.parametrize(("settings_", "channels", "size", "_sentences"), IN_VAIN[2:])
def test_what_is_named_truly_does_nothing(
    settings_: dict[str, float], channels: int, size: int, _sentences: list[str]
) -> None:
    images = random_images(64, channels, size)
    views = draw_views(images, STILL.model_copy(update=settings_), torch.Generator().manual_seed(0))
    assert torch.equal(views.mul(255).round().byte(), images)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_default_policy_is_in_vain_on_grey_images_alone(channels: int) -> None:
    assert bool(without_effect(AugmentConfig(), channels, 32)) == (channels == 1)


@given(
    operation=st.sampled_from(["rotation", "flip", "vertical_flip", "jitter", "grey", "blur", "noise", "erase"]),
    channels=st.sampled_from([1, 3]),
    size=st.integers(1, 12),
    low=st.floats(0.0, 1.0),
    high=st.floats(0.0, 1.0),
)
@settings(deadline=None, max_examples=60)
def test_an_operation_is_named_if_and_only_if_it_changes_nothing(
    operation: str, channels: int, size: int, low: float, high: float
) -> None:
    config = STILL.model_copy(
        update={
            f"{operation}_p": 1.0, "rotation_max": 90.0, "blur_sigma_min": 1.0, "hue": 0.0, "saturation": 0.0,
            "erase_scale_min": min(low, high), "erase_scale_max": max(low, high),
        }
    )  # fmt: skip
    images = random_images(300, channels, size)
    views = draw_views(images, config, torch.Generator().manual_seed(0))
    changed = not torch.equal(views.mul(255).round().byte(), images)
    if without_effect(config, channels, size):
        assert not changed
    elif operation != "erase":  # rectangles that only just fit may be too rare for 300 views
        assert changed


@pytest.mark.parametrize(("channels", "size"), [(2, 32), (3, 0)])
def test_images_that_cannot_be_are_refused(channels: int, size: int) -> None:
    with pytest.raises(ValueError, match="1 or 3 channels and at least 1 px"):
        without_effect(AugmentConfig(), channels, size)


def test_asking_needs_no_torch() -> None:
    asked = "import sys, simclr.policy; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0


def test_blur_is_doubted_where_its_kernel_is_the_smallest_there_is() -> None:
    blurred = STILL.model_copy(update={"blur_p": 0.5})
    assert [size for size in range(3, 120) if hardly_any_effect(blurred, size)] == [
        size for size in range(3, 120) if blur_width(size) == 3
    ]
    assert hardly_any_effect(STILL, 28) == []


@pytest.mark.parametrize(
    ("settings_", "classes", "begins"),
    [
        ({"flip_p": 0.5}, "0123456789", ["The classes are characters, and a mirrored one is another or none: flip."]),
        ({"flip_p": 0.5}, ["digit 3", "Letter b"], ["The classes are characters"]),
        ({"flip_p": 0.5}, ["ant", "bee"], []),
        ({"rotation_p": 0.5, "rotation_max": 180.0}, "69", ["The classes are characters, and one turned by 180°"]),
        ({"rotation_p": 0.5, "rotation_max": 15.0}, "69", []),
        (
            {"jitter_p": 0.8, "grey_p": 0.2},
            ["red", "dark blue"],
            ["The classes are named by colour, which hue and grey"],
        ),
        ({"jitter_p": 0.8, "hue": 0.0}, ["red", "blue"], []),
        ({"grey_p": 0.2}, ["greenhouse", "redwood", "barn", "hut"], []),
        ({"jitter_p": 0.8, "flip_p": 0.5, "grey_p": 0.2}, [], []),
    ],
)
def test_a_label_that_may_change_is_doubted_by_its_name(
    settings_: dict[str, float], classes: list[str], begins: list[str]
) -> None:
    found = may_change_the_label(STILL.model_copy(update=settings_), list(classes))
    assert len(found) == len(begins)
    assert all(said.startswith(start) for said, start in zip(found, begins, strict=True)), found
