"""A training that was interrupted and goes on is, bit for bit, the one that was not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simclr.config import AugmentConfig, EncoderConfig, FollowConfig, OptimConfig, PretrainConfig
from simclr.datasets import Dataset
from simclr.events import Stopped
from simclr.pretrain import pretrain
from simclr.resume import Cadence
from simclr.runs import Run, sha256_of
from tests.simclr.conftest import Heard, striped

# 48 training images are 3 steps an epoch, 6 in all.
TINY = PretrainConfig(
    epochs=2,
    batch_size=16,
    projection_width=16,
    projection_dim=8,
    encoder=EncoderConfig(width=8),
    augment=AugmentConfig(blur_p=0.5),
    follow=FollowConfig(knn=True, probe=True, contrast=True, geometry=True),
)
SILENT = FollowConfig(knn=False, probe=False, contrast=False, geometry=False)
RECIPES = {
    "adamw, probe": TINY,
    "ema": TINY.model_copy(update={"optim": OptimConfig(ema_decay=0.9), "knn_every": 2}),
    "lars, clipped": TINY.model_copy(
        update={
            "optim": OptimConfig(optimizer="lars", trust=0.02, gradient_clip=0.5),
            "learning_rate": 2.0,
            "warmup_epochs": 1.0,
            "follow": SILENT,
        }
    ),
    "sgd, constant": TINY.model_copy(
        update={"optim": OptimConfig(optimizer="sgd", schedule="constant"), "learning_rate": 0.1, "follow": SILENT}
    ),
}
ALWAYS = Cadence(epoch_s=0.0, most_s=0.0)


@pytest.fixture(scope="module", autouse=True)
def _every_loss_is_told() -> Iterator[None]:
    """A loss told is the mean of a quarter of a second, which no two runs share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simclr.training.REPORT_EVERY_S", 0.0)
        yield


@pytest.fixture(scope="module", params=RECIPES)
def uninterrupted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _every_loss_is_told: None
) -> Any:
    """A recipe, how it ends, and all its checkpoints."""
    config, heard = RECIPES[request.param], Heard()
    run = Run(tmp_path_factory.mktemp("whole"))
    result = pretrain(config, striped(), run, heard, cadence=ALWAYS)
    return config, run, heard, result


@pytest.mark.parametrize("asked", [0, 1, 2, 3, 4, 5, 7, 9])
def test_stopped_anywhere_it_ends_with_the_same_encoder_and_the_same_evaluations(
    uninterrupted: Any, tmp_path: Path, stripes: Dataset, asked: int
) -> None:
    config, whole, heard, expected = uninterrupted
    parts = Heard()
    times = iter(range(1000))
    run = Run(tmp_path / "first")
    try:
        pretrain(config, stripes, run, parts, lambda: next(times) >= asked)
    except Stopped:
        [event] = parts.checkpoints
        file = run.path / event.name
        assert sha256_of(file) == event.sha256
        assert [p.name for p in run.path.iterdir() if p.name != "config.json"] == [event.name]
        run = Run(tmp_path / "second")
        result = pretrain(config, stripes, run, parts, resume=file)
    else:
        pytest.skip("it was asked less often")
    assert sha256_of(run.encoder) == sha256_of(whole.encoder)
    assert parts.evaluations == heard.evaluations
    assert (result.loss, result.knn_accuracy, result.steps) == (expected.loss, expected.knn_accuracy, expected.steps)
    assert [(e.step, e.loss, e.learning_rate) for e in parts.progress] == [
        (e.step, e.loss, e.learning_rate) for e in heard.progress
    ]
