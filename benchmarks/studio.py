"""The Views page under a hand that moves: from a slider's event to new views, and ten people who look at once.

Measured in headless Chromium where there is one and the pages are built: from the event to the next frame after all new views
have been drawn. Elsewhere over HTTP, from question to answer; the titles say which. Client, server and browser share the cores.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from backend.api.tiles import MEDIA_TYPE
from backend.app import PAGES
from benchmarks.load_goals import Reached, Title, percentile
from benchmarks.load_lab import LoadLab, running
from benchmarks.sets import put_set
from simclr.config import AugmentConfig
from simclr.datasets import Dataset
from simclr.datasets.factors import factors
from simclr.policy_parts import PARTS

SIZES_PX = (32, 64, 96)
PAIRS, MOVES, GOAL_MS = 8, 100, 100.0
PEOPLE, TOGETHER_S = 10, 8.0
# Policies by name, each with the slider that is moved: nearly every view changes with every move.
POLICIES: dict[str, tuple[dict[str, float], str, str]] = {
    "the default policy and blur": ({"blur_p": 0.5}, "crop_scale_min", "Crop scale min"),
    "every operation on": (
        {"rotation_p": 0.5, "rotation_max": 30.0, "blur_p": 0.5, "solarise_p": 0.2, "noise_p": 1.0, "erase_p": 0.25},
        "noise_std", "Noise std",
    ),
}  # fmt: skip

# Moves the slider through the values; gives, for each, the milliseconds until the new views stand on the page.
MOVE = """async ([label, values]) => {
  const slider = [...document.querySelectorAll('input[type=range]')].find(
    (input) => document.querySelector(`label[for="${input.id}"]`)?.textContent === label);
  const pairs = document.querySelector('[aria-label="Pairs of views"]');
  const drawn = () => [...pairs.querySelectorAll('canvas')].map((canvas) => canvas.dataset.digest);
  const took = [];
  for (const value of values) {
    const before = drawn();
    const changed = new Promise((resolve) => {
      const observer = new MutationObserver(() => {
        if (drawn().some((digest, i) => digest !== before[i])) { observer.disconnect(); resolve(); }
      });
      observer.observe(pairs, { subtree: true, attributes: true, attributeFilter: ['data-digest'] });
    });
    const began = performance.now();
    slider.value = value;
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    await changed;
    await new Promise(requestAnimationFrame);
    took.push(performance.now() - began);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  return took;
}"""


def rows(_turns: int) -> Iterator[Reached | Title]:
    """Each size once, then ten people at once."""
    with running() as lab:
        sets = {size: add_set(lab, size) for size in SIZES_PX}
        chromium = browser_path()
        how = "over HTTP: no browser here, or no built pages" if chromium is None else "in headless Chromium"
        for policy in POLICIES:
            yield Title(f"a slider's move to new views, {PAIRS} pairs, {policy}, {MOVES} moves, {how}")
            for size, dataset_id in sets.items():
                took = in_browser(lab, dataset_id, policy, chromium) if chromium else over_http(lab, dataset_id, policy)
                more = {"median": percentile(took, 0.5), "max": max(took), "moves": float(len(took))}
                yield Reached(f"{size} px, median", "ms", more["median"])
                yield Reached(f"{size} px, p95", "ms", percentile(took, 0.95), GOAL_MS, more)
        yield Title(f"{PEOPLE} people move sliders at once for {TOGETHER_S:g} s, {PAIRS} pairs at 32 px, over HTTP")
        yield from together(lab, sets[32])


def add_set(lab: LoadLab, size_px: int) -> str:
    """64 colour images of figures, at ``size_px``; the id of the set."""
    drawn = factors(64)
    pixels = functional.interpolate(torch.from_numpy(drawn.images.copy()).float(), size_px, mode="bilinear")
    images = pixels.round().to(torch.uint8).numpy()
    dataset = Dataset(images, drawn.labels, drawn.splits, drawn.classes, "made for a benchmark")
    return put_set(lab.catalogue, lab.settings.data_folder, dataset, f"figures-{size_px}")


def browser_path() -> Path | None:
    """A Chromium that can be driven, where the pages are built too."""
    try:
        import playwright.sync_api  # noqa: F401

        from tests.e2e import chromium
    except ImportError:
        return None
    installed = chromium.INSTALLED / "chromium.sh"
    found = chromium.on_path() or (installed if installed.is_file() and chromium.starts(installed) else None)
    return found if (PAGES / "index.html").is_file() else None


def in_browser(lab: LoadLab, dataset_id: str, policy: str, chromium: Path) -> list[float]:
    """Milliseconds of every move, after some that are not counted."""
    from playwright.sync_api import sync_playwright

    config, _, slider = POLICIES[policy]
    query = "&".join(f"{name}={value}" for name, value in config.items())
    indices = ",".join(map(str, range(PAIRS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{lab.address}/#token={lab.settings.access_token}")
        page.get_by_role("navigation", name="Pages").wait_for()
        page.goto(f"{lab.address}/views?dataset={dataset_id}&images={indices}&{query}")
        page.get_by_role("img", name=f"First view of image {PAIRS - 1}").wait_for()
        values = slider_values(MOVES + 10)
        took: list[float] = page.evaluate(MOVE, [slider, values])
        browser.close()
    return took[10:]


def slider_values(count: int) -> list[str]:
    """Values as a hand would bring them: each other than the one before."""
    return [f"{0.02 + 0.01 * (number % 30):.2f}" for number in range(count)]


def over_http(lab: LoadLab, dataset_id: str, policy: str) -> list[float]:
    """Milliseconds from a preview's question to its answer."""
    took = []
    for value in slider_values(MOVES + 10):
        began = time.perf_counter()
        ask(lab, dataset_id, policy, "one", float(value))
        took.append(1000 * (time.perf_counter() - began))
    return took[10:]


def ask(lab: LoadLab, dataset_id: str, policy: str, tab: str, value: float) -> Any:
    """What the page asks when the policy's slider is at ``value``."""
    settings, moved, _ = POLICIES[policy]
    config = AugmentConfig.model_validate({**settings, moved: value}).model_dump(mode="json")
    part = next(part.name for part in PARTS if moved in part.fields)
    body = {
        "dataset_id": dataset_id, "indices": list(range(PAIRS)), "config": config, "seed": 0, "tab": tab,
        "views": 2, "alone": [part],
    }  # fmt: skip
    return lab.http.post("/api/augmentations/preview", json=body, headers={"accept": MEDIA_TYPE}).raise_for_status()


def together(lab: LoadLab, dataset_id: str) -> Iterator[Reached]:
    """Ten people, each with one question on its way all the time, as a page has while a slider moves."""
    took: list[list[float]] = [[] for _ in range(PEOPLE)]
    ends = time.monotonic() + TOGETHER_S

    def move(person: int) -> None:
        number = 0
        while time.monotonic() < ends:
            began = time.perf_counter()
            ask(lab, dataset_id, next(iter(POLICIES)), f"person-{person}", 0.02 + 0.01 * (number % 30))
            took[person].append(1000 * (time.perf_counter() - began))
            number += 1

    people = [threading.Thread(target=move, args=(person,)) for person in range(PEOPLE)]
    for thread in people:
        thread.start()
    for thread in people:
        thread.join()
    counts = [len(times) for times in took]
    yield Reached("answers a second, all people", "1/s", sum(counts) / TOGETHER_S)
    yield Reached("p95 of everybody's waits", "ms", percentile([t for times in took for t in times], 0.95))
    yield Reached("p95 of whoever waited longest", "ms", max(percentile(times, 0.95) for times in took))
    yield Reached("most answers of one person over fewest of another", "×", max(counts) / max(1, min(counts)), 1.5)
    yield Reached("longest wait of anybody", "ms", float(np.max([max(times) for times in took])))
