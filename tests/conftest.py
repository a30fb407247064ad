"""Fixtures that several parts share."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.catalogue.engine import Catalogue, open_catalogue
from backend.settings import Settings
from tests.tables import lay_tables


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """Of what tests import for good nothing is garbage: to look for it takes a fourth of collecting, a tenth of many tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    gc.unfreeze()  # else extension modules complain at exit about what is still there


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
