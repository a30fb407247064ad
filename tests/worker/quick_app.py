"""The real worker with less patience, for ``celery -A tests.worker.quick_app``."""

from backend.jobs.timing import Timing
from backend.settings import Settings
from worker.tasks import assemble

QUICK = Timing(
    lease_s=5.0, renew_s=0.5, watch_s=0.1, progress_s=0.5, sweep_s=0.5, backoff_s=(0.2,), stop_grace_s=5.0, restart_s=0.5
)  # fmt: skip
app = assemble(Settings(), QUICK)
