import pytest

from backend.catalogue.engine import Catalogue
from tests.backend.jobs.rows import add_dataset


@pytest.fixture
def dataset_id(catalogue: Catalogue) -> str:
    return add_dataset(catalogue)
