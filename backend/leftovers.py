"""What a lab has left that died or was killed: removed at its next start."""

from pathlib import Path

from backend.catalogue.engine import Catalogue
from backend.jobs.imports import awaited_uploads, remove_leftovers
from backend.jobs.saved import finish_deletions_of_results
from backend.staging import Staging


def tidy(catalogue: Catalogue, data_folder: Path, staging: Staging) -> None:
    """At the start of the only process that receives: remove what the one before was about when it died."""
    with catalogue.reading() as session:
        staging.clean(awaited_uploads(session, data_folder))
        remove_leftovers(session, data_folder)
        finish_deletions_of_results(session, data_folder)
