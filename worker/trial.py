"""A dry run in the process that exists for it."""

import contextlib
import resource
import signal
from pathlib import Path

from simclr.config import PretrainConfig
from simclr.costs import Costs
from simclr.datasets.store import open_dataset
from worker.attempt import Say, peak_bytes
from worker.protocol import Trial, Tried

MOST_S = 20  # a step that takes longer is given up
KILL_FIRST = "1000"  # of oom_score_adj: of all processes on a machine without memory this one is missed least


def try_out(trial: Trial, say: Say) -> int:
    """Do it, and return the exit code."""
    from simclr.device import choose_device
    from simclr.dry_run import dry_run, spare_bytes

    signal.alarm(MOST_S)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(KILL_FIRST, encoding="ascii")
    device = choose_device().device
    spare = spare_bytes(device)
    if device.type == "cpu" and spare is not None:
        # So that missing memory is an error that can be told of, not a signal.
        most = spare + int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    try:
        costs = dry_run(PretrainConfig.model_validate(trial.config), open_dataset(trial.dataset), peak_bytes)
    except (ValueError, OSError) as error:
        costs = Costs(advice=str(error))
    say(Tried(costs=costs))
    return 0
