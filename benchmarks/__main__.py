"""``make bench``: what is measured beside peers, in turns, as a table on the terminal and as JSON beside it.

Turns are interleaved, so that a busy machine hurts all alike; medians are shown with their range. It measures, and passes no
judgement. ``python -m benchmarks views losses training`` measures only those named. ``convolutions`` stand beside torch's,
``search``, how soon neighbours are there, beside faiss, and ``maps``, how a UMAP compares and how 100,000 points are drawn,
beside umap-learn. ``imports``, how fast archives become sets, ``studio``, how soon views follow a slider, ``browse``, how a large
set scrolls, ``dashboards``, how soon 2,000 results are filtered, ``jobs``, how soon they obey, and ``load``, how the API bears
it, have no peers: their figures stand beside goals.
"""

import logging
import platform
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import (
    browse,
    convolutions,
    dashboards,
    embed,
    imports,
    jobs,
    load,
    losses,
    maps,
    search,
    studio,
    training,
    views,
)
from benchmarks.table import write_json
from simclr.device import choose_device

TURNS = 3
SECTIONS = {
    "views": views.rows,
    "losses": losses.rows,
    "convolutions": convolutions.rows,
    "training": training.rows,
    "embed": embed.rows,
    "imports": imports.rows,
    "studio": studio.rows,
    "browse": browse.rows,
    "dashboards": dashboards.rows,
    "search": search.rows,
    "maps": maps.rows,
    "jobs": jobs.rows,
    "load": load.rows,
}
PACKAGES = ("torch", "torchvision", "pytorch-lightning", "lightly", "kornia", "numpy", "faiss-cpu")
RESULTS = Path("bench.json")


def main(asked: list[str]) -> None:
    unknown = [name for name in asked if name not in SECTIONS]
    if unknown:
        sys.exit(f"no benchmark '{unknown[0]}': choose {', '.join(SECTIONS)}")
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    conditions = {"device": choose_device().name, "machine": platform.machine(), "turns": str(TURNS), **versions()}
    print(", ".join(f"{name} {value}" for name, value in conditions.items()))
    measured = []
    for name in asked or SECTIONS:
        for row in SECTIONS[name](TURNS):
            print("\n".join(row.lines()), flush=True)
            measured.append(row)
    write_json(RESULTS, conditions, measured)
    print(f"written to {RESULTS}")


def versions() -> dict[str, str]:
    """Of everybody measured; a peer that is not installed is left out."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
