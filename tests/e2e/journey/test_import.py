"""An archive becomes a set, or is refused where it was chosen."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.journey.conftest import bar

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_an_imported_archive_shows_what_is_in_it(set_page: Page) -> None:
    expect(set_page.get_by_text("28 × 28 px, grey")).to_be_visible()
    rows = set_page.get_by_role("region", name="Counts").get_by_role("row")
    # A head, ten digits, the sum; the report is made when it is first asked for.
    expect(rows).to_have_count(12, timeout=60_000)
    numbers = [int(text.replace(",", "")) for text in rows.last.get_by_role("cell").all_inner_texts()]
    assert sum(numbers[:-1]) == numbers[-1] == 1787
    assert min(numbers) > 100
    set_page.get_by_role("gridcell", name=re.compile(r"^Image \d+")).first.click()
    opened = set_page.get_by_role("dialog", name=re.compile("Image"))
    expect(opened.get_by_role("link", name="Open in Views")).to_be_visible()
    name = opened.get_attribute("aria-label")
    set_page.keyboard.press("ArrowRight")
    expect(set_page.get_by_role("dialog")).not_to_have_attribute("aria-label", str(name))
    set_page.keyboard.press("Escape")
    expect(set_page.get_by_role("dialog")).to_have_count(0)


def test_a_broken_archive_is_refused_in_place_and_the_form_keeps_what_was_typed(
    page: Page, archive: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(archive.read_bytes()[:5000])
    bar(page, "Data")
    page.get_by_label("Archive").set_input_files(broken)
    page.get_by_label("Name", exact=True).fill("My digits")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("alert")).to_contain_text("zip")
    expect(page).to_have_url(re.compile("/data$"))
    expect(page.get_by_label("Name", exact=True)).to_have_value("My digits")
    broken.write_bytes(archive.read_bytes())  # mended in its place, and chosen once more
    page.get_by_label("Archive").set_input_files(broken)
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_role("button", name="Import")).to_be_enabled()
