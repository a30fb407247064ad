from pathlib import Path

import pytest
import torch

from simclr.device import _container_quota, choose_device, usable_cores


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
    assert _container_quota(tmp_path / "cpu.max") == cores
    assert _container_quota(tmp_path / "absent") is None
