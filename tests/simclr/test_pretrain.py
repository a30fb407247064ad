import json
import math
import os
import platform
import re
import signal
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

import pytest
import torch

from simclr.config import AugmentConfig, EncoderConfig, FollowConfig, OptimConfig, PretrainConfig
from simclr.datasets import Dataset, open_dataset, write_dataset
from simclr.datasets.store import content_hash
from simclr.device import choose_device
from simclr.encoders import image_facts, load_encoder, seeded, untrained_encoder
from simclr.events import Stopped, never
from simclr.loss import chance_level
from simclr.pretrain import pretrain
from simclr.results import PretrainResult
from simclr.runs import Run, sha256_of
from simclr.training import Diverged
from tests.simclr.conftest import Heard, stop_after, striped
from tests.simclr.interruptions import SILENT

pytestmark = pytest.mark.slow

TINY = PretrainConfig(
    epochs=2,
    batch_size=16,
    projection_width=32,
    projection_dim=16,
    encoder=EncoderConfig(width=8),
    augment=AugmentConfig(blur_p=0.5),
)


class Usual(NamedTuple):
    """A pretraining by ``TINY``, for those who only look at one."""

    dataset: Dataset
    run: Run
    heard: Heard
    result: PretrainResult


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Usual:
    dataset, run, heard = striped(), Run(tmp_path_factory.mktemp("usual") / "run"), Heard()
    return Usual(dataset, run, heard, pretrain(TINY, dataset, run, heard, never))


