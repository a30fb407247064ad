"""What a training does not go on from, and what it says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simclr.config import EncoderConfig
from simclr.datasets import Dataset
from simclr.pretrain import pretrain
from simclr.runs import Run
from tests.simclr.conftest import Heard, striped
from tests.simclr.interruptions import TINY, interrupted, rewritten


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"learning_rate": 0.5}, "learning_rate was 0.002, not 0.5"),
        ({"encoder": EncoderConfig(width=16)}, "encoder.width was 8, not 16"),
        ({"seed": 3}, "seed was 0, not 3"),
        ({"epochs": 1}, "epochs is 1 but .* a training of 2"),
    ],
)
def test_another_config_is_refused_by_what_differs(
    tmp_path: Path, stripes: Dataset, changed: dict[str, Any], said: str
) -> None:
    file = interrupted(TINY, stripes, tmp_path / "a", 0)
    with pytest.raises(ValueError, match=said):
        pretrain(TINY.model_copy(update=changed), stripes, Run(tmp_path / "b"), resume=file)
    assert not (tmp_path / "b").exists()


def test_another_image_set_is_refused(tmp_path: Path, stripes: Dataset) -> None:
    file = interrupted(TINY, stripes, tmp_path / "a", 0)
    with pytest.raises(ValueError, match="belongs to another image set"):
        pretrain(TINY, striped(seed=1), Run(tmp_path / "b"), resume=file)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[: len(content) // 2], "is damaged or cut off"),
        (lambda content: content[:-1], "is damaged or cut off"),
        (lambda content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:], "is damaged or cut off"),
        (lambda content: b"", "is no checkpoint of a training"),
        (lambda content: content.partition(b"\n")[2], "is no checkpoint of a training"),
        (lambda content: content[:30], "is no checkpoint of a training"),
    ],
    ids=["half", "last byte", "one bit", "empty", "no head", "a head alone"],
)
def test_a_damaged_file_is_refused(
    tmp_path: Path, stripes: Dataset, damage: Callable[[bytes], bytes], said: str
) -> None:
    file = interrupted(TINY, stripes, tmp_path / "a", 0)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=said):
        pretrain(TINY, stripes, Run(tmp_path / "b"), resume=file)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("name", ["watch", "views", "order", "optimizer", "parts", "found"])
def test_a_file_that_lacks_something_is_refused(tmp_path: Path, stripes: Dataset, name: str) -> None:
    file = interrupted(TINY, stripes, tmp_path / "a", 0)
    with pytest.raises(ValueError, match="does not fit this version of simclr"):
        pretrain(TINY, stripes, Run(tmp_path / "b"), resume=rewritten(file, lambda content: content["state"].pop(name)))


def test_what_changed_since_is_told(tmp_path: Path, stripes: Dataset) -> None:
    file = interrupted(TINY, stripes, tmp_path / "a", 0)
    heard = Heard()

    def older(content: dict[str, Any]) -> None:
        content["facts"]["torch"] = "1.0"

    pretrain(TINY, stripes, Run(tmp_path / "b"), heard, resume=rewritten(file, older))
    assert "The numbers may differ from an uninterrupted training's: torch was 1.0 and is" in heard.messages
