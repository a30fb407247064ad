"""What a running experiment tells: typed events, and the two protocols through which science meets its surroundings."""

from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class _Event(BaseModel):
    # A diverging loss is told as NaN; JSON has no NaN, so it travels as null.
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null", json_schema_serialization_defaults_required=True)


class Log(_Event):
    """A sentence for the person who watches."""

    kind: Literal["log"] = "log"
    level: Literal["info", "warning", "error"] = "info"
    message: str


class Progress(_Event):
    """How far the work is, in ``unit``. ``loss`` and ``chance`` are None where nothing is trained."""

    kind: Literal["progress"] = "progress"
    step: int
    steps: int
    unit: Literal["step", "image", "byte"] = "step"
    epoch: int = 0
    epochs: int = 0
    loss: float | None = None
    chance: float | None = None
    learning_rate: float | None = None
    images_per_s: float | None = None
    eta_s: float | None = None


class Evaluation(_Event):
    """A look at the features during training, on ``n`` held-out images; what was not measured is None.

    Attributes:
        knn_accuracy, probe_accuracy: Of h on the validation split, in [0, 1].
        contrast_top1, contrast_top5: How often a held-out view finds its partner first, or among the first five, in [0, 1].
        mean_rank: The partner's mean rank among all other views, 1 at best.
        alignment: Mean squared distance of the two views' z, in [0, 4].
        uniformity: How evenly z fills the sphere, at most 0, lower is more even.
        rank_h, rank_z: Effective rank (RankMe) of features and projections, from 1 to their dimensions.
        std_z: Mean spread of a dimension of unit-length z; 1/√dimensions when even, 0 when collapsed.
    """

    kind: Literal["evaluation"] = "evaluation"
    epoch: int
    step: int
    n: int
    knn_accuracy: float | None = None
    probe_accuracy: float | None = None
    contrast_top1: float | None = None
    contrast_top5: float | None = None
    mean_rank: float | None = None
    alignment: float | None = None
    uniformity: float | None = None
    rank_h: float | None = None
    rank_z: float | None = None
    std_z: float | None = None


class Checkpoint(_Event):
    """The state of a training was written: from here it can go on.

    Attributes:
        step, epoch: Steps done, and the epoch in which the last of them lies, as in ``Progress``.
        name: The file's name inside the run folder.
        sha256: Of the file's bytes.
        knn_accuracy: Of exactly these weights; None where they were not looked at.
    """

    kind: Literal["checkpoint"] = "checkpoint"
    step: int
    epoch: int
    name: str
    sha256: str
    knn_accuracy: float | None = None


class SavedEpoch(_Event):
    """The encoder of an epoch of a pretraining was written.

    Attributes:
        epoch, step: Passes over the images and steps done; both 0 for the weights that training began with.
        name: The file's name inside the run folder.
        sha256: Of the file's bytes.
        description: What the file says of itself, a dump of ``simclr.encoder_file.EncoderFile``.
        kept: The epochs whose encoders are of use from now on, this one among them; see ``simclr.kept_epochs``.
    """

    kind: Literal["saved_epoch"] = "saved_epoch"
    epoch: int
    step: int
    name: str
    sha256: str
    description: dict[str, Any]
    kept: list[int]


AnyEvent = Log | Progress | Evaluation | Checkpoint | SavedEpoch
Event = Annotated[AnyEvent, Field(discriminator="kind")]
event_adapter: TypeAdapter[AnyEvent] = TypeAdapter(Event)


class Emit(Protocol):
    """Receives events; must return quickly and never raise for the experiment's sake."""

    def __call__(self, event: AnyEvent, /) -> None: ...


class ShouldStop(Protocol):
    """Asked before every step; True means: stop now, and keep nothing half-written."""

    def __call__(self) -> bool: ...


class Stopped(Exception):
    """The experiment ended because ``should_stop`` said so."""


class OutOfMemory(ValueError):
    """The experiment needs more memory than there is; the message says which batch fits."""


def ignore(event: AnyEvent, /) -> None:
    """An ``Emit`` for callers who do not watch."""


def never() -> bool:
    """A ``ShouldStop`` that lets the experiment run to its end."""
    return False