def test_a_pretraining_leaves_a_complete_run_with_a_loadable_encoder(usual: Usual) -> None:
    run, result = usual.run, usual.result
    assert run.is_complete
    assert sorted(p.name for p in run.path.iterdir()) == [
        "checkpoint-000000006.pt", "config.json", "encoder.safetensors", "epoch-000000.safetensors",
        "epoch-000001.safetensors", "manifest.json", "result.json",
    ]  # fmt: skip
    _, file = load_encoder(run.encoder)
    assert (file.origin, file.architecture, file.channels, file.image_size) == ("pretrained", TINY.encoder, 3, 8)
    assert file.mean == image_facts(usual.dataset).mean
    written = json.loads((run.path / "config.json").read_text())
    assert PretrainConfig.model_validate(written["config"]) == TINY
    assert (written["kind"], written["dataset"]) == ("pretrain", content_hash(usual.dataset))
    assert PretrainResult.model_validate_json((run.path / "result.json").read_text()) == result
    assert (result.epochs, result.steps, result.feature_dim) == (2, 2 * (48 // 16), 32)
    assert result.chance == chance_level(16) == math.log(31)
    assert 0 < result.loss < 10
    assert result.images_per_s > 0
    assert result.device.startswith(("cpu", "NVIDIA"))


def test_it_tells_the_device_the_steps_and_the_features_from_before_the_first_step(usual: Usual) -> None:
    heard = usual.heard
    assert heard.messages.startswith("Working on ")
    assert [(e.epoch, e.step, e.n) for e in heard.evaluations] == [(0, 0, 24), (1, 3, 24), (2, 6, 24)]
    assert heard.evaluations[-1].knn_accuracy == usual.result.knn_accuracy
    last = heard.progress[-1]
    assert (last.step, last.steps, last.epoch, last.epochs) == (6, 6, 2, 2)
    assert last.chance == chance_level(16)
    assert last.learning_rate is not None
    assert 0 < last.learning_rate < TINY.learning_rate


def test_the_features_are_looked_at_every_so_many_epochs_and_at_the_last(
    tmp_path: Path, stripes: Dataset, heard: Heard
) -> None:
    pretrain(TINY.model_copy(update={"epochs": 5, "knn_every": 2}), stripes, Run(tmp_path), heard, never)
    assert [event.epoch for event in heard.evaluations] == [0, 2, 4, 5]


def test_the_same_seed_gives_the_same_losses_and_encoder_bit_for_bit_and_another_seed_others(
    tmp_path: Path, stripes: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    # At the end of an epoch alone: which steps are told between depends on the clock.
    monkeypatch.setattr("simclr.training.REPORT_EVERY_S", 1e9)
    torch.manual_seed(1)
    digests, losses = [], []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        torch.rand(7)  # what came before must not matter
        run, heard = Run(tmp_path / name), Heard()
        pretrain(TINY.model_copy(update={"seed": seed}), stripes, run, heard, never)
        digests.append(sha256_of(run.encoder))
        losses.append({event.step: event.loss for event in heard.progress})
    assert digests[0] == digests[1] != digests[2]
    assert losses[0] == losses[1] != losses[2]
    assert list(losses[0]) == [3, 6]


def test_training_changes_weights_and_statistics(tmp_path: Path, usual: Usual) -> None:
    untrained_encoder(TINY.encoder, image_facts(usual.dataset), TINY.seed, tmp_path / "untrained.safetensors")
    trained, untrained = (
        load_encoder(path)[0].state_dict() for path in (usual.run.encoder, tmp_path / "untrained.safetensors")
    )
    same = [n for n in trained if torch.equal(trained[n], untrained[n])]
    assert same == []


@pytest.mark.parametrize("asked", [0, 1, 4, 9])
def test_a_stopped_pretraining_raises_and_leaves_a_checkpoint_but_no_encoder(
    tmp_path: Path, stripes: Dataset, asked: int
) -> None:
    run = Run(tmp_path)
    with pytest.raises(Stopped):
        pretrain(TINY, stripes, run, lambda _event: None, stop_after(asked))
    assert not run.is_complete
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        p.name for p in [*run.checkpoints(), run.path / "config.json", *run.saved_epochs()]
    ]
    assert len(run.checkpoints()) == 1


def test_a_process_asked_to_end_stops_and_its_own_handler_hears_it_too(tmp_path: Path, stripes: Dataset) -> None:
    calls: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: calls.append(number))
    try:
        asked = stop_after(6)

        def should_stop() -> bool:
            if asked() and not calls:
                os.kill(os.getpid(), signal.SIGTERM)
            return False

        with pytest.raises(Stopped):
            pretrain(TINY.model_copy(update={"epochs": 50}), stripes, Run(tmp_path), lambda _event: None, should_stop)
        assert calls == [signal.SIGTERM]
        assert not (tmp_path / "encoder.safetensors").exists()
        assert len(Run(tmp_path).checkpoints()) == 1
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_batch_larger_than_the_training_split_is_refused(tmp_path: Path, stripes: Dataset) -> None:
    with pytest.raises(ValueError, match="batch_size is 256 but there are only 48 training images"):
        pretrain(TINY.model_copy(update={"batch_size": 256}), stripes, Run(tmp_path), lambda _event: None, never)
    assert list(tmp_path.iterdir()) == []


def test_images_without_labels_are_enough_and_the_missing_look_is_explained(tmp_path: Path, heard: Heard) -> None:
    result = pretrain(TINY, striped(labelled=False), Run(tmp_path), heard, never)
    assert result.knn_accuracy is None
    assert [event.knn_accuracy for event in heard.evaluations] == [None] * 3
    assert all(event.rank_h is not None for event in heard.evaluations)
    assert "No training image has a label" in heard.messages


def test_a_set_without_validation_is_trained_on_and_the_missing_look_is_explained(tmp_path: Path, heard: Heard) -> None:
    dataset = striped()
    dataset.splits[:] = 0
    assert pretrain(TINY, dataset, Run(tmp_path), heard, never).knn_accuracy is None
    assert "No validation image has a label" in heard.messages


def test_unlabelled_training_images_are_used(tmp_path: Path, heard: Heard) -> None:
    dataset = striped()
    dataset.labels[dataset.indices("train")[20:]] = -1
    result = pretrain(TINY, dataset, Run(tmp_path), heard, never)
    assert result.steps == 6  # 48 images, not 20
    assert result.knn_accuracy is not None


FOLLOWING = FollowConfig(knn=True, probe=True, contrast=True, geometry=True)


def test_everything_that_is_followed_is_told(tmp_path: Path, stripes: Dataset, heard: Heard) -> None:
    config = TINY.model_copy(update={"epochs": 20, "follow": FOLLOWING, "knn_every": 20})
    result = pretrain(config, stripes, Run(tmp_path), heard, never)
    first, last = heard.evaluations
    assert all(value is not None for value in last.model_dump().values())
    assert result.probe_accuracy == last.probe_accuracy
    # Stripes across and along are told apart by hardly trained features; chance is 0.5.
    assert (last.probe_accuracy or 0) > 0.8
    assert (last.alignment or 9) < (first.alignment or 0)
    assert (last.mean_rank or 99) < (first.mean_rank or 0)
    assert 1 <= (last.rank_z or 0) <= 16
    assert 1 <= (last.rank_h or 0) <= 32


MEASURES = {
    "knn": {"knn_accuracy"},
    "probe": {"probe_accuracy"},
    "contrast": {"contrast_top1", "contrast_top5", "mean_rank"},
    "geometry": {"alignment", "uniformity", "rank_h", "rank_z", "std_z"},
}


@pytest.mark.parametrize("only", MEASURES)
def test_each_measure_can_be_had_alone(tmp_path: Path, stripes: Dataset, heard: Heard, only: str) -> None:
    follow = FollowConfig.model_validate({name: name == only for name in MEASURES})
    pretrain(TINY.model_copy(update={"epochs": 1, "follow": follow}), stripes, Run(tmp_path), heard, never)
    told = {name for name, value in heard.evaluations[-1].model_dump().items() if value is not None}
    assert told == {"kind", "epoch", "step", "n"} | MEASURES[only]


def test_nothing_that_is_followed_touches_the_encoder(tmp_path: Path, stripes: Dataset) -> None:
    digests = []
    for name, follow in (("none", SILENT), ("all", FOLLOWING)):
        config = TINY.model_copy(update={"follow": follow})
        heard = Heard()
        pretrain(config, stripes, Run(tmp_path / name), heard, never)
        assert bool(heard.evaluations) == (name == "all")
        digests.append(sha256_of(Run(tmp_path / name).encoder))
    assert digests[0] == digests[1]


@pytest.mark.parametrize("loss", ["nt_xent", "dcl", "supcon"])
def test_every_loss_falls_below_chance(tmp_path: Path, stripes: Dataset, heard: Heard, loss: Literal["dcl"]) -> None:
    config = TINY.model_copy(update={"epochs": 15, "loss": loss, "follow": SILENT})
    result = pretrain(config, stripes, Run(tmp_path), heard, never)
    assert result.loss < result.chance - 0.2
    assert result.chance == chance_level(16, loss)


def test_supcon_without_labels_is_refused(tmp_path: Path, heard: Heard) -> None:
    with pytest.raises(ValueError, match="loss is supcon, which learns from labels, but no training image has one"):
        pretrain(TINY.model_copy(update={"loss": "supcon"}), striped(labelled=False), Run(tmp_path), heard, never)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("optim", "learning_rate"),
    [
        (OptimConfig(optimizer="lars", scaling="linear", trust=0.02, trust_clip=True, warmup_start=0.1), 10.0),
        (OptimConfig(optimizer="sgd", scaling="square_root", gradient_clip=1.0), 1.0),
        (OptimConfig(optimizer="adam", schedule="constant"), 2e-3),
    ],
)
def test_every_recipe_of_optimisation_learns(
    tmp_path: Path, stripes: Dataset, heard: Heard, optim: OptimConfig, learning_rate: float
) -> None:
    config = TINY.model_copy(update={"epochs": 7, "optim": optim, "learning_rate": learning_rate, "follow": SILENT})
    result = pretrain(config, stripes, Run(tmp_path), heard, never)
    assert result.loss < result.chance - 0.1


