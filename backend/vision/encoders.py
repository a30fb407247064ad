"""The encoders that were used last, open."""

from functools import lru_cache
from pathlib import Path

from torch import nn

from simclr.encoders import EncoderFile, load_encoder

ENCODERS_KEPT = 4


def encoder_at(path: str) -> tuple[nn.Module, EncoderFile]:
    """An encoder of the lab, in evaluation mode, kept for the next question.

    Raises:
        ValueError: the file is broken, or no encoder's.
        OSError: there is none.
    """
    return _encoder(Path(path), Path(path).stat().st_mtime_ns)


@lru_cache(ENCODERS_KEPT)
def _encoder(path: Path, _changed: int) -> tuple[nn.Module, EncoderFile]:
    return load_encoder(path)
