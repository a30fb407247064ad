"""A fine-tuning goes on as a pretraining does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simclr.config import FineTuneConfig, KnnConfig
from simclr.datasets import Dataset
from simclr.encoders import image_facts, untrained_encoder
from simclr.events import Stopped
from simclr.predictions import read_predictions
from simclr.pretrain import pretrain
from simclr.runs import Run
from simclr.transfer import transfer
from tests.simclr.conftest import Heard, stop_after, striped
from tests.simclr.interruptions import ALWAYS, TINY, rewritten, told

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _every_loss_is_told() -> Iterator[None]:
    """A loss told is the mean of a quarter of a second, which no two runs share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simclr.training.REPORT_EVERY_S", 0.0)
        yield


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encoder") / "encoder.safetensors"
    untrained_encoder(TINY.encoder, image_facts(striped()), 0, path)
    return path


TUNING = FineTuneConfig(epochs=3, batch_size=16, learning_rate=1e-2)


# The upper stages alone, with all that has a state of its own, to a score that cannot grow after the first epoch.
PARTLY = TUNING.model_copy(
    update={"unfrozen_blocks": 2, "layer_decay": 0.5, "class_weights": True, "patience": 2, "learning_rate": 1e-12}
)


@pytest.mark.parametrize(("config", "steps"), [(TUNING, (1, 3, 5, 6, 9)), (PARTLY, (2, 6, 9))], ids=["all", "partly"])
def test_a_fine_tuning_goes_on_as_if_it_had_not_been_interrupted(
    config: FineTuneConfig, steps: tuple[int, ...], tmp_path: Path, stripes: Dataset, encoder: Path
) -> None:
    heard = Heard()
    whole = Run(tmp_path / "whole")
    expected = transfer(config, encoder, stripes, whole, heard, cadence=ALWAYS)
    assert [event.step for event in heard.checkpoints] == list(range(1, 10))
    for step in steps:
        rest = Heard()
        run = Run(tmp_path / str(step))
        result = transfer(config, encoder, stripes, run, rest, resume=whole.checkpoint(step))
        assert (result.scores, result.chosen, result.curve) == (expected.scores, expected.chosen, expected.curve)
        assert told(rest) == told(heard)[step:]
        for split in ("val", "test"):
            found, wanted = (read_predictions(each.predictions, split).probabilities for each in (run, whole))
            assert np.array_equal(found, wanted)


@pytest.mark.parametrize("asked", [0, 4])
def test_a_stopped_fine_tuning_leaves_a_checkpoint_of_that_step(
    tmp_path: Path, stripes: Dataset, encoder: Path, heard: Heard, asked: int
) -> None:
    with pytest.raises(Stopped):
        transfer(TUNING, encoder, stripes, Run(tmp_path), heard, stop_after(asked))
    assert [event.step for event in heard.checkpoints] == [asked]


def test_a_fine_tuning_goes_on_with_its_own_encoder_and_strategy_alone(
    tmp_path: Path, stripes: Dataset, encoder: Path
) -> None:
    with pytest.raises(Stopped):
        transfer(TUNING, encoder, stripes, Run(tmp_path / "a"), should_stop=stop_after(4))
    file = Run(tmp_path / "a").checkpoint(4)
    untrained_encoder(TINY.encoder, image_facts(stripes), 1, tmp_path / "other")
    with pytest.raises(ValueError, match="belongs to another encoder"):
        transfer(TUNING, tmp_path / "other", stripes, Run(tmp_path / "b"), resume=file)
    with pytest.raises(ValueError, match="only fine-tuning leaves checkpoints"):
        transfer(KnnConfig(), encoder, stripes, Run(tmp_path / "b"), resume=file)
    with pytest.raises(ValueError, match="belongs to another kind of training"):
        pretrain(TINY, stripes, Run(tmp_path / "b"), resume=file)
    assert not (tmp_path / "b").exists()


def test_a_checkpoint_of_an_older_version_goes_on_with_the_choices_that_it_did_not_know_at_their_defaults(
    tmp_path: Path, stripes: Dataset, encoder: Path
) -> None:
    def forget(content: dict[str, Any]) -> None:
        known = ("strategy", "epochs", "learning_rate", "batch_size", "weight_decay", "seed", "augment")
        content["config"] = {name: content["config"][name] for name in known}
        del content["state"]["found"]["curve"]

    with pytest.raises(Stopped):
        transfer(TUNING, encoder, stripes, Run(tmp_path / "a"), should_stop=stop_after(7))
    old = rewritten(Run(tmp_path / "a").checkpoint(7), forget)
    result = transfer(TUNING, encoder, stripes, Run(tmp_path / "b"), resume=old)
    assert [each.epoch for each in result.curve] == [3]
    with pytest.raises(ValueError, match=r"belongs to another config \(patience was 0, not 2\)"):
        transfer(TUNING.model_copy(update={"patience": 2}), encoder, stripes, Run(tmp_path / "c"), resume=old)
