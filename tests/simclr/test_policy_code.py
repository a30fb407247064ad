"""Exported policies are run, and draw the views that they were exported from."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torchvision.transforms import v2

from simclr.augment import apply_parameters, draw_views
from simclr.config import AugmentConfig
from simclr.policy_code import ERASE_RATIO, as_json, as_python, as_torchvision, blur_width
from simclr.presets import AUGMENT_PRESETS
from simclr.step_by_step import from_plain, neutral, to_plain
from simclr.views import filters, parameters
from tests.simclr.torchvision_views import EVERYTHING, STILL, random_images

SIZE = 48


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(code, "exported", "exec"), names)  # noqa: S102  what is exported is made to be run
    return names


@pytest.mark.parametrize("config", [EVERYTHING, *(preset.config for preset in AUGMENT_PRESETS)])
def test_our_python_and_json_say_the_whole_policy(config: AugmentConfig) -> None:
    assert run(as_python(config))["policy"] == config
    assert AugmentConfig.model_validate_json(as_json(config)) == config


def test_our_python_draws_the_views_of_a_training() -> None:
    images = random_images(4)
    generator = torch.Generator().manual_seed(0)
    expected = [draw_views(images, EVERYTHING, generator) for _ in range(2)]
    for view, wanted in zip(run(as_python(EVERYTHING))["pairs"](images), expected, strict=True):
        assert torch.equal(view, wanted)


# What torchvision drew in each of its transforms, under the names that ours have.
DRAWN: dict[type, Callable[[dict[str, Any]], dict[str, Any]]] = {
    v2.RandomRotation: lambda p: {"rotate": True, "angle": p["angle"]},
    v2.RandomResizedCrop: lambda p: {name: p[name] for name in ("top", "left", "height", "width")},
    v2.ColorJitter: lambda p: {
        "jitter": True,
        "order": p["fn_idx"].tolist(),
        **{name: p[f"{name}_factor"] for name in ("brightness", "contrast", "saturation", "hue")},
    },
    v2.GaussianBlur: lambda p: {"blur": True, "sigma": p["sigma"][0]},
    v2.RandomErasing: lambda p: {
        "erase": True,
        **{f"erase_{name}": p[key] for name, key in (("top", "i"), ("left", "j"), ("height", "h"), ("width", "w"))},
    },
}

# Where chance says only whether, it is certain here, since torchvision keeps nothing of that.
CERTAIN = EVERYTHING.model_copy(
    update={"flip_p": 1.0, "vertical_flip_p": 1.0, "solarise_p": 1.0, "noise_p": 0.0, "grey_p": 0.0}
)


@pytest.mark.parametrize(
    "config",
    [
        CERTAIN,
        CERTAIN.model_copy(update={"crop_interpolation": "bicubic", "rotation_p": 0.0}),
        STILL.model_copy(update={"grey_p": 1.0, "blur_p": 1.0}),
    ],
)
def test_torchvisions_views_are_ours_with_the_parameters_that_it_draws(
    config: AugmentConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, Any] = {}
    for kind, ours in DRAWN.items():

        def noting(self: Any, inputs: list[Any], ours=ours, original=kind.make_params) -> dict[str, Any]:  # type: ignore[no-untyped-def, attr-defined]
            found: dict[str, Any] = original(self, inputs)
            drawn.update(ours(found))
            return found

        monkeypatch.setattr(kind, "make_params", noting)
    view = run(as_torchvision(config, SIZE))["view"]
    (still,) = to_plain(neutral(1, SIZE))
    certain = {
        "flip": config.flip_p == 1, "vertical_flip": config.vertical_flip_p == 1, "grey": config.grey_p == 1,
        "solarise": config.solarise_p == 1, "threshold": config.solarise_threshold,
        "bicubic": config.crop_interpolation == "bicubic",
    }  # fmt: skip
    torch.manual_seed(0)
    for image in random_images(12, size=SIZE):
        drawn.clear()
        theirs = view(image)
        (ours,) = apply_parameters(image[None], from_plain([{**still, **certain, **drawn}]))
        # Sums in another order, in float32.
        assert torch.allclose(theirs, ours, atol=2e-4), float((theirs - ours).abs().max())


def test_ranges_and_chances_are_the_policys() -> None:
    steps = {type(step): step for step in run(as_torchvision(CERTAIN, SIZE))["view"].transforms}
    crop = steps[v2.RandomResizedCrop]
    assert (tuple(crop.scale), tuple(crop.ratio)) == ((0.08, 1.0), (0.75, 1.3333))
    assert steps[v2.RandomErasing].p == CERTAIN.erase_p
    plain = as_torchvision(STILL, SIZE)
    assert len(run(plain)["view"].transforms) == 2
    assert (
        "RandomApply([v2.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)], 0.8)"
        in as_torchvision(AugmentConfig(), SIZE)
    )


def test_what_is_said_without_torch_is_what_the_operations_do() -> None:
    assert ERASE_RATIO == parameters.ERASE_RATIO
    assert [blur_width(size) for size in range(3, 300)] == [filters.blur_width(size) for size in range(3, 300)]