def test_a_moving_average_is_what_is_looked_at_and_saved(tmp_path: Path, stripes: Dataset) -> None:
    runs = {}
    for decay in (0.0, 0.5, 0.999):
        config = TINY.model_copy(update={"optim": OptimConfig(ema_decay=decay)})
        pretrain(config, stripes, Run(tmp_path / str(decay)), lambda _event: None, never)
        runs[decay] = load_encoder(Run(tmp_path / str(decay)).encoder)[0].state_dict()
    untrained_encoder(TINY.encoder, image_facts(stripes), TINY.seed, tmp_path / "untrained.safetensors")
    start = load_encoder(tmp_path / "untrained.safetensors")[0].state_dict()
    weights = [name for name, tensor in start.items() if tensor.ndim == 4]
    moved = {decay: sum(float((run[n] - start[n]).norm()) for n in weights) for decay, run in runs.items()}
    assert 0 < moved[0.999] < 0.02 * moved[0.0]
    assert moved[0.999] < moved[0.5] < moved[0.0]


# Every step multiplies each weight by about 1 - 10 · 1: after dozens of steps it is no number.
DIVERGING = TINY.model_copy(
    update={
        "epochs": 60,
        "learning_rate": 10.0,
        "weight_decay": 1.0,
        "optim": OptimConfig(optimizer="sgd", decay_all=True, schedule="constant", momentum=0.0),
        "follow": SILENT,
    }
)


