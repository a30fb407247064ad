"""The Search page as a person uses it: encoders side by side, epochs of a run, parts and views, and why a hit is alike."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Request, expect

from simclr.datasets.factors import factors
from tests.backend.api.process import Api
from tests.e2e.accessibility import grave_violations
from tests.e2e.conftest import Complaints, Lab
from tests.e2e.search_lab import LAST_EPOCH, PlayedLab

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

Keep = Callable[[Page, str], None]
K = 8


@dataclass(frozen=True)
class Played:
    """Ids of what is in the lab: a set, a pretraining's end, the pixels."""

    dataset: str
    final: str
    pixels: str


@pytest.fixture(scope="module")
def shown(api: Api) -> Played:
    """All but one of a run's saved epochs have embedded the set."""
    made = PlayedLab(api.settings, factors(120))
    job, final = made.pretrained()
    epochs = [made.epoch(job, epoch) for epoch in (0, 1, 4, 2)]
    pixels = made.pixels()
    for encoder in (final, *epochs[:3], pixels):
        made.embed(encoder)
    made.catalogue.close()
    return Played(made.dataset, final, pixels)


@pytest.fixture(scope="module")
def lab(api: Api) -> Lab:
    return Lab(api.origin, api.settings.access_token, str(api.settings.data_folder), api.pid)


@pytest.fixture
def search(page: Page, lab: Lab, shown: Played) -> Page:
    """Image 5 under the trained encoder, by a link of before there were columns."""
    page.goto(f"{lab.address}/search?dataset={shown.dataset}&encoder={shown.final}&k={K}&index=5")
    expect(hits(column(page, "SimCLR"))).to_have_count(K)
    return page


def column(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=re.compile(name))


def hits(within: Page | Locator) -> Locator:
    return within.get_by_role("button", name=re.compile("^Search with image"))


def images(within: Page | Locator) -> list[int]:
    """Which images were found, nearest first."""
    names = [str(hit.get_attribute("aria-label")) for hit in hits(within).all()]
    return [int(re.findall(r"image (\d+)", name)[0]) for name in names]


def side_by_side(page: Page, shown: Played) -> tuple[Locator, Locator]:
    page.get_by_label("Compare with").select_option(shown.pixels)
    pixels = column(page, "Pixels")
    expect(hits(pixels)).to_have_count(K)
    return column(page, "^A SimCLR"), pixels


def test_two_encoders_answer_side_by_side_and_their_shared_neighbours_are_linked(
    search: Page, shown: Played, keep_picture: Keep
) -> None:
    asked: list[Request] = []
    search.on("request", lambda request: asked.append(request) if request.url.endswith("/api/search") else None)
    first, second = side_by_side(search, shown)
    encoders = [request.post_data_json["encoder_id"] for request in asked]
    # Every encoder once, those of the run's other epochs too; the first is not asked again.
    assert shown.pixels in encoders
    assert shown.final not in encoders
    assert len(encoders) == len(set(encoders))
    expect(search).to_have_url(re.compile(rf"encoders={shown.final},{shown.pixels}"))
    here, there = images(first), images(second)
    both = set(here) & set(there)
    assert both
    jaccard = len(both) / len(set(here) | set(there))
    expect(second.get_by_text(re.compile(rf"{len(both)} of {K} are in A too"))).to_contain_text(f"@{K} {jaccard:.2f}")
    shared = next(iter(both))
    linked = second.get_by_role("button", name=re.compile(rf"^Search with image {shared},.* also in A$"))
    shift = here.index(shared) - there.index(shared)
    said = "at the same rank as" if shift == 0 else rf"{abs(shift)} ranks? {'nearer' if shift > 0 else 'farther'} than"
    expect(linked.locator("xpath=..")).to_contain_text(re.compile(said))
    linked.focus()
    expect(search.locator("li.pointed")).to_have_count(2)
    keep_picture(search, "search-two-encoders")
    search.get_by_role("group", name="Column that is judged").get_by_role("button", name="B").click()
    expect(search.get_by_role("heading", name="On the whole set, under Pixels")).to_be_visible()
    search.get_by_role("button", name="Move B to the left").click()
    expect(column(search, "^A Pixels")).to_be_visible()
    search.reload()
    expect(hits(column(search, "^B SimCLR"))).to_have_count(K)
    search.get_by_role("button", name="Take A out").click()
    expect(column(search, "Pixels")).to_have_count(0)
    search.go_back()
    expect(column(search, "^A Pixels")).to_be_visible()


def test_features_are_compared_by_h_or_z_and_by_direction_or_distance(search: Page, shown: Played) -> None:
    by_direction = images(search)
    search.get_by_label("Compare by").select_option("euclidean")
    expect(hits(search).first).to_have_attribute("aria-label", re.compile(r"distance \d"))
    expect(search.get_by_text(re.compile(r"^Exact search, \d"))).to_be_visible()
    search.get_by_label("Compare by").select_option("cosine")
    expect(hits(search).first).to_have_attribute("aria-label", re.compile(r"similarity \d"))
    assert images(search) == by_direction
    search.get_by_role("button", name="z", exact=True).click()
    expect(search).to_have_url(re.compile(rf"encoders={shown.final}\.z"))
    expect(search.locator("[aria-busy=true]")).to_have_count(0)
    expect(hits(search)).to_have_count(K)
    assert images(search) != by_direction


