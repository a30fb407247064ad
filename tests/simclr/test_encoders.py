from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models import resnet18
from torchvision.transforms.v2 import functional as torchvision

from simclr.config import EncoderConfig
from simclr.encoder_file import HEADER
from simclr.encoders import (
    Encoder,
    EncoderFile,
    ImageFacts,
    ProjectionHead,
    build_encoder,
    feature_dim,
    image_facts,
    load_encoder,
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


def torchvision_name(name: str) -> str:
    """Our parameter's name in torchvision's resnet18."""
    parts = name.split(".")
    if parts[0] == "stem":
        return ".".join([{"0": "conv1", "1": "bn1"}[parts[1]], *parts[2:]])
    stage, block = divmod(int(parts[1]), 2)
    return ".".join([f"layer{stage + 1}", str(block), *parts[2:]]).replace("shortcut", "downsample")


def test_resnet18_with_the_small_stem_is_torchvisions_with_its_stem_replaced() -> None:
    torch.manual_seed(0)
    theirs = resnet18()
    theirs.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    theirs.maxpool = nn.Identity()
    theirs.fc = nn.Identity()
    ours = build_encoder(EncoderConfig(architecture="resnet18", width=64, stem="small"), 3)
    weights = theirs.state_dict()
    ours.load_state_dict({name: weights[torchvision_name(name)] for name in ours.state_dict()})
    images = torch.randn(4, 3, 32, 32)
    for mode in (True, False):
        torch.testing.assert_close(ours.train(mode)(images), theirs.train(mode)(images), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("architecture", "dim"), [("resnet8", 64), ("resnet10", 128), ("resnet18", 128)])
@pytest.mark.parametrize("stem", ["small", "strided"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_feature_dimension_is_known_without_a_forward_pass(
    architecture: str, dim: int, stem: str, channels: int
) -> None:
    config = EncoderConfig.model_validate({"architecture": architecture, "width": 16, "stem": stem})
    encoder = build_encoder(config, channels).eval()
    assert feature_dim(config) == encoder.feature_dim == dim
    # Odd and tiny images too: 8×8 shrinks to one pixel.
    for size in (8, 17, 28):
        assert encoder(torch.randn(2, channels, size, size)).shape == (2, dim)


def test_the_strided_stem_halves_the_resolution() -> None:
    images = torch.randn(1, 3, 32, 32)
    assert build_encoder(SMALL, 3).stem(images).shape[2:] == (16, 16)
    assert build_encoder(SMALL.model_copy(update={"stem": "small"}), 3).stem(images).shape[2:] == (32, 32)


def test_the_projection_head_maps_features_to_projections() -> None:
    head = ProjectionHead(64, 32, 16)
    assert head(torch.randn(8, 64)).shape == (8, 16)
    assert any(isinstance(layer, nn.BatchNorm1d) and layer.num_features == 32 for layer in head)


def test_the_same_seed_gives_the_same_weights_and_global_randomness_is_left_alone() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = (seeded(SMALL, 3, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["stem.0.weight"], other["stem.0.weight"])


def test_an_encoder_comes_back_from_disk_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    file = EncoderFile(**FACTS.model_dump(), origin="pretrained", architecture=SMALL, feature_dim=32)
    encoder = build_encoder(SMALL, 3).to(memory_format=torch.channels_last)
    encoder(torch.randn(16, 3, 16, 16))  # moves the batch norms' statistics
    save_encoder(path, encoder, file)
    loaded, read = load_encoder(path)
    assert read == file == read_encoder_file(path)
    assert not loaded.training
    assert all(torch.equal(loaded.state_dict()[name], tensor) for name, tensor in encoder.state_dict().items())
    assert [p.name for p in tmp_path.iterdir()] == ["encoder.safetensors"]


def test_an_untrained_encoder_is_where_pretraining_with_its_seed_starts(tmp_path: Path) -> None:
    file = untrained_encoder(SMALL, FACTS, 3, tmp_path / "e.safetensors")
    assert (file.origin, file.feature_dim) == ("untrained", 32)
    loaded, _ = load_encoder(tmp_path / "e.safetensors")
    assert all(torch.equal(loaded.state_dict()[n], t) for n, t in seeded(SMALL, 3, 3).state_dict().items())


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
        del weights["stem.0.weight"]
    elif damage == "extra":
        weights["more"] = torch.zeros(1)
    else:
        weights["stem.0.weight"] = torch.zeros(8, 1, 3, 3)
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
    for architecture in ("resnet8", "resnet10", "resnet18"):
        encoder = build_encoder(EncoderConfig.model_validate({"architecture": architecture, "width": 8}), 3)
        assert isinstance(encoder, Encoder)
        encoder(torch.randn(4, 3, 16, 16)).square().sum().backward()
        assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in encoder.parameters())
