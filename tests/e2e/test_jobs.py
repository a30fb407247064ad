"""What becomes of jobs, as somebody sees it who pauses, cancels and continues them, and whose worker dies.

Every station is a fixture that walks there through the pages, so that a test can also be run alone.
"""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.backend.lab.conftest import process_of
from tests.backend.lab.deadline import eventually
from tests.e2e.conftest import Keep, Lab

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

WAIT_MS = 60_000  # for what takes seconds on a quiet machine
LONG, SHORT, PLAIN = "Long one", "Pressing one", "Patient one"
SAVED = r"epoch \d+ \(step \d+\)"
WENT_ON = re.compile(rf"^The job goes on from {SAVED}\.$")


@pytest.fixture(scope="module")
def train_page(page: Page, lab: Lab) -> str:
    """The address of the form for a small network on the built-in digits."""
    page.goto(f"{lab.address}/data")
    page.get_by_role("button", name="Add digits").click()
    expect(page.get_by_role("heading", level=1, name="Digits")).to_be_visible(timeout=WAIT_MS)
    return f"{lab.address}/train?dataset={page.url.rsplit('/', 1)[1]}&encoder.width=8&batch_size=64"


def start(page: Page, form: str, name: str) -> str:
    """Submit a pretraining as the form at that address has it; the address of its job."""
    page.goto(form)
    page.get_by_label("Name, if you like").fill(name)
    page.get_by_role("button", name="Start pretraining").click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
    return page.url


def badge(page: Page, state: str) -> Locator:
    return page.get_by_role("main").get_by_text(re.compile(rf"^\W*{state}$")).first


def expect_log(page: Page, text: re.Pattern[str]) -> None:
    expect(page.get_by_role("log").get_by_text(text).last).to_be_visible(timeout=WAIT_MS)


@pytest.fixture(scope="module")
def long_job(page: Page, train_page: str) -> str:
    """The address of a job that runs until it is stopped, sent by Ada."""
    page.goto(f"{train_page}&epochs=900")
    estimate = page.get_by_label("Estimate")
    expect(estimate).to_contain_text("18,000")
    expect(estimate).to_contain_text("none, it starts at once", timeout=WAIT_MS)
    page.get_by_text("Who and when").click()
    page.get_by_label("Your name").fill("Ada")
    address = start(page, page.url, LONG)
    expect(page.get_by_text(re.compile(r"^epoch \d+ of 900$"))).to_be_visible(timeout=WAIT_MS)
    return address


@pytest.fixture(scope="module")
def queue(page: Page, train_page: str, long_job: str) -> str:
    """The address of the list of jobs, with one that runs and two that wait."""
    start(page, f"{train_page}&epochs=3", PLAIN)
    start(page, f"{train_page}&epochs=2&priority=high", SHORT)
    return long_job.rsplit("/", 1)[0]


@pytest.fixture(scope="module")
def cancelled(page: Page, long_job: str) -> str:
    """The address of the long job, cancelled."""
    page.goto(long_job)
    page.get_by_role("button", name="Cancel job").press("Enter")
    expect(page.get_by_text("The job was cancelled.").first).to_be_visible(timeout=WAIT_MS)
    return long_job


