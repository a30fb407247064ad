"""Every page, once there is something on it: narrow, dark, and by keyboard."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.accessibility import grave_violations, out_of_reach
from tests.e2e.conftest import Keep, Lab
from tests.e2e.journey.conftest import listed

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def dark_phone(page: Page) -> Iterator[Page]:
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    yield page
    page.emulate_media(color_scheme="light", reduced_motion="no-preference")
    page.set_viewport_size({"width": 1280, "height": 800})


def test_every_page_fits_a_narrow_screen_is_dark_where_the_system_is_and_shuts_nobody_out(
    dark_phone: Page, lab: Lab, imported: str, measured: str, embedded: str, trained: str, keep_picture: Keep
) -> None:
    set_id = imported.rsplit("/", 1)[1]
    grid = re.search(r"grid=(\w+)", measured)
    assert grid
    dark_phone.goto(measured)
    result = listed(dark_phone).get_by_role("link").first.get_attribute("href")
    pages = {
        "home": "/",
        "data": "/data",
        "set": imported,
        "views": f"/views?dataset={set_id}",
        "train": f"/train?dataset={set_id}",
        "jobs": "/jobs",
        "job": trained,
        "transfer": f"/transfer?dataset={set_id}",
        "grid": f"/grids/{grid[1]}",
        "results": measured,
        "result": str(result),
        "runs": f"/runs?runs={trained.rsplit('/', 1)[1]}",
        "search": f"{embedded}&index=0",
        "map": f"/map?dataset={set_id}",
        "missing": "/no/such/page",
    }
    for name, address in pages.items():
        dark_phone.goto(address if address.startswith("http") else lab.address + address)
        expect(dark_phone.get_by_role("heading", level=1)).to_be_visible()
        dark_phone.wait_for_load_state("networkidle")
        wide = dark_phone.evaluate("document.documentElement.scrollWidth")
        keep_picture(dark_phone, f"narrow-{name}")
        assert wide <= 390, f"{name} is {wide} px wide"
        assert max(background(dark_phone)) < 0.35, name
        assert dark_phone.evaluate(BROKEN_IMAGES) == [], name
        assert out_of_reach(dark_phone) == [], name
        assert grave_violations(dark_phone) == [], name


BROKEN_IMAGES = "[...document.images].filter((i) => i.complete && i.naturalWidth === 0).map((i) => i.src)"


def background(page: Page) -> list[float]:
    """Red, green and blue of the page's ground, 0 to 1, as a canvas paints it, in whatever notation the style has it."""
    return page.evaluate(
        """() => {
          const canvas = new OffscreenCanvas(1, 1).getContext('2d');
          canvas.fillStyle = getComputedStyle(document.body).backgroundColor;
          canvas.fillRect(0, 0, 1, 1);
          return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)].map((value) => value / 255);
        }"""
    )
