"""From a grid of transfers to what is handed in: tick, watch, compare, look into a result and its mistakes, save the report."""

import csv
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.accessibility import grave_violations
from tests.e2e.conftest import Lab

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

DONE_MS = 120_000
Keep = Callable[[Page, str], None]


@pytest.fixture(scope="module")
def grid(page: Page, lab: Lab) -> str:
    """The address of a grid that has ended: raw pixels of digits, two strategies, two amounts of labels."""
    page.goto(f"{lab.address}/data")
    page.get_by_role("button", name=re.compile("^Add digits", re.IGNORECASE)).click()
    expect(page.get_by_role("link", name="Pretrain on it")).to_be_visible()
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Transfer").click()
    expect(page.get_by_text("Tick at least one encoder.")).to_be_visible()
    page.get_by_role("button", name="Add raw pixels").click()
    expect(page.get_by_role("checkbox", name=re.compile("raw pixels"))).to_be_checked()
    page.get_by_role("checkbox", name="10 %").check()
    plan = page.get_by_label("Plan")
    expect(plan).to_contain_text("1 encoder × 2 strategies × 2 amounts of labels")
    page.get_by_label("Name, if you like").fill("Pixels")
    page.get_by_role("button", name="Start 4 jobs").click()
    expect(page.get_by_role("heading", level=1, name="Pixels")).to_be_visible()
    expect(page.get_by_text("4 of 4 transfers done")).to_be_visible(timeout=DONE_MS)
    return page.url


@pytest.fixture(scope="module")
def result(page: Page, grid: str) -> str:
    """The address of its linear probe on all labels."""
    page.goto(grid)
    page.get_by_role("link", name=re.compile("Linear probe of")).first.click()
    expect(page.get_by_role("heading", level=2, name="What stands behind it")).to_be_visible()
    return page.url


def counted(page: Page) -> Locator:
    """How many results fit the filters."""
    return page.get_by_role("region", name="Filters").get_by_role("status")


def test_a_grid_that_was_computed_is_not_computed_again(page: Page, grid: str) -> None:
    page.goto(grid)
    page.get_by_role("link", name="Transfer", exact=True).click()
    page.get_by_role("combobox", name="Image set").select_option("Digits · 1,797 images · 8 px")
    expect(page.get_by_role("link", name="Pixels", exact=True)).to_be_visible()
    page.get_by_role("checkbox", name=re.compile("raw pixels")).check()
    plan = page.get_by_label("Plan")
    expect(plan).to_contain_text("none: everything is computed already")
    page.get_by_role("checkbox", name="50 %").check()
    expect(page.get_by_role("button", name="Start 2 jobs")).to_be_visible()
    expect(page).to_have_url(re.compile(r"labels=1,0\.5"))
    assert grave_violations(page) == []


def test_dashboards_compare_what_a_grid_found_and_keep_their_view_in_the_address(
    page: Page, grid: str, keep_picture: Keep, tmp_path: Path
) -> None:
    page.goto(grid)
    assert grave_violations(page) == []
    page.get_by_role("link", name="Dashboards").click()
    expect(counted(page)).to_have_text(re.compile("^4 of "))
    bars = page.get_by_role("figure", name="Test accuracy by strategy and encoder")
    labels = page.get_by_role("figure", name="Test accuracy by number of labels")
    expect(labels).to_be_visible()
    keep_picture(page, "dashboards")
    with page.expect_download() as saved:
        bars.get_by_role("button", name="as CSV").click()
    saved.value.save_as(tmp_path / "bars.csv")
    with (tmp_path / "bars.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert {(row["Strategy"], row["Labels"]) for row in rows} == {
        (strategy, labels) for strategy in ("k-NN", "Linear probe") for labels in ("all labels", "10 % of labels")
    }
    with page.expect_download() as saved:
        bars.get_by_role("button", name="as PNG").click()
    saved.value.save_as(tmp_path / "bars.png")
    assert (tmp_path / "bars.png").read_bytes().startswith(b"\x89PNG")
    for chart in (bars, labels, page.get_by_role("figure", name="Test accuracy by what it took")):
        chart.get_by_role("link").first.click()
        expect(page.get_by_role("heading", level=2, name="What stands behind it")).to_be_visible()
        page.go_back()
    page.get_by_role("searchbox").fill("probe 10 %")
    expect(counted(page)).to_have_text(re.compile("^1 of "))
    expect(page).to_have_url(re.compile("q=probe"))
    page.reload()
    expect(counted(page)).to_have_text(re.compile("^1 of "))
    assert grave_violations(page) == []