def test_a_job_is_paused_and_goes_on_where_it_was_by_keyboard_alone(page: Page, long_job: str) -> None:
    page.goto(long_job)
    page.get_by_role("button", name="Pause").press("Enter")
    expect(badge(page, "paused")).to_be_visible(timeout=WAIT_MS)
    expect_log(page, re.compile(rf"paused.*goes on from {SAVED} when you resume it", re.IGNORECASE))
    resume = page.get_by_role("button", name="Resume")
    expect(resume).to_be_focused()  # the key that paused it resumes it
    assert resume.evaluate("button => getComputedStyle(button).outlineStyle") == "solid"
    resume.press("Enter")
    expect_log(page, WENT_ON)
    expect(badge(page, "running")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^So far \d+ s"))).to_be_visible()
    expect(page.get_by_text(re.compile("^On cpu"))).to_be_visible()


def names_in(page: Page, section: str) -> Locator:
    """Links to the jobs of a section of the list, in its order."""
    return page.get_by_role("region", name=re.compile(f"^{section}")).locator("li > :first-child > a")


def test_the_list_has_what_runs_first_then_who_waits_in_turn(page: Page, queue: str, keep_picture: Keep) -> None:
    page.goto(queue)
    expect(names_in(page, "Running")).to_have_text([LONG])
    expect(names_in(page, "Waiting")).to_have_text([SHORT, PLAIN])
    waiting = page.get_by_role("region", name=re.compile("^Waiting")).get_by_role("listitem")
    expect(waiting.first).to_contain_text("by Ada, high priority")
    expect(waiting.first).to_contain_text("1st in line")
    expect(page.get_by_role("region", name=re.compile("^Workers"))).to_contain_text(f"runs {LONG}")
    keep_picture(page, "jobs")


@contextmanager
def without_worker(lab: Lab) -> Iterator[None]:
    """The worker has left, and nobody starts another: the launcher is held still meanwhile."""
    worker = process_of(lab.data, "worker.app")
    assert worker
    os.kill(lab.launcher, signal.SIGSTOP)
    try:
        os.kill(worker, signal.SIGTERM)
        yield
    finally:
        os.kill(lab.launcher, signal.SIGCONT)
    eventually(lambda: process_of(lab.data, "worker.app") not in (None, worker), within_s=60)


def test_a_worker_that_is_gone_is_said_and_its_jobs_wait_for_the_next(page: Page, lab: Lab, queue: str) -> None:
    page.goto(queue)
    banner = page.get_by_role("alert").filter(has_text="No worker is running")
    with without_worker(lab):
        expect(banner).to_be_visible(timeout=WAIT_MS)
        expect(names_in(page, "Waiting")).to_have_text([SHORT, LONG, PLAIN])
        expect(page.get_by_text("waits for a worker")).to_have_count(3)
    expect(banner).to_have_count(0, timeout=WAIT_MS)
    expect(names_in(page, "Running")).to_have_text([LONG], timeout=WAIT_MS)
    expect(names_in(page, "Ended").first).to_have_text(SHORT)
    page.get_by_role("link", name=LONG).first.click()
    expect_log(page, re.compile(rf"^The lab was stopped; the job goes on from {SAVED} when it is back\.$"))
    expect_log(page, WENT_ON)


def test_a_cancelled_job_is_known_so_on_every_page_and_tried_again_from_where_it_was(
    page: Page, cancelled: str
) -> None:
    page.goto(cancelled)
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel job")).to_have_count(0)
    page.get_by_role("button", name=re.compile("^Jobs:")).click()
    drawer = page.get_by_role("dialog", name="Jobs")
    expect(drawer.get_by_role("link", name=LONG).locator("..")).to_contain_text("cancelled")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Try again").press("Enter")
    expect(page).not_to_have_url(cancelled)
    expect(page.get_by_text(re.compile("^Goes on where"))).to_contain_text(LONG)
    expect_log(page, WENT_ON)
    page.get_by_role("button", name="Cancel job").press("Enter")
    expect(badge(page, "cancelled")).to_be_visible(timeout=WAIT_MS)


def test_a_pretraining_that_ended_is_given_more_epochs(page: Page, queue: str, cancelled: str) -> None:
    page.goto(queue)
    page.get_by_role("link", name=SHORT).first.click()
    ended = page.url
    result = page.get_by_role("region", name="Result")
    expect(result).to_contain_text("40 steps", timeout=WAIT_MS)
    page.get_by_label("More epochs, in all").fill("3")
    page.keyboard.press("Enter")
    expect(page).not_to_have_url(ended)
    expect(page.get_by_text("Goes on where")).to_be_visible()
    expect(result).to_contain_text("60 steps", timeout=WAIT_MS)
    expect_log(page, re.compile(r"^The job goes on from epoch 2 \(step 40\)\.$"))
    page.get_by_role("link", name="Copy and edit").click()
    expect(page.get_by_label("Epochs", exact=True)).to_have_value("3")