def test_a_loss_that_diverges_keeps_the_encoder_of_the_last_good_epoch(
    tmp_path: Path, stripes: Dataset, heard: Heard
) -> None:
    run = Run(tmp_path)
    with pytest.raises(Diverged) as raised:
        pretrain(DIVERGING, stripes, run, heard, never)
    said = re.search(
        r"at step (\d+) of 180: lower learning_rate.* after epoch (\d+) is kept in (.*)\.$", str(raised.value)
    )
    assert said is not None
    assert 1 <= int(said[2]) <= (int(said[1]) - 1) // 3
    assert said[3] == str(run.last_good)
    weights = load_encoder(run.last_good)[0].state_dict()
    assert all(bool(tensor.isfinite().all()) for tensor in weights.values())
    assert not run.encoder.exists()
    assert not run.is_complete


def test_the_run_records_what_made_it(usual: Usual) -> None:
    facts = usual.run.facts()
    assert facts["device"] == usual.result.device
    assert facts["dataset"] == content_hash(usual.dataset)
    assert facts["python"] == platform.python_version()
    for library in ("simclr-lab", "torch", "torchvision", "pytorch-lightning", "numpy"):
        assert facts[library] == version(library)
    assert re.fullmatch("[0-9a-f]{12}", facts["code"])


def test_a_compiled_network_learns_the_same(tmp_path: Path, stripes: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen, once = choose_device(), TINY.model_copy(update={"epochs": 1})
    monkeypatch.setattr("simclr.device.COMPILED_FROM_STEPS", 1)
    losses = {}
    # As it is compiled for a GPU, up to the code generator, which needs one.
    for compiler in (None, "aot_eager"):
        device = replace(chosen, compiler=compiler)
        monkeypatch.setattr("simclr.pretrain.choose_device", lambda device=device: device)
        run = Run(tmp_path / str(compiler))
        losses[compiler] = pretrain(once, stripes, run, lambda _event: None, never).loss
        assert load_encoder(run.encoder)[1].origin == "pretrained"
    # The same operations, but their gradients may be added up in another order.
    assert losses["aot_eager"] == pytest.approx(losses[None], rel=1e-3)


def test_a_gradient_is_clipped_to_the_length_that_is_asked(tmp_path: Path, stripes: Dataset) -> None:
    config = TINY.model_copy(
        update={
            "epochs": 1, "learning_rate": 1.0, "weight_decay": 0.0, "warmup_epochs": 0.0, "projection_layers": 0,
            "optim": OptimConfig(optimizer="sgd", momentum=0.0, schedule="constant", gradient_clip=1e-2),
        }
    )  # fmt: skip
    moved = {}
    for clip in (1e-2, 0.0):
        optim = config.optim.model_copy(update={"gradient_clip": clip})
        run = Run(tmp_path / str(clip))
        pretrain(config.model_copy(update={"optim": optim}), stripes, run, lambda _event: None, never)
        trained, start = load_encoder(run.encoder)[0], seeded(TINY.encoder, 3, TINY.seed)
        pairs = zip(trained.parameters(), start.parameters(), strict=True)
        moved[clip] = math.sqrt(sum(float((ours - theirs).detach().square().sum()) for ours, theirs in pairs))
    # Three steps of 0.01 each at most, and together no longer than that; unclipped ones are far longer.
    assert 0.01 < moved[1e-2] <= 0.03 * (1 + 1e-5)
    assert moved[0.0] > 0.1


def test_grey_images_and_a_warm_up_longer_than_the_training_work(tmp_path: Path, heard: Heard) -> None:
    config = TINY.model_copy(update={"warmup_epochs": 10.0})
    assert pretrain(config, striped(channels=1), Run(tmp_path), heard, never).steps == 6


def test_a_set_mapped_from_disk_gives_the_same_encoder(tmp_path: Path, usual: Usual) -> None:
    write_dataset(usual.dataset, tmp_path / "set")
    run = Run(tmp_path / "run")
    pretrain(TINY, open_dataset(tmp_path / "set"), run, lambda _event: None, never)
    assert sha256_of(run.encoder) == sha256_of(usual.run.encoder)


def test_lightning_leaves_nothing_behind_and_says_nothing(
    tmp_path: Path, stripes: Dataset, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pretrain(TINY, stripes, Run(tmp_path / "run"), lambda _event: None, never)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert capfd.readouterr() == ("", "")


def test_images_are_left_as_they_were(usual: Usual) -> None:
    assert (usual.dataset.images == striped().images).all()
