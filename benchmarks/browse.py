"""The grid of a set of 60,000 images under a wheel that turns: frames, long tasks, and how soon a tile of thumbnails is there.

Frames are measured in headless Chromium where there is one and the pages are built; it draws without a GPU, and shares the cores
with the server. Tiles are measured over HTTP, one after the other, each asked for once.
"""

import time
from collections.abc import Iterator

import numpy as np

from benchmarks.load_goals import Reached, Title, percentile
from benchmarks.load_lab import LoadLab, running
from benchmarks.sets import put_set
from benchmarks.studio import browser_path
from simclr.datasets import Dataset

N, SIZE_PX, CLASSES = 60_000, 32, 10
PER_TILE = 200
FRAMES = 300
# As fast as a wheel turns, and as a hand that pulls the bar.
SPEEDS_PX = {"60 px a frame, a turning wheel": 60, "600 px a frame, a pulled bar": 600}
FRAME_MS, TILE_MS = 1000 / 60, 50.0

# Scrolls on at every frame; gives the milliseconds from frame to frame and of every long task, and those of every tile.
SCROLL = """async ([step, frames]) => {
  const grid = document.querySelector('[role=grid]');
  const tasks = [];
  const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map((task) => task.duration)));
  observer.observe({ type: 'longtask' });
  const gaps = [];
  await new Promise(requestAnimationFrame);
  let last = performance.now();
  for (let i = 0; i < frames; i += 1) {
    grid.scrollTop += step;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
  observer.disconnect();
  return [gaps, tasks];
}"""


def rows(_turns: int) -> Iterator[Reached | Title]:
    """Tiles over HTTP, then the page at two speeds."""
    with running() as lab:
        dataset_id = add_set(lab)
        yield Title(f"{PER_TILE} thumbnails of a set of {N:,} images of {SIZE_PX} px, over HTTP, each tile once")
        took = tiles(lab, dataset_id)
        more = {"median": percentile(took, 0.5), "max": max(took), "tiles": float(len(took))}
        yield Reached("a tile, p95", "ms", percentile(took, 0.95), TILE_MS, more)
        if browser_path() is None:
            yield Title("scrolling was not measured: there is no browser here, or the pages are not built")
            return
        for name, step in SPEEDS_PX.items():
            yield Title(f"scrolling {FRAMES} frames by {name}, in headless Chromium without a GPU")
            gaps, tasks = scroll(lab, dataset_id, step)
            more = {"p95": percentile(gaps, 0.95), "p99": percentile(gaps, 0.99), "max": max(gaps)}
            yield Reached("from frame to frame, median", "ms", percentile(gaps, 0.5), None, more)
            yield Reached("from frame to frame, p95", "ms", percentile(gaps, 0.95), 2 * FRAME_MS)
            yield Reached(
                "tasks longer than 50 ms", "tasks", float(len(tasks)), 0.0, {"longest": max(tasks, default=0.0)}
            )


def add_set(lab: LoadLab) -> str:
    """Coloured noise in ten classes; the id of the set."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (N, 3, SIZE_PX, SIZE_PX), dtype=np.uint8)
    splits = np.repeat(np.arange(3, dtype=np.uint8), [45_000, 5_000, 10_000])
    names = tuple(f"class {i}" for i in range(CLASSES))
    dataset = Dataset(images, np.arange(N) % CLASSES, splits, names, "made for a benchmark")
    return put_set(lab.catalogue, lab.settings.data_folder, dataset, "noise")


def tiles(lab: LoadLab, dataset_id: str) -> list[float]:
    """Milliseconds for every tile of the set, and for those of a class."""
    took = []
    for query, count in (("", N // PER_TILE), ("?class_index=3", N // CLASSES // PER_TILE)):
        for number in range(count):
            began = time.perf_counter()
            lab.http.get(f"/api/datasets/{dataset_id}/tiles/{number}{query}").raise_for_status()
            took.append(1000 * (time.perf_counter() - began))
    return took


def scroll(lab: LoadLab, dataset_id: str, step: int) -> tuple[list[float], list[float]]:
    """Milliseconds from frame to frame and of every long task, in a browser that has none of the tiles yet."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(browser_path()), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        # The report would be made meanwhile, on one of the cores.
        page.route("**/report", lambda route: route.abort())
        page.goto(f"{lab.address}/#token={lab.settings.access_token}")
        page.get_by_role("navigation", name="Pages").wait_for()
        page.goto(f"{lab.address}/data/{dataset_id}")
        page.get_by_role("gridcell", name="Image 0,").first.wait_for()
        page.wait_for_load_state("networkidle")
        gaps, tasks = page.evaluate(SCROLL, [step, FRAMES])
        browser.close()
    return gaps, tasks
