"""The Map page as a person uses it: points under the hand, a lasso, epochs in a row, two maps side by side, and no WebGL."""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.backend.api.process import Api
from tests.backend.lab.deadline import eventually
from tests.e2e.accessibility import grave_violations, out_of_reach
from tests.e2e.conftest import WIDE, Complaints, watched
from tests.e2e.map_lab import SLOW_WEBGL, N, write_lab

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@dataclass(frozen=True)
class Mapped:
    """A lab with a run whose classes part epoch by epoch; all its epochs have a UMAP in a row."""

    api: Api
    dataset: str
    encoder: str
    pixels: str


@pytest.fixture(scope="module")
def mapped(api: Api) -> Mapped:
    return Mapped(api, *write_lab(api.settings))


@pytest.fixture(scope="module")
def page(browser: Browser, mapped: Mapped, complaints_of_module: Complaints) -> Iterator[Page]:
    context = browser.new_context(viewport=WIDE)
    context.add_init_script(SLOW_WEBGL)
    page = watched(context, complaints_of_module)
    page.goto(f"{mapped.api.origin}/#token={mapped.api.settings.access_token}")
    page.get_by_role("navigation", name="Pages").wait_for()
    yield page
    context.close()


def visit(page: Page, mapped: Mapped, **query: object) -> None:
    said = "".join(f"&{name}={value}" for name, value in query.items())
    page.goto(f"{mapped.api.origin}/map?dataset={mapped.dataset}&encoder={mapped.encoder}{said}")
    page.get_by_role("application").first.wait_for()


def in_middle(page: Page) -> tuple[float, float, dict[str, float]]:
    box = page.get_by_role("application").first.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, dict(box)


def picture(page: Page) -> bytes:
    """The first map's lower right quarter, where nothing lies over it, as a PNG."""
    page.wait_for_function(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
    )
    x, y, box = in_middle(page)
    return page.screenshot(clip={"x": x, "y": y, "width": box["width"] / 2 - 8, "height": box["height"] / 2 - 60})


def drawn(page: Page) -> int:
    """Pixels of it that are not of the ground."""
    pixels = np.asarray(Image.open(io.BytesIO(picture(page))).convert("RGB")).reshape(-1, 3).astype(int)
    ground = np.median(pixels, axis=0)
    return int((np.abs(pixels - ground).max(axis=1) > 24).sum())


def hover_a_point(page: Page) -> str:
    """Go over the map until a point is under the hand; what is told of it."""
    x, y, box = in_middle(page)
    told = page.get_by_role("application").first.get_by_text(re.compile(r"^Image \d+$"))
    for dx in range(0, int(box["width"] / 3), 6):
        page.mouse.move(x + dx, y)
        if told.count():
            return told.first.inner_text()
    raise AssertionError("there is no point to the right of the middle")


def test_a_pca_is_there_at_once_and_says_how_much_it_lies(
    page: Page, mapped: Mapped, keep_picture: Callable[[Page, str], None]
) -> None:
    page.goto(f"{mapped.api.origin}/map?dataset={mapped.dataset}")
    # The first one waits until the child that draws it has started.
    page.get_by_role("application", name=re.compile("PCA")).wait_for(timeout=60_000)
    expect(page).to_have_url(re.compile("dataset="))
    assert drawn(page) > N
    lies = page.get_by_text(re.compile(r"^trustworthiness 0\.\d{3} · \d+ % of neighbours kept"))
    lies.click()
    expect(page.get_by_text("Two dimensions cannot hold the distances of many")).to_be_visible()
    keep_picture(page, "map-pca")


def test_hovering_shows_the_image_and_lines_to_its_true_neighbours(page: Page, mapped: Mapped) -> None:
    visit(page, mapped, method="pca")
    told = hover_a_point(page)
    index = int(told.split()[1])
    expect(page.get_by_role("img", name=told)).to_be_visible()
    expect(page.locator("svg line")).to_have_count(10)
    expect(page.get_by_text(re.compile(rf"of image {index}.s 10 nearest are near in the map"))).to_be_visible()


def test_a_click_searches_with_the_image_and_back_leads_to_the_same_map(page: Page, mapped: Mapped) -> None:
    visit(page, mapped, method="pca")
    page.get_by_role("application").press("+")
    expect(page).to_have_url(re.compile("view="))
    view = re.findall("view=[^&]+", page.url)[0]
    index = hover_a_point(page).split()[1]
    page.mouse.down()
    page.mouse.up()
    expect(page).to_have_url(re.compile(rf"/search\?dataset={mapped.dataset}&encoders={mapped.encoder}&index={index}$"))
    expect(page.get_by_role("button", name=re.compile("^Search with image")).first).to_be_visible()
    page.go_back()
    expect(page).to_have_url(re.compile(rf"/map\?.*{re.escape(view)}&point={index}"))
    expect(page.locator("circle.pinned")).to_have_count(1)
    page.get_by_role("button", name="Lasso").click()
    hover_a_point(page)
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_role("button", name="Lasso")).to_have_attribute("aria-pressed", "true")
    expect(page).to_have_url(re.compile("/map"))


