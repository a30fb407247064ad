"""How fast the Map page draws: a map of 100,000 points in a browser, moved at every frame."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from backend.catalogue.models import DatasetRow, EncoderRow
from backend.jobs import store
from backend.jobs.maps import MapOrder, content_of, enter_map
from backend.jobs.outcomes import Artefact, Succeeded
from backend.jobs.states import Kind
from benchmarks.load_lab import LoadLab, running
from benchmarks.sets import put_set
from benchmarks.studio import browser_path
from simclr.datasets import Dataset
from simclr.encoder_file import image_facts, pixels_encoder
from simclr.map_config import MapConfig
from simclr.results import EmbedResult, MapFigures, MapResult
from simclr.runs import sha256_of
from tests.e2e.map_lab import SLOW_WEBGL

if TYPE_CHECKING:
    from playwright.sync_api import Page

POINTS, SIZE_PX, CLASSES, FRAMES = 100_000, 8, 10, 200
FRAME_MS = 17.0  # 60 a second, as a browser's clock tells it
# A drag of a pixel or two at every frame, and a turn of the wheel at every fourth.
MOVE = """async (frames) => {
  const map = document.querySelector('[role=application]');
  const box = map.getBoundingClientRect();
  const place = (i) => ({ clientX: box.x + 600 + (i % 40), clientY: box.y + 300 + (i % 30) });
  const at = (i) => ({ ...place(i), pointerId: 1, bubbles: true, button: 0 });
  const gaps = [];
  window.called = { drawArrays: 0, bufferData: 0, putImageData: 0 };
  // A hand's events come before a frame, not inside one.
  const { port1, port2 } = new MessageChannel();
  const task = () => new Promise((done) => { port1.onmessage = done; port2.postMessage(null); });
  map.setPointerCapture = () => undefined;
  map.dispatchEvent(new PointerEvent('pointerdown', at(0)));
  await new Promise(requestAnimationFrame);
  let last = performance.now();
  for (let i = 1; i <= frames; i += 1) {
    await task();
    map.dispatchEvent(new PointerEvent('pointermove', at(i)));
    if (i % 4 === 0) map.dispatchEvent(new WheelEvent('wheel', { ...at(i), deltaY: i % 80 < 40 ? -20 : 20, cancelable: true }));
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }
  map.dispatchEvent(new PointerEvent('pointerup', at(0)));
  return [gaps, window.called];
}"""
COUNT = """window.called = {};
const counted = [[WebGL2RenderingContext, ['drawArrays', 'bufferData']], [CanvasRenderingContext2D, ['putImageData']]];
for (const [kind, names] of counted)
  for (const name of names) {
    const call = kind.prototype[name];
    kind.prototype[name] = function (...more) {
      window.called[name] += 1;
      return call.apply(this, more);
    };
  }"""


@dataclass(frozen=True)
class Frames:
    """What ``FRAMES`` frames under a hand cost.

    Attributes:
        gaps_ms: From frame to frame.
        drawn: How often all points were drawn anew.
        uploads: How often points or colours were sent to the graphics card.
        main_ms: Processor time of the page's main thread, in milliseconds a frame, and of it that of scripts.
        script_ms: See ``main_ms``.
        layouts: How often the page was laid out anew.
    """

    gaps_ms: list[float]
    drawn: int
    uploads: int
    main_ms: float
    script_ms: float
    layouts: int


def frames() -> dict[str, Frames]:
    """By what draws."""
    from playwright.sync_api import sync_playwright

    found: dict[str, Frames] = {}
    with running() as lab, sync_playwright() as playwright:
        address = add_map(lab)
        arguments = ["--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader"]
        browser = playwright.chromium.launch(executable_path=str(browser_path()), args=arguments)
        for kind in ("WebGL", "canvas"):
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            if kind == "WebGL":
                context.add_init_script(SLOW_WEBGL)
            context.add_init_script(COUNT)
            page = context.new_page()
            page.goto(f"{lab.address}/#token={lab.settings.access_token}")
            page.get_by_role("navigation", name="Pages").wait_for()
            page.goto(f"{lab.address}{address}")
            page.get_by_role("application").wait_for()
            page.get_by_text("class 3").first.wait_for()
            found[kind] = moved(page)
            context.close()
        browser.close()
    return found


def moved(page: "Page") -> Frames:
    """Move the map that a page shows."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def metrics() -> dict[str, float]:
        return {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}

    before = metrics()
    gaps_ms, called = page.evaluate(MOVE, FRAMES)
    spent = {name: value - before[name] for name, value in metrics().items()}
    return Frames(
        gaps_ms=gaps_ms,
        drawn=called["drawArrays"] + called["putImageData"],
        uploads=called["bufferData"],
        main_ms=1000 * spent["TaskDuration"] / FRAMES,
        script_ms=1000 * spent["ScriptDuration"] / FRAMES,
        layouts=int(spent["LayoutCount"]),
    )


def add_map(lab: LoadLab) -> str:
    """Ten clouds as the UMAP of a set of little images; the address of the map."""
    random = np.random.default_rng(0)
    folder = lab.settings.data_folder
    labels = np.arange(POINTS) % CLASSES
    images = random.integers(0, 256, (POINTS, 1, SIZE_PX, SIZE_PX), dtype=np.uint8)
    names = tuple(f"class {i}" for i in range(CLASSES))
    dataset = Dataset(images, labels, np.zeros(POINTS, np.uint8), names, "made for a benchmark")
    dataset_id = put_set(lab.catalogue, folder, dataset, "points")
    key = "encoders/pixels.safetensors"
    (folder / key).parent.mkdir(parents=True, exist_ok=True)
    described = pixels_encoder(image_facts(dataset), folder / key)
    clouds = 8 * random.normal(size=(CLASSES, 2))[labels] + random.normal(size=(POINTS, 2))
    (folder / "maps").mkdir(exist_ok=True)
    np.save(folder / "maps/drawn.npy", clouds.astype(np.float32)[None])
    bank = random.normal(size=(POINTS, 16)).astype(np.float32)
    np.save(folder / "maps/bank.npy", bank / np.linalg.norm(bank, axis=1, keepdims=True))
    with lab.catalogue.writing() as session:
        row = session.get_one(DatasetRow, dataset_id)
        encoder = EncoderRow(
            name="pixels", origin="pixels", key=key, sha256=sha256_of(folder / key), dataset_id=row.id, created_at=time.time(),
            description=described.model_dump(mode="json"),
        )  # fmt: skip
        session.add(encoder)
        session.flush()
        asked = store.Submission(Kind.EMBED, row.id, {"batch_size": 512}, encoder.id)
        job = store.submit(session, asked)
        claim = store.claim(session, "benchmark")
        if claim is None:
            raise RuntimeError("the embedding that was just submitted cannot be claimed")
        result = EmbedResult(n=POINTS, feature_dim=16, images_per_s=1.0, seconds=1.0)
        store.settle(session, job.id, claim.epoch, Succeeded(result, Artefact("maps/bank.npy", "0" * 64)))
        config = MapConfig()
        order = MapOrder(encoder_ids=[encoder.id], **config.model_dump())
        content = content_of([encoder], row, config)
        figures = MapResult(method="umap", n=POINTS, maps=[MapFigures()], seconds=1.0)
        enter_map(
            session, content=content, order=order, dataset_id=row.id, key="maps/drawn.npy", result=figures, job_id=None
        )
        return f"/map?dataset={row.id}&encoder={encoder.id}&method=umap"
