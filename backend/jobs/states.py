"""The states of a job and the moves between them: the only place that knows either."""

from enum import StrEnum


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


MOVES: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.PAUSED, State.CANCELLED, State.FAILED}),
    State.RUNNING: frozenset({State.QUEUED, State.PAUSED, State.SUCCEEDED, State.FAILED, State.CANCELLED}),
    State.PAUSED: frozenset({State.QUEUED, State.CANCELLED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}
