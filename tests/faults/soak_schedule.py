"""What a soak does to the lab, in which order and how hard: a function of the seed alone, so that a run can be replayed."""

import random
from dataclasses import dataclass
from enum import StrEnum


class Harm(StrEnum):
    """One kind of fault, as the table at the end calls it."""

    KILL_JOB = "job's process killed"
    KILL_RUNNER = "runner killed"
    KILL_WORKER = "worker killed"
    FREEZE_WORKER = "worker frozen for 1 to 9 s"
    KILL_REDIS = "Redis killed, nothing kept"
    FLUSH_REDIS = "Redis flushed"
    LOCK = "catalogue locked for 0.5 to 6.5 s"
    DRAIN = "worker told to stop"
    TRUNCATE = "newest checkpoint truncated"
    PAUSE = "job paused and resumed"
    WAKE = "20 wake-ups for nothing"
    RESTART_API = "API killed or stopped"
    SECOND_WORKER = "second worker comes or first one goes"
    RESUBMIT = "a job submitted 5 times at once"


# How often each kind is drawn, beside the others.
WEIGHTS = dict.fromkeys(Harm, 1.0) | {Harm.KILL_JOB: 3.0, Harm.TRUNCATE: 2.0, Harm.PAUSE: 2.0, Harm.LOCK: 1.5}
PAUSE_S = (0.2, 2.0)  # between two faults


@dataclass(frozen=True)
class Fault:
    """``force`` in [0, 1) says how long, how hard or on which of several, by kind."""

    number: int
    harm: Harm
    after_s: float
    force: float


def draw(seed: int, count: int) -> list[Fault]:
    """The faults of a soak: every kind once where ``count`` allows it, the rest by weight."""
    rng = random.Random(seed)
    once = rng.sample(list(Harm), len(Harm))[:count]
    more = rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count - len(once))
    harms = once + more
    rng.shuffle(harms)
    return [Fault(number, harm, rng.uniform(*PAUSE_S), rng.random()) for number, harm in enumerate(harms, start=1)]
