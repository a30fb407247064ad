"""The first minutes: getting in, and what an empty lab offers."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from backend.settings import Settings
from tests.backend.api.process import started
from tests.backend.lab.conftest import WITHOUT_TORCH
from tests.e2e.accessibility import grave_violations
from tests.e2e.conftest import Complaints, Lab, up
from tests.e2e.images import write_archive
from tests.tables import lay_tables

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_without_the_token_every_address_shows_the_sign_in_page(
    lab: Lab, stranger: Page, complaints: Complaints
) -> None:
    complaints.expected = {401}
    for path in ("/", "/data", "/results", "/search?k=3"):
        stranger.goto(lab.address + path)
        expect(stranger.get_by_role("heading", name="Sign in")).to_be_visible()
        expect(stranger.get_by_role("navigation")).to_have_count(0)
    assert grave_violations(stranger) == []


def test_a_wrong_token_is_refused_in_place_and_the_right_one_opens_the_page_that_was_asked_for(
    lab: Lab, stranger: Page, complaints: Complaints
) -> None:
    complaints.expected = {401}
    stranger.goto(f"{lab.address}/data")
    stranger.get_by_label("Access token").fill("not-the-token")
    stranger.get_by_role("button", name="Sign in").click()
    expect(stranger.get_by_role("alert")).to_be_visible()
    stranger.get_by_label("Access token").fill(lab.token)
    stranger.get_by_role("button", name="Sign in").click()
    expect(stranger.get_by_role("heading", name="Data", exact=True)).to_be_visible()


def test_the_printed_link_signs_in_for_good_and_leaves_no_token_where_scripts_or_history_can_see_it(
    lab: Lab, stranger: Page
) -> None:
    stranger.goto(lab.link)
    expect(stranger.get_by_role("navigation", name="Pages")).to_be_visible()
    assert stranger.url == f"{lab.address}/"
    seen = "document.cookie + JSON.stringify({...localStorage, ...sessionStorage}) + document.documentElement.outerHTML"
    assert lab.token not in stranger.evaluate(seen)
    stranger.reload()
    expect(stranger.get_by_role("navigation", name="Pages")).to_be_visible()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Lab]:
    """The API of a lab without images, which needs neither a worker nor vision."""
    settings = Settings(data=tmp_path / "data")
    lay_tables(settings)
    with started(settings.data_folder, seeing=False) as api:
        yield Lab(api.origin, api.settings.access_token, str(settings.data_folder), api.pid)


def test_every_page_of_an_empty_lab_says_what_fills_it(empty: Lab, stranger: Page) -> None:
    page = stranger
    page.goto(empty.link)
    bar = page.get_by_role("navigation", name="Pages")
    no_set, no_result = "There is no image set yet.", "Nothing has been measured yet."
    said = {"Views": no_set, "Train": no_set, "Results": no_result, "Transfer": no_set, "Search": no_set}
    for name, sentence in said.items():
        bar.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
        expect(page.get_by_text(sentence)).to_be_visible()
    page.get_by_role("link", name="Go to the data page").click()
    expect(page.get_by_role("button", name="Add digits")).to_be_visible()


def test_see_it_work_ends_before_a_recipe_that_only_has_to_be_started(tmp_path: Path, stranger: Page) -> None:
    with up(tmp_path / "data", **WITHOUT_TORCH) as fresh:
        stranger.goto(fresh.link)
        stranger.get_by_role("button", name="See it work").click()
        expect(stranger).to_have_url(re.compile("/train"), timeout=60_000)
        expect(stranger.get_by_role("combobox", name="Image set")).to_contain_text("Patterns")
        expect(stranger.get_by_role("button", name="Start pretraining")).to_be_enabled()
        stranger.goto("about:blank")  # with its lab gone the page would complain


def test_as_many_figures_are_drawn_as_somebody_wants_and_the_same_again_lead_to_the_same_set(
    lab: Lab, stranger: Page
) -> None:
    stranger.goto(lab.link)
    stranger.goto(f"{lab.address}/data")
    builtin = stranger.get_by_role("region", name="Use a built-in set")
    builtin.get_by_role("spinbutton", name="Images").fill("100000")
    builtin.get_by_role("button", name="Add factors").click()
    expect(builtin.get_by_role("status")).to_contain_text(re.compile(r"[\d,]+ of 100,000 images"), timeout=60_000)
    builtin.get_by_role("button", name="Cancel Factors, 100,000 images").click()
    builtin.get_by_role("spinbutton", name="Images").fill("200", timeout=60_000)
    builtin.get_by_role("button", name="Add factors").click()
    expect(stranger.get_by_role("heading", level=1, name="Factors, 200 images")).to_be_visible(timeout=60_000)
    made = stranger.url
    stranger.goto(f"{lab.address}/data")
    builtin.get_by_role("spinbutton", name="Images").fill("200")
    builtin.get_by_role("button", name="Add factors").click()
    expect(stranger).to_have_url(made)


def test_an_import_tells_how_far_it_is_and_called_off_it_leaves_the_form_as_it_was(
    lab: Lab, stranger: Page, tmp_path: Path
) -> None:
    before = left(lab)
    stranger.goto(lab.link)
    stranger.get_by_role("navigation", name="Pages").get_by_role("link", name="Data").click()
    stranger.get_by_label("Archive").set_input_files(write_archive(tmp_path / "large.zip", scale=32))
    stranger.get_by_label("Name", exact=True).fill("Large digits")
    stranger.get_by_role("button", name="Import").click()
    expect(stranger.get_by_role("status")).to_contain_text(re.compile(r"\d+ of 1,787 images"), timeout=60_000)
    stranger.get_by_role("button", name="Cancel Large digits").click()
    expect(stranger.get_by_role("button", name="Import")).to_be_enabled()
    expect(stranger.get_by_label("Name", exact=True)).to_have_value("Large digits")
    expect(stranger.get_by_text("large.zip")).to_be_visible()
    expect(stranger.get_by_role("article").filter(has_text="Large digits")).to_have_count(0)
    stranger.goto(f"{lab.address}/jobs")
    expect(stranger.get_by_role("region", name="Ended").get_by_text("cancelled").first).to_be_visible()
    assert left(lab) == before


def left(lab: Lab) -> list[Path]:
    """What imports that were cancelled must not add to."""
    return sorted(path for place in ("staging", "jobs") for path in (Path(lab.data) / place).iterdir())
