"""What was learned, against what was not."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Keep
from tests.e2e.journey.conftest import listed

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_the_results_put_the_trained_encoder_ahead_of_its_untrained_twin(
    page: Page, measured: str, keep_picture: Keep
) -> None:
    page.goto(measured)
    for strategy in ("k-NN", "Linear probe"):
        trained_low, _ = interval_of(page, "pretrained", strategy)
        _, untrained_high = interval_of(page, "untrained", strategy)
        assert trained_low > untrained_high, strategy
    expect(page.get_by_role("figure", name="Test accuracy by strategy and encoder")).to_be_visible()
    keep_picture(page, "results")
    page.get_by_role("checkbox", name="k-NN", exact=True).check()
    expect(listed(page)).to_have_count(4)
    page.go_back()
    expect(listed(page)).to_have_count(7)


def interval_of(page: Page, origin: str, strategy: str) -> tuple[float, float]:
    """The 95 % interval of the accuracy on test images, in percent, as the table says it."""
    row = listed(page)
    for name in (origin, strategy):
        row = row.filter(has=page.get_by_text(name, exact=True))
    found = re.search(r"\((\d+(?:\.\d+)?)–(\d+(?:\.\d+)?)\)", row.inner_text())
    assert found, row.inner_text()
    return float(found[1]), float(found[2])
