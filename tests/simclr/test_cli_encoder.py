import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from simclr import weights
from simclr.cli import main
from simclr.config import EncoderConfig
from simclr.datasets import write_dataset
from simclr.encoder_file import read_encoder_file
from simclr.encoders import seeded
from simclr.runs import sha256_of
from tests.simclr.conftest import striped

Simclr = Callable[..., tuple[int, str, str]]


@pytest.fixture
def simclr(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Simclr:
    """Call the command line in this process: its exit code, and what it wrote to both streams, in one line each."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["simclr", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), " ".join(out.split()), " ".join(err.split())

    return call


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A small network with a head, as a training program might leave it."""
    network = seeded(EncoderConfig(architecture="resnet8", width=8, stem="small"), 3, 0).state_dict()
    content = {f"backbone.{name}": tensor for name, tensor in network.items()} | {
        "projector.0.weight": torch.zeros(4, 32)
    }
    torch.save({"state_dict": content, "epoch": 3}, tmp_path / "theirs.ckpt")
    return tmp_path / "theirs.ckpt"


def test_a_checkpoint_becomes_an_encoder_that_transfers_and_embeds(
    simclr: Simclr, checkpoint: Path, tmp_path: Path
) -> None:
    out, stored = tmp_path / "e.safetensors", tmp_path / "stripes"
    code, said, told = simclr(
        "encoder", checkpoint, "--out", out, "--image-size", 8, "--mean", "0.5,0.5,0.5", "--std", "1,1,1"
    )
    assert code == 0, told
    assert "32 features of images of 8×8×3" in said
    assert "45 weights" in told
    assert "after 'backbone.'" in told
    assert "1 of a projection or prediction head (projector.0.weight)" in told
    write_dataset(striped(), stored)
    code, said, told = simclr("transfer", stored, "--encoder", out, "--strategy", "knn")
    assert (code, "test: accuracy" in said) == (0, True), told
    code, said, told = simclr("embed", stored, "--encoder", out, "--out", tmp_path / "bank")
    assert (code, "96 images in 32 dimensions" in said) == (0, True), told


def test_what_is_not_given_is_guessed_and_said(simclr: Simclr, checkpoint: Path, tmp_path: Path) -> None:
    code, _, told = simclr("encoder", checkpoint, "--out", tmp_path / "e.safetensors")
    assert code == 0, told
    assert "Normalising as for ImageNet" in told
    assert "small stem was assumed" in told
    file = read_encoder_file(tmp_path / "e.safetensors")
    assert (file.channels, file.image_size, file.mean) == (3, 32, weights.IMAGENET_MEAN)


def test_stem_and_channels_can_be_given(simclr: Simclr, checkpoint: Path, tmp_path: Path) -> None:
    code, _, told = simclr(
        "encoder", checkpoint, "--out", tmp_path / "e.safetensors", "--stem", "strided", "--channels", 1
    )
    assert code == 0, told
    assert "assumed" not in told
    file = read_encoder_file(tmp_path / "e.safetensors")
    assert file.architecture == EncoderConfig(architecture="resnet8", width=8, stem="strided")
    assert (file.channels, file.std) == (1, weights.GREY_STD)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for torchvision's file, in a folder of its own, and an empty cache."""
    torch.manual_seed(0)
    path = tmp_path / "w.pth"
    torch.save(resnet18().state_dict(), path)
    path = path.rename(tmp_path / f"resnet18-{sha256_of(path)[:8]}.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(weights, "weights_url", lambda _architecture: f"http://127.0.0.1:9/{path.name}")
    return path


def test_imagenets_weights_become_an_encoder(simclr: Simclr, published: Path, tmp_path: Path) -> None:
    out = tmp_path / "e.safetensors"
    code, said, told = simclr("encoder", "imagenet:resnet18", "--out", out, "--weights", published, "--image-size", 32)
    assert (code, "512 features of images of 32×32×3" in said) == (0, True), told
    assert read_encoder_file(out).origin == "imagenet"


def test_absent_weights_of_imagenet_are_asked_for(simclr: Simclr, published: Path, tmp_path: Path) -> None:
    code, _, told = simclr("encoder", "imagenet:resnet18", "--out", tmp_path / "e.safetensors")
    assert code == 2
    assert f"error: {published.name}, torchvision's weights of ImageNet, is not on this machine" in told
    code, _, told = simclr("encoder", "imagenet:resnet18", "--out", tmp_path / "e.safetensors", "--download")
    assert (code, "could not be fetched" in told) == (2, True)
    assert not (tmp_path / "e.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["imagenet:resnet9"], "no weights of ImageNet for 'resnet9': choose resnet18, resnet34, resnet50"),
        (["imagenet:resnet18", "--mean", "1"], "go with a checkpoint"),
        (["nothing.ckpt"], "no checkpoint at nothing.ckpt"),
        (["CHECKPOINT", "--download"], "go with imagenet:"),
        (["CHECKPOINT", "--mean", "0.5"], "--mean is 0.5: give 3 of the channels' values"),
        (["CHECKPOINT", "--mean", "a,b,c"], "--mean is a,b,c: give 3"),
        (["CHECKPOINT", "--std", "0,1,1"], "--std is 0,1,1: give 3"),
        (["CHECKPOINT", "--mean", "nan,0,0"], "--mean is nan,0,0: give 3"),
        (["CHECKPOINT", "--stem", "imagenet"], "does not fit a resnet8 of width 8 with the imagenet stem"),
        (["CHECKPOINT", "--channels", "2"], "--channels"),
    ],
)
def test_mistakes_end_in_one_line_and_write_nothing(
    arguments: list[str], message: str, simclr: Simclr, checkpoint: Path, tmp_path: Path
) -> None:
    given = [str(checkpoint) if argument == "CHECKPOINT" else argument for argument in arguments]
    code, said, told = simclr("encoder", *given, "--out", tmp_path / "e.safetensors")
    assert (code, said) == (2, "")
    assert message in told
    assert not (tmp_path / "e.safetensors").exists()


def test_a_file_that_exists_is_not_written_over(simclr: Simclr, checkpoint: Path) -> None:
    before = checkpoint.read_bytes()
    code, _, told = simclr("encoder", checkpoint, "--out", checkpoint)
    assert (code, "exists already" in told) == (2, True)
    assert checkpoint.read_bytes() == before


def test_a_network_of_another_kind_is_refused(simclr: Simclr, tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "w.pth")
    code, _, told = simclr("encoder", tmp_path / "w.pth", "--out", tmp_path / "e.safetensors")
    assert (code, "no residual network" in told) == (2, True)
