from typing import Any

import pytest
from pydantic import BaseModel

from simclr.config import (
    AugmentConfig,
    EmbedConfig,
    EncoderConfig,
    FineTuneConfig,
    KnnConfig,
    LinearProbeConfig,
    PretrainConfig,
)
from simclr.options import build, choices_of

EVERY = [AugmentConfig, EncoderConfig, PretrainConfig, KnnConfig, LinearProbeConfig, FineTuneConfig, EmbedConfig]


def leaves(config: dict[str, Any], path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for name, value in config.items():
        found |= leaves(value, (*path, name)) if isinstance(value, dict) else {(*path, name)}
    return found


@pytest.mark.parametrize("model", EVERY)
def test_every_field_of_every_config_is_an_option_with_its_default_in_the_help(model: type[BaseModel]) -> None:
    choices = {choice.path: choice for choice in choices_of(model)}
    assert set(choices) == leaves(model().model_dump()) - {("strategy",)}
    for choice in choices.values():
        value: Any = model()
        for name in choice.path:
            value = getattr(value, name)
        assert f"(default {value}" in choice.help
        assert choice.declaration.startswith(choice.option)
        assert choice.option == "--" + "-".join(choice.path).replace("_", "-")


def test_the_help_names_unit_and_range() -> None:
    helps = {choice.option: choice.help for choice in choices_of(PretrainConfig)}
    assert helps["--epochs"].endswith("(default 10 epochs, 1 to 1000)")
    assert helps["--learning-rate"].endswith("(default 0.002, above 0.0 to 10.0)")


def test_options_go_over_the_defaults_of_the_config_they_are_in() -> None:
    config = build(FineTuneConfig, {"epochs": 3, "augment": {"flip_p": 0.0}})
    assert config.epochs == 3
    # The other augmentations keep fine-tuning's own defaults, not those of pretraining.
    assert config.augment == FineTuneConfig().augment.model_copy(update={"flip_p": 0.0})


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        (PretrainConfig, {"temperature": 0.0}, "--temperature is 0.0: input should be greater than or equal to 0.01"),
        (PretrainConfig, {"augment": {"grey_p": 2}}, "--augment-grey-p is 2: input should be less than or equal to 1"),
        (
            PretrainConfig,
            {"augment": {"crop_scale_min": 0.9, "crop_scale_max": 0.5}},
            r"crop_scale_min \(0.9\) must not exceed crop_scale_max \(0.5\)",
        ),
        (KnnConfig, {"epochs": 3}, "--epochs does not belong here"),
        (PretrainConfig, {"epochs": 0, "temperature": float("nan")}, "--epochs is 0: .*; --temperature is nan: "),
    ],
)
def test_what_is_out_of_range_is_refused_by_option_and_value(
    model: type[BaseModel], given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build(model, given)


def test_a_batch_of_one_image_is_refused() -> None:
    for model in (PretrainConfig, FineTuneConfig):
        with pytest.raises(ValueError, match="--batch-size is 1: input should be greater than or equal to 2"):
            build(model, {"batch_size": 1})


@pytest.mark.parametrize("model", EVERY)
def test_every_number_has_limits_and_is_refused_beyond_them_by_name(model: type[BaseModel]) -> None:
    for choice in choices_of(model):
        default: Any = model()
        for name in choice.path:
            default = getattr(default, name)
        if isinstance(default, bool) or not isinstance(default, int | float):
            continue
        for value in (-1, 10**10, float("nan"), float("inf")):
            given: Any = value
            for name in reversed(choice.path):
                given = {name: given}
            with pytest.raises(ValueError, match=f"^{choice.option} is {value}: "):
                build(model, given)


def test_a_switch_has_an_option_to_turn_it_off() -> None:
    declared = {choice.declaration for choice in choices_of(PretrainConfig)}
    assert {"--projection-norm/--no-projection-norm", "--follow-knn/--no-follow-knn"} <= declared
