"""A set of some thousand images as somebody looks at it: what the report tells, a grid that holds only what is in sight, and
what else becomes a set: other splits or fewer labels, a folder of the server, a published set."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from backend.catalogue.engine import open_catalogue
from benchmarks.sets import put_set
from simclr.datasets import Dataset
from simclr.datasets.origin import Origin
from simclr.datasets.originals import Keeper
from simclr.datasets.patterns import patterns
from tests.backend.api.process import Api
from tests.e2e.accessibility import grave_violations
from tests.e2e.conftest import WIDE, Complaints, watched
from tests.simclr.datasets.pictures import class_folders
from tests.worker.imports import CIFAR, do_imports, importer_here, publishing_cifar10
from worker.importing import Sources

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

N = 3300
LEAKED = 37
LARGE = 10
"""Every so many-th image has a larger original."""


@dataclass(frozen=True)
class Shown:
    api: Api
    dataset: Dataset
    address: str


def leaky(folder: Path) -> Dataset:
    """Textures of which 37 stand in train and in test, with names and some larger originals."""
    clean = patterns(N, seed=3)
    images = clean.images.copy()
    images[clean.indices("test")[:LEAKED]] = images[clean.indices("train")[:LEAKED]]
    keeper = Keeper(folder / "originals", 200, 10**7)
    for i in range(0, N, LARGE):
        keeper.keep(i, Image.new("RGB", (200, 150), "teal"))
    names = [f"{clean.classes[label]}/<i>{i}</i>.png" for i, label in enumerate(clean.labels)]
    return replace(clean, images=images, origin=Origin(names=names), originals=keeper.done(list(range(N))))


def write_folder(folder: Path) -> None:
    for name, data in class_folders(20).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.fixture(scope="module")
def shown(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The set in a lab: looking needs no worker."""
    dataset = leaky(tmp_path_factory.mktemp("browse"))
    catalogue = open_catalogue(api.settings)
    dataset_id = put_set(catalogue, api.settings.data_folder, dataset, "Textures")
    catalogue.close()
    write_folder(api.settings.data_folder.parent / "server/plants")
    return Shown(api, dataset, f"{api.origin}/data/{dataset_id}")


@pytest.fixture(scope="module")
def opened(browser: Browser, shown: Shown, complaints_of_module: Complaints) -> Iterator[Page]:
    context = browser.new_context(viewport=WIDE)
    page = watched(context, complaints_of_module)
    page.goto(f"{shown.api.origin}/#token={shown.api.settings.access_token}")
    page.get_by_role("navigation", name="Pages").wait_for()
    yield page
    context.close()


@pytest.fixture
def page(opened: Page, shown: Shown) -> Page:
    opened.goto(shown.address)
    opened.get_by_role("gridcell", name=re.compile("^Image 0,")).wait_for()
    return opened


def test_the_report_names_the_images_that_stand_in_two_splits_and_shows_them(page: Page) -> None:
    report = page.get_by_role("region", name="Report")
    expect(report.get_by_text(f"{LEAKED} test images also stand in train")).to_be_visible(timeout=60_000)
    pairs = report.get_by_role("list", name="Pairs: test, train")
    expect(pairs.get_by_role("listitem")).to_have_count(6)
    report.get_by_role("button", name="Show more of 37 pairs").click()
    expect(pairs.get_by_role("listitem")).to_have_count(30)
    pairs.get_by_role("button", name=re.compile("has the same pixels")).first.click()
    expect(page.get_by_role("dialog", name=re.compile("Image"))).to_be_visible()
    page.keyboard.press("Escape")
    before = report.get_by_role("region", name="False negatives").inner_text()
    report.get_by_role("slider", name="Images in a batch, N").press("ArrowLeft")
    expect(page).to_have_url(re.compile("batch=128"))
    assert report.get_by_role("region", name="False negatives").inner_text() != before


