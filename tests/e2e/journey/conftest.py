"""The whole way as a person goes it: bring images, look at views, pretrain, measure, compare, search.

Every station is a fixture that walks there through the pages, so that a test can also be run alone. All files share one page and
one list of complaints.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.conftest import Complaints, Lab, visiting
from tests.e2e.images import write_archive

EPOCHS = 12
TRAINING_MS = 150_000


@pytest.fixture(scope="package")
def complaints_of_module() -> Complaints:
    return Complaints()


@pytest.fixture(scope="package")
def page(browser: Browser, lab: Lab, complaints_of_module: Complaints) -> Iterator[Page]:
    with visiting(browser, lab, complaints_of_module) as visitor:
        yield visitor


@pytest.fixture(scope="package")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("archive") / "handwriting.zip")


def bar(page: Page, name: str) -> None:
    """Go to a page by the bar."""
    page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


@pytest.fixture(scope="package")
def imported(page: Page, lab: Lab, archive: Path) -> str:
    """The address of the page of an image set that was uploaded."""
    bar(page, "Data")
    page.get_by_label("Archive").set_input_files(archive)
    page.get_by_label("Image size").select_option("28 × 28 px")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("heading", level=1, name="handwriting")).to_be_visible(timeout=60_000)
    return page.url


@pytest.fixture
def set_page(page: Page, imported: str) -> Page:
    page.goto(imported)
    return page


def choose_recipe(page: Page, epochs: int) -> None:
    """From the page of the set through views that suit digits to a recipe for a small network."""
    page.get_by_role("link", name="Preview views").click()
    page.get_by_label("Crop scale min").fill("0.4")
    page.get_by_label("Flip", exact=True).fill("0")  # a mirrored digit is another one, or none
    page.get_by_role("link", name="Pretrain with these views").click()
    page.get_by_label("Epochs", exact=True).fill(str(epochs))
    page.get_by_label("Batch size", exact=True).fill("128")
    page.get_by_text("Encoder", exact=True).click()
    page.get_by_label("Width", exact=True).fill("8")


@pytest.fixture(scope="package")
def training(page: Page, imported: str) -> str:
    """The address of a pretraining that was started and has not been waited for."""
    page.goto(imported)
    choose_recipe(page, EPOCHS)
    page.get_by_role("button", name="Start pretraining").click()
    expect(page.get_by_role("button", name="Cancel job")).to_be_visible()
    return page.url


@pytest.fixture(scope="package")
def trained(page: Page, training: str) -> str:
    """The address of a pretraining that has ended."""
    page.goto(training)
    expect(page.get_by_role("region", name="Result")).to_be_visible(timeout=TRAINING_MS)
    return training


@pytest.fixture(scope="package")
def measured(page: Page, trained: str) -> str:
    """The address of the results page after k-NN and linear probe of the trained encoder, its twin and the pixels."""
    page.goto(trained)
    page.get_by_role("link", name="Evaluate").click()
    expect(page.get_by_role("checkbox", name=re.compile("pretrained"))).to_be_checked()
    page.get_by_role("button", name="Add untrained twin").click()
    expect(page.get_by_role("checkbox", name=re.compile("untrained"))).to_be_checked()
    page.get_by_role("button", name="Add raw pixels").click()
    page.get_by_role("button", name="Start 6 jobs").click()
    expect(page.get_by_text("6 of 6 transfers done")).to_be_visible(timeout=TRAINING_MS)
    page.get_by_role("link", name="Dashboards").click()
    expect(page.get_by_role("heading", name="All of them")).to_be_visible()
    return page.url


@pytest.fixture(scope="package")
def embedded(page: Page, trained: str) -> str:
    """The address of a search page whose encoder has embedded the set."""
    page.goto(trained)
    page.get_by_role("link", name="Embed & search").click()
    page.get_by_role("button", name="Embed", exact=True).click()
    expect(page.get_by_text("Choose a query: the nearest images appear here.")).to_be_visible(timeout=TRAINING_MS)
    return page.url


@pytest.fixture
def search(page: Page, embedded: str) -> Page:
    page.goto(embedded)
    expect(page.get_by_role("heading", name="Query")).to_be_visible()
    return page


def listed(page: Page) -> Locator:
    """The rows of the list of all results, and its head."""
    return page.get_by_role("region", name="All of them").get_by_role("row")
