"""How soon neighbours are there: over HTTP against a real API process, one client, no thumbnails; the exact engine beside faiss.

The vectors are made, in clusters, since random ones have no neighbours to speak of. Their images are real sets in the lab's own
store, of grey noise of 8 × 8 pixels, so that a million fit. The graph of a million is built as the lab builds it, which takes a
part of an hour, and kept below ``.venv``.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from backend.catalogue.models import BankRow, EncoderRow
from backend.jobs.states import Kind
from backend.jobs.store import Submission, submit
from backend.lab.launcher import API_COMMAND
from backend.vision.png import png
from benchmarks.load_goals import Reached, Title, percentile
from benchmarks.load_lab import LoadLab, running, until
from benchmarks.sets import put_set
from benchmarks.table import OURS, Row, in_turns
from simclr.config import EncoderConfig
from simclr.datasets import Dataset
from simclr.encoder_file import EncoderFile
from simclr.encoders import image_facts, untrained_encoder
from simclr.hnsw import graph_beside, read
from simclr.hnsw_builder import build_in_child
from simclr.index import norms_beside, open_index

KEPT = Path(".venv/search-bench")
REQUESTS, WARM_UP, K = 200, 10, 10
ASKED = REQUESTS + WARM_UP
SMALL, SMALL_DIM, LARGE, LARGE_DIM = 50_000, 512, 1_000_000, 128
PER_CLUSTER, INNER_DIM, AT_ONCE = 1000, 24, 50_000
PHOTOS, PHOTO_PX = 10_000, 32
EXACT_MS, LARGE_EXACT_MS, LARGE_MS, RECALL, UPLOAD_MS = 20.0, 60.0, 10.0, 0.95, 150.0


def rows(turns: int) -> Iterator[Reached | Title | Row]:
    """The exact engine beside faiss, then every goal over HTTP."""
    small, large = kept_bank(SMALL, SMALL_DIM), kept_bank(LARGE, LARGE_DIM)
    for bank in (small, large):
        yield beside_faiss(bank, turns)
    with running() as lab:
        add_bank(lab, small, "small")
        add_photos(lab)
        yield from searched(lab, "small", f"{SMALL:,} × {SMALL_DIM}, exact", "exact", EXACT_MS)
        yield Title(f"a photo of {PHOTO_PX} px among {PHOTOS:,}, encoded by the smallest network, on its way as PNG")
        yield timed("an uploaded image", photos(lab), UPLOAD_MS)
    yield Title(graph(large))
    with running() as lab:
        add_bank(lab, large, "large")
        yield from searched(lab, "large", f"{LARGE:,} × {LARGE_DIM}, HNSW, which auto chooses", "hnsw", LARGE_MS)
    # A deployment that chooses the exact engine keeps a copy of the bank in memory.
    with running(api_command=["env", "SIMCLR_LAB_SEARCH_ENGINE=exact", *API_COMMAND]) as lab:
        add_bank(lab, large, "large")
        yield from searched(
            lab, "large", f"{LARGE:,} × {LARGE_DIM}, exact by the deployment's choice", "exact", LARGE_EXACT_MS
        )


def clustered(n: int, d: int) -> Iterator[NDArray[np.float32]]:
    """Vectors, block by block: clusters of about a thousand that vary in 24 dimensions, and a little in all."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((n // PER_CLUSTER, d), dtype=np.float32)
    inner = random.standard_normal((INNER_DIM, d), dtype=np.float32) / np.float32(np.sqrt(INNER_DIM))
    for _ in range(0, n, AT_ONCE):
        within = random.integers(0, len(centres), AT_ONCE)
        spread = np.float32(0.9) * (random.standard_normal((AT_ONCE, INNER_DIM), dtype=np.float32) @ inner)
        noise = np.float32(0.1) * random.standard_normal((AT_ONCE, d), dtype=np.float32)
        yield centres[within] + spread + noise