def test_a_finger_shows_the_image_before_it_searches(page: Page, mapped: Mapped) -> None:
    visit(page, mapped, method="pca")
    index = hover_a_point(page).split()[1]
    middle = page.locator("circle.ring").bounding_box()
    assert middle is not None
    at = {"x": middle["x"] + middle["width"] / 2, "y": middle["y"] + middle["height"] / 2}
    hand = page.context.new_cdp_session(page)
    hand.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
    hand.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    link = page.get_by_role("region", name=f"Image {index}").get_by_role("link", name="Search like this")
    link.click()
    expect(page).to_have_url(re.compile(rf"/search\?.*index={index}$"))


def test_a_lasso_opens_a_grid_of_the_images_in_it(
    page: Page, mapped: Mapped, keep_picture: Callable[[Page, str], None]
) -> None:
    visit(page, mapped, follow=1, method="umap")
    page.get_by_role("button", name="Lasso").click()
    x, y, box = in_middle(page)
    reach = 0.3 * min(box["width"], box["height"])
    page.mouse.move(x - reach, y - reach)
    page.mouse.down()
    for dx, dy in ((1, -1), (1, 1), (-1, 1), (-1, -0.5)):
        page.mouse.move(x + dx * reach, y + dy * reach, steps=4)
    page.mouse.up()
    chosen = page.get_by_role("region", name="Chosen images")
    n = int(chosen.get_by_role("heading").inner_text().split()[0])
    assert 0 < n < N
    expect(chosen.get_by_role("button", name=re.compile("^image"))).to_have_count(min(n, 120))
    keep_picture(page, "map-lasso")
    chosen.get_by_role("button", name=re.compile("^image")).first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    chosen.get_by_role("button", name="Clear").click()
    expect(chosen).to_have_count(0)


def test_without_a_pointer_the_sight_is_the_lasso(page: Page, mapped: Mapped) -> None:
    visit(page, mapped, method="pca")
    page.get_by_role("application").focus()
    page.keyboard.press("s")
    chosen = page.get_by_role("region", name="Chosen images")
    expect(chosen.get_by_role("heading")).to_have_text(f"{N} chosen images")
    page.get_by_role("application").focus()
    for _ in range(6):
        page.keyboard.press("+")
    page.keyboard.press("s")
    expect(page).to_have_url(re.compile("view="))
    expect(chosen.get_by_role("heading")).not_to_have_text(f"{N} chosen images")
    page.keyboard.press("Escape")
    expect(chosen).to_have_count(0)
    page.keyboard.press("0")
    expect(page).not_to_have_url(re.compile("view="))


def test_a_map_that_is_scrolled_under_the_bar_stays_whole(page: Page, mapped: Mapped) -> None:
    visit(page, mapped, method="pca")
    whole = drawn(page)
    page.get_by_role("application").press("s")
    page.wait_for_function("document.querySelector('[role=application]').getBoundingClientRect().top < 0")
    # Edges of points may fall on other pixels.
    assert drawn(page) == pytest.approx(whole, rel=0.05)


def test_the_slider_leads_through_the_epochs(
    page: Page, mapped: Mapped, keep_picture: Callable[[Page, str], None]
) -> None:
    visit(page, mapped, follow=1, method="umap")
    slider = page.get_by_role("slider", name="Epoch")
    expect(slider).to_have_attribute("aria-valuetext", "epoch 8")
    keep_picture(page, "map-epoch-8")
    at_the_end, seen = page.get_by_text(re.compile("^trustworthiness")).inner_text(), picture(page)
    slider.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "untrained")
    expect(page).to_have_url(re.compile("epoch=0"))
    expect(page.get_by_text(re.compile("^trustworthiness"))).not_to_have_text(at_the_end)
    eventually(lambda: picture(page) != seen, within_s=20)
    keep_picture(page, "map-epoch-0")
    page.get_by_role("button", name="Play the epochs").click()
    expect(slider).to_have_attribute("aria-valuetext", "epoch 8")
    encoder = page.get_by_role("combobox", name="Encoder")
    encoder.select_option("epoch 4")
    page.reload()
    expect(encoder.locator("option:checked")).to_have_text("epoch 4")
    page.get_by_role("combobox", name="Beside it").select_option("Digits, 8 epochs, epoch 1")
    expect(page).to_have_url(re.compile("beside="))


