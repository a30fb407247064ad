import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models import resnet18, resnet34, resnet50
from torchvision.transforms.v2 import functional as torchvision

from simclr.architecture import feature_dim
from simclr.config import EncoderConfig
from simclr.encoder_file import HEADER
from simclr.encoders import (
    Encoder,
    EncoderFile,
    ImageFacts,
    build_encoder,
    image_facts,
    load_encoder,
    load_into,
    pixels_encoder,
    prepare,
    read_encoder_file,
    save_encoder,
    seeded,
    untrained_encoder,
)
from tests.simclr.conftest import striped

FACTS = ImageFacts(channels=3, image_size=16, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))
SMALL = EncoderConfig(architecture="resnet8", width=8)


def random_images(n: int, channels: int, size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8, generator=generator)


def torchvisions(architecture: str) -> nn.Module:
    """torchvision's network without its classifier, random weights, and statistics as after some training."""
    torch.manual_seed(0)
    network = {"resnet18": resnet18, "resnet34": resnet34, "resnet50": resnet50}[architecture]()
    network.fc = nn.Identity()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network


def published(architecture: str, stem: str = "imagenet") -> EncoderConfig:
    return EncoderConfig.model_validate({"architecture": architecture, "width": 64, "stem": stem})


@pytest.mark.parametrize("architecture", ["resnet18", "resnet34", "resnet50"])
def test_torchvisions_weights_give_torchvisions_features(architecture: str) -> None:
    theirs = torchvisions(architecture).eval()
    ours = build_encoder(published(architecture), 3).eval()
    assert feature_dim(published(architecture)) == theirs(torch.zeros(1, 3, 64, 64)).shape[1]
    ours.load_state_dict(theirs.state_dict(), strict=True)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        # Both only add up in another order; features are of the order of 1.
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-5, atol=1e-5)
        double = images.double()
        torch.testing.assert_close(ours.double()(double), theirs.double()(double), rtol=1e-10, atol=1e-10)


@pytest.mark.slow
def test_training_moves_torchvisions_statistics_as_it_does_there() -> None:
    theirs = torchvisions("resnet50").double().train()
    ours = build_encoder(published("resnet50"), 3).double().train()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(4, 3, 64, 64, dtype=torch.float64)
    # Only rounding differs, and fifty batch norms of few values each blow it up a little.
    torch.testing.assert_close(ours(images), theirs(images), rtol=1e-8, atol=1e-8)
    expected = theirs.state_dict()
    for name, tensor in ours.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50"])
