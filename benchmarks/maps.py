"""Maps of real embeddings beside umap-learn, and how fast a browser draws 100,000 points.

The images are CIFAR-10's test split where ``shared/data/cifar10.zip`` is in or beside the checkout, else built-in ones; their
embeddings those of an encoder that is pretrained here for some epochs. umap-learn compiles itself in every process, which is told
by itself, and is given the same neighbours (it counts the point as one of them), distance, start and seed, which keeps it on one
core.
Frames are measured in headless Chromium without a graphics card: by WebGL in software, which tells what a frame asks of the page,
and on the plain canvas that such a machine gets.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.learning import some_of
from benchmarks.load_goals import Reached, Title, percentile
from benchmarks.map_frames import FRAME_MS, POINTS, frames
from benchmarks.studio import browser_path
from benchmarks.table import OURS, Row
from simclr.config import PretrainConfig
from simclr.datasets import Dataset
from simclr.datasets.archive import import_archive
from simclr.datasets.patterns import patterns
from simclr.datasets.store import Split
from simclr.encoders import load_encoder
from simclr.encoding import encode_images
from simclr.map_config import MapConfig
from simclr.maps.pca import pca_map, scaled
from simclr.maps.quality import MapQuality, judge_map
from simclr.maps.umap import umap
from simclr.pretrain import pretrain
from simclr.runs import Run

CHECKOUT = Path(__file__).resolve().parents[1]
PHOTOGRAPHS = [folder / "shared/data/cifar10.zip" for folder in (CHECKOUT, CHECKOUT.parent)]
MAPPED, TRAINED_ON, EPOCHS = 10_000, 5_000, 3
PATTERNS = 55_000
# umap-learn looks for the neighbours of fewer than 4,096 points in another way, which compiles less.
WARM_UP = 5_000
Map = NDArray[np.float32]


def rows(turns: int) -> Iterator[Row | Reached | Title]:
    """Time, trustworthiness and kept neighbours of both, then frames."""
    name, features = embeddings()
    yield Title(f"UMAP of {name}: {len(features):,} × {features.shape[1]} features after {EPOCHS} epochs")
    began = time.perf_counter()
    plain = pca_map(features).places
    yield Reached("PCA", "s", time.perf_counter() - began)
    yield from told("PCA", judge_map(features, plain))
    contenders: dict[str, Callable[[int], Map]] = {OURS: lambda seed: umap(features, MapConfig(seed=seed))}
    peer = umap_learn()
    if peer is not None:
        began = time.perf_counter()
        peer(0, features[:WARM_UP], scaled(plain)[:WARM_UP])
        yield Reached("umap-learn before its first map", "s", time.perf_counter() - began)
        contenders["umap-learn"] = lambda seed: peer(seed, features, scaled(plain))
    seconds: dict[str, list[float]] = {who: [] for who in contenders}
    qualities: dict[str, list[MapQuality]] = {who: [] for who in contenders}
    for seed in range(turns):
        for who, draw in contenders.items():
            began = time.perf_counter()
            places = draw(seed)
            seconds[who].append(time.perf_counter() - began)
            found = judge_map(features, places)
            qualities[who] += [found] if found is not None else []
    yield Row("a map", "s", seconds, higher_is_better=False)
    for figure in ("trustworthiness", "overlap"):
        yield Row(figure, "of 1", {who: [getattr(each, figure) for each in found] for who, found in qualities.items()})
    yield from drawn()


def drawn() -> Iterator[Reached | Title]:
    """Frames of 100,000 points under a hand that drags and turns the wheel."""
    if browser_path() is None:
        yield Title("frames were not measured: there is no browser here, or the pages are not built")
        return
    yield Title(f"{POINTS:,} points, dragged and zoomed, in headless Chromium that draws by software")
    for kind, found in frames().items():
        yield Reached(f"{kind}: frames with all points drawn anew", f"of {len(found.gaps_ms)}", float(found.drawn))
        yield Reached(f"{kind}: from frame to frame, median", "ms", percentile(found.gaps_ms, 0.5), FRAME_MS)
        yield Reached(f"{kind}: from frame to frame, p95", "ms", percentile(found.gaps_ms, 0.95))
        yield Reached(f"{kind}: processor time of the page's thread", "ms a frame", found.main_ms)
        yield Reached(f"{kind}: of it scripts", "ms a frame", found.script_ms)
        yield Reached(f"{kind}: points or colours sent again", "times", float(found.uploads))
        yield Reached(f"{kind}: layouts of the page", "times", float(found.layouts))


def embeddings() -> tuple[str, Map]:
    """What was embedded, and features of unit length, float32, shape (N, D)."""
    counts: dict[Split, int] = {"train": TRAINED_ON, "test": MAPPED}
    for file in filter(Path.is_file, PHOTOGRAPHS):
        with tempfile.TemporaryDirectory() as scratch:
            whole = import_archive(file, scratch=Path(scratch) / "pixels")
            return "CIFAR-10's test split", encoded(some_of(whole, counts))
    return "the built-in patterns", encoded(some_of(patterns(PATTERNS), counts))


def encoded(dataset: Dataset) -> Map:
    test = dataset.indices("test")
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder))
        pretrain(PretrainConfig(epochs=EPOCHS, knn_every=EPOCHS), dataset, run)
        model, facts = load_encoder(run.encoder)
        features = encode_images(model, facts, dataset.images[test]).numpy()
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit: Map = (features / np.maximum(lengths, 1e-12)).astype(np.float32)
    return unit


def umap_learn() -> Callable[[int, Map, Map], Map] | None:
    """The peer, where it is installed."""
    try:
        from umap import UMAP
    except ImportError:
        return None

    def draw(seed: int, points: Map, start: Map) -> Map:
        neighbours = MapConfig().neighbours + 1
        found: Map = UMAP(n_neighbors=neighbours, init=start, random_state=seed).fit_transform(points)
        return found

    return draw


def told(what: str, quality: MapQuality | None) -> Iterator[Reached]:
    if quality is not None:
        yield Reached(f"{what}: trustworthiness", "of 1", quality.trustworthiness)
        yield Reached(f"{what}: neighbours kept", "of 1", quality.overlap)
