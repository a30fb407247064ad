import json
from pathlib import Path

import numpy as np
import pytest
import torch

from simclr.config import AugmentConfig, EncoderConfig, FineTuneConfig, KnnConfig, LinearProbeConfig
from simclr.datasets import Dataset
from simclr.encoders import image_facts, load_encoder, pixels_encoder, untrained_encoder
from simclr.encoding import encode_images
from simclr.events import Stopped, never
from simclr.frozen import L2_GRID
from simclr.intervals import wilson_interval
from simclr.predictions import read_predictions
from simclr.results import TransferResult
from simclr.runs import Run, sha256_of
from simclr.transfer import transfer
from tests.simclr.conftest import Heard, stop_after, striped

Config = KnnConfig | LinearProbeConfig | FineTuneConfig
STILL = AugmentConfig(crop_scale_min=1.0, flip_p=0.0, jitter_p=0.0, grey_p=0.0)
TUNE = FineTuneConfig(epochs=4, batch_size=16, learning_rate=1e-2, augment=STILL)
STRATEGIES: list[Config] = [KnnConfig(), LinearProbeConfig(), TUNE]


@pytest.fixture
def encoder(tmp_path: Path, stripes: Dataset) -> Path:
    path = tmp_path / "untrained.safetensors"
    untrained_encoder(EncoderConfig(width=16), image_facts(stripes), 0, path)
    return path


@pytest.fixture
def pixels(tmp_path: Path, stripes: Dataset) -> Path:
    path = tmp_path / "pixels.safetensors"
    pixels_encoder(image_facts(stripes), path)
    return path


def edges_in_the_dark() -> Dataset:
    """Two classes that differ by which of two pixels is one level brighter, in images whose brightness tells nothing."""
    random = np.random.default_rng(0)
    labels = np.arange(600) % 2
    images = np.empty((600, 1, 8, 8), dtype=np.uint8)
    images[:] = random.integers(1, 255, (600, 1, 1, 1))
    images[np.arange(600), 0, 0, labels] += 1
    splits = np.repeat([0, 1, 2], 200).astype(np.uint8)
    return Dataset(images, labels.astype(np.int64), splits, ("left", "right"), "edges")


def test_a_probe_tries_weaker_penalties_for_as_long_as_the_weakest_is_the_best(
    tmp_path: Path, pixels: Path, stripes: Dataset, heard: Heard
) -> None:
    pixels_encoder(image_facts(edges_in_the_dark()), tmp_path / "edges.safetensors")
    needy = transfer(
        LinearProbeConfig(), tmp_path / "edges.safetensors", edges_in_the_dark(), Run(tmp_path / "a"), heard, never
    )
    # The weakest of the grid is the first to tell them apart, so a weaker one is tried, which gains nothing.
    assert needy.chosen["l2"] == L2_GRID[-1]
    assert needy.scores[1].accuracy > 0.9
    assert heard.progress[-1].step == heard.progress[-1].steps == len(L2_GRID) + 1
    content = transfer(LinearProbeConfig(), pixels, stripes, Run(tmp_path / "b"), heard, never)
    assert content.chosen["l2"] >= L2_GRID[-1]
    assert heard.progress[-1].step == heard.progress[-1].steps == len(L2_GRID)


@pytest.mark.parametrize("config", STRATEGIES, ids=lambda c: c.strategy)
def test_stripes_across_and_along_are_told_apart(
    config: Config, encoder: Path, stripes: Dataset, tmp_path: Path, heard: Heard
) -> None:
    run = Run(tmp_path / "run")
    result = transfer(config, encoder, stripes, run, heard, never)
    val, test = result.scores
    assert (result.strategy, val.split, test.split, val.n, test.n) == (config.strategy, "val", "test", 24, 24)
    assert test.accuracy > 0.9
    assert test.auc is not None
    assert test.auc > 0.95
    assert (test.accuracy_low, test.accuracy_high) == wilson_interval(round(24 * test.accuracy), 24)
    assert result.chance == 0.5
    assert (result.labels_used, result.images_seen) == (48, 48 * (4 if config is TUNE else 1))
    assert [np.sum(details.confusion) for details in result.details] == [24, 24]
    saved = read_predictions(run.predictions, "test")
    assert saved.is_right.mean() == test.accuracy
    assert saved.indices.tolist() == stripes.indices("test").tolist()
    assert heard.progress[-1].step == heard.progress[-1].steps
    assert run.is_complete
    assert TransferResult.model_validate_json((run.path / "result.json").read_text()) == result
    written = json.loads((run.path / "config.json").read_text())
    assert written["config"]["strategy"] == config.strategy
    assert written["encoder"] == sha256_of(encoder)