def test_where_a_filter_leaves_fewer_images_all_of_them_are_shown(search: Page) -> None:
    search.get_by_role("combobox", name="Split").select_option("test")
    search.get_by_role("combobox", name="Class").select_option("disc")
    expect(hits(search)).to_have_count(2)
    expect(search.get_by_role("alert")).to_have_count(0)


def test_an_engine_is_chosen_by_hand_and_one_that_is_not_there_is_refused_in_words(
    search: Page, complaints: Complaints, keep_picture: Keep
) -> None:
    engine = search.get_by_label("Engine")
    expect(engine.locator("option:checked")).to_have_text("automatic: exact")
    expect(engine.get_by_role("option", name="pgvector, needs PostgreSQL")).to_be_disabled()
    engine.select_option("hnsw")
    # The exact engine answers until the graph is built.
    answered = re.compile(r"^HNSW graph, \d.* ms, recall@10 \d+.* % against exact search")
    expect(search.get_by_text(answered)).to_be_visible()
    expect(hits(search)).to_have_count(K)
    keep_picture(search, "search-engine")
    complaints.expected = {422}
    search.goto(search.url.replace("engine=hnsw", "engine=pgvector"))
    expect(column(search, "SimCLR").get_by_role("alert")).to_contain_text("there is no pgvector")


def test_the_slider_follows_a_run_through_its_saved_epochs(search: Page, shown: Played, keep_picture: Keep) -> None:
    slider = search.get_by_role("slider", name="Epoch")
    expect(slider).to_have_attribute("aria-valuetext", f"epoch {LAST_EPOCH}")
    last = images(search)
    slider.focus()
    search.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "untrained")
    expect(search).not_to_have_url(re.compile(shown.final))
    expect(column(search, "^SimCLR, epoch 0")).to_be_visible()
    expect(search.locator("[aria-busy=true]")).to_have_count(0)
    assert images(search) != last
    search.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "epoch 1")
    expect(search.get_by_text(re.compile(rf"precision@{K} by saved epoch, 0 to 100 %; now \d"))).to_be_visible()
    expect(search.get_by_role("button", name="Embed 1 saved epoch")).to_be_visible()
    keep_picture(search, "search-epochs")
    search.get_by_role("button", name="Play the epochs").click()
    expect(slider).to_have_attribute("aria-valuetext", f"epoch {LAST_EPOCH}")
    expect(search).to_have_url(re.compile(shown.final))
    search.get_by_role("button", name="Put untrained beside it").click()
    search.get_by_role("button", name="Put epoch 1 beside it").first.click()
    expect(hits(column(search, "^C SimCLR, epoch 1"))).to_have_count(K)
    search.get_by_text(f"How the columns agree: Jaccard@{K}").click()
    expect(search.get_by_role("row", name=re.compile(r"^B (1|0)\.\d\d"))).to_be_visible()
    keep_picture(search, "search-three-epochs")
    search.get_by_label("Compare with").select_option("epoch 2, not embedded yet")
    expect(column(search, "^D SimCLR, epoch 2")).to_contain_text("has no embeddings of factors yet")
    search.get_by_role("button", name="Take D out").click()
    search.get_by_role("button", name="Embed 1 saved epoch").first.click()
    expect(search.get_by_text("4 of 5 saved epochs are embedded.").first).to_be_visible()
    search.get_by_role("button", name=re.compile("^Jobs: 1")).click()
    cancel = search.get_by_role("dialog", name="Jobs").get_by_role("button", name=re.compile("^Cancel"))
    cancel.click()  # or every page would say that a worker is missing
    expect(cancel).to_have_count(0)


def test_the_regions_that_carry_a_similarity_are_shown_and_pixels_have_none(
    search: Page, shown: Played, complaints: Complaints, keep_picture: Keep
) -> None:
    _, pixels = side_by_side(search, shown)
    column(search, "SimCLR").get_by_role("button", name=re.compile("^Why is image")).first.click()
    why = search.get_by_role("dialog", name=re.compile("Why is image"))
    maps = why.get_by_role("img", name=re.compile("Strongest at row"))
    expect(maps).to_have_count(2)
    expect(why.get_by_text(re.compile(r"have 8 × 8 places; each stands for about 8 × 8 px"))).to_be_visible()
    shares = [float(text) for text in maps.first.locator("title").all_text_contents() for text in [text.split(": ")[1]]]
    said = re.search(r"cosine of their features h is (\d\.\d\d)", why.inner_text())
    assert said
    # Sixty-four numbers of three digits.
    assert sum(shares) == pytest.approx(float(said[1]), abs=0.04)
    keep_picture(search, "search-why")
    why.get_by_role("checkbox", name="Show the maps").uncheck()
    expect(maps).to_have_count(0)
    search.keyboard.press("Escape")
    expect(why).to_have_count(0)
    complaints.expected = {422}
    pixels.get_by_role("button", name=re.compile("^Why is image")).first.click()
    expect(search.get_by_role("dialog").get_by_role("alert")).to_contain_text("no feature maps")
    search.keyboard.press("Escape")