def test_two_results_are_tested_in_pairs_and_one_is_tagged_and_deleted(page: Page, grid: str) -> None:
    page.goto(grid)
    page.get_by_role("link", name="Dashboards").click()
    boxes = page.get_by_role("checkbox", name=re.compile(r"^Choose k-NN"))
    boxes.first.check()
    boxes.last.check()
    chosen = page.get_by_role("region", name="Chosen results")
    expect(chosen).to_contain_text(re.compile(r"McNemar: p (=|<) "))
    boxes.first.uncheck()
    chosen.get_by_label("Tag").fill("weak")
    chosen.get_by_role("button", name="Add").click()
    page.get_by_role("combobox", name="Tag").select_option("weak")
    expect(counted(page)).to_have_text(re.compile("^1 of "))
    chosen.get_by_role("button", name="Delete …").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete 1 result").click()
    expect(page.get_by_text("No result fits these filters.")).to_be_visible()


def test_a_cell_of_the_confusion_opens_the_images_behind_it(page: Page, result: str, keep_picture: Keep) -> None:
    page.goto(result)
    matrix = page.get_by_role("figure", name="Confusion on test images")
    wrong = matrix.get_by_role("button", name=re.compile(r"(\d) taken for (?!\1)\d: [1-9]")).first
    name = str(wrong.get_attribute("aria-label"))
    count = int(re.search(r": (\d+) image", name)[1])  # type: ignore[index]
    keep_picture(page, "result")
    wrong.click()
    dialog = page.get_by_role("dialog", name=name.split(":")[0])
    images = dialog.get_by_role("button", name=re.compile("^Image"))
    expect(images).to_have_count(count)
    assert grave_violations(page) == []
    images.first.click()
    large = page.get_by_role("dialog", name=re.compile(r"^Image \d+$"))
    expect(large.get_by_text("test", exact=True)).to_be_visible()
    expect(large).to_contain_text(name[0])
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(
        page.get_by_role("region", name=re.compile("Most confident mistakes")).get_by_role("button")
    ).not_to_have_count(0)
    assert grave_violations(page) == []


def test_a_result_is_had_again_by_its_lines_of_python_and_by_its_command(
    page: Page, lab: Lab, result: str, tmp_path: Path
) -> None:
    page.goto(result)
    python, command = (page.get_by_role("region", name=name).inner_text() for name in ("Python", "Command line"))
    words = [*shlex.split(command.replace("\\\n", ""))[1:-1], "runs/by-command"]
    both = f"{python}\nfrom simclr.cli import app\napp({words}, standalone_mode=False)"
    subprocess.run([sys.executable, "-c", both], cwd=tmp_path, check=True, timeout=DONE_MS / 1000)
    known = page.request.get(f"{lab.address}/api/results/{result.rsplit('/', 1)[1]}").json()["scores"]
    for name in ("again", "by-command"):
        assert json.loads((tmp_path / "runs" / name / "result.json").read_text())["scores"] == known


def test_the_dashboard_becomes_a_report_that_needs_nothing_else(
    page: Page, lab: Lab, result: str, tmp_path: Path
) -> None:
    page.goto(result)
    page.get_by_role("link", name="Compare results").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as report").click()
    saved.value.save_as(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|<link|src=|href=|@import|url\(", text)
    page.goto((tmp_path / "report.html").as_uri())
    expect(page.get_by_role("heading", level=2, name="Methods")).to_be_visible()
    expect(page.get_by_text("the test split was read once")).to_be_visible()
    assert page.locator("figure svg").count() >= 2
    # Colours are resolved: no drawing still asks for the page's own, and marks have kept theirs.
    assert "var(--" not in text
    bars = page.locator("figure").filter(has_text="by strategy and encoder").locator("svg").first
    assert bars.locator("[fill='rgb(0, 101, 168)'], [stroke='rgb(0, 101, 168)']").count() > 0
