"""What worker and runner say to each other: one JSON object a line, orders down the runner's stdin, messages up its stdout.

Down: ``{"do": "run", "order": …}``, ``{"do": "try", "trial": …}``, ``alive``, ``stop``, ``kill``. Up: ``ready``, then
for every job the events of ``simclr.events``, ``finished`` or ``refused``, for a dry run ``tried``, and always last ``exited``.
"""

from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from backend.jobs.states import Kind
from simclr.costs import Costs
from simclr.events import AnyEvent
from simclr.results import JobResult

# The runner's last line on stderr about a job, as nothing else orders its two outputs.
END_OF_JOB = b"\0end of job"


class Exit(IntEnum):
    """How a job's process ends; anything else, or a signal, is a crash. Numbers as in sysexits.h where it has one."""

    DONE = 0
    DISK = 74
    STOPPED = 75
    BAD_INPUT = 78


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True)


class Order(_Line):
    """One job for the runner; all paths are absolute. ``resume`` is a checkpoint to go on from; ``upload``, of an import alone,
    is where a file waits that was sent for it; ``features`` is the folder where features are kept between jobs.
    ``banks`` are the embeddings that a map is made of.

    ``checkpoint_epoch_s`` and ``checkpoint_most_s`` are as in ``backend.jobs.timing``; so is ``lease_s``: after so long without
    ``alive`` from the worker the runner kills the job, which may be another worker's by now.
    """

    kind: Kind
    config: dict[str, Any]
    dataset: Path | None
    encoder: Path | None
    run: Path
    resume: Path | None = None
    upload: Path | None = None
    features: Path | None = None
    banks: tuple[Path, ...] = ()
    checkpoint_epoch_s: float = 60.0
    checkpoint_most_s: float = 300.0
    lease_s: float = 30.0


class Trial(_Line):
    """A dry run of a pretraining for the runner; the path is absolute."""

    config: dict[str, Any]
    dataset: Path


class Command(_Line):
    """A line from the worker; ``order`` belongs to ``run``, ``trial`` to ``try``."""

    do: Literal["run", "try", "alive", "stop", "kill"]
    order: Order | None = None
    trial: Trial | None = None


class Ready(_Line):
    """Everything is imported; ``device`` says in words where jobs will compute, ``type`` is "cpu" or "cuda"."""

    kind: Literal["ready"] = "ready"
    device: str | None
    type: str | None = None


class Finished(_Line):
    """The job is done and its run directory complete. ``peak_bytes``: the most memory that it held."""

    kind: Literal["finished"] = "finished"
    result: Annotated[JobResult, Field(discriminator="kind")]
    peak_bytes: int | None = None


class Refused(_Line):
    """The job cannot be done; another attempt would end the same way."""

    kind: Literal["refused"] = "refused"
    code: str
    message: str


class Tried(_Line):
    """What the dry run found."""

    kind: Literal["tried"] = "tried"
    costs: Costs


class Exited(_Line):
    """The job's process is gone. ``status`` is negative for a signal, None when the runner itself died.

    It ``was_fenced`` where the runner killed it because it had heard nothing of the worker for the time of a lease.
    """

    kind: Literal["exited"] = "exited"
    status: int | None
    was_fenced: bool = False


Message = Ready | AnyEvent | Finished | Refused | Tried | Exited
message_adapter: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])
