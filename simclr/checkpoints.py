"""Weights from strangers' files, and what was saved here: safetensors and torch.save's, read without running what is inside."""

import io
import pickle
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

Weights = dict[str, Tensor]

# Where training programs put the weights of a checkpoint that holds more than weights.
WRAPPERS = ("state_dict", "model_state_dict", "model")
# A wrapper inside a wrapper occurs; more is a trick.
DEEPEST = 4
ZIP = b"PK\x03\x04"
# The first value that torch.save pickled before it wrote zip files (torch < 1.6): 0x1950a86a20f9469cfc6c.
LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
# What torch's reader raises on bytes that torch.save did not write; it documents none of it.
UNREADABLE = (
    pickle.UnpicklingError, RuntimeError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError,
    AssertionError, EOFError, ImportError, MemoryError, OSError, struct.error, zipfile.BadZipFile,
)  # fmt: skip
CONVERT = (
    "only weights are read, since loading objects would run their code. Where you trust the file, write the weights alone: "
    "torch.save(model.state_dict(), 'weights.pth')"
)


def read_checkpoint(source: Path, max_bytes: int) -> Weights:
    """The named tensors of a checkpoint, on the CPU; whatever else it holds is left out.

    Args:
        source: A safetensors file or one of torch.save; its content decides, not its name.
        max_bytes: Limit to the file's size; nothing is unpacked, so that memory stays within it too.

    Raises:
        ValueError: the file is missing, too large, broken, of another kind, holds objects besides weights, or no weights.
    """
    if not source.is_file():
        raise ValueError(f"no checkpoint at {source}")
    size = source.stat().st_size
    if size > max_bytes:
        raise ValueError(
            f"{source.name} is {size / 2**20:,.0f} MiB but at most {max_bytes / 2**20:,.0f} MiB may be read: "
            "save the weights without the optimiser's state"
        )
    with source.open("rb") as file:
        start = file.read(16)
    if start.startswith(ZIP) or start.startswith(LEGACY):
        content = _read_torch(source, start.startswith(ZIP))
    elif start[8:9] == b"{":
        content = _read_safetensors(source)
    else:
        raise ValueError(
            f"{source.name} is neither a safetensors file nor one of torch.save: export the weights as either"
        )
    weights = _weights_in(content)
    if not weights:
        raise ValueError(
            f"{source.name} holds no named weights: save model.state_dict(), alone or under one of {', '.join(WRAPPERS)}"
        )
    return weights


def read_saved(content: bytes, name: str) -> Any:
    """Tensors and plain values that ``torch.save`` packed, on the CPU; objects are refused. ``name`` is for messages.

    Raises:
        ValueError: it is broken, or holds more.
    """
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise ValueError(
            f"{name} cannot be read: it is broken, or of another program ({' '.join(str(error).split())[:160]})"
        ) from error


def _read_safetensors(source: Path) -> Weights:
    try:
        return load_file(source)
    except (SafetensorError, ValueError, OSError, KeyError, AttributeError, RuntimeError) as error:
        raise ValueError(f"{source.name} is a broken safetensors file, or none: {error}") from error


def _read_torch(source: Path, is_zip: bool) -> object:
    try:
        if is_zip:
            _check_archive(source)
        # Mapped, what is never looked at, such as an optimiser's state, is never read.
        return torch.load(source, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        # torch's own message advises to load the file unsafely; only the name in it is worth repeating.
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"holds {named[1]}, which is no weight" if named else "is broken, or holds more than weights"
        raise ValueError(f"{source.name} {what}: {CONVERT}") from error
    except UNREADABLE as error:
        raise ValueError(
            f"{source.name} cannot be read as a file of torch.save: it is broken, cut off, or of another kind "
            f"({' '.join(str(error).split())[:160] or type(error).__name__})"
        ) from error


def _check_archive(source: Path) -> None:
    """torch.save never compresses: an archive that does may unpack to any size."""
    with zipfile.ZipFile(source) as archive:
        entries = archive.infolist()
    # Programs of torch.jit are compressed too; they are named here because the advice differs.
    if any(entry.filename.endswith("constants.pkl") for entry in entries):
        raise ValueError("it is a program of torch.jit: load it where you trust it and save its state_dict()")
    packed = [entry.filename for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise ValueError(f"'{packed[0]}' in it is compressed")


def _weights_in(content: object) -> Weights:
    for _ in range(DEEPEST):
        if not isinstance(content, Mapping):
            return {}
        inside = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inside is None:
            return {name: value for name, value in content.items() if isinstance(name, str) and _has_shape(value)}
        content = inside
    return {}


def _has_shape(value: object) -> bool:
    return isinstance(value, Tensor) and not value.is_nested
