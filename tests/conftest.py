"""Fixtures that several parts share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.catalogue.engine import Catalogue, open_catalogue
from backend.settings import Settings
from tests.tables import lay_tables


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A deployment whose data folder does not exist yet."""
    return Settings(data=tmp_path / "data")


@pytest.fixture
def catalogue(settings: Settings) -> Iterator[Catalogue]:
    """An empty catalogue in a file, as a new deployment has it."""
    lay_tables(settings)
    opened = open_catalogue(settings)
    yield opened
    opened.close()
