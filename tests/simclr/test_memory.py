import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import simclr.encoding
import simclr.fine_tune
import simclr.pretrain
from simclr import encoders
from simclr.config import EmbedConfig, EncoderConfig, FineTuneConfig, PretrainConfig
from simclr.embed import embed
from simclr.encoders import image_facts, untrained_encoder
from simclr.events import OutOfMemory
from simclr.memory import is_out_of_memory, largest_batch
from simclr.runs import Run
from simclr.transfer import transfer
from tests.simclr.conftest import striped

pytestmark = pytest.mark.slow


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

    assert largest_batch(work, 8) is None


def test_an_error_of_another_kind_comes_out() -> None:
    def work(_batch: int) -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        largest_batch(work, 512)


# How much address space work needs depends on the machine and on how its heap is broken up, so the most that fits is set here;
# the refusal is the allocator's own.
def fitting(most: int, work: Callable[..., Any]) -> Callable[..., Any]:
    def limited(images: torch.Tensor, *rest: Any) -> Any:
        if len(images) > most:
            torch.empty(1 << 58, dtype=torch.uint8)
        return work(images, *rest)

    return limited


def test_a_pretraining_without_enough_memory_names_the_batch_that_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simclr.pretrain, "normalise", fitting(40, encoders.normalise))
    config = PretrainConfig(batch_size=256, epochs=1, encoder=EncoderConfig(width=8, stem="small"))
    with pytest.raises(OutOfMemory, match="memory ran out at batch_size 256: 32 fits"):
        simclr.pretrain.pretrain(config, striped(600, size_px=16), Run(tmp_path))


def test_not_even_two_images_may_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simclr.pretrain, "normalise", fitting(1, encoders.normalise))
    config = PretrainConfig(batch_size=16, epochs=1, encoder=EncoderConfig(width=8))
    with pytest.raises(
        OutOfMemory, match="memory ran out at batch_size 16, and not even 2 images fit: choose a smaller"
    ):
        simclr.pretrain.pretrain(config, striped(), Run(tmp_path))


@pytest.fixture
def untrained(tmp_path: Path) -> Path:
    untrained_encoder(EncoderConfig(width=8), image_facts(striped()), 0, tmp_path / "untrained.safetensors")
    return tmp_path / "untrained.safetensors"


def test_a_fine_tuning_without_enough_memory_names_the_batch_that_fits(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simclr.fine_tune, "adapt", fitting(10, encoders.adapt))
    with pytest.raises(OutOfMemory, match="memory ran out at batch_size 32: 8 fits"):
        transfer(FineTuneConfig(batch_size=32, epochs=1), untrained, striped(), Run(tmp_path / "run"))


def test_an_embedding_without_enough_memory_names_the_batch_that_fits(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simclr.encoding, "prepare", fitting(50, encoders.prepare))
    with pytest.raises(OutOfMemory, match="memory ran out at batch_size 96: 48 fits"):
        embed(EmbedConfig(batch_size=96), untrained, striped(), Run(tmp_path / "run"))
