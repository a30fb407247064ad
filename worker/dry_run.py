"""Dry runs, for people who think of submitting a pretraining: the worker's end, which gives way to jobs."""

import logging
import signal
import threading
from pathlib import Path

from backend.catalogue.engine import Catalogue
from backend.jobs import dry_runs, store
from backend.jobs.dry_runs import Asked
from backend.jobs.order import Reach
from simclr.costs import Costs
from worker.protocol import Exited, Trial, Tried
from worker.trial import MOST_S
from worker.warm import WarmRunner

log = logging.getLogger(__name__)

LOOK_S = 0.1
DIED = Costs(
    advice="a few steps of it were tried and ended early, as happens when memory runs out: try a smaller batch_size"
)
SLOW = Costs(advice=f"a few steps of it were tried and took more than {MOST_S} s: try a smaller encoder or batch_size")


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
