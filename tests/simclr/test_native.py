"""C sources are compiled once, whole or not at all, and what cannot be compiled is explained."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from simclr import native as module
from simclr.native import address, native

CAN = native(Path(module.__file__).parent / "winograd.c")
NEEDS_A_COMPILER = pytest.mark.skipif(CAN.functions is None, reason=f"not compiled here: {CAN.why_not}")
DOUBLE = "void twice(float *x, long n) { for (long i = 0; i < n; i++) x[i] *= 2; }"


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "__pycache__").glob("*"))


def source(folder: Path, text: str = DOUBLE) -> Path:
    native.cache_clear()
    path = folder / "twice.c"
    path.write_text(text)
    return path


@NEEDS_A_COMPILER
def test_a_source_is_compiled_and_its_functions_work_on_tensors(tmp_path: Path) -> None:
    functions = native(source(tmp_path)).functions
    assert functions is not None
    x = torch.ones(4, 3)
    functions.twice(address(x, 1), ctypes.c_long(6))
    assert x.tolist() == [[1] * 3, [2] * 3, [2] * 3, [1] * 3]


@NEEDS_A_COMPILER
def test_it_is_compiled_again_only_when_it_has_changed(tmp_path: Path) -> None:
    native(source(tmp_path))
    (first,) = kept(tmp_path)
    written = first.stat().st_mtime_ns
    assert native(source(tmp_path)).functions is not None
    assert kept(tmp_path) == [first]
    assert first.stat().st_mtime_ns == written
    assert native(source(tmp_path, DOUBLE.replace("2", "3"))).functions is not None
    (second,) = kept(tmp_path)
    assert second != first


@NEEDS_A_COMPILER
@pytest.mark.slow
def test_processes_that_compile_at_once_all_get_it_and_leave_one_file(tmp_path: Path) -> None:
    path = source(tmp_path)
    ask = f"from pathlib import Path; from simclr.native import native; assert native(Path({str(path)!r})).functions"
    asking = [subprocess.Popen([sys.executable, "-c", ask]) for _ in range(2)]
    assert [process.wait(120) for process in asking] == [0, 0]
    assert len(kept(tmp_path)) == 1


@NEEDS_A_COMPILER
def test_a_folder_that_cannot_be_written_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").write_text("in the way")
    assert native(source(tmp_path)).functions is not None


@NEEDS_A_COMPILER
def test_what_the_compiler_says_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    found = native(source(tmp_path, "void twice(float *x) { y = 2; }"))
    assert found.functions is None
    assert found.why_not.startswith("twice.c could not be compiled and loaded: ")
    assert "error" in found.why_not or "undeclared" in found.why_not
    assert not (tmp_path / "__pycache__").exists()


def test_a_machine_without_a_compiler_or_of_another_kind_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "there is no C compiler, none of cc, gcc, clang" in native(source(tmp_path)).why_not
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert native(source(tmp_path)).why_not == "this CPU is none of x86-64 with AVX2 and FMA"
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(module.platform, "machine", lambda: "riscv64")
    assert native(source(tmp_path)).why_not == "this CPU is none of x86-64 with AVX2 and FMA"
