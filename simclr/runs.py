"""The run directory: the only module that knows its file names. Files appear by rename, the manifest last."""

import errno
import hashlib
import json
import os
import platform
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel

ENCODER = "encoder.safetensors"
CONFIG = "config.json"
RESULT = "result.json"
MANIFEST = "manifest.json"
FEATURES = "features.npy"
PROJECTIONS = "projections.npy"
PIECES = ".pieces"
MAP = "map.npy"
PREDICTIONS = "predictions.npz"
LAST_GOOD = "last_good.safetensors"
SAVED_EPOCH, SAVED_EPOCHS = "epoch-{epoch:06d}.safetensors", "epoch-*.safetensors"
CHECKPOINT, CHECKPOINTS = "checkpoint-{step:09d}.pt", "checkpoint-*.pt"
MAP_STATE, MAP_STATES = "map-{step:09d}.npz", "map-*.npz"
# What a number may depend on beside config, data and seed.
LIBRARIES = ("simclr-lab", "torch", "torchvision", "pytorch-lightning", "numpy")


MIB = 1 << 20
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFull(OSError):
    """A file does not fit on the disk; the message names its folder and what is missing."""

    def __init__(self, path: Path, size_bytes: int | None) -> None:
        """Call it when what was written so far of ``path`` is deleted again."""
        needed = f"{size_bytes / MIB:.1f} MiB" if size_bytes is not None else "more"
        free = shutil.disk_usage(path.parent).free / MIB
        super().__init__(
            errno.ENOSPC,
            f"no room in {path.parent}: {path.name} needs {needed}, {free:.1f} MiB are free. Make room there, then try again",
        )

    def __str__(self) -> str:
        return str(self.strerror)


@contextmanager
def writing(path: Path, size_bytes: int | None = None, *, synced: bool = True) -> Iterator[Path]:
    """A temporary sibling of ``path`` to write to; on success it is synced and takes ``path``'s place, on failure it vanishes.

    Not ``synced`` it may be damaged after a power cut, which suits what can be computed again and carries its own digest.

    Raises:
        DiskFull: it does not fit; ``size_bytes``, where known, is in the message.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: NumPy appends ".npy" to names that lack it.
    temporary = path.with_name(f".{uuid.uuid4().hex}.partial{path.suffix}")
    try:
        yield temporary
        if synced:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        # NumPy gives no number and says only "10 requested and 3 written".
        if error.errno not in FULL and "requested and" not in str(error):
            raise
        temporary.unlink(missing_ok=True)
        raise DiskFull(path, size_bytes) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: BaseModel | dict[str, Any]) -> None:
    """Write JSON so that a reader sees the old file or the new one, never a part."""
    text = content.model_dump_json(indent=2) if isinstance(content, BaseModel) else json.dumps(content, indent=2)
    with writing(path, len(text)) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def made_by() -> dict[str, str]:
    """What did the work: versions of Python and the libraries, and "code", a digest of this package's sources."""
    return {"code": _code(), "python": platform.python_version(), **_versions()}


# Neither changes while a process lives, and to read them takes as long as some steps of training.
@cache
def _code() -> str:
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for source in sorted([*here.rglob("*.py"), *here.rglob("*.c")]):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


@cache
def _versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}


@dataclass(frozen=True)
class Run:
    """One experiment's folder: configuration, what it made, what it found, and a manifest that says the folder is complete."""

    path: Path

    @property
    def encoder(self) -> Path:
        return self.path / ENCODER

    @property
    def features(self) -> Path:
        return self.path / FEATURES

    @property
    def map(self) -> Path:
        """Where maps of embeddings are written: float32, shape (M, N, 2), one map for each bank."""
        return self.path / MAP

    @property
    def projections(self) -> Path:
        """Beside ``features``, z of the same images, where the encoder has its projection head."""
        return self.path / PROJECTIONS

    @property
    def pieces(self) -> Path:
        """Where an embedding that nobody gave a cache keeps what it has computed, until its end."""
        return self.path / PIECES

    @property
    def predictions(self) -> Path:
        """What a transfer answered to every labelled image of validation and test; see ``simclr.predictions``."""
        return self.path / PREDICTIONS

    @property
    def last_good(self) -> Path:
        """Where a training that diverged leaves its encoder as it was after the last good epoch."""
        return self.path / LAST_GOOD

    def checkpoint(self, step: int) -> Path:
        """Where the state of a training after ``step`` steps is written."""
        return self.path / CHECKPOINT.format(step=step)

    def checkpoints(self) -> list[Path]:
        """All states of the training that are kept, the earliest first."""
        return sorted(self.path.glob(CHECKPOINTS))

    def map_state(self, step: int) -> Path:
        """Where the state of maps that are being made is written after ``step`` steps; see ``simclr.maps.kept``."""
        return self.path / MAP_STATE.format(step=step)

    def map_states(self) -> list[Path]:
        """All such states that are kept, the earliest first."""
        return sorted(self.path.glob(MAP_STATES))

    def saved_epoch(self, epoch: int) -> Path:
        """Where the encoder of a pretraining after ``epoch`` passes over the images is written."""
        return self.path / SAVED_EPOCH.format(epoch=epoch)

    def saved_epochs(self) -> list[Path]:
        """All encoders of single epochs that are kept, the earliest first."""
        return sorted(self.path.glob(SAVED_EPOCHS))

    @property
    def is_complete(self) -> bool:
        return (self.path / MANIFEST).exists()

    def begin(self, config: BaseModel, **facts: str) -> None:
        """Record what is about to be done: the config, and facts such as the data set's content hash."""
        write_json(self.path / CONFIG, {"config": config.model_dump(mode="json"), **facts})

    def facts(self) -> dict[str, str]:
        """The facts given to ``begin``; empty where it was never called."""
        path = self.path / CONFIG
        if not path.exists():
            return {}
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {name: str(value) for name, value in content.items() if name != "config"}

    def finish(self, result: BaseModel) -> None:
        """Record the result, then the manifest with the hash of every file and the versions that made them.

        Checkpoints, states of maps and single epochs are left out: what was made does not need them, and they may be deleted.
        """
        write_json(self.path / RESULT, result)
        left_out = {self.path / MANIFEST, *self.checkpoints(), *self.map_states(), *self.saved_epochs()}
        files = sorted(
            p for p in self.path.iterdir() if p.is_file() and p not in left_out and not p.name.startswith(".")
        )
        write_json(
            self.path / MANIFEST,
            {
                "files": {p.name: sha256_of(p) for p in files},
                "versions": _versions(),
                "python": platform.python_version(),
                "machine": platform.machine(),
            },
        )
