"""How fast archives become image sets: 60,000 small JPEGs as CIFAR-10 has them, and larger photographs, as the lab imports them.

The limited child is started and waited for, as in an import's job; a second line says what the report costs.
"""

import io
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.load_goals import Reached, Title
from simclr.datasets import BUILTIN
from simclr.datasets.importer import draw_in_child, import_in_child
from simclr.datasets.report import report_of

SMALL, SMALL_PX, CLASSES = 60_000, 32, 10
LARGE, LARGE_PX, STORED_PX = 600, 1000, 64
# Different pictures under the many names: each is decoded all the same.
DRAWN = 500
GOAL_S = 60.0  # for the 60,000


def rows(_turns: int) -> Iterator[Reached | Title]:
    """A zip of small pictures, the same as tar.xz, a zip of photographs; each once."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        files = pictures(SMALL, SMALL_PX)
        yield Title(f"importing {SMALL:,} JPEGs of {SMALL_PX} px")
        yield measured("zip", packed(folder / "small.zip", files), folder / "zip", SMALL, goal_s=GOAL_S)
        yield measured("tar.xz", tarred(folder / "small.tar.xz", files), folder / "tar", SMALL)
        began = time.monotonic()
        report_of(folder / "zip")
        yield Reached("report with near-duplicates", "s", time.monotonic() - began)
        yield Title(f"importing {LARGE} JPEGs of {LARGE_PX} px at {STORED_PX} px")
        source = packed(folder / "large.zip", pictures(LARGE, LARGE_PX))
        yield measured("zip", source, folder / "large", LARGE, STORED_PX)
        yield measured("zip, originals kept at 512 px", source, folder / "kept", LARGE, STORED_PX, originals_px=512)
        yield Title("making built-in sets, child and all")
        for name in BUILTIN:
            began = time.monotonic()
            info = draw_in_child(name, folder / name)
            seconds = time.monotonic() - began
            yield Reached(f"{name}, {info.n:,} images", "s", seconds, None, {"images a second": info.n / seconds})


def measured(
    what: str, source: Path, out: Path, n: int, size_px: int | None = None, *, goal_s: float | None = None,
    originals_px: int | None = None,
) -> Reached:  # fmt: skip
    began = time.monotonic()
    import_in_child(
        source, out, source.suffix.removeprefix(".").replace("xz", "tar"), size_px, originals_px=originals_px
    )
    seconds = time.monotonic() - began
    return Reached(what, "s", seconds, goal_s, {"images a second": n / seconds, "MB": source.stat().st_size / 1e6})


def pictures(n: int, size_px: int) -> dict[str, bytes]:
    """Smooth coloured noise as JPEG, by path, in class folders."""
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(min(n, DRAWN)):
        small = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        file = io.BytesIO()
        small.resize((size_px, size_px), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        drawn.append(file.getvalue())
    return {f"train/{i % CLASSES}/{i:05d}.jpg": drawn[i % len(drawn)] for i in range(n)}


def packed(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:xz", preset=0) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path
