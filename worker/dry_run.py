"""Dry runs, for people who think of submitting a pretraining: the runner's end, and the worker's, which gives way to jobs."""

import contextlib
import logging
import resource
import signal
import threading
from pathlib import Path

from backend.catalogue.engine import Catalogue
from backend.jobs import dry_runs, store
from backend.jobs.dry_runs import Asked
from backend.jobs.order import Reach
from simclr.config import PretrainConfig
from simclr.costs import Costs
from simclr.datasets.store import open_dataset
from worker.attempt import Say, peak_bytes
from worker.protocol import Exited, Trial, Tried
from worker.warm import WarmRunner

log = logging.getLogger(__name__)

LOOK_S = 0.1
MOST_S = 20  # a step that takes longer is given up
KILL_FIRST = "1000"  # of oom_score_adj: of all processes on a machine without memory this one is missed least
DIED = Costs(
    advice="a few steps of it were tried and ended early, as happens when memory runs out: try a smaller batch_size"
)
SLOW = Costs(advice=f"a few steps of it were tried and took more than {MOST_S} s: try a smaller encoder or batch_size")


def try_out(trial: Trial, say: Say) -> int:
    """Do a dry run in the process that exists for it, and return the exit code."""
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


def do_asked(
    runner: WarmRunner, catalogue: Catalogue, data_folder: Path, reach: Reach, draining: threading.Event
) -> bool:
    """Do the dry run that is asked for; a job that comes ends it. False when none is."""
    with catalogue.writing() as session:
        asked = dry_runs.take(session, reach)
    if asked is None:
        return False
    costs = _watch(asked, runner, catalogue, data_folder, reach, draining)
    with catalogue.writing() as session:
        dry_runs.answer(session, asked.key, costs)
    return True


def _watch(
    asked: Asked,
    runner: WarmRunner,
    catalogue: Catalogue,
    data_folder: Path,
    reach: Reach,
    draining: threading.Event,
) -> Costs | None:
    """What was found; None when there was something better to do."""
    costs, is_over = None, False
    runner.try_out(Trial(config=asked.config, dataset=data_folder / asked.dataset_key))
    while True:
        message = runner.next_message(LOOK_S)
        if isinstance(message, Tried):
            costs = message.costs
        elif isinstance(message, Exited):
            if costs is not None or is_over:
                return costs
            log.warning("A dry run ended with status %s: %s", message.status, runner.last_words())
            return SLOW if message.status == -signal.SIGALRM else DIED
        elif not is_over and (draining.is_set() or _has_job(catalogue, reach)):
            is_over = True
            runner.kill()


def _has_job(catalogue: Catalogue, reach: Reach) -> bool:
    with catalogue.reading() as session:
        return store.claimable(session, reach) > 0