def test_only_what_is_in_sight_exists_wherever_one_has_scrolled(page: Page, shown: Shown) -> None:
    grid = page.get_by_role("grid", name="Images")
    grid.focus()
    for key, index in (("Control+End", N - 1), ("ArrowLeft", N - 2), ("Control+Home", 0), ("PageDown", None)):
        page.keyboard.press(key)
        chosen = page.get_by_role("gridcell", selected=True)
        expect(chosen).to_have_count(1)
        if index is not None:
            label = shown.dataset.classes[shown.dataset.labels[index]]
            expect(chosen).to_have_accessible_name(re.compile(f"^Image {index}, {label}"))
        expect(chosen).to_be_in_viewport()
        assert page.get_by_role("gridcell").count() < 400
        assert grid.locator("canvas").count() < 10
    # What the canvas shows is the image that the cell names.
    box = chosen.bounding_box()
    assert box
    name = str(chosen.get_attribute("aria-label"))
    drawn = page.evaluate(PIXEL, [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])
    found = re.search(r"Image (\d+)", name)
    assert found
    middle = shown.dataset.images[int(found[1])][:, 15:17, 15:17].reshape(3, -1)
    assert any(np.array_equal(drawn, pixel) for pixel in middle.T)


PIXEL = """([x, y]) => {
  for (const canvas of document.querySelectorAll('[role=grid] canvas')) {
    const box = canvas.getBoundingClientRect();
    if (y < box.top || y >= box.bottom) continue;
    const scale = canvas.width / box.width;
    return [...canvas.getContext('2d').getImageData((x - box.left) * scale, (y - box.top) * scale, 1, 1).data.slice(0, 3)];
  }
}"""


def test_a_filter_tells_its_count_and_a_link_brings_a_colleague_to_the_same_place(page: Page, shown: Shown) -> None:
    dataset = shown.dataset
    wanted = np.flatnonzero((dataset.labels == 3) & (dataset.splits == 0))
    page.get_by_role("combobox", name="Split").select_option("train")
    page.get_by_role("combobox", name="Class").select_option("3")
    images = page.get_by_role("region", name="Images")
    expect(images.get_by_role("status")).to_have_text(f"{len(wanted)} images")
    page.get_by_role("grid").evaluate("(grid) => (grid.scrollTop = 1e6)")
    last = page.get_by_role("gridcell", name=re.compile(f"^Image {wanted[-1]}, "))
    expect(last).to_be_in_viewport()
    expect(page).to_have_url(re.compile(r"at=\d+"))
    page.reload()
    expect(last).to_be_in_viewport()
    page.go_back()
    expect(images.get_by_role("status")).to_have_text(f"{(dataset.splits == 0).sum():,} images")


def test_an_image_opens_as_large_as_it_was_kept_with_all_that_is_known_of_it(page: Page, shown: Shown) -> None:
    grid = page.get_by_role("grid")
    grid.focus()
    for _ in range(LARGE):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    opened = page.get_by_role("dialog", name=f"Image {LARGE}")
    expect(opened.get_by_text(f"<i>{LARGE}</i>.png")).to_be_visible()
    expect(opened.get_by_role("img")).to_have_js_property("naturalWidth", 200)
    expect(opened.get_by_role("link", name="Search like this")).to_have_attribute("href", re.compile("index=10"))
    assert grave_violations(page) == []
    page.keyboard.press("ArrowRight")
    following = page.get_by_role("dialog", name=f"Image {LARGE + 1}")
    expect(following.get_by_text(f"<i>{LARGE + 1}</i>.png")).to_be_visible()
    expect(following.get_by_role("img")).to_have_js_property("naturalWidth", 32)
    expect(page).to_have_url(re.compile(f"image={LARGE + 1}"))
    page.reload()
    expect(following).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("image="))


def do_the_import(page: Page, shown: Shown, **sources: Any) -> None:
    """Play the worker, in this process, for the import that the page has asked for."""
    expect(page.get_by_role("status").filter(has_text="Accepted")).to_be_visible()
    settings = shown.api.settings
    catalogue = open_catalogue(settings)
    asked = Sources(settings.data_folder / "downloads", **sources)
    assert do_imports(catalogue, settings.data_folder, importer_here(asked)) == 1
    catalogue.close()