def test_the_small_stem_makes_torchvisions_network_with_its_stem_replaced(architecture: str) -> None:
    theirs = torchvisions(architecture)
    theirs.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    theirs.maxpool = nn.Identity()
    theirs = theirs.double()
    ours = build_encoder(published(architecture, "small"), 3).double()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    for mode in (True, False):
        torch.testing.assert_close(ours.train(mode)(images), theirs.train(mode)(images), atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize(
    ("architecture", "dim"),
    [("resnet8", 64), ("resnet10", 128), ("resnet18", 128), ("resnet34", 128), ("resnet50", 512)],
)
@pytest.mark.parametrize("stem", ["small", "strided", "imagenet"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_feature_dimension_is_known_without_a_forward_pass(
    architecture: str, dim: int, stem: str, channels: int
) -> None:
    config = EncoderConfig.model_validate({"architecture": architecture, "width": 16, "stem": stem})
    encoder = build_encoder(config, channels).eval()
    assert feature_dim(config) == encoder.feature_dim == dim
    # Odd and tiny images too: 8×8 shrinks to one pixel.
    for size in (8, 17, 28):
        assert encoder(torch.randn(1, channels, size, size)).shape == (1, dim)


def test_what_an_architecture_is_can_be_asked_without_torch() -> None:
    code = "import sys, simclr.architecture, simclr.encoder_file; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("architecture", "stem", "features", "total"),
    [
        ("resnet8", "strided", [0.005758147, 0.0, 0.006288488, 0.005892107], 969.81029105),
        ("resnet18", "small", [0.0, 0.0, 0.014352577, 0.008790086], 5228.76139316),
    ],
)
def test_a_seed_gives_the_weights_that_it_gave_in_the_first_version(
    architecture: str, stem: str, features: list[float], total: float
) -> None:
    """Recorded with version 0.1.0; torch's random numbers on the CPU are the same in all its versions."""
    config = EncoderConfig.model_validate({"architecture": architecture, "width": 8, "stem": stem})
    encoder = seeded(config, 3, 0).eval()
    image = torch.linspace(-1, 1, 3 * 16 * 16).view(1, 3, 16, 16).sin().mul(3).cos()
    assert sum(p.double().abs().sum().item() for p in encoder.parameters()) == pytest.approx(total, rel=1e-9)
    torch.testing.assert_close(encoder(image)[0, :4], torch.tensor(features), rtol=1e-4, atol=1e-6)


def name_in_the_first_version(name: str, blocks: tuple[int, ...]) -> str:
    """Names of version 0.1.0: ``stem.0``, ``stem.1``, ``blocks.N`` counted through all stages, ``shortcut``."""
    parts = name.split(".")
    if parts[0] in ("conv1", "bn1"):
        return ".".join(["stem", {"conv1": "0", "bn1": "1"}[parts[0]], *parts[1:]])
    stage = int(parts[0].removeprefix("layer")) - 1
    number = sum(blocks[:stage]) + int(parts[1])
    return ".".join(["blocks", str(number), *parts[2:]]).replace("downsample", "shortcut")


@pytest.mark.parametrize(("architecture", "blocks"), [("resnet8", (1, 1, 1)), ("resnet18", (2, 2, 2, 2))])
def test_a_file_of_the_first_version_still_loads(architecture: str, blocks: tuple[int, ...], tmp_path: Path) -> None:
    config = EncoderConfig.model_validate({"architecture": architecture, "width": 8})
    file = untrained_encoder(config, FACTS, 0, tmp_path / "new.safetensors")
    old = {name_in_the_first_version(n, blocks): t for n, t in load_file(tmp_path / "new.safetensors").items()}
    assert {"stem.0.weight", "stem.1.running_var", f"blocks.{blocks[0]}.shortcut.0.weight"} <= set(old)
    save_file(old, tmp_path / "old.safetensors", metadata={HEADER: file.model_dump_json()})
    new, _ = load_encoder(tmp_path / "new.safetensors")
    loaded, read = load_encoder(tmp_path / "old.safetensors")
    assert read == file
    kept = loaded.state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in new.state_dict().items())


@pytest.mark.parametrize("extra", ["blocks.7.conv1.weight", "blocks.x.conv1.weight", "blocks.1", "stem.5.weight"])
def test_a_file_of_the_first_version_with_other_weights_is_refused(extra: str, tmp_path: Path) -> None:
    file = untrained_encoder(SMALL, FACTS, 0, tmp_path / "e.safetensors")
    old = {name_in_the_first_version(n, (1, 1, 1)): t for n, t in load_file(tmp_path / "e.safetensors").items()}
    save_file(old | {extra: torch.zeros(1)}, tmp_path / "e.safetensors", metadata={HEADER: file.model_dump_json()})
    with pytest.raises(ValueError, match="do not fit the architecture it names"):
        load_encoder(tmp_path / "e.safetensors")


def saved(tmp_path: Path, channels: int, config: EncoderConfig = SMALL, seed: int = 1) -> Path:
    facts = FACTS if channels == 3 else ImageFacts(channels=1, image_size=16, mean=(0.5,), std=(0.2,))
    path = tmp_path / f"{channels}.safetensors"
    untrained_encoder(config, facts, seed, path)
    return path


@pytest.mark.parametrize("channels", [1, 3])
def test_a_fresh_encoder_takes_over_the_weights_of_a_file(channels: int, tmp_path: Path) -> None:
    fresh = seeded(SMALL, channels, 0)
    load_into(fresh, saved(tmp_path, channels))
    expected = seeded(SMALL, channels, 1).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in fresh.state_dict().items())
    assert fresh.training


