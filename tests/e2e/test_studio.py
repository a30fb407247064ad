"""The augmentation studio as a person uses it, in one visit."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from backend.catalogue.engine import open_catalogue
from backend.settings import Settings
from benchmarks.sets import put_set
from simclr.datasets.factors import factors
from tests.e2e.conftest import WIDE, Complaints, Keep, Lab, watched

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def factors_page(lab: Lab) -> str:
    """The address of the Views page at three of 180 images whose colours matter, and one seed."""
    settings = Settings(data=Path(lab.data))
    catalogue = open_catalogue(settings)
    dataset_id = put_set(catalogue, settings.data_folder, factors(180), "factors")
    catalogue.close()
    return f"{lab.address}/views?dataset={dataset_id}&images=3,40,77&seed=4"


@pytest.fixture
def studio(factors_page: str, page: Page) -> Page:
    """The Views page with the default policy."""
    page.goto(factors_page)
    expect(firsts(page)).to_have_count(3, timeout=60_000)  # the first of all waits for torch
    return page


def firsts(page: Page) -> Locator:
    return page.get_by_role("img", name=re.compile("^First view"))


def digests(views: Locator) -> list[str]:
    return [str(view.get_attribute("data-digest")) for view in views.all()]


def pixels(picture: Locator) -> str:
    """What is drawn of a canvas or a loaded image, in its own pixels."""
    drawn: str = picture.evaluate(
        """async (element) => {
          if (element.tagName === 'IMG') await element.decode();
          const canvas = document.createElement('canvas');
          canvas.width = canvas.height = element.naturalWidth ?? element.width;
          const context = canvas.getContext('2d');
          context.drawImage(element, 0, 0);
          return context.getImageData(0, 0, canvas.width, canvas.height).data.join();
        }"""
    )
    return drawn


def test_sliders_change_views_and_the_same_address_brings_the_same_bytes(
    studio: Page, lab: Lab, browser: Browser, complaints: Complaints
) -> None:
    before, drawn = digests(firsts(studio)), pixels(firsts(studio).first)
    studio.get_by_label("Crop scale min", exact=True).fill("0.9")
    expect(firsts(studio).first).not_to_have_attribute("data-digest", before[0])
    assert pixels(firsts(studio).first) != drawn
    expect(studio).to_have_url(re.compile(r"crop_scale_min=0\.9"))
    context = browser.new_context(viewport=WIDE)
    colleague = watched(context, complaints)
    colleague.goto(lab.link)
    colleague.goto(studio.url)
    expect(firsts(colleague)).to_have_count(3)
    assert digests(firsts(colleague)) == digests(firsts(studio))
    assert pixels(firsts(colleague).first) == pixels(firsts(studio).first)
    context.close()
    studio.get_by_role("button", name="Back to 0.2 for Crop scale min").click()
    expect(firsts(studio).first).to_have_attribute("data-digest", before[0])
    assert digests(firsts(studio)) == before
    assert pixels(firsts(studio).first) == drawn
    studio.get_by_role("button", name="New seed").click()
    expect(firsts(studio).first).not_to_have_attribute("data-digest", before[0])
    studio.get_by_role("spinbutton", name="Seed").fill("4")
    studio.keyboard.press("Enter")
    expect(firsts(studio).first).to_have_attribute("data-digest", before[0])


def test_a_drag_ends_in_the_views_of_where_it_ended(studio: Page) -> None:
    slider = studio.get_by_label("Jitter strength", exact=True)
    slider.fill("2")
    ended = studio.url
    for step in range(40):
        slider.fill(str(0.05 * step))
    slider.fill("2")
    expect(studio.get_by_role("group", name="Pairs of views")).to_have_attribute("aria-busy", "false")
    after = digests(firsts(studio))
    studio.goto(ended)
    studio.get_by_label("Jitter strength", exact=True).fill("2")
    expect(firsts(studio).first).to_have_attribute("data-digest", after[0])
    assert digests(firsts(studio)) == after


def test_step_by_step_begins_with_the_image_and_ends_in_the_pair(studio: Page) -> None:
    pair = studio.get_by_role("group", name="Pairs of views").locator("figure").first
    overlap = re.search(r"overlap (.+)", pair.inner_text())
    assert overlap
    view = pixels(firsts(studio).first)
    studio.get_by_role("button", name="Step by step: image 3").click()
    told = studio.get_by_role("region", name="View 1 of image 3, step by step")
    expect(told.get_by_role("listitem").first).to_contain_text("Image")
    assert pixels(told.get_by_role("listitem").last.locator("img")) == view
    expect(studio.get_by_text("Overlap (IoU):")).to_contain_text(overlap[1])
    studio.go_back()
    expect(firsts(studio)).to_have_count(3)
    studio.get_by_role("button", name="Many views").click()
    expect(studio.get_by_role("img", name="View 30 of image 3")).to_be_visible()


def test_a_card_switches_its_operation_off_and_back_to_what_it_was(studio: Page) -> None:
    studio.get_by_label("Jitter", exact=True).fill("0.35")
    studio.get_by_role("checkbox", name="Use Colour jitter").uncheck()
    expect(studio).to_have_url(re.compile("jitter_p=0(&|$)"))
    studio.get_by_role("checkbox", name="Use Colour jitter").check()
    expect(studio).to_have_url(re.compile(r"jitter_p=0\.35"))
    studio.get_by_role("checkbox", name="Use Blur").check()
    expect(studio.get_by_label("Blur", exact=True)).to_have_value("0.5")
    expect(studio.get_by_role("img", name="The first image under Blur alone")).to_be_visible()


def test_a_policy_is_kept_under_a_name_and_read_as_code(studio: Page) -> None:
    studio.get_by_label("Flip", exact=True).fill("0.25")
    studio.get_by_label("Name of this policy").fill("quarter")
    studio.get_by_role("button", name="Save policy").click()
    studio.get_by_role("button", name="Back to 0.5 for Flip").click()
    studio.reload()
    studio.get_by_role("button", name="quarter", exact=True).click()
    expect(studio.get_by_label("Flip", exact=True)).to_have_value("0.25")
    studio.get_by_text("As code").click()
    studio.get_by_label("Format").select_option(label="Python, torchvision v2")
    expect(studio.get_by_label("The policy as Python, torchvision v2")).to_contain_text("RandomHorizontalFlip(0.25)")
    with studio.expect_download() as saved:
        studio.get_by_role("button", name="Save grid as PNG").click()
    assert Path(saved.value.path()).read_bytes().startswith(b"\x89PNG")


def test_crops_alone_have_a_shortcut_and_the_preset_goes_on_to_training(studio: Page) -> None:
    studio.get_by_label("Start from").select_option("crop-only")
    studio.get_by_role("button", name="Audit shortcuts").click()
    audit = studio.get_by_role("region", name="Shortcuts")
    expect(audit.get_by_text("A mere colour histogram solves this task")).to_be_visible(timeout=60_000)
    studio.get_by_role("link", name="Pretrain with these views").click()
    expect(studio.get_by_role("heading", level=1, name="Train")).to_be_visible()
    expect(studio.get_by_label("Crop scale min", exact=True)).to_have_value("0.08")
    expect(studio.get_by_label("Jitter", exact=True)).to_have_value("0")


def test_a_picture_of_the_camera_becomes_a_pair_and_the_photo_goes_when_it_is_removed(studio: Page) -> None:
    studio.get_by_role("button", name="Camera …").click()
    video = studio.get_by_label("What the camera sees")
    expect(video).to_be_visible()
    studio.wait_for_function("() => document.querySelector('video').videoWidth > 0")
    studio.get_by_role("button", name="Take photo").click()
    expect(studio.get_by_role("img", name="First view of your photo")).to_be_visible()
    expect(firsts(studio)).to_have_count(4)
    studio.get_by_role("button", name="Step by step: your photo").click()
    expect(studio.get_by_role("region", name="View 2 of your photo, step by step")).to_be_visible()
    studio.get_by_role("button", name="Remove photo").click()
    expect(studio.get_by_role("region", name=re.compile(r"View 2 of image \d+"))).to_be_visible()


@pytest.mark.parametrize(("width", "mode"), [(360, "pairs"), (360, "steps"), (2560, "many")])
def test_nothing_overflows(studio: Page, width: int, mode: str, keep_picture: Keep) -> None:
    studio.set_viewport_size({"width": width, "height": 800})
    studio.goto(f"{studio.url}&show={mode}")
    expect(studio.get_by_role("img", name=re.compile("view|as it is", re.IGNORECASE)).first).to_be_visible()
    assert studio.evaluate("document.documentElement.scrollWidth") <= width
    keep_picture(studio, f"studio-{mode}-{width}")
    studio.set_viewport_size({"width": WIDE["width"], "height": WIDE["height"]})
