"""The encoders that were used last, open."""

from functools import lru_cache
from pathlib import Path

from torch import nn

from simclr.encoders import EncoderFile, load_encoder, load_head, read_encoder_file

ENCODERS_KEPT = 4


def encoder_at(path: str) -> tuple[nn.Module, EncoderFile]:
    """An encoder of the lab, in evaluation mode, kept for the next question.

    Raises:
        ValueError: the file is broken, or no encoder's.
        OSError: there is none.
    """
    return _encoder(Path(path), Path(path).stat().st_mtime_ns)


def head_at(path: str) -> nn.Module:
    """The projection head beside an encoder of the lab, in evaluation mode, kept likewise.

    Raises:
        ValueError: it has none.
        OSError: there is no encoder.
    """
    head = _head(Path(path), Path(path).stat().st_mtime_ns)
    if head is None:
        raise ValueError("the encoder has no projection head, so there is no z: search by h")
    return head


@lru_cache(ENCODERS_KEPT)
def _encoder(path: Path, _changed: int) -> tuple[nn.Module, EncoderFile]:
    return load_encoder(path)


@lru_cache(ENCODERS_KEPT)
def _head(path: Path, _changed: int) -> nn.Module | None:
    return load_head(path, read_encoder_file(path))
