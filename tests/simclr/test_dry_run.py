"""A dry run foretells what a training takes, within its time, and says which batch fits where memory ends."""

import time

import pytest
import torch

from simclr import dry_run as module
from simclr.config import EncoderConfig, FollowConfig, PretrainConfig
from simclr.costs import Costs
from simclr.datasets.digits import digits
from simclr.dry_run import dry_run
from simclr.pretrain import Contrastive
from worker.attempt import peak_bytes

TINY = PretrainConfig(
    epochs=3, batch_size=128, encoder=EncoderConfig(architecture="resnet8", width=8), projection_width=16
)


def test_steps_are_taken_with_batches_that_double_up_to_the_one_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    real = Contrastive.training_step

    def step(self: Contrastive, indices: torch.Tensor, number: int) -> torch.Tensor:
        batches.append(len(indices))
        return real(self, indices, number)

    monkeypatch.setattr(Contrastive, "training_step", step)
    costs = dry_run(TINY, digits(), peak_bytes, budget_s=1000.0)
    assert batches == [32, 32, 64, 64, *[128] * 6]
    assert costs.tried_batch == 128
    assert costs.step_s is not None
    assert costs.step_s > 0
    assert costs.look_s > 0
    assert costs.peak_bytes is not None
    assert costs.peak_bytes > 2**20


def test_without_time_the_rest_is_extrapolated_from_the_smallest_batch() -> None:
    began = time.monotonic()
    costs = dry_run(TINY.model_copy(update={"batch_size": 1024}), digits(), peak_bytes, budget_s=0.0)
    assert costs.tried_batch == 32
    assert costs.step_s is not None
    assert costs.step_s < 32 * (time.monotonic() - began)


def test_where_memory_ends_it_says_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Contrastive.training_step

    def step(self: Contrastive, indices: torch.Tensor, number: int) -> torch.Tensor:
        if len(indices) > 64:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory")
        return real(self, indices, number)

    monkeypatch.setattr(Contrastive, "training_step", step)
    costs = dry_run(TINY.model_copy(update={"batch_size": 512}), digits(), peak_bytes, budget_s=1000.0)
    assert (costs.fits, costs.step_s) == (64, None)
    assert costs.advice == "memory runs out at batch_size 512: 64 fits, as tried just now"


def test_memory_that_is_missing_by_extrapolation_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    held = iter([1000, 1032])  # at rest, and after a batch of 32
    monkeypatch.setattr(module, "spare_bytes", lambda _device: 200)
    costs = dry_run(TINY.model_copy(update={"batch_size": 1024}), digits(), lambda: next(held), budget_s=0.0)
    assert costs.advice == "memory runs out at batch_size 1024: 200 should fit"


def test_what_follows_nothing_looks_at_nothing() -> None:
    silent = FollowConfig(knn=False, probe=False, contrast=False, geometry=False)
    costs = dry_run(TINY.model_copy(update={"follow": silent}), digits(), peak_bytes, budget_s=0.0)
    assert costs.look_s == 0.0


def test_the_whole_is_its_steps_its_looks_and_its_start() -> None:
    costs = Costs(step_s=0.5, look_s=3.0, start_s=1.0)
    config = PretrainConfig(epochs=10, batch_size=100, knn_every=4)
    assert costs.seconds(config, 1050) == 1.0 + 10 * 10 * 0.5 + (1 + 3) * 3.0
    assert Costs().seconds(config, 1050) is None


def test_a_batch_larger_than_the_set_is_refused_as_in_training() -> None:
    with pytest.raises(ValueError, match="batch_size is 4000 but there are only"):
        dry_run(TINY.model_copy(update={"batch_size": 4000}), digits(), peak_bytes)
