"""A pretraining as somebody watches it."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Keep
from tests.e2e.journey.conftest import EPOCHS, TRAINING_MS

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_a_pretraining_is_watched_while_it_learns(page: Page, training: str, keep_picture: Keep) -> None:
    page.goto(training)
    main = page.get_by_role("main")
    epoch = main.get_by_text(re.compile(rf"epoch \d+ of {EPOCHS}"))
    expect(epoch).to_be_visible(timeout=TRAINING_MS)
    first = epoch.inner_text()
    expect(main.get_by_role("progressbar", name=re.compile("Progress of"))).to_be_visible()
    expect(main.get_by_text(re.compile(r"^[\d,.]+ images/s$"))).to_be_visible()
    loss = page.locator("figure").filter(has=page.get_by_role("heading", name="NT-Xent loss"))
    loss.get_by_text("As a table").click()
    expect(loss.get_by_role("cell", name="chance ln(2N−1) = 5.54")).to_be_visible()
    rows = loss.locator("tbody tr")
    drawn = rows.count()
    expect(epoch).not_to_have_text(first, timeout=TRAINING_MS)
    expect(rows.nth(drawn + 2)).to_be_attached(timeout=TRAINING_MS)
    accuracy = page.get_by_role("heading", name="k-NN accuracy")
    expect(accuracy).to_be_visible(timeout=TRAINING_MS)
    assert top(accuracy) == top(loss.get_by_role("heading"))  # the open table pushes nothing aside
    loss.get_by_text("As a table").click()
    keep_picture(page, "job-running")
    result = page.get_by_role("region", name="Result")
    expect(result).to_contain_text("It learned: k-NN accuracy rose from", timeout=TRAINING_MS)
    expect(page.get_by_role("log", name="Log").get_by_role("listitem").first).to_be_visible()
    expect(page.get_by_role("button", name="Cancel job")).to_have_count(0)
    keep_picture(page, "job")
    # The whole course is there again for whoever comes later.
    points = rows.count()
    page.reload()
    expect(result).to_be_visible()
    expect(rows).to_have_count(points)


def top(element: Locator) -> float:
    box = element.bounding_box()
    assert box
    return box["y"]
