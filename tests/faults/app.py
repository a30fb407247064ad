"""The real worker with short leases and frequent checkpoints, for ``celery -A tests.faults.app``."""

import json
import os

from backend.jobs.timing import Timing
from backend.settings import Settings
from worker.tasks import assemble

OVERRIDES = "FAULTS_TIMING"  # JSON, for the test that wants another patience
# The lease is longer than the 5 s for which a writer waits for the catalogue, as it is by default.
SHORT = {
    "lease_s": 6.0, "renew_s": 0.5, "watch_s": 0.1, "progress_s": 0.3, "sweep_s": 0.5, "backoff_s": (0.2,),
    "stop_grace_s": 5.0, "drain_grace_s": 5.0, "restart_s": 0.5, "checkpoint_epoch_s": 0.1, "checkpoint_most_s": 0.1,
}  # fmt: skip
TIMING = Timing(**SHORT | json.loads(os.environ.get(OVERRIDES, "{}")))  # type: ignore[arg-type]

if "CELERY_WORKER" in os.environ:
    app = assemble(Settings(), TIMING)
