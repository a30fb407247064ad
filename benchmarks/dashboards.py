"""The Results page over two thousand results: how soon it stands, and how soon it follows what is filtered, sorted and grouped.

A real API on a catalogue of 2,000 whole rows. Measured in headless Chromium where there is one and the pages are built: from
the event to the end of the frame that shows the outcome, and in processor time of the page's thread, which a busy machine
leaves alone. The list is also measured over HTTP, from an API that was just started and has answered it to nobody. Client,
server and browser share the cores.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from benchmarks.load_goals import Reached, Title, percentile
from benchmarks.load_lab import LoadLab, running, until_quiet
from benchmarks.many_results import N, add_results
from benchmarks.studio import browser_path

STARTS, VISITS, ROUNDS = 3, 5, 6
FIRST_MS, PAINT_MS, FILTER_MS = 100.0, 1000.0, 100.0
SETTLE_MS = 250  # until what a change leaves for later has been done, so that it is not counted with the next
ARRIVAL = """async () => {
  const has = (selector, more) => document.querySelectorAll(selector).length > more;
  while (!has('table input[type=checkbox]', 0) || !has('figure svg', 1)) await new Promise(requestAnimationFrame);
  return performance.now();
}"""

# In this order: each begins where the one before has ended. [what it is called, how the control is found, its new value].
STEPS: tuple[tuple[str, str, str | None], ...] = (
    ("search: to a handful", "input[type=search]", "probe recipe 3 10 % seed 1 images 2"),
    ("show all, from a handful", "button:Show all", None),
    ("search: to most", "input[type=search]", "fine"),
    ("search: nothing fits", "input[type=search]", "nothing of this name"),
    ("show all, from nothing", "button:Show all", None),
    ("one image set", "select:Image set", "Images 2"),
    ("all image sets", "select:Image set", "all"),
    ("one strategy", "check:Linear probe", None),
    ("two strategies", "check:k-NN", None),
    ("show all, from two strategies", "button:Show all", None),
    ("another figure", "select:Figure", "ROC-AUC"),
    ("the first figure", "select:Figure", "Accuracy"),
    ("validation", "select:Split", "validation, chosen on"),
    ("test", "select:Split", "test, read once"),
    ("grouped by encoder", "select:Grouped by", "encoder"),
    ("not grouped", "select:Grouped by", "nothing"),
    ("sorted by time", "button:Time", None),
    ("the next page of the list", "button:Further", None),
)

# Makes a change as a person would; gives the milliseconds to the end of the frame that shows it.
CHANGE = """async ([control, value]) => {
  const labelled = (text) => [...document.querySelectorAll('label')].find(
    (label) => label.querySelector('span')?.textContent.trim() === text);
  const [kind, name] = control.split(':');
  const find = {
    button: () => [...document.querySelectorAll('button')].find((each) => each.textContent.trim().startsWith(name)),
    check: () => labelled(name)?.querySelector('input'),
    select: () => labelled(name)?.querySelector('select'),
  }[kind] ?? (() => document.querySelector(control));
  const element = find();
  if (!element) throw new Error(`there is no ${control} on the page`);
  const state = () => [...document.querySelectorAll('main, main td, main [role=status]')].map(
    (each) => each.localName === 'main' ? location.search : each.textContent).join('|');
  const before = state();
  const began = performance.now();
  if (kind === 'select') {
    element.value = [...element.options].find((option) => option.textContent.trim() === value).value;
    element.dispatchEvent(new Event('change', { bubbles: true }));
  } else if (value !== null) {
    element.value = value;
    element.dispatchEvent(new Event('input', { bubbles: true }));
  } else element.click();
  await new Promise(requestAnimationFrame);
  // What comes after a frame's callbacks: style, layout and paint, and only then a message.
  await new Promise((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = resolve;
    channel.port2.postMessage(null);
  });
  const took = performance.now() - began;
  if (state() === before) throw new Error(`${control} has changed nothing`);
  await new Promise((resolve) => setTimeout(resolve, SETTLE));
  return took;
}""".replace("SETTLE", str(SETTLE_MS))


def rows(_turns: int) -> Iterator[Reached | Title]:
    """The list over HTTP, the page's first paint, then every change."""
    with running() as lab:
        add_results(lab)
        yield Title(f"the list of {N:,} results over HTTP")
        first, later = lists(lab)
        more = {"min": min(first), "max": max(first), "starts": float(len(first))}
        yield Reached("the first of an API that was just started, median", "ms", percentile(first, 0.5), None, more)
        yield Reached("the same, the longest", "ms", max(first), FIRST_MS)
        yield Reached("again, unchanged, median", "ms", percentile(later, 0.5))
        if browser_path() is None:
            yield Title("the page was not measured: there is no browser here, or the pages are not built")
            return
        yield Title(f"the Results page over {N:,} results, in headless Chromium without a GPU")
        painted, took, worked = in_browser(lab)
        more = {"median": percentile(painted, 0.5), "visits": float(len(painted))}
        yield Reached("from address to list and charts, the longest", "ms", max(painted), PAINT_MS, more)
        for what, times in took.items():
            more = {"median": percentile(times, 0.5), "max": max(times), "rounds": float(len(times))}
            yield Reached(f"{what}: processor time of the page, median", "ms", percentile(worked[what], 0.5))
            yield Reached(f"{what}: to the frame that shows it, median", "ms", more["median"], FILTER_MS, more)


def lists(lab: LoadLab) -> tuple[list[float], list[float]]:
    """Milliseconds for the first list of some new API processes, and for later ones."""
    first, later = [], []
    for _ in range(STARTS):
        lab.api.stop()
        lab.api.start()
        lab.until_served()
        until_quiet(lab)
        lab.http.get("/api/session")
        for number in range(6):
            began = time.perf_counter()
            lab.http.get("/api/results").raise_for_status()
            (first if number == 0 else later).append(1000 * (time.perf_counter() - began))
    return first, later


Times = dict[str, list[float]]


def in_browser(lab: LoadLab) -> tuple[list[float], Times, Times]:
    """Milliseconds of some first paints, of every change by its name, and of the processor that the page's thread used for it."""
    from playwright.sync_api import sync_playwright

    painted: list[float] = []
    took: defaultdict[str, list[float]] = defaultdict(list)
    worked: defaultdict[str, list[float]] = defaultdict(list)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(browser_path()), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{lab.address}/#token={lab.settings.access_token}")
        page.get_by_role("navigation", name="Pages").wait_for()
        meter = page.context.new_cdp_session(page)
        meter.send("Performance.enable", {"timeDomain": "threadTicks"})
        for _ in range(VISITS):
            painted.append(_visit(page, f"{lab.address}/results"))
        for round_ in range(ROUNDS + 1):
            _visit(page, f"{lab.address}/results")
            page.wait_for_load_state("networkidle")
            for what, control, value in STEPS:
                before_ms = _worked(meter)
                frame_ms = page.evaluate(CHANGE, [control, value])
                if round_ > 0:  # the first only makes the browser compile the page
                    took[what].append(frame_ms)
                    worked[what].append(_worked(meter) - before_ms)
        browser.close()
    return painted, dict(took), dict(worked)


def _worked(meter: Any) -> float:
    """Milliseconds of processor time of the page's thread so far."""
    metrics = meter.send("Performance.getMetrics")["metrics"]
    return float(next(1000 * metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))


def _visit(page: Any, address: str) -> float:
    """Milliseconds from going to ``address`` until list and charts are there, as the page's own clock has it."""
    page.goto(address, wait_until="commit")
    return float(page.evaluate(ARRIVAL))
