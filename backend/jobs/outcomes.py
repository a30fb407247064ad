"""How an attempt at a job can end: what the worker hands to ``store.settle``."""

from dataclasses import dataclass, field
from typing import Any

from simclr.results import JobResult


@dataclass(frozen=True)
class Artefact:
    """A file that the job made, or the folder of a data set, to be known to the catalogue from now on.

    Attributes:
        key: Its path below the data folder.
        sha256: Digest of its bytes; of a data set, its content hash.
        description: For an encoder: a dump of its file header; for a data set, of its ``DatasetInfo``.
    """

    key: str
    sha256: str
    description: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Succeeded:
    """The work is done. ``artefact``: a pretraining's encoder, an embedding's features, a transfer's answers, an import's set.
    ``peak_bytes`` is the most memory that its process held."""

    result: JobResult
    artefact: Artefact | None = None
    peak_bytes: int | None = None


@dataclass(frozen=True)
class Failed:
    """Another attempt would end the same way: bad config or data, a full disk, too little memory."""

    code: str
    message: str


@dataclass(frozen=True)
class Crashed:
    """The process died or hung; the job is tried again until it has crashed too often."""

    message: str


@dataclass(frozen=True)
class Cancelled:
    """A person asked for it."""


@dataclass(frozen=True)
class Paused:
    """A person asked for it; what was computed waits in a checkpoint, where the job writes any."""


@dataclass(frozen=True)
class Released:
    """The worker is being stopped; the job waits for the next one and no crash is counted."""


Outcome = Succeeded | Failed | Crashed | Cancelled | Paused | Released
