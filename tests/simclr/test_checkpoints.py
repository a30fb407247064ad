import argparse
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from simclr.checkpoints import read_checkpoint

LIMIT = 2**20
WEIGHTS = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(2)}


def assert_is_weights(read: dict[str, torch.Tensor]) -> None:
    assert sorted(read) == sorted(WEIGHTS)
    assert all(torch.equal(read[name], tensor) for name, tensor in WEIGHTS.items())


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.bin"])
def test_a_safetensors_file_is_read_whatever_its_name(name: str, tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / name)
    assert_is_weights(read_checkpoint(tmp_path / name, LIMIT))


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize(
    "content",
    [
        WEIGHTS,
        OrderedDict(WEIGHTS),
        {"state_dict": WEIGHTS, "epoch": 3},
        {"model": WEIGHTS, "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}}},
        {"model_state_dict": WEIGHTS, "loss": torch.tensor(0.5)},
        {"model": {"state_dict": WEIGHTS}},
    ],
    ids=["plain", "ordered", "state_dict", "model", "model_state_dict", "nested"],
)
def test_weights_are_found_where_training_programs_put_them(content: object, new_format: bool, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=new_format)
    assert_is_weights(read_checkpoint(tmp_path / "w.pth", LIMIT))


def test_parameters_of_a_module_are_weights(tmp_path: Path) -> None:
    module = nn.Linear(3, 2)
    torch.save(dict(module.named_parameters()), tmp_path / "w.pth")
    assert sorted(read_checkpoint(tmp_path / "w.pth", LIMIT)) == ["bias", "weight"]


class Touch:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("new_format", [True, False])
def test_code_in_a_checkpoint_is_refused_and_never_runs(new_format: bool, tmp_path: Path) -> None:
    source = tmp_path / "w.pth"
    torch.save({**WEIGHTS, "x": Touch(tmp_path / "ran")}, source, _use_new_zipfile_serialization=new_format)
    with pytest.raises(ValueError, match=r"holds posix\.mkdir, which is no weight.*torch\.save\(model\.state_dict"):
        read_checkpoint(source, LIMIT)
    assert not (tmp_path / "ran").exists()


def test_pickled_code_under_any_name_is_refused_and_never_runs(tmp_path: Path) -> None:
    for name in ("w.pth", "w.safetensors", "w.pkl"):
        (tmp_path / name).write_bytes(pickle.dumps(Touch(tmp_path / "ran")))
        with pytest.raises(ValueError, match=r"neither a safetensors file nor one of torch\.save"):
            read_checkpoint(tmp_path / name, LIMIT)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [nn.Linear(2, 2), {"state_dict": WEIGHTS, "args": argparse.Namespace(lr=1)}])
def test_objects_besides_weights_are_refused_with_the_way_out(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"which is no weight.*Where you trust the file"):
        read_checkpoint(tmp_path / "w.pth", LIMIT)


def test_a_file_beyond_the_limit_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "w.pth").open("wb") as file:
        file.truncate(2 * LIMIT)
    with pytest.raises(ValueError, match="is 2 MiB but at most 1 MiB may be read"):
        read_checkpoint(tmp_path / "w.pth", LIMIT)


def test_a_compressed_archive_is_refused_for_it_may_unpack_to_any_size(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(10**6)}, tmp_path / "plain.pth")
    bomb = zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "plain.pth") as plain, bomb:
        for entry in plain.infolist():
            bomb.writestr(entry.filename, plain.read(entry))
    assert (tmp_path / "bomb.pth").stat().st_size < LIMIT
    with pytest.raises(ValueError, match="is compressed"):
        read_checkpoint(tmp_path / "bomb.pth", LIMIT)


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_a_program_of_torch_jit_is_refused_by_name(tmp_path: Path) -> None:
    torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "w.pt"))
    with pytest.raises(ValueError, match=r"a program of torch\.jit"):
        read_checkpoint(tmp_path / "w.pt", LIMIT)


@pytest.mark.parametrize("content", [{}, [1, 2], 3, {"state_dict": {}}, {"epoch": 1}, [torch.zeros(2)]])
def test_a_checkpoint_without_named_weights_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="holds no named weights"):
        read_checkpoint(tmp_path / "w.pth", LIMIT)


def test_wrappers_without_end_are_not_followed(tmp_path: Path) -> None:
    content: dict[str, object] = dict(WEIGHTS)
    for _ in range(20):
        content = {"model": content}
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ValueError, match="holds no named weights"):
        read_checkpoint(tmp_path / "w.pth", LIMIT)


@pytest.mark.parametrize("content", [b"", b"<html>", b"version https://git-lfs.github.com/spec/v1", b"\x00" * 64])
def test_a_file_of_another_kind_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(ValueError, match="neither a safetensors file nor one"):
        read_checkpoint(tmp_path / "w.pth", LIMIT)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / "nothing.pth"):
        with pytest.raises(ValueError, match="no checkpoint at"):
            read_checkpoint(source, LIMIT)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The same weights as safetensors and in both formats of torch.save."""
    folder = tmp_path_factory.mktemp("written")
    save_file(WEIGHTS, folder / "0")
    torch.save(WEIGHTS, folder / "1")
    torch.save(WEIGHTS, folder / "2", _use_new_zipfile_serialization=False)
    return [(folder / name).read_bytes() for name in "012"]


@settings(max_examples=150, deadline=None)
@given(kind=st.integers(0, 2), cut=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_refused(kind: int, cut: float, written: list[bytes], tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    source = tmp_path_factory.getbasetemp() / "cut"
    source.write_bytes(written[kind][: int(len(written[kind]) * cut)])
    with pytest.raises(ValueError):  # noqa: PT011  (which sentence depends on where it was cut)
        read_checkpoint(source, LIMIT)


@settings(max_examples=300, deadline=None)
@given(
    kind=st.integers(0, 2),
    places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
)
def test_damaged_bytes_are_read_or_refused_and_nothing_else(
    kind: int, places: list[tuple[float, int]], written: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    damaged = bytearray(written[kind])
    for place, byte in places:
        damaged[int(place * len(damaged))] = byte
    source = tmp_path_factory.getbasetemp() / "damaged"
    source.write_bytes(damaged)
    try:
        read = read_checkpoint(source, LIMIT)
    except ValueError:
        return
    assert all(isinstance(tensor, torch.Tensor) for tensor in read.values())
