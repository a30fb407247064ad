"""The ten minutes on a GPU, and the bench of an epoch there, on stripes and a CPU."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import cifar10_fast
from benchmarks.cifar10_fast import affordable, main, run
from benchmarks.table import OURS
from benchmarks.training import FAST, LIMIT, cifar10_in_size, epoch_row, speed_of
from simclr.config import EncoderConfig, PretrainConfig
from simclr.datasets import write_dataset
from simclr.device import choose_device
from simclr.presets import pretrain_preset
from simclr.runs import Run
from tests.simclr.conftest import striped

# The preset but for its size: the same stem, optimiser, schedule and views.
TOY = pretrain_preset("cifar10-fast").model_copy(
    update={
        "epochs": 3,
        "batch_size": 16,
        "projection_width": 16,
        "warmup_epochs": 0.5,
        "encoder": EncoderConfig(architecture="resnet10", width=8, stem="small"),
    }
)


@pytest.fixture(autouse=True)
def _few_steps_of_which_all_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simclr.training.REPORT_EVERY_S", 0.0)
    monkeypatch.setattr("benchmarks.training.WARM_UP", 1)
    monkeypatch.setattr("benchmarks.training.STEPS", 5)


def test_as_many_epochs_are_planned_as_fit_and_one_at_least() -> None:
    # 534 s at 10,000 images/s are 5,340,000 images: 118 epochs of 45,056.
    assert affordable(534, 10_000, 45_056, 1000) == 118
    assert affordable(534, 10_000, 45_056, 100) == 100
    assert affordable(-5, 10_000, 45_056, 1000) == 1


@pytest.mark.slow
def test_a_budget_buys_epochs_a_curve_and_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = striped(400)
    report = run(TOY, dataset, tmp_path, budget_s=3600.0)
    assert report.config.epochs == TOY.epochs  # an hour would buy more than were asked for
    assert [point.epoch for point in report.curve] == [0, 1, 2, 3]
    assert 0 < report.measured_s <= report.curve[0].seconds <= report.pretrained_s <= report.probed_s
    assert [score.split for score in report.linear_probe] == ["val", "test"] == [score.split for score in report.knn]
    assert report.linear_probe[1].accuracy > 0.8  # chance is 0.5
    said = "\n".join(report.lines())
    assert "3 epochs on" in said
    assert f"n = {report.knn[1].n}" in said
    assert "Working on" in capsys.readouterr().out


@pytest.mark.slow
def test_a_plan_too_short_to_be_compiled_is_made_with_the_speed_of_what_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = replace(choose_device(), compiler="aot_eager")
    monkeypatch.setattr("simclr.pretrain.choose_device", lambda: device)
    monkeypatch.setattr(cifar10_fast, "choose_device", lambda: device)
    monkeypatch.setattr("simclr.device.COMPILED_FROM_STEPS", 30)
    measured = []

    def speed_of(config: PretrainConfig, *_given: object) -> float:
        measured.append(config.epochs)
        return 1.0

    monkeypatch.setattr(cifar10_fast, "speed_of", speed_of)
    # 12 steps an epoch: 36 are compiled, the 12 of the single epoch that a budget of nothing buys are not.
    assert run(TOY, striped(400), tmp_path, budget_s=0.0).config.epochs == 1
    assert measured == [3, 1]


@pytest.mark.slow
def test_the_command_keeps_curve_and_scores_also_where_the_budget_buys_only_one_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("benchmarks.cifar10_fast.pretrain_preset", lambda _name: TOY)
    write_dataset(striped(400), tmp_path / "stripes")
    main(["stripes", "--minutes", "0", "--out", "runs"])
    kept = json.loads((tmp_path / "cifar10_fast.json").read_text())
    assert (kept["config"]["epochs"], kept["budget_s"]) == (1, 0.0)
    assert [point["epoch"] for point in kept["curve"]] == [0, 1]
    assert [score["split"] for score in kept["linear_probe"]] == ["val", "test"]
    assert len(kept["made_by"]["code"]) == 12
    assert f"linear probe, test: {kept['linear_probe'][1]['accuracy']:.4f}" in capsys.readouterr().out
    assert Run(tmp_path / "runs" / "pretraining").is_complete


@pytest.mark.slow
def test_the_bench_of_an_epoch_holds_ours_against_computing_alone() -> None:
    row = epoch_row(TOY, striped(400, size_px=32), turns=1)
    assert list(row.values) == [OURS, LIMIT]
    assert all(seconds > 0 for figures in row.values.values() for seconds in figures)
    assert row.what == "an epoch of 192 images, batch 16, resnet10"


def test_a_training_too_short_to_measure_is_refused() -> None:
    config = PretrainConfig(epochs=1, batch_size=48, encoder=EncoderConfig(width=8), follow=FAST.follow)
    with pytest.raises(ValueError, match="too short to measure: 1 epochs of 96 images"):
        speed_of(config, striped())


def test_noise_in_the_size_of_cifar10_fills_as_many_steps() -> None:
    assert len(cifar10_in_size().indices("train")) // FAST.batch_size == 97
