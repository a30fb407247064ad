"""The worker process: ``celery -A worker.app worker -P threads -c 1 --without-gossip --without-mingle``."""

from backend.jobs.timing import Timing
from backend.settings import Settings
from worker.tasks import assemble

# Celery looks for a module's attribute, so this module, which nothing else imports, reads the environment when loaded.
app = assemble(Settings(), Timing())
