"""Fine-tuning by depth: what is frozen stays, what is trained learns at its layer's rate, and training ends when it should."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from simclr.config import EncoderConfig, FineTuneConfig, LabelsConfig, LinearProbeConfig
from simclr.datasets import Dataset
from simclr.encoders import image_facts, load_encoder, seeded, untrained_encoder
from simclr.fine_tuned import FineTuned
from simclr.predictions import read_predictions
from simclr.resume import read_training
from simclr.runs import Run
from simclr.transfer import transfer
from tests.simclr.conftest import Heard

pytestmark = pytest.mark.slow

SMALL = EncoderConfig(width=8)
ONE_EPOCH = FineTuneConfig(epochs=1, batch_size=16, learning_rate=1e-2)


@pytest.fixture
def encoder(tmp_path: Path, stripes: Dataset) -> Path:
    path = tmp_path / "untrained.safetensors"
    untrained_encoder(SMALL, image_facts(stripes), 0, path)
    return path


def trained(run: Run) -> dict[str, Tensor]:
    """The whole model after the last step."""
    model: dict[str, Tensor] = read_training(run.checkpoints()[-1]).state["parts"]["model"]
    return {name.removeprefix("encoder."): tensor for name, tensor in model.items()}


LAYERS = ("conv1.", "bn1.", "layer1.", "layer2.", "layer3.")


@pytest.mark.parametrize(
    ("unfrozen", "frozen"), [(0, LAYERS), (1, LAYERS[:4]), (3, LAYERS[:2]), (None, ())], ids=["0", "1", "3", "all"]
)
def test_frozen_layers_keep_weights_and_statistics_bit_for_bit_and_the_others_do_not(
    unfrozen: int | None, frozen: tuple[str, ...], encoder: Path, stripes: Dataset, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run")
    transfer(ONE_EPOCH.model_copy(update={"unfrozen_blocks": unfrozen}), encoder, stripes, run)
    after = trained(run)
    for name, before in load_encoder(encoder)[0].state_dict().items():
        assert torch.equal(after[name], before) == name.startswith(frozen), name


def test_frozen_batch_norm_is_kept_in_trained_layers_too(encoder: Path, stripes: Dataset, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    transfer(ONE_EPOCH.model_copy(update={"freeze_batch_norm": True}), encoder, stripes, run)
    after = trained(run)
    before = load_encoder(encoder)[0]
    norms = [name for name, m in before.named_modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for name, tensor in before.state_dict().items():
        assert torch.equal(after[name], tensor) == (name.rpartition(".")[0] in norms), name


def test_batch_norm_follows_from_the_first_step_on_where_it_is_trained(stripes: Dataset) -> None:
    network = seeded(SMALL, 3, 0).eval()
    model = FineTuned(network, 2, FineTuneConfig(unfrozen_blocks=1))
    norms = {name: m for name, m in network.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    assert {name.partition(".")[0] for name, norm in norms.items() if norm.training} == {"layer3"}
    assert not model.eval().encoder.layer3.training
    assert model.train().encoder.layer3.training


def test_each_layer_learns_slower_than_the_one_above_by_the_decay() -> None:
    config = FineTuneConfig(learning_rate=1.0, layer_decay=0.5, weight_decay=0.1)
    model = FineTuned(seeded(SMALL, 3, 0), 2, config)
    groups = model.optimizer(config).param_groups
    found = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert len(found) == sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
    rates = {"classifier": 1.0, "layer3": 0.5, "layer2": 0.25, "layer1": 0.125, "conv1": 0.0625, "bn1": 0.0625}
    for name, parameter in model.named_parameters():
        rate = rates[name.removeprefix("encoder.").partition(".")[0]]
        assert found[id(parameter)] == (rate, 0.1 if parameter.ndim > 1 else 0.0), name


def test_from_scratch_nothing_of_the_encoder_is_left_but_its_architecture(
    encoder: Path, stripes: Dataset, tmp_path: Path
) -> None:
    untrained_encoder(SMALL, image_facts(stripes), 7, tmp_path / "other")
    config = ONE_EPOCH.model_copy(update={"start": "scratch", "seed": 3})
    runs = [Run(tmp_path / name) for name in "ab"]
    for path, run in zip((encoder, tmp_path / "other"), runs, strict=True):
        transfer(config, path, stripes, run)
    first, second = (read_predictions(run.predictions, "test").probabilities for run in runs)
    np.testing.assert_array_equal(first, second)
    transfer(config.model_copy(update={"start": "encoder"}), encoder, stripes, Run(tmp_path / "c"))
    assert not np.array_equal(first, read_predictions(Run(tmp_path / "c").predictions, "test").probabilities)


def test_early_stopping_waits_for_its_patience_and_a_stopped_training_has_nothing_to_go_on_with(
    encoder: Path, stripes: Dataset, tmp_path: Path, heard: Heard
) -> None:
    # Steps too small to change an answer, so that no epoch is better than the first.
    config = FineTuneConfig(epochs=9, batch_size=16, learning_rate=1e-12, patience=2, freeze_batch_norm=True)
    run = Run(tmp_path / "run")
    result = transfer(config, encoder, stripes, run, heard)
    assert [each.epoch for each in result.curve] == [1, 2, 3]
    assert (result.chosen, result.images_seen) == ({"epoch": 1}, 3 * 48)
    assert "Stopped early, after 2 epochs without a better validation accuracy" in heard.messages
    assert heard.checkpoints[-1].step == 9
    again = transfer(config, encoder, stripes, Run(tmp_path / "again"), resume=run.checkpoints()[-1])
    assert (again.scores, again.curve, again.images_seen) == (result.scores, result.curve, result.images_seen)
    for epoch in result.curve:
        assert epoch.loss is not None
        assert 0.3 < epoch.loss < 2


def test_few_labels_make_one_batch_and_are_counted(
    encoder: Path, stripes: Dataset, tmp_path: Path, heard: Heard
) -> None:
    config = FineTuneConfig(epochs=2, labels=LabelsConfig(shots=3))
    result = transfer(config, encoder, stripes, Run(tmp_path / "run"), heard)
    assert (result.labels_used, result.images_seen) == (6, 12)
    assert "batch_size is 128, but 6 labels are left: all are one batch" in heard.messages
    assert [score.n for score in result.scores] == [24, 24]


@pytest.mark.parametrize(
    "config",
    [
        FineTuneConfig(epochs=2, batch_size=15, learning_rate=0.03, unfrozen_blocks=0),
        LinearProbeConfig(block=0),
        LinearProbeConfig(block=0, solver="sgd", epochs=20, learning_rate=1.0),
    ],
    ids=["fine-tuning", "L-BFGS", "SGD"],
)
def test_class_weights_change_what_is_learned_from_uneven_classes(
    config: FineTuneConfig | LinearProbeConfig, encoder: Path, stripes: Dataset, tmp_path: Path
) -> None:
    train = stripes.indices("train")
    stripes.labels[train[stripes.labels[train] == 1][:18]] = -1
    shares = []
    for weighted in (False, True):
        run = Run(tmp_path / str(weighted))
        transfer(config.model_copy(update={"class_weights": weighted}), encoder, stripes, run)
        shares.append(read_predictions(run.predictions, "val").probabilities[:, 1].mean())
    assert shares[0] < shares[1] - 0.03


def test_more_stages_than_there_are_cannot_be_trained(encoder: Path, stripes: Dataset, tmp_path: Path) -> None:
    config = FineTuneConfig(unfrozen_blocks=4)
    with pytest.raises(ValueError, match="unfrozen_blocks is 4, but resnet8 has 3 stages: choose 0 to 3"):
        transfer(config, encoder, stripes, Run(tmp_path / "run"))
    with pytest.raises(ValueError, match="new weights must all be trained"):
        FineTuneConfig(start="scratch", unfrozen_blocks=1)
