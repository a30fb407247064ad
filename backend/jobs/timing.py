"""How patient the lab is with jobs and workers; handed in, so that tests run the same code in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Durations in seconds. Wrong ones cost time, never correctness: the lease's epoch guards every write.

    Attributes:
        lease_s: How long a job stays with a worker that has fallen silent. Longer than the catalogue may be locked (5 s).
        renew_s: Pause between two renewals of the lease.
        watch_s: Pause between two looks at what a person wants of the job.
        progress_s: Least pause between two writes of progress.
        sweep_s: Pause between two sweeps, and between two signs of life of a worker.
        backoff_s: Wait before the second, third, … attempt at a job that crashed; the last one repeats.
        crashes_allowed: A job that crashes this often without a new checkpoint has failed.
        attempts_allowed: A job that was started this often and crashes has failed, whatever it saved.
        stop_grace_s: From SIGTERM to SIGKILL for a job that a person paused or cancelled.
        drain_grace_s: The same when the worker itself is stopped; people wait for that.
        stall_s: A job that tells nothing for so long hangs and counts as crashed.
        restart_s: Pause between two starts of a runner that does not stay alive.
        checkpoint_epoch_s: Least pause between two checkpoints at an epoch's end.
        checkpoint_most_s: A training writes one in the middle of an epoch when the last is so long ago.
        forget_worker_s: After so long a silence a worker's row is removed.
    """

    lease_s: float = 30.0
    renew_s: float = 2.0
    watch_s: float = 0.4
    progress_s: float = 1.0
    sweep_s: float = 5.0
    backoff_s: tuple[float, ...] = (5.0, 30.0, 120.0)
    crashes_allowed: int = 3
    attempts_allowed: int = 20
    stop_grace_s: float = 30.0
    drain_grace_s: float = 8.0
    stall_s: float = 1800.0
    restart_s: float = 5.0
    checkpoint_epoch_s: float = 60.0
    checkpoint_most_s: float = 300.0
    forget_worker_s: float = 86400.0

    def backoff_after(self, crashes: int) -> float:
        """Wait after the ``crashes``-th crash, counted from 1."""
        return self.backoff_s[min(crashes, len(self.backoff_s)) - 1]


DEFAULT = Timing()
