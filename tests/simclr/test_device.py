import ctypes
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import simclr.device
from simclr.cores import container_quota, usable_cores
from simclr.device import (
    COMPILED_FROM_STEPS,
    can_compile,
    choose_device,
    keep_heap_mapped,
)


def test_the_choice_is_explained_in_a_sentence_and_always_the_same() -> None:
    device = choose_device()
    assert device == choose_device()
    assert device.reason.startswith("Working on ")
    assert device.reason.endswith(".")
    assert ("bfloat16" in device.name) == device.bf16
    assert device.device.type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_training_uses_every_core_and_an_operation_leaves_one_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        assert choose_device().threads == usable_cores()
        assert torch.get_num_threads() == max(1, usable_cores() - 1)
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        assert choose_device().threads == torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_autocast_uses_the_chosen_precision() -> None:
    device = choose_device()
    with device.autocast():
        product = torch.ones(2, 2, device=device.device) @ torch.ones(2, 2, device=device.device)
    assert product.dtype == (torch.bfloat16 if device.bf16 else torch.float32)


@pytest.mark.parametrize(
    ("text", "cores"),
    [("max 100000", None), ("200000 100000", 2), ("150000 100000", 2), ("5000 100000", 1), ("?", None)],
)
def test_the_quota_of_a_container_is_read_in_whole_cores(tmp_path: Path, text: str, cores: int | None) -> None:
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert container_quota(tmp_path / "cpu.max") == cores
    assert container_quota(tmp_path / "absent") is None


def test_freed_memory_is_kept_where_glibc_allocates_and_the_choice_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    has_mallopt = hasattr(ctypes.CDLL(None), "mallopt")
    assert keep_heap_mapped() == has_mallopt
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert ("freed memory is kept" in choose_device().reason) == has_mallopt
    monkeypatch.setattr(simclr.device, "keep_heap_mapped", lambda: False)
    assert "freed memory" not in choose_device().reason


def test_a_long_training_is_compiled_where_there_is_a_compiler_and_a_short_one_never() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    device = replace(choose_device(), compiler="eager")
    assert device.compiled(forward, COMPILED_FROM_STEPS - 1) is forward
    assert replace(device, compiler=None).compiled(forward, COMPILED_FROM_STEPS) is forward
    compiled = device.compiled(forward, COMPILED_FROM_STEPS)
    assert compiled is not forward
    assert torch.equal(compiled(torch.ones(3)), torch.full((3,), 2.0))


def test_only_cards_that_triton_writes_for_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simclr.device, "find_spec", lambda _name: object())
    assert [can_compile(capability) for capability in ((6, 1), (7, 0), (8, 6), (12, 0))] == [False, True, True, True]
    monkeypatch.setattr(simclr.device, "find_spec", lambda _name: None)
    assert not can_compile((9, 0))


def test_a_cuda_device_says_its_precision_and_that_it_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, answer in (
        ("is_available", True), ("get_device_capability", (9, 0)), ("get_device_name", "a card"),
    ):  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, lambda *_device, answer=answer: answer)
    monkeypatch.setattr(simclr.device, "can_compile", lambda capability: capability == (9, 0))
    device = choose_device()
    assert (device.device.type, device.bf16, device.compiler) == ("cuda", True, "inductor")
    assert device.reason == (
        "Working on a card in bfloat16 and channels_last: its cores multiply it; "
        "trainings of 5,000 steps or more are compiled first."
    )
