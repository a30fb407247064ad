from pathlib import Path

import pytest

from simclr.config import FineTuneConfig, OptimConfig
from simclr.datasets import Dataset
from simclr.encoders import image_facts, load_encoder
from simclr.pretrain import pretrain
from simclr.runs import Run, sha256_of
from simclr.saved_encoder import encoder_of_checkpoint
from simclr.transfer import transfer
from tests.simclr.interruptions import ALWAYS, SILENT, TINY

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_the_last_checkpoint_holds_the_encoder_and_head_that_were_saved_and_earlier_ones_others(
    ema_decay: float, stripes: Dataset, tmp_path: Path
) -> None:
    run = Run(tmp_path / "run")
    pretrain(
        TINY.model_copy(update={"follow": SILENT, "optim": OptimConfig(ema_decay=ema_decay)}), stripes, run,
        cadence=ALWAYS,
    )  # fmt: skip
    _, file = load_encoder(run.encoder)
    paths = [tmp_path / f"{step}.safetensors" for step in (3, 6)]
    for step, path in zip((3, 6), paths, strict=True):
        assert encoder_of_checkpoint(run.checkpoint(step), image_facts(stripes), path) == file
    assert sha256_of(paths[1]) == sha256_of(run.encoder)
    assert sha256_of(paths[0]) != sha256_of(run.encoder)


def test_other_files_and_other_images_are_refused(stripes: Dataset, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    pretrain(TINY.model_copy(update={"follow": SILENT, "epochs": 1}), stripes, run)
    tuned = Run(tmp_path / "tuned")
    transfer(FineTuneConfig(epochs=1, batch_size=48), run.encoder, stripes, tuned)
    facts = image_facts(stripes)
    with pytest.raises(ValueError, match="belongs to a transfer: only a pretraining's checkpoint holds an encoder"):
        encoder_of_checkpoint(tuned.checkpoints()[0], facts, tmp_path / "out")
    grey = facts.model_copy(update={"channels": 1, "mean": (0.5,), "std": (0.5,)})
    with pytest.raises(ValueError, match="holds no network for images of 1 channels"):
        encoder_of_checkpoint(run.checkpoints()[0], grey, tmp_path / "out")
    with pytest.raises(ValueError, match="no checkpoint at"):
        encoder_of_checkpoint(tmp_path / "absent.pt", facts, tmp_path / "out")
    assert not (tmp_path / "out").exists()
