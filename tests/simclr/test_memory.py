import io
from pathlib import Path
from typing import Any

import pytest
import torch

import simclr.pretrain
from simclr import encoders
from simclr.config import EncoderConfig, PretrainConfig
from simclr.encoders import ImageFacts
from simclr.events import OutOfMemory
from simclr.memory import is_out_of_memory, largest_batch
from simclr.runs import Run
from tests.simclr.conftest import striped


def test_a_cpu_that_cannot_allocate_is_out_of_memory() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 58, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)


def test_a_state_that_does_not_fit_into_memory_is_out_of_memory() -> None:
    class Full(io.BytesIO):
        def write(self, some: Any, /) -> int:
            if self.tell() > 4000:
                raise MemoryError
            return super().write(some)

    with pytest.raises((RuntimeError, MemoryError)) as raised:
        torch.save({"weights": torch.zeros(10_000)}, Full())
    assert is_out_of_memory(raised.value)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("memory")])
def test_other_errors_are_not(error: Exception) -> None:
    assert not is_out_of_memory(error)


def test_the_largest_batch_that_fits_is_found_by_halving() -> None:
    tried: list[int] = []

    def work(batch: int) -> None:
        tried.append(batch)
        if batch > 70:
            raise MemoryError

    assert largest_batch(work, 512) == 64
    assert tried == [256, 128, 64]


def test_where_nothing_fits_there_is_no_batch() -> None:
    def work(_batch: int) -> None:
        raise MemoryError

    assert largest_batch(work, 512) is None


def test_an_error_of_another_kind_comes_out() -> None:
    def work(_batch: int) -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        largest_batch(work, 512)


def test_a_pretraining_without_enough_memory_names_the_batch_that_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How much address space a step needs depends on the machine and on how its heap is broken up, so the size is set here;
    # the refusal is the allocator's own.
    def normalise(images: torch.Tensor, facts: ImageFacts) -> torch.Tensor:
        if len(images) > 40:
            torch.empty(1 << 58, dtype=torch.uint8)
        return encoders.normalise(images, facts)

    monkeypatch.setattr(simclr.pretrain, "normalise", normalise)
    config = PretrainConfig(batch_size=256, epochs=1, encoder=EncoderConfig(width=8, stem="small"))
    with pytest.raises(OutOfMemory, match="memory ran out at batch_size 256: 32 fits"):
        simclr.pretrain.pretrain(config, striped(600, size_px=16), Run(tmp_path))
