"""The states of a job and the moves between them: the only place that knows either."""

from enum import StrEnum
from typing import Any


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return not MOVES[self]


class Desired(StrEnum):
    """What a person wants of a job; the worker brings the state after it."""

    RUN = "run"
    PAUSE = "pause"
    CANCEL = "cancel"


class Kind(StrEnum):
    PRETRAIN = "pretrain"
    TRANSFER = "transfer"
    EMBED = "embed"
    MAP = "map"
    IMPORT = "import"

    @property
    def can_pause(self) -> bool:
        """An import would have to start over, and what was sent for it would have to be kept."""
        return self is not Kind.IMPORT


class Lane(StrEnum):
    """Long and short jobs wait in queues of their own, so that a worker can be kept for the short ones; imports, which need
    no device, are done beside both."""

    LONG = "long"
    SHORT = "short"
    IMPORT = "import"


def lane_of(kind: Kind, config: dict[str, Any]) -> Lane:
    """Where a job waits: what trains an encoder is long, what only reads one is short."""
    if kind is Kind.IMPORT:
        return Lane.IMPORT
    trains = kind is Kind.PRETRAIN or config.get("strategy") == "fine_tune"
    return Lane.LONG if trains else Lane.SHORT


MOVES: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.PAUSED, State.CANCELLED, State.FAILED}),
    State.RUNNING: frozenset({State.QUEUED, State.PAUSED, State.SUCCEEDED, State.FAILED, State.CANCELLED}),
    State.PAUSED: frozenset({State.QUEUED, State.CANCELLED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}
