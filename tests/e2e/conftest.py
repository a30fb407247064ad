"""A real lab and a real browser: the page is driven as a person would, and whatever its console complains of is an error."""

import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from backend.settings import Settings
from tests.backend.api.process import Api
from tests.backend.api.process import started as started_api
from tests.backend.lab.conftest import READY, Started, processes_of
from tests.backend.lab.deadline import eventually
from tests.e2e import chromium
from tests.e2e.images import write_queries
from tests.tables import lay_tables

Keep = Callable[[Page, str], None]
WIDE = {"width": 1280, "height": 800}
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A camera that shows a moving pattern, and nobody who has to allow it.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
IN_SIGHT_ARE_LOADED = """() => [...document.images].every(
  (image) => image.complete || image.getBoundingClientRect().top > innerHeight)"""
# Milliseconds: that others keep the machine busy is no fault of the page.
expect.set_options(timeout=30_000)


@dataclass(frozen=True)
class Lab:
    """A running lab, the link it printed, its data folder and its launcher's process."""

    address: str
    token: str
    data: str
    launcher: int

    @property
    def link(self) -> str:
        return f"{self.address}/#token={self.token}"


@dataclass
class Complaints:
    """What browsers wrote as errors into their consoles; answers with an ``expected`` status are none."""

    heard: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)

    def watch(self, page: Page) -> None:
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.heard.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        refused = re.search(r"responded with a status of (\d+)", message.text)
        if message.type == "error" and not (refused and int(refused[1]) in self.expected):
            self.heard.append(f"{message.text} ({message.location.get('url')})")


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab that all files share which need one, each with images of its own."""
    with up(tmp_path_factory.mktemp("lab") / "data") as started:
        yield started


@pytest.fixture(scope="package")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The API of a lab without workers, which all files share whose sets and results are there already, each with its own.

    It offers the folders in ``server`` beside its data.
    """
    folder = tmp_path_factory.mktemp("without-workers")
    settings = Settings(data=folder / "data")
    lay_tables(settings)
    (folder / "server").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIMCLR_LAB_FOLDERS", str(folder / "server"))
        with started_api(settings.data_folder) as started:
            yield started


@contextmanager
def up(data: Path, **settings: str) -> Iterator[Lab]:
    """``simclr-lab up`` on a free port; nothing of it is left afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SIMCLR_LAB_")}
    own = {"SIMCLR_LAB_DATA": str(data), "SIMCLR_LAB_PORT": str(port), "TERM": "dumb"}
    started = Started("up", environ=inherited | own | settings)
    try:
        started.until(READY)
        found = re.search(r"(http://\S+)/#token=(\S+)", started.printed)
        assert found, started.printed
        yield Lab(found[1], found[2], str(data), started.process.pid)
    finally:
        if started.process.poll() is None:
            started.stop(signal.SIGTERM)
        eventually(lambda: not processes_of(str(data)), within_s=10)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium without a window; the one that ``make test`` found, or one on PATH."""
    executable = os.environ.get("SIMCLR_LAB_TEST_CHROMIUM") or chromium.on_path()
    if not executable:
        pytest.skip("there is no Chromium on PATH: 'make test' installs one")
    # Of the package, not the session: while it runs, no test of this process can start an event loop of its own.
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(executable), args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def complaints_of_module() -> Complaints:
    return Complaints()


@pytest.fixture(autouse=True)
def complaints(complaints_of_module: Complaints) -> Iterator[Complaints]:
    """After every test: no script failed, nothing was blocked by the content security policy, nothing was missing."""
    yield complaints_of_module
    heard, complaints_of_module.heard = complaints_of_module.heard, []
    complaints_of_module.expected = set()
    assert heard == []


@pytest.fixture
def stranger(browser: Browser, complaints: Complaints) -> Iterator[Page]:
    """A page of a browser that was never here."""
    context = browser.new_context(viewport=WIDE)
    yield watched(context, complaints)
    context.close()


@pytest.fixture(scope="module")
def page(browser: Browser, lab: Lab, complaints_of_module: Complaints) -> Iterator[Page]:
    """The page of somebody who opened the printed link; one for all tests of a file, as one person has it."""
    with visiting(browser, lab, complaints_of_module) as visitor:
        yield visitor


@contextmanager
def visiting(browser: Browser, lab: Lab, complaints: Complaints) -> Iterator[Page]:
    """A page of a browser of its own, signed in by the printed link."""
    context = browser.new_context(viewport=WIDE)
    page = watched(context, complaints)
    page.goto(lab.link)
    page.get_by_role("navigation", name="Pages").wait_for()
    yield page
    context.close()


def watched(context: BrowserContext, complaints: Complaints) -> Page:
    page = context.new_page()
    page.set_default_timeout(20_000)
    complaints.watch(page)
    return page


@pytest.fixture(scope="module")
def queries(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    return write_queries(tmp_path_factory.mktemp("queries") / "files")


@pytest.fixture(scope="session")
def keep_picture() -> Keep:
    """Writes the page as a picture into the folder ``SIMCLR_LAB_SCREENSHOTS``, when there is one."""
    folder = os.environ.get("SIMCLR_LAB_SCREENSHOTS")

    def keep(page: Page, name: str) -> None:
        if folder:
            page.wait_for_function(IN_SIGHT_ARE_LOADED)
            page.screenshot(path=Path(folder) / f"{name}.png")

    return keep