def test_a_set_with_fewer_labels_is_counted_before_it_is_made_and_says_what_it_is_of(
    page: Page, shown: Shown, complaints: Complaints
) -> None:
    complaints.expected = {422}
    page.get_by_role("button", name="Split or thin …").click()
    dialog = page.get_by_role("dialog", name="Another set of these images")
    total = dialog.get_by_role("row").last
    expect(total).to_contain_text(re.compile(r"2,310\s*330\s*660\s*3,300"))
    dialog.get_by_label("test, %").fill("30")
    expect(dialog.get_by_role("alert")).to_contain_text("add up to 1.1: make it 1")
    expect(dialog.get_by_role("button", name="Make this set")).to_be_disabled()
    dialog.get_by_role("radio", name="Only some labels").check()
    dialog.get_by_label("Labels kept").select_option("shots")
    dialog.get_by_label("images a class").fill("7")
    kept = dialog.get_by_role("row").filter(has_text=shown.dataset.classes[0]).get_by_role("cell")
    expect(kept.nth(1)).to_have_text("7")
    assert grave_violations(page) == []
    dialog.get_by_label("Name", exact=True).fill("Seven shots")
    dialog.get_by_role("button", name="Make this set").click()
    do_the_import(page, shown)
    expect(page.get_by_role("heading", level=1, name="Seven shots")).to_be_visible()
    expect(page.get_by_text("7 training labels of every class kept (seed 0).", exact=False).first).to_be_visible()
    page.get_by_role("definition").get_by_role("link", name="Textures").click()
    expect(page).to_have_url(shown.address)


def test_a_folder_of_the_server_becomes_a_set(page: Page, shown: Shown) -> None:
    page.goto(f"{shown.api.origin}/data")
    page.get_by_role("radio", name="a folder of the server").check()
    expect(page.get_by_role("button", name="Import")).to_be_disabled()
    page.get_by_role("combobox", name="Folder").select_option("plants")
    page.get_by_role("button", name="Import").click()
    do_the_import(page, shown, folders=shown.api.settings.data_folder.parent / "server")
    expect(page.get_by_role("heading", level=1, name="plants")).to_be_visible()
    expect(page.get_by_role("definition").filter(has_text="60 images")).to_be_visible()


def test_a_published_set_is_named_with_its_licence_and_downloaded(page: Page, shown: Shown, tmp_path: Path) -> None:
    page.goto(f"{shown.api.origin}/data")
    page.get_by_role("radio", name="a published set").check()
    page.get_by_role("combobox", name="Published set").select_option("cifar10")
    about = page.get_by_text("are downloaded and checked")
    expect(about).to_contain_text("Licence: ")
    page.get_by_role("button", name="Import").click()
    with pytest.MonkeyPatch.context() as patch, publishing_cifar10(tmp_path, patch) as publisher:
        do_the_import(page, shown, mirror=publisher.address)
        assert publisher.asked == [(CIFAR, None)]
    expect(page.get_by_role("heading", level=1, name="CIFAR-10")).to_be_visible()
    expect(page.get_by_role("definition").filter(has_text="220 images")).to_be_visible()


def test_a_set_goes_only_when_no_job_needs_it_and_says_so_afterwards(
    page: Page, shown: Shown, complaints: Complaints
) -> None:
    set_id = shown.address.rsplit("/", 1)[1]
    folders = set((shown.api.settings.data_folder / "datasets").iterdir())
    asked = {"kind": "pretrain", "dataset_id": set_id, "name": "Waiting one", "config": {}}
    job = shown.api.client.post("/api/jobs", json=asked).json()
    page.get_by_role("button", name="Delete …").click()
    dialog = page.get_by_role("dialog", name="Delete Textures?")
    expect(dialog.get_by_role("link", name="Waiting one")).to_be_visible()
    assert grave_violations(page) == []
    expect(dialog.get_by_role("button", name=re.compile("^Delete"))).to_have_count(0)
    dialog.get_by_role("button", name="Keep them").click()
    shown.api.client.post(f"/api/jobs/{job['id']}/cancel")
    page.get_by_role("button", name="Delete …").click()
    expect(dialog).to_contain_text("1 ended job made with them stays")
    dialog.get_by_role("button", name=f"Delete {N:,} images").click()
    expect(page).to_have_url(re.compile("/data$"))
    expect(page.get_by_role("link", name="Textures")).to_have_count(0)
    complaints.expected = {410}
    page.goto(shown.address)
    expect(page.get_by_text("The images of Textures were deleted")).to_be_visible()
    assert len(folders - set((shown.api.settings.data_folder / "datasets").iterdir())) == 1