def kept_bank(n: int, d: int) -> Path:
    """Made once: a bank of unit rows, and their lengths."""
    path = KEPT / f"{n}x{d}" / "features.npy"
    if norms_beside(path).exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    bank = np.lib.format.open_memmap(path, "w+", np.float32, (n, d))
    norms = np.empty(n, np.float32)
    for number, block in enumerate(clustered(n, d)):
        part = slice(number * AT_ONCE, (number + 1) * AT_ONCE)
        norms[part] = np.linalg.norm(block, axis=1)
        bank[part] = block / norms[part][:, None]
    bank.flush()
    np.save(norms_beside(path), norms)
    return path


def beside_faiss(bank: Path, turns: int) -> Row:
    """Both on one thread, in this process."""
    index = open_index(bank).in_columns()
    flat = faiss.IndexFlatIP(index.features.shape[1])
    flat.add(index.features)
    query = index.features[7]
    contenders = {
        OURS: lambda: milliseconds(lambda: index.search(query, K)),
        "faiss IndexFlatIP": lambda: milliseconds(lambda: flat.search(query[None], K)),
    }
    n, d = index.features.shape
    with threadpool_limits(1):
        return in_turns(f"exact neighbours, {n:,} × {d}, one thread", "ms", contenders, turns, higher_is_better=False)


