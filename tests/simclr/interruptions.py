"""Trainings small enough to be interrupted at every step."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from simclr.config import (
    AugmentConfig,
    EncoderConfig,
    FollowConfig,
    PretrainConfig,
)
from simclr.datasets import Dataset
from simclr.events import Stopped
from simclr.pretrain import pretrain
from simclr.resume import MARK, Cadence
from simclr.runs import Run
from tests.simclr.conftest import Heard, stop_after

# 48 training images are 3 steps an epoch, 6 in all.
TINY = PretrainConfig(
    epochs=2,
    batch_size=16,
    projection_width=16,
    projection_dim=8,
    saved_epochs=0,
    encoder=EncoderConfig(width=8),
    augment=AugmentConfig(blur_p=0.5),
    follow=FollowConfig(knn=True, probe=True, contrast=True, geometry=True),
)
SILENT = FollowConfig(knn=False, probe=False, contrast=False, geometry=False)
ALWAYS = Cadence(epoch_s=0.0, most_s=0.0)


def told(heard: Heard) -> list[tuple[object, ...]]:
    return [(e.step, e.steps, e.epoch, e.epochs, e.loss, e.learning_rate) for e in heard.progress]


def interrupted(config: PretrainConfig, dataset: Dataset, folder: Path, asked: int, heard: Heard | None = None) -> Path:
    """The checkpoint of a pretraining that was stopped when it asked for the ``asked``-th time."""
    run = Run(folder)
    with pytest.raises(Stopped):
        pretrain(config, dataset, run, heard if heard is not None else Heard(), stop_after(asked))
    [file] = run.checkpoints()
    return file


def rewritten(file: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A whole checkpoint with something else inside."""
    content = torch.load(io.BytesIO(file.read_bytes().partition(b"\n")[2]), weights_only=True)
    change(content)
    packed = io.BytesIO()
    torch.save(content, packed)
    changed = file.with_name(f"{hashlib.sha256(packed.getvalue()).hexdigest()}.pt")
    changed.write_bytes(MARK + hashlib.sha256(packed.getvalue()).hexdigest().encode() + b"\n" + packed.getvalue())
    return changed