def test_points_are_coloured_by_class_split_and_answers(page: Page, mapped: Mapped) -> None:
    visit(page, mapped, method="pca")
    colour = page.get_by_role("combobox", name="Colour")
    expect(colour.get_by_role("option")).to_have_text(["Class", "Split", "Prediction", "Error", "Confidence"])
    colour.select_option("error")
    expect(page).to_have_url(re.compile("colour=error"))
    wrong = page.get_by_role("button", name=re.compile(r"^wrong"))
    n = int(wrong.inner_text().split()[-1])
    wrong.click()
    expect(page.get_by_role("heading", name=f"{n} chosen images")).to_be_visible()
    colour.select_option("confidence")
    expect(page.get_by_text("probability of the answer")).to_be_visible()


def test_two_maps_stand_side_by_side_with_one_hand_over_both(
    page: Page, mapped: Mapped, keep_picture: Callable[[Page, str], None]
) -> None:
    visit(page, mapped, method="pca")
    page.get_by_label("Beside it").select_option("Pixels of Digits")
    expect(page.get_by_role("application")).to_have_count(2)
    hover_a_point(page)
    expect(page.locator("circle.ring")).to_have_count(2)
    keep_picture(page, "map-beside")


def test_h_stands_beside_z_and_a_hand_marks_the_same_image_in_both(
    page: Page, mapped: Mapped, keep_picture: Callable[[Page, str], None]
) -> None:
    visit(page, mapped, method="pca")
    page.get_by_label("Beside it").select_option("z of the same")
    for features in ("h", "z"):
        page.get_by_role("application", name=f"Map of Digits, 8 epochs, {features}, PCA").wait_for()
    index = hover_a_point(page).split()[1]
    expect(page.locator("circle.ring")).to_have_count(2)
    near = page.get_by_text(re.compile(rf"of image {index}.s 10 nearest are near in the map"))
    expect(near).to_have_count(2)
    keep_picture(page, "map-h-beside-z")


def test_a_umap_that_is_not_there_is_a_button_and_then_a_job(page: Page, mapped: Mapped) -> None:
    visit(page, mapped, method="umap", seed=5)
    page.get_by_role("button", name="Make a UMAP map").click()
    expect(page.get_by_role("link", name=re.compile("^UMAP of Digits, 8 epochs on Digits")).first).to_be_visible()
    page.get_by_role("button", name=re.compile("^Cancel UMAP of")).first.click()
    expect(page.get_by_role("button", name="Make a UMAP map")).to_be_visible()


def test_without_a_graphics_card_a_plain_canvas_draws_the_same_points(
    browser: Browser, mapped: Mapped, page: Page
) -> None:
    visit(page, mapped, method="pca")
    expect(page.locator("canvas")).to_have_attribute("data-kind", "webgl")
    by_webgl = drawn(page)
    context = browser.new_context(viewport=WIDE, storage_state=page.context.storage_state())
    other = context.new_page()
    visit(other, mapped, method="pca")
    expect(other.locator("canvas")).to_have_attribute("data-kind", "canvas")
    assert drawn(other) == pytest.approx(by_webgl, rel=0.05)
    assert hover_a_point(other).startswith("Image")
    context.close()


def test_a_damaged_map_is_made_again_and_says_so(page: Page, mapped: Mapped) -> None:
    visit(page, mapped, method="pca", features="h")
    said = page.get_by_text("The file of this map was damaged, so the map was made again.")
    expect(said).to_have_count(0)
    for path in (mapped.api.settings.data_folder / "maps").glob("*.npy"):
        path.write_bytes(path.read_bytes()[:200])
    # A browser that has the points asks for none.
    page.context.new_cdp_session(page).send("Network.clearBrowserCache")
    visit(page, mapped, method="pca")
    expect(said).to_be_visible()
    assert drawn(page) > 0


def test_nothing_keeps_anybody_from_using_it(
    page: Page, mapped: Mapped, keep_picture: Callable[[Page, str], None]
) -> None:
    visit(page, mapped, method="pca", beside=mapped.pixels)
    expect(page.get_by_role("application")).to_have_count(2)
    assert grave_violations(page) == []
    keep_picture(page, "map-dark")
    assert out_of_reach(page) == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    _, _, box = in_middle(page)
    assert box["y"] + box["height"] <= 740, "the map comes before what can be chosen about it"
    page.get_by_text("PCA of h, coloured by class").click()
    expect(page.get_by_label("Colour")).to_be_visible()
    page.get_by_text("PCA of h, coloured by class").click()
    keep_picture(page, "map-narrow-dark")
    page.emulate_media(color_scheme="light")
    keep_picture(page, "map-narrow")
