"""The whole way as a person goes it: bring images, look at views, pretrain, measure, compare, search.

Every station is a fixture that walks there through the pages, so that a test can also be run alone.
"""

import base64
import re
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import pytest
from playwright.sync_api import JSHandle, Locator, Page, expect

from tests.e2e.accessibility import grave_violations, out_of_reach
from tests.e2e.conftest import Complaints, Lab

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

EPOCHS = 24
TRAINING_MS = 150_000
K = 12
Keep = Callable[[Page, str], None]

# Files reach a page by drop and by paste in the same wrapping, which only a script can make.
TRANSFER = """async ([name, text]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: 'image/png' }));
  return transfer;
}"""
PASTE = """(files) => document.body.dispatchEvent(
  new ClipboardEvent('paste', { clipboardData: files, bubbles: true, cancelable: true }))"""


def bar(page: Page, name: str) -> None:
    """Go to a page by the bar."""
    page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


@pytest.fixture(scope="module")
def imported(page: Page, lab: Lab, archive: Path) -> str:
    """The address of the page of an image set that was uploaded."""
    bar(page, "Data")
    page.get_by_label("Archive").set_input_files(archive)
    page.get_by_label("Image size").select_option("28 × 28 px")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("heading", level=1, name="handwriting")).to_be_visible(timeout=60_000)
    return page.url


@pytest.fixture
def set_page(page: Page, imported: str) -> Page:
    page.goto(imported)
    return page


def choose_recipe(page: Page, epochs: int) -> None:
    """From the page of the set through views that suit digits to a recipe for a small network."""
    page.get_by_role("link", name="Preview views").click()
    page.get_by_label("Crop scale min").fill("0.4")
    page.get_by_label("Flip", exact=True).fill("0")  # a mirrored digit is another one, or none
    page.get_by_role("link", name="Pretrain with these views").click()
    page.get_by_label("Epochs", exact=True).fill(str(epochs))
    page.get_by_label("Batch size", exact=True).fill("128")
    page.get_by_text("Encoder", exact=True).click()
    page.get_by_label("Width", exact=True).fill("16")


@pytest.fixture(scope="module")
def training(page: Page, imported: str) -> str:
    """The address of a pretraining that was started and has not been waited for."""
    page.goto(imported)
    choose_recipe(page, EPOCHS)
    page.get_by_role("button", name="Start pretraining").click()
    expect(page.get_by_role("button", name="Cancel job")).to_be_visible()
    return page.url


@pytest.fixture(scope="module")
def trained(page: Page, training: str) -> str:
    """The address of a pretraining that has ended."""
    page.goto(training)
    expect(page.get_by_role("region", name="Result")).to_be_visible(timeout=TRAINING_MS)
    return training


@pytest.fixture(scope="module")
def measured(page: Page, trained: str) -> str:
    """The address of the results page after k-NN and linear probe of the trained encoder, its twin and the pixels."""
    page.goto(trained)
    page.get_by_role("link", name="Evaluate").click()
    expect(page.get_by_role("checkbox", name=re.compile("pretrained"))).to_be_checked()
    page.get_by_role("button", name="Add untrained twin").click()
    expect(page.get_by_role("checkbox", name=re.compile("untrained"))).to_be_checked()
    page.get_by_role("button", name="Add raw pixels").click()
    page.get_by_role("button", name="Start 6 jobs").click()
    expect(page.get_by_text("6 of 6 transfers done")).to_be_visible(timeout=TRAINING_MS)
    page.get_by_role("link", name="Dashboards").click()
    expect(page.get_by_role("heading", name="All of them")).to_be_visible()
    return page.url


@pytest.fixture(scope="module")
def embedded(page: Page, trained: str) -> str:
    """The address of a search page whose encoder has embedded the set."""
    page.goto(trained)
    page.get_by_role("link", name="Embed & search").click()
    page.get_by_role("button", name="Embed", exact=True).click()
    expect(page.get_by_text("Choose a query: the nearest images appear here.")).to_be_visible(timeout=TRAINING_MS)
    return page.url


@pytest.fixture
def search(page: Page, embedded: str) -> Page:
    page.goto(embedded)
    expect(page.get_by_role("heading", name="Query")).to_be_visible()
    return page


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


def test_a_slider_changes_the_pairs_at_once_and_the_same_seed_brings_the_old_ones_back(set_page: Page) -> None:
    set_page.get_by_role("link", name="Preview views").click()
    views = set_page.get_by_role("img", name=re.compile("First view"))
    expect(views).to_have_count(6)
    before = digests(views)
    set_page.get_by_label("Crop scale min").fill("0.9")
    gentle = changed_from(views, before)
    set_page.get_by_role("button", name="New seed").click()
    assert changed_from(views, gentle) != before
    set_page.get_by_role("button", name="Back to 0.2 for Crop scale min").click()
    set_page.get_by_label("Seed").fill("0")
    set_page.keyboard.press("Enter")
    expect(views.first).to_have_attribute("data-digest", before[0])
    assert digests(views) == before
    # What is seen stands in the address: a colleague who gets the link sees the same pairs.
    set_page.get_by_label("Crop scale min").fill("0.9")
    expect(views.first).to_have_attribute("data-digest", gentle[0])
    expect(set_page).to_have_url(re.compile(r"crop_scale_min=0\.9"))
    set_page.reload()
    expect(views.first).to_have_attribute("data-digest", gentle[0])


def digests(views: Locator) -> list[str]:
    return [str(view.get_attribute("data-digest")) for view in views.all()]


def changed_from(views: Locator, old: list[str]) -> list[str]:
    expect(views.first).not_to_have_attribute("data-digest", old[0])
    return digests(views)


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


