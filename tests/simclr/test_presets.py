import pytest
from typer.testing import CliRunner

from simclr.cli import app
from simclr.config import AugmentConfig, PretrainConfig
from simclr.options import build
from simclr.presets import AUGMENT_PRESETS, PRETRAIN_PRESETS, augment_preset, pretrain_preset


def test_the_presets_have_their_names() -> None:
    assert [preset.name for preset in AUGMENT_PRESETS] == [
        "simclr-cifar", "simclr-imagenet", "coursework-xray", "gentle", "crop-only", "colour-only", "none",
    ]  # fmt: skip
    assert [preset.name for preset in PRETRAIN_PRESETS] == [
        "quick-cpu", "small-photos", "coursework-xray", "cifar10-solo-learn", "cifar10-solo-learn-file", "cifar10-fast",
    ]  # fmt: skip


def test_every_preset_says_why_and_where_from_and_is_within_the_limits() -> None:
    for preset in (*AUGMENT_PRESETS, *PRETRAIN_PRESETS):
        assert preset.why.endswith((".", ")"))
        assert preset.source
        # Copies with changed fields are not checked when they are made.
        assert type(preset.config).model_validate(preset.config.model_dump()) == preset.config


def test_the_recorded_recipe_and_its_file_differ_in_exactly_what_is_known_to_differ() -> None:
    recorded, file = (pretrain_preset(name) for name in ("cifar10-solo-learn", "cifar10-solo-learn-file"))
    assert (recorded.weight_decay, file.weight_decay) == (1e-5, 1e-4)
    assert (recorded.augment.blur_p, file.augment.blur_p) == (0.0, 0.5)
    assert (recorded.optim.warmup_start, file.optim.warmup_start) == (3e-3, 3e-5)
    same = {"weight_decay": 0, "augment": file.augment, "optim": file.optim}
    assert recorded.model_copy(update=same) == file.model_copy(update=same)


def test_the_quick_preset_is_the_default_and_none_does_nothing() -> None:
    assert pretrain_preset("quick-cpu") == PretrainConfig(augment=AugmentConfig(grey_p=0.5))
    none = augment_preset("none")
    assert all(getattr(none, name) == 0 for name in AugmentConfig.model_fields if name.endswith("_p"))
    assert none.crop_scale_min == none.crop_scale_max == 1


def test_options_go_over_a_preset() -> None:
    config = build(PretrainConfig, {"epochs": 3, "augment": {"flip_p": 0.0}}, pretrain_preset("coursework-xray"))
    assert (config.epochs, config.temperature, config.encoder.architecture) == (3, 1.0, "resnet50")
    assert (config.augment.flip_p, config.augment.rotation_max) == (0.0, 3.0)


def test_an_unknown_preset_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match="no preset 'quick': choose quick-cpu, small-photos, coursework-xray"):
        pretrain_preset("quick")


def test_the_command_line_lists_them() -> None:
    said = CliRunner().invoke(app, ["presets"]).output
    for preset in (*AUGMENT_PRESETS, *PRETRAIN_PRESETS):
        assert preset.name in said
