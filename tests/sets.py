"""A built-in set put into a lab, for tests that need one and no worker."""

from backend.catalogue.engine import open_catalogue
from backend.catalogue.upgrade import upgrade
from backend.settings import Settings
from benchmarks.sets import put_set
from simclr.datasets import BUILTIN


def put_builtin(settings: Settings, source: str) -> str:
    """A built-in set in the lab of ``settings``, whether it runs or not; its id."""
    catalogue = open_catalogue(settings)
    try:
        upgrade(catalogue.engine)
        return put_set(catalogue, settings.data_folder, BUILTIN[source](), source.capitalize())
    finally:
        catalogue.close()
