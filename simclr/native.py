"""C beside Python, compiled for this machine when it is first needed, as Python compiles its own sources into bytecode.

The result lies in ``__pycache__`` too, named after the source and the flags. Without a compiler, its callers use torch alone.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

COMPILERS = ("cc", "gcc", "clang")
# The sources ask neither errno nor for traps, without which more loops become vectors.
FLAGS = ("-O3", "-mavx2", "-mfma", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
# A second is usual.
COMPILING_S = 60.0


@dataclass(frozen=True)
class Native:
    """The functions of a C source, or why there are none here."""

    functions: ctypes.CDLL | None
    why_not: str = ""


@cache
def native(source: Path) -> Native:
    """Compile ``source``, unless it is already, and load it."""
    # torch says either where there is FMA too; AVX2 alone would not do.
    can = torch.backends.cpu.get_cpu_capability() in {"AVX2", "AVX512"}
    if os.name != "posix" or platform.machine() != "x86_64" or not can:
        return Native(None, "this CPU is none of x86-64 with AVX2 and FMA")
    digest = hashlib.sha256(source.read_bytes() + " ".join(FLAGS).encode()).hexdigest()[:16]
    kept = source.parent / "__pycache__" / f"{source.stem}-{digest}.so"
    try:
        if kept.is_file():
            return Native(ctypes.CDLL(str(kept)))
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / kept.name
            _compile(source, made)
            return Native(ctypes.CDLL(str(kept if _keep(made, kept) else made)))
    except (OSError, subprocess.SubprocessError) as error:
        told = str(getattr(error, "stderr", None) or error).strip().splitlines() or [type(error).__name__]
        return Native(None, f"{source.name} could not be compiled and loaded: {told[-1]}")


def address(tensor: Tensor, first: int = 0) -> ctypes.c_void_p:
    """Where the rows of a tensor begin in memory, from ``first`` on; C must have done before the tensor is gone."""
    return ctypes.c_void_p(tensor.data_ptr() + first * tensor.stride(0) * tensor.element_size())


def _compile(source: Path, made: Path) -> None:
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise FileNotFoundError(f"there is no C compiler, none of {', '.join(COMPILERS)}")
    command = [compiler, *FLAGS, str(source), "-o", str(made), "-lm"]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMPILING_S)


def _keep(made: Path, kept: Path) -> bool:
    """Put a compiled file in its place, whole or not at all, and take away older ones; False where it cannot be written."""
    partial = kept.with_name(f"{kept.name}.{os.getpid()}")
    try:
        kept.parent.mkdir(exist_ok=True)
        shutil.copy(made, partial)
        partial.replace(kept)
    except OSError:
        return False
    finally:
        with suppress(OSError):
            partial.unlink()
    for older in kept.parent.glob(f"{made.name.rsplit('-', 1)[0]}-*.so"):
        if older.name != kept.name:
            older.unlink(missing_ok=True)
    return True


def main() -> None:
    """Compile all there is beforehand, for an image or a folder that will not be written any more."""
    for source in sorted(Path(__file__).parent.rglob("*.c")):
        sys.stdout.write(f"{source.name}: {native(source).why_not or 'compiled'}\n")


if __name__ == "__main__":
    main()
