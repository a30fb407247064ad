"""The real worker with short leases, frequent checkpoints, steps that take their time and a clock that tests may turn, for
``celery -A tests.faults.app``.
"""

import json
import os
import sys
from pathlib import Path

from sqlalchemy.orm import Session

from backend.catalogue.engine import Clock, database_clock
from backend.jobs.timing import Timing
from backend.settings import Settings
from worker.tasks import assemble

OVERRIDES = "FAULTS_TIMING"  # JSON, for the test that wants another patience
# The lease is longer than the 5 s for which a writer waits for the catalogue, as it is by default.
SHORT = {
    "lease_s": 6.0, "renew_s": 0.5, "watch_s": 0.1, "progress_s": 0.3, "sweep_s": 0.5, "backoff_s": (0.2,),
    "stop_grace_s": 5.0, "drain_grace_s": 5.0, "restart_s": 0.5, "checkpoint_epoch_s": 0.2, "checkpoint_most_s": 0.5,
}  # fmt: skip
RUNNER = (sys.executable, "-m", "tests.faults.runner")
TIMING = Timing(**SHORT | json.loads(os.environ.get(OVERRIDES, "{}")))  # type: ignore[arg-type]


def wrong_clock(folder: Path) -> Clock:
    """The database's clock, wrong by as many seconds as the file ``clock`` in ``folder`` says; right without it."""

    def read(session: Session) -> float:
        try:
            ahead_s = float((folder / "clock").read_text())
        except FileNotFoundError:
            ahead_s = 0.0
        return database_clock(session) + ahead_s

    return read


if "CELERY_WORKER" in os.environ:
    settings = Settings()
    app = assemble(settings, TIMING, clock=wrong_clock(settings.data_folder), runner_command=RUNNER)