def listed(page: Page) -> Locator:
    """The rows of the list of all results, and its head."""
    return page.get_by_role("region", name="All of them").get_by_role("row")


def interval_of(page: Page, origin: str, strategy: str) -> tuple[float, float]:
    """The 95 % interval of the accuracy on test images, in percent, as the table says it."""
    row = listed(page)
    for name in (origin, strategy):
        row = row.filter(has=page.get_by_text(name, exact=True))
    found = re.search(r"\((\d+(?:\.\d+)?)–(\d+(?:\.\d+)?)\)", row.inner_text())
    assert found, row.inner_text()
    return float(found[1]), float(found[2])


def choose(page: Page, file: Path) -> None:
    page.get_by_label("Photo", exact=True).set_input_files(file)


def drop(page: Page, file: Path) -> None:
    page.dispatch_event("main", "drop", {"dataTransfer": wrapped(page, file)})


def paste(page: Page, file: Path) -> None:
    page.evaluate(PASTE, wrapped(page, file))


def wrapped(page: Page, file: Path) -> JSHandle:
    return page.evaluate_handle(TRANSFER, [file.name, base64.b64encode(file.read_bytes()).decode()])


def test_images_the_lab_has_never_seen_find_their_own_class_whether_chosen_dropped_or_pasted(
    search: Page, queries: dict[Path, str], keep_picture: Keep
) -> None:
    agreeing = []
    for (file, label), bring in zip(queries.items(), cycle((choose, drop, paste)), strict=False):
        bring(search, file)
        expect(search.get_by_role("img", name=f"The query: {file.name}")).to_be_visible()
        expect(search.get_by_text("The query has no label to compare theirs with.")).to_be_visible()
        expect(search.locator("[aria-busy=true]")).to_have_count(0)
        names = classes_of_hits(search)
        agreeing.append(names.count(label) / len(names))
    keep_picture(search, "search-upload")
    # By chance a tenth agree; this encoder comes to 0.9.
    assert sum(agreeing) / len(agreeing) > 0.6


def classes_of_hits(page: Page) -> list[str]:
    hits = page.get_by_role("button", name=re.compile("^Search with image"))
    expect(hits).to_have_count(K)
    names = [str(hit.get_attribute("aria-label")) for hit in hits.all()]
    return [name.split(", ")[1] for name in names]


def test_a_hit_becomes_the_query_and_the_same_file_can_be_chosen_again(
    search: Page, queries: dict[Path, str], keep_picture: Keep
) -> None:
    file = next(iter(queries))
    choose(search, file)
    uploaded = search.get_by_role("img", name=f"The query: {file.name}")
    expect(uploaded).to_be_visible()
    search.get_by_role("button", name=re.compile("^Search with image")).first.click()
    expect(search.get_by_text(re.compile(rf"precision@{K}\s+\d+ % · by chance \d"))).to_be_visible()
    expect(uploaded).to_have_count(0)
    keep_picture(search, "search")
    choose(search, file)
    expect(uploaded).to_be_visible()


def test_hits_become_part_of_the_query_and_are_of_one_split(search: Page) -> None:
    search.get_by_role("button", name=re.compile("^Image ")).first.click()
    hits = search.get_by_role("button", name=re.compile("^Search with image"))
    expect(hits).to_have_count(K)
    search.get_by_label("Split").select_option("train")
    expect(search.get_by_role("list").get_by_text("train", exact=True)).to_have_count(K)
    like, unlike = (re.search(r"\d+", str(hits.nth(n).get_attribute("aria-label"))) for n in (0, 1))
    assert like
    assert unlike
    search.get_by_role("button", name=f"Also like image {like[0]}", exact=True).click()
    search.get_by_role("button", name=f"Unlike image {unlike[0]}", exact=True).click()
    expect(search).to_have_url(re.compile(rf"also={like[0]}&unlike={unlike[0]}"))
    expect(
        search.get_by_role("button", name=re.compile(rf"^Search with image ({like[0]}|{unlike[0]}),"))
    ).to_have_count(0)
    search.get_by_role("button", name=f"Take image {unlike[0]} out of the query").click()
    expect(search).not_to_have_url(re.compile("unlike="))


def test_neighbours_are_judged_on_the_whole_set_and_a_hub_becomes_the_query(search: Page, keep_picture: Keep) -> None:
    search.get_by_role("button", name="Measure").click()
    search.get_by_role("button", name="Count", exact=True).click()
    shares = search.get_by_role("list", name="How often neighbours share the class")
    expect(shares.get_by_role("listitem")).to_have_count(4, timeout=60_000)
    said = re.search(r"precision@10\s+(\d+)", shares.inner_text())
    assert said
    # By chance a tenth share the class; under this encoder some 0.9 do.
    assert int(said[1]) > 60
    hub = search.get_by_role("button", name=re.compile(r"^Search with image \d+, found by")).first
    expect(hub).to_be_visible(timeout=60_000)
    keep_picture(search, "search-whole-set")
    index = re.search(r"image (\d+)", str(hub.get_attribute("aria-label")))
    hub.click()
    assert index
    expect(search.get_by_role("img", name=f"The query: image {index[1]}", exact=True)).to_be_visible()


def test_what_is_no_image_is_refused_in_place(search: Page, complaints: Complaints, tmp_path: Path) -> None:
    complaints.expected = {422}
    pretender = tmp_path / "pretender.png"
    pretender.write_bytes(b"this is no image")
    choose(search, pretender)
    expect(search.get_by_role("alert")).to_contain_text("image")


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