@pytest.mark.parametrize("config", STRATEGIES, ids=lambda c: c.strategy)
def test_the_same_transfer_has_the_same_scores(config: Config, encoder: Path, stripes: Dataset, tmp_path: Path) -> None:
    first, again = (
        transfer(config, encoder, stripes, Run(tmp_path / name), lambda _event: None, never) for name in "ab"
    )
    assert first.model_copy(update={"seconds": 0}) == again.model_copy(update={"seconds": 0})


@pytest.mark.parametrize("config", STRATEGIES, ids=lambda c: c.strategy)
def test_the_encoders_file_is_never_changed(config: Config, encoder: Path, stripes: Dataset, tmp_path: Path) -> None:
    before = sha256_of(encoder)
    transfer(config, encoder, stripes, Run(tmp_path / "run"), lambda _event: None, never)
    assert sha256_of(encoder) == before


def test_encoding_leaves_weights_and_statistics_bit_for_bit_also_in_training_mode(
    encoder: Path, stripes: Dataset
) -> None:
    model, file = load_encoder(encoder)
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    encode_images(model, file, stripes.images)
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    "config", [KnnConfig(), LinearProbeConfig(), LinearProbeConfig(solver="sgd", epochs=2)], ids=["knn", "lbfgs", "sgd"]
)
def test_a_frozen_encoder_is_bit_for_bit_what_it_was(
    config: Config, encoder: Path, stripes: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, file = load_encoder(encoder)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    monkeypatch.setattr("simclr.transfer.load_encoder", lambda _path: (model, file))
    transfer(config, encoder, stripes, Run(tmp_path / "run"), lambda _event: None, never)
    assert not any(module.training for module in model.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_raw_pixels_can_be_probed_but_not_fine_tuned(pixels: Path, stripes: Dataset, tmp_path: Path) -> None:
    for config in (KnnConfig(), LinearProbeConfig()):
        result = transfer(config, pixels, stripes, Run(tmp_path / config.strategy), lambda _event: None, never)
        assert result.scores[1].accuracy > 0.9
    run = Run(tmp_path / "tune")
    with pytest.raises(ValueError, match="raw pixels have no weights to fine-tune: choose knn or linear_probe"):
        transfer(TUNE, pixels, stripes, run, lambda _event: None, never)
    assert not run.is_complete


def test_choices_are_made_on_validation_alone(encoder: Path, tmp_path: Path) -> None:
    """Shuffled test labels change the test score and nothing else."""
    for config in STRATEGIES:
        results = []
        for shuffled in (False, True):
            dataset = striped()
            if shuffled:
                test = dataset.indices("test")
                dataset.labels[test] = np.random.default_rng(1).permutation(dataset.labels[test])
            name = f"{config.strategy}{shuffled}"
            results.append(transfer(config, encoder, dataset, Run(tmp_path / name), lambda _event: None, never))
        honest, shuffled_result = results
        assert honest.chosen == shuffled_result.chosen
        assert honest.scores[0] == shuffled_result.scores[0]
        assert honest.scores[1].accuracy > shuffled_result.scores[1].accuracy


def test_chance_is_always_answering_the_commonest_training_class(encoder: Path, tmp_path: Path) -> None:
    dataset = striped()
    train, test = dataset.indices("train"), dataset.indices("test")
    dataset.labels[train[:10]] = 1
    dataset.labels[test[:18]] = 1
    expected = float((dataset.labels[test] == 1).mean())
    result = transfer(KnnConfig(), encoder, dataset, Run(tmp_path / "run"), lambda _event: None, never)
    assert result.chance == expected


def test_unlabelled_images_are_left_out(encoder: Path, tmp_path: Path) -> None:
    dataset = striped()
    dataset.labels[dataset.indices("test")[:10]] = -1
    result = transfer(KnnConfig(), encoder, dataset, Run(tmp_path / "run"), lambda _event: None, never)
    assert [score.n for score in result.scores] == [24, 14]


@pytest.mark.parametrize(
    ("channels", "size_px", "said"),
    [
        (1, 8, "those of 8 px are repeated in three channels for it"),
        (3, 12, "those of 12 px are reduced to 8 px for it"),
    ],
    ids=["grey images, RGB encoder", "larger images than the encoder's"],
)
@pytest.mark.parametrize("config", STRATEGIES, ids=lambda c: c.strategy)
def test_images_are_adapted_to_the_encoder_and_it_is_told_how(
    config: Config, channels: int, size_px: int, said: str, encoder: Path, tmp_path: Path, heard: Heard
) -> None:
    dataset = striped(channels=channels, size_px=size_px)
    result = transfer(config, encoder, dataset, Run(tmp_path / "run"), heard, never)
    assert 0 <= result.scores[1].accuracy <= 1
    assert said in heard.messages


@pytest.mark.parametrize("config", STRATEGIES, ids=lambda c: c.strategy)
@pytest.mark.parametrize("asked", [0, 1])
def test_a_stopped_transfer_leaves_no_result_and_only_a_fine_tuning_a_checkpoint(
    config: Config, asked: int, encoder: Path, stripes: Dataset, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run")
    with pytest.raises(Stopped):
        transfer(config, encoder, stripes, run, lambda _event: None, stop_after(asked))
    kept = [p.name for p in run.checkpoints()] if config.strategy == "fine_tune" else []
    assert sorted(p.name for p in run.path.iterdir()) == [*kept, "config.json"]
    assert len(kept) == (config.strategy == "fine_tune")


def test_fine_tuning_keeps_the_epoch_that_is_best_on_validation(
    encoder: Path, stripes: Dataset, tmp_path: Path, heard: Heard
) -> None:
    result = transfer(TUNE, encoder, stripes, Run(tmp_path / "run"), heard, never)
    reached = [float(line.split()[-1].rstrip(".")) for line in heard.messages.splitlines() if "validation" in line]
    assert len(reached) == TUNE.epochs
    assert result.chosen == {"epoch": reached.index(max(reached)) + 1}
    assert result.scores[0].accuracy == pytest.approx(max(reached), abs=1e-3)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_split_without_labelled_images_is_refused_by_name(split: str, encoder: Path, tmp_path: Path) -> None:
    dataset = striped()
    dataset.labels[dataset.splits == ["train", "val", "test"].index(split)] = -1
    with pytest.raises(ValueError, match=f"the {split} split has no labelled images: add some"):
        transfer(KnnConfig(), encoder, dataset, Run(tmp_path / "run"), lambda _event: None, never)


def test_a_class_without_training_images_is_refused_by_name(encoder: Path, tmp_path: Path) -> None:
    dataset = striped()
    dataset.labels[dataset.indices("train")] = 0
    with pytest.raises(ValueError, match="no training image is of class along"):
        transfer(KnnConfig(), encoder, dataset, Run(tmp_path / "run"), lambda _event: None, never)


def test_a_set_without_classes_is_refused(encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the set has 0 classes, but a transfer needs two"):
        transfer(KnnConfig(), encoder, striped(labelled=False), Run(tmp_path / "run"), lambda _event: None, never)


def test_a_batch_larger_than_the_labelled_images_is_refused(encoder: Path, stripes: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="batch_size is 128 but there are only 48"):
        transfer(FineTuneConfig(), encoder, stripes, Run(tmp_path / "run"), lambda _event: None, never)