@pytest.mark.parametrize("stem", ["small", "strided", "imagenet"])
def test_a_grey_encoder_started_from_colours_answers_as_they_did_to_a_repeated_image(stem: str, tmp_path: Path) -> None:
    config = EncoderConfig.model_validate({"architecture": "resnet8", "width": 8, "stem": stem})
    grey = seeded(config, 1, 0)
    load_into(grey, saved(tmp_path, 3, config))
    colour, _ = load_encoder(tmp_path / "3.safetensors")
    images = torch.randn(4, 1, 16, 16)
    # float32 adds 3 × 9 products in another order.
    torch.testing.assert_close(grey.eval()(images), colour(images.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-6)


def test_weights_of_another_shape_are_not_taken_over(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"resnet8 of width 8 .* does not fit a resnet8 of width 16"):
        load_into(build_encoder(EncoderConfig(width=16), 3), saved(tmp_path, 3))
    with pytest.raises(ValueError, match="made for images of 1 channel"):
        load_into(build_encoder(SMALL, 3), saved(tmp_path, 1))
    pixels_encoder(FACTS, tmp_path / "pixels.safetensors")
    with pytest.raises(ValueError, match="no weights to start from"):
        load_into(build_encoder(SMALL, 3), tmp_path / "pixels.safetensors")


def test_the_strided_stem_halves_the_resolution_and_imagenets_quarters_it() -> None:
    images = torch.randn(1, 3, 32, 32)
    assert build_encoder(SMALL, 3).stem(images).shape[2:] == (16, 16)
    assert build_encoder(SMALL.model_copy(update={"stem": "small"}), 3).stem(images).shape[2:] == (32, 32)
    assert build_encoder(SMALL.model_copy(update={"stem": "imagenet"}), 3).stem(images).shape[2:] == (8, 8)


def test_the_same_seed_gives_the_same_weights_and_global_randomness_is_left_alone() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = (seeded(SMALL, 3, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


def test_an_encoder_comes_back_from_disk_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    file = EncoderFile(**FACTS.model_dump(), origin="pretrained", architecture=SMALL, feature_dim=32)
    encoder = build_encoder(SMALL, 3).to(memory_format=torch.channels_last)
    encoder(torch.randn(16, 3, 16, 16))  # moves the batch norms' statistics
    save_encoder(path, encoder, file)
    loaded, read = load_encoder(path)
    assert read == file == read_encoder_file(path)
    assert not loaded.training
    kept = loaded.state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in encoder.state_dict().items())
    assert [p.name for p in tmp_path.iterdir()] == ["encoder.safetensors"]


def test_an_untrained_encoder_is_where_pretraining_with_its_seed_starts(tmp_path: Path) -> None:
    file = untrained_encoder(SMALL, FACTS, 3, tmp_path / "e.safetensors")
    assert (file.origin, file.feature_dim) == ("untrained", 32)
    loaded, _ = load_encoder(tmp_path / "e.safetensors")
    kept = loaded.state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in seeded(SMALL, 3, 3).state_dict().items())


def test_an_untrained_encoder_can_be_made_like_another(tmp_path: Path) -> None:
    first = untrained_encoder(SMALL, FACTS, 0, tmp_path / "a.safetensors")
    assert first.architecture is not None
    assert untrained_encoder(first.architecture, first, 1, tmp_path / "b.safetensors") == first


def test_raw_pixels_are_an_encoder_without_weights(tmp_path: Path) -> None:
    file = pixels_encoder(FACTS, tmp_path / "pixels.safetensors")
    encoder, read = load_encoder(tmp_path / "pixels.safetensors")
    assert read == file
    assert (file.feature_dim, file.architecture, list(encoder.parameters())) == (3 * 16 * 16, None, [])
    images = prepare(random_images(2, 3, 16), file)
    assert torch.equal(encoder(images), images.flatten(1))
    large = pixels_encoder(FACTS.model_copy(update={"image_size": 96}), tmp_path / "large.safetensors")
    assert (large.image_size, large.feature_dim) == (32, 3 * 32 * 32)
    shrunk = prepare(random_images(2, 3, 96), large)
    assert load_encoder(tmp_path / "large.safetensors")[0](shrunk).shape == (2, 3 * 32 * 32)


def test_mean_and_spread_are_those_of_the_training_images() -> None:
    dataset = striped(96, channels=3)
    train = dataset.images[dataset.indices("train")] / 255
    facts = image_facts(dataset)
    assert (facts.channels, facts.image_size) == (3, 8)
    np.testing.assert_allclose(facts.mean, train.mean(axis=(0, 2, 3)), rtol=1e-9)
    np.testing.assert_allclose(facts.std, train.std(axis=(0, 2, 3)), rtol=1e-9)


def test_a_channel_that_never_changes_can_still_be_divided_by_its_spread() -> None:
    dataset = striped(8)
    dataset.images[:, 0] = 7
    facts = image_facts(dataset)
    assert facts.std[0] == pytest.approx(1 / 255)
    assert bool(prepare(torch.from_numpy(dataset.images), facts).isfinite().all())


def test_prepared_training_images_have_mean_0_and_spread_1() -> None:
    dataset = striped(96, channels=3)
    pixels = prepare(torch.from_numpy(dataset.images[dataset.indices("train")]), image_facts(dataset))
    assert pixels.mean(dim=(0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert pixels.std(dim=(0, 2, 3), correction=0).tolist() == pytest.approx([1, 1, 1], abs=1e-5)


def test_images_of_another_size_are_resized_as_torchvision_does() -> None:
    images = random_images(4, 3, 40)
    resized = torchvision.resize(images.float() / 255, [16, 16], antialias=True)
    expected = torchvision.normalize(resized, list(FACTS.mean), list(FACTS.std))
    torch.testing.assert_close(prepare(images, FACTS), expected, atol=1e-5, rtol=0)


def test_grey_images_are_repeated_for_an_rgb_encoder_and_colours_turned_to_luma_for_a_grey_one() -> None:
    plain = ImageFacts(channels=3, image_size=8, mean=(0, 0, 0), std=(1, 1, 1))
    grey = random_images(3, 1, 8)
    torch.testing.assert_close(prepare(grey, plain), (grey.float() / 255).repeat(1, 3, 1, 1))
    one = ImageFacts(channels=1, image_size=8, mean=(0,), std=(1,))
    colour = random_images(3, 3, 8)
    expected = torchvision.rgb_to_grayscale(colour.float() / 255, 1)
    torch.testing.assert_close(prepare(colour, one), expected, atol=1e-6, rtol=0)


def test_a_missing_file_is_refused_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no encoder at .*nothing\.safetensors: pretrain one"):
        load_encoder(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("content", [b"", b"not safetensors", b"\xff" * 64, b"PK\x03\x04" + b"\x00" * 100])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "e.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a safetensors file, or a broken one"):
        load_encoder(path)


def test_a_cut_off_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.safetensors"
    untrained_encoder(SMALL, FACTS, 0, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="broken"):
        load_encoder(path)


def test_weights_of_another_program_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=f"no '{HEADER}' header"):
        load_encoder(path)


@pytest.mark.parametrize(
    "header", ["{}", "no json", '{"origin": "pixels", "architecture": {"width": 8}}', '{"feature_dim": -1}']
)
def test_a_header_that_does_not_fit_is_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "e.safetensors"
    save_file({"weight": torch.zeros(3)}, path, metadata={HEADER: header})
    with pytest.raises(ValueError, match="does not fit this version"):
        load_encoder(path)


@pytest.mark.parametrize("damage", ["missing", "extra", "shape"])
def test_weights_that_do_not_fit_the_architecture_are_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "e.safetensors"
    file = untrained_encoder(SMALL, FACTS, 0, path)
    weights = load_file(path)
    if damage == "missing":
        del weights["conv1.weight"]
    elif damage == "extra":
        weights["more"] = torch.zeros(1)
    else:
        weights["conv1.weight"] = torch.zeros(8, 1, 3, 3)
    save_file(weights, path, metadata={HEADER: file.model_dump_json()})
    with pytest.raises(ValueError, match="do not fit the architecture it names"):
        load_encoder(path)


def test_a_wrong_feature_dimension_is_refused(tmp_path: Path) -> None:
    file = EncoderFile(**FACTS.model_dump(), origin="untrained", architecture=SMALL, feature_dim=33)
    save_encoder(tmp_path / "e.safetensors", build_encoder(SMALL, 3), file)
    with pytest.raises(ValueError, match="33 feature dimensions, but its architecture has 32"):
        load_encoder(tmp_path / "e.safetensors")


def test_facts_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="one a channel"):
        ImageFacts(channels=3, image_size=8, mean=(0.5,), std=(0.5,))
    with pytest.raises(ValueError, match="above 0"):
        ImageFacts(channels=1, image_size=8, mean=(0.5,), std=(0.0,))


def test_every_architecture_is_an_encoder_that_learns_from_a_gradient() -> None:
    for architecture in ("resnet8", "resnet10", "resnet18", "resnet34", "resnet50"):
        encoder = build_encoder(EncoderConfig.model_validate({"architecture": architecture, "width": 8}), 3)
        assert isinstance(encoder, Encoder)
        encoder(torch.randn(4, 3, 16, 16)).square().sum().backward()
        assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in encoder.parameters())
