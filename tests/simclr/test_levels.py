"""Features of every depth, and of the projection head that a pretraining leaves in its encoder's file."""

from pathlib import Path

import pytest
import torch

from simclr.config import KnnConfig, LinearProbeConfig
from simclr.datasets import Dataset
from simclr.encoders import image_facts, load_encoder, load_head, pixels_encoder, prepare, save_encoder
from simclr.levels import Levels, dimensions, level_of
from simclr.pretrain import pretrain
from simclr.resume import read_training
from simclr.runs import Run
from simclr.transfer import transfer
from tests.simclr.conftest import striped
from tests.simclr.interruptions import TINY


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("pretrained"))
    pretrain(TINY.model_copy(update={"epochs": 1}), striped(), run)
    return run


def test_the_head_in_the_file_is_the_one_that_was_trained(pretrained: Run) -> None:
    _, file = load_encoder(pretrained.encoder)
    head = load_head(pretrained.encoder, file)
    assert head is not None
    trained = read_training(pretrained.checkpoints()[-1]).state["parts"]["network"]
    expected = {name.removeprefix("head."): t for name, t in trained.items() if name.startswith("head.")}
    assert head.state_dict().keys() == expected.keys()
    assert all(torch.equal(head.state_dict()[name], tensor) for name, tensor in expected.items())


def test_levels_are_what_flows_through_the_network(pretrained: Run, stripes: Dataset) -> None:
    network, file = load_encoder(pretrained.encoder)
    head = load_head(pretrained.encoder, file)
    assert head is not None
    seen = []
    for name in ("maxpool", "layer1", "layer2", "layer3"):
        network.get_submodule(name).register_forward_hook(lambda _m, _i, out: seen.append(out.mean(dim=(2, 3))))
    pixels = prepare(torch.from_numpy(stripes.images[:5]), file)
    with torch.inference_mode():
        h = network(pixels)
        expected = [*seen, head(h)]
        seen.clear()
        found = Levels(network, head, [0, 1, 2, 3, "z"])(pixels).split(
            dimensions(file, network, [0, 1, 2, 3, "z"]), dim=1
        )
    assert torch.equal(found[3], h)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    "config",
    [LinearProbeConfig(block=0), LinearProbeConfig(block=2, solver="sgd", epochs=3), KnnConfig(features="z")],
    ids=["first layer", "a stage by SGD", "z"],
)
def test_every_depth_can_be_probed(config: LinearProbeConfig | KnnConfig, pretrained: Run, tmp_path: Path) -> None:
    result = transfer(config, pretrained.encoder, striped(), Run(tmp_path))
    assert result.scores[1].accuracy > 0.6
    epochs = 3 if config.strategy == "linear_probe" and config.solver == "sgd" else 0
    assert [each.epoch for each in result.curve] == list(range(1, epochs + 1))


def test_depths_that_an_encoder_does_not_have_are_refused(pretrained: Run, stripes: Dataset, tmp_path: Path) -> None:
    network, file = load_encoder(pretrained.encoder)
    with pytest.raises(ValueError, match="block is 4, but resnet8 has 3 stages: choose 0 to 3"):
        level_of("h", 4, network, None)
    save_encoder(tmp_path / "bare", network, file.model_copy(update={"projection": None}))
    with pytest.raises(ValueError, match="this encoder's file has no projection head: choose 'h'"):
        transfer(KnnConfig(features="z"), tmp_path / "bare", stripes, Run(tmp_path / "run"))
    pixels_encoder(image_facts(stripes), tmp_path / "pixels")
    with pytest.raises(ValueError, match="block is 1, but raw pixels have no stages"):
        transfer(KnnConfig(block=1), tmp_path / "pixels", stripes, Run(tmp_path / "run"))
    with pytest.raises(ValueError, match="'z', which lies above every stage"):
        KnnConfig(features="z", block=1)


def test_a_head_that_does_not_fit_its_description_is_refused(pretrained: Run, tmp_path: Path) -> None:
    network, file = load_encoder(pretrained.encoder)
    assert file.projection is not None
    wrong = file.model_copy(update={"projection": file.projection.model_copy(update={"dim": 3})})
    save_encoder(tmp_path / "wrong", network, wrong, load_head(pretrained.encoder, file))
    with pytest.raises(ValueError, match=r"the projection head in .* does not fit its description"):
        load_head(tmp_path / "wrong", wrong)