def milliseconds(search: Callable[[], Any], times: int = 15) -> float:
    """The median of some searches."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        search()
        took.append(1000 * (time.perf_counter() - began))
    return percentile(took, 0.5)


def graph(bank: Path) -> str:
    """See to it that the graph is there; what it took to build, and what it misses."""
    exact = open_index(bank)
    path = graph_beside(bank, "cosine")
    if not path.exists():
        build_in_child(bank, "cosine")
    facts = read(path, exact).facts
    recall = facts.recall
    return (
        f"HNSW of {len(exact):,} × {exact.features.shape[1]}: built in {facts.seconds:,.0f} s, {path.stat().st_size / 2**20:.0f} "
        f"MiB; recall@{recall.at} {recall.value:.3f} over {recall.queries} queries at a breadth of {facts.breadth}"
        f" (goal ≥ {RECALL})"
    )


def add_set(lab: LoadLab, name: str, images: NDArray[np.uint8]) -> str:
    """A stored set of ten classes, a tenth of it for testing; its id."""
    n = len(images)
    splits = np.where(np.arange(n) % 10 == 9, 2, 0).astype(np.uint8)
    names = tuple(f"class {i}" for i in range(10))
    dataset = Dataset(images, np.arange(n) % 10, splits, names, "made for a benchmark")
    return put_set(lab.catalogue, lab.settings.data_folder, dataset, name)


def add_encoder(lab: LoadLab, name: str, dataset_id: str, facts: EncoderFile, key: str) -> str:
    with lab.catalogue.writing() as session:
        row = EncoderRow(
            name=name, origin="untrained", key=key, sha256=secrets.token_hex(32), dataset_id=dataset_id,
            description=facts.model_dump(mode="json"), created_at=time.time(),
        )  # fmt: skip
        session.add(row)
    return row.id


def enter_bank(lab: LoadLab, dataset_id: str, encoder_id: str, key: str, dim: int) -> None:
    with lab.catalogue.writing() as session:
        job = submit(session, Submission(Kind.EMBED, dataset_id, {}, encoder_id))
        session.add(
            BankRow(
                encoder_id=encoder_id, dataset_id=dataset_id, job_id=job.id, key=key, feature_dim=dim, created_at=0.0
            )
        )  # fmt: skip


def add_network(lab: LoadLab, name: str, dataset_id: str, like: Dataset) -> tuple[str, int]:
    """The smallest encoder, untrained; its id and the dimension of its features."""
    key = f"{name}.safetensors"
    file = untrained_encoder(EncoderConfig(width=8), image_facts(like), 0, lab.settings.data_folder / key)
    return add_encoder(lab, name, dataset_id, file, key), file.feature_dim


def add_bank(lab: LoadLab, bank: Path, name: str) -> None:
    """A set of as many images as the kept bank has rows, and the bank itself, whose files are shared."""
    n, d = np.load(bank, mmap_mode="r").shape
    images = np.random.default_rng(0).integers(0, 256, (n, 1, 8, 8), dtype=np.uint8)
    dataset_id = add_set(lab, name, images)
    few = Dataset(images[:64], np.zeros(64, np.int64), np.zeros(64, np.uint8), ("all",), "")
    encoder_id, _ = add_network(lab, name, dataset_id, few)
    folder = lab.settings.data_folder / name
    folder.mkdir()
    for path in bank.parent.glob("features*"):
        (folder / path.name).symlink_to(path.resolve())
    enter_bank(lab, dataset_id, encoder_id, f"{name}/features.npy", d)


def add_photos(lab: LoadLab) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (PHOTOS, 3, PHOTO_PX, PHOTO_PX), dtype=np.uint8)
    dataset_id = add_set(lab, "photos", images)
    few = Dataset(images[:64], np.zeros(64, np.int64), np.zeros(64, np.uint8), ("all",), "")
    encoder_id, dim = add_network(lab, "photos", dataset_id, few)
    rows = random.standard_normal((PHOTOS, dim), dtype=np.float32)
    np.save(lab.settings.data_folder / "photos.npy", rows / np.linalg.norm(rows, axis=1, keepdims=True))
    enter_bank(lab, dataset_id, encoder_id, "photos.npy", dim)


def ids(lab: LoadLab, name: str) -> dict[str, str]:
    """Of the set and the encoder of a name."""
    found = {}
    for noun, field in (("datasets", "dataset_id"), ("encoders", "encoder_id")):
        items = lab.http.get(f"/api/{noun}").raise_for_status().json()["items"]
        found[field] = next(item["id"] for item in items if item["name"] == name)
    return found


def searched(lab: LoadLab, name: str, what: str, engine: str, goal_ms: float) -> Iterator[Reached | Title]:
    """Random images of a set as queries, one after the other."""
    about = {**ids(lab, name), "k": K}
    n = next(item["n"] for item in lab.http.get("/api/datasets").json()["items"] if item["name"] == name)
    random = np.random.default_rng(1)

    def ask() -> dict[str, Any]:
        body = {**about, "image_index": int(random.integers(n))}
        answer: dict[str, Any] = lab.http.post("/api/search", json=body).raise_for_status().json()
        return answer

    until(lambda: ask()["engine"]["name"] == engine, f"an answer by {engine}")
    yield Title(f"{what}: {REQUESTS} searches over HTTP, one client; load {os.getloadavg()[0]:.1f}")
    before = lab.processor_s()
    yield timed("a search", ask, goal_ms)
    yield Reached("of which processor time of the API, mean", "ms", 1000 * (lab.processor_s() - before) / ASKED)
    yield Reached("memory of the API's process", "MiB", lab.rss_mib())


def photos(lab: LoadLab) -> Callable[[], Any]:
    params = {**ids(lab, "photos"), "k": K}
    random = np.random.default_rng(2)

    def ask() -> Any:
        photo = png(random.integers(0, 256, (3, PHOTO_PX, PHOTO_PX), dtype=np.uint8))
        return lab.http.post("/api/search/upload", params=params, content=photo).raise_for_status()

    return ask


def timed(what: str, ask: Callable[[], Any], goal_ms: float) -> Reached:
    for _ in range(WARM_UP):
        ask()
    took = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        ask()
        took.append(1000 * (time.perf_counter() - began))
    more = {"median": percentile(took, 0.5), "max": max(took), "load": os.getloadavg()[0]}
    return Reached(
        f"{what}, p95 of {REQUESTS} (median {more['median']:.1f})", "ms", percentile(took, 0.95), goal_ms, more
    )