def test_a_part_of_an_image_is_searched_with_and_the_link_restores_it(search: Page, keep_picture: Keep) -> None:
    search.get_by_role("button", name="Search with a part of it").click()
    part = search.get_by_role("application")
    expect(part).to_have_attribute("data-box", "16,16,32")
    expect(search.get_by_role("img", name="The query: a part of image 5")).to_be_visible()
    frame = part.bounding_box()
    assert frame
    search.mouse.move(frame["x"] + 2, frame["y"] + 2)
    search.mouse.down()
    search.mouse.move(frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2)
    search.mouse.up()
    expect(search).to_have_url(re.compile(r"crop=[01],[01],3[12]"))
    expect(part).to_have_attribute("data-box", re.compile("^[01],[01],3[12]$"))
    part.focus()
    search.keyboard.press("ArrowRight")
    expect(part).to_have_attribute("data-box", re.compile("^[23],"))
    expect(search).to_have_url(re.compile("crop=[23],"))  # which is written a little later
    expect(search.locator("[aria-busy=true]")).to_have_count(0)
    expect(hits(search)).to_have_count(K)
    box, found = part.get_attribute("data-box"), images(search)
    keep_picture(search, "search-part")
    search.reload()
    expect(part).to_have_attribute("data-box", str(box))
    expect(hits(search)).to_have_count(K)
    assert images(search) == found


def test_a_view_of_the_studio_becomes_the_query_and_the_link_draws_it_again(
    search: Page, lab: Lab, shown: Played
) -> None:
    search.goto(f"{lab.address}/views?dataset={shown.dataset}&images=5&seed=3&crop_scale_min=0.5")
    view = search.get_by_role("img", name="Second view of image 5")
    expect(view).to_be_visible()
    search.get_by_role("link", name="Search with the second view of image 5").click()
    query = search.get_by_role("img", name="The query: view 2 of image 5")
    expect(query).to_be_visible()
    expect(search).to_have_url(re.compile(r"index=5&seed=3&view=1&augment\.crop_scale_min=0\.5"))
    expect(hits(search)).to_have_count(12)
    found = images(search)
    search.reload()
    expect(query).to_be_visible()
    expect(hits(search)).to_have_count(12)
    assert images(search) == found


def test_a_photo_of_ones_own_is_searched_with_and_taken_by_the_camera(
    search: Page, queries: dict[Path, str], keep_picture: Keep
) -> None:
    file = next(iter(queries))
    search.get_by_label("Photo", exact=True).set_input_files(file)
    expect(search.get_by_role("img", name=f"The query: {file.name}")).to_be_visible()
    expect(search.get_by_text("The query has no label to compare theirs with.")).to_be_visible()
    expect(search).to_have_url(re.compile("photo=1"))
    search.get_by_role("button", name="Remove photo").click()
    expect(search.get_by_text("stayed in the browser")).to_be_visible()
    search.get_by_role("button", name="Camera …").click()
    search.get_by_role("button", name="Take photo").click()
    expect(search.get_by_role("img", name="The query: camera picture")).to_be_visible()
    expect(hits(search)).to_have_count(K)
    keep_picture(search, "search-camera")


def test_a_file_that_is_no_image_is_refused_once(search: Page, complaints: Complaints, tmp_path: Path) -> None:
    complaints.expected = {422}
    pretender = tmp_path / "pretender.png"
    pretender.write_bytes(b"this is no image")
    search.get_by_label("Photo", exact=True).set_input_files(pretender)
    expect(column(search, "SimCLR").get_by_role("alert")).to_contain_text("no PNG, JPEG")


def test_two_columns_fit_a_narrow_screen_fold_and_shut_nobody_out(
    search: Page, shown: Played, keep_picture: Keep
) -> None:
    side_by_side(search, shown)
    keep_picture(search, "search-wide")
    search.set_viewport_size({"width": 360, "height": 900})
    keep_picture(search, "search-narrow")
    assert search.evaluate("document.documentElement.scrollWidth") <= 360
    fold = search.get_by_role("button", name="Fold A")
    fold.click()
    expect(hits(column(search, "^A SimCLR"))).to_have_count(0)
    search.get_by_role("button", name="Show A").click()
    assert grave_violations(search) == []
    search.emulate_media(color_scheme="light", reduced_motion="no-preference")
    search.set_viewport_size({"width": 1280, "height": 800})
