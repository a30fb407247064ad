"""What a running experiment tells: typed events, and the two protocols through which science meets its surroundings."""

from typing import Annotated, Literal, Protocol

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
    """How far the work is. ``loss`` and ``chance`` are None where nothing is trained."""

    kind: Literal["progress"] = "progress"
    step: int
    steps: int
    epoch: int = 0
    epochs: int = 0
    loss: float | None = None
    chance: float | None = None
    learning_rate: float | None = None
    images_per_s: float | None = None
    eta_s: float | None = None


class Evaluation(_Event):
    """A look at the features during training: k-NN accuracy on the validation split, in [0, 1]."""

    kind: Literal["evaluation"] = "evaluation"
    epoch: int
    step: int
    knn_accuracy: float
    n: int


Event = Annotated[Log | Progress | Evaluation, Field(discriminator="kind")]
event_adapter: TypeAdapter[Log | Progress | Evaluation] = TypeAdapter(Event)


class Emit(Protocol):
    """Receives events; must return quickly and never raise for the experiment's sake."""

    def __call__(self, event: Log | Progress | Evaluation, /) -> None: ...


class ShouldStop(Protocol):
    """Asked once a step; True means: stop now, keep nothing half-written."""

    def __call__(self) -> bool: ...


class Stopped(Exception):
    """The experiment ended because ``should_stop`` said so."""


def ignore(event: Log | Progress | Evaluation, /) -> None:
    """An ``Emit`` for callers who do not watch."""


def never() -> bool:
    """A ``ShouldStop`` that lets the experiment run to its end."""
    return False
