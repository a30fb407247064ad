"""Maps of one or several banks of the same images, as a run: each begins where the one before lies, and is held to it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simclr.events import Emit, Log, ShouldStop, ignore, never
from simclr.map_config import MapConfig
from simclr.maps.aligned import turned_onto
from simclr.maps.pca import pca_map
from simclr.maps.progress import MapProgress
from simclr.maps.quality import judge_map
from simclr.maps.umap import epochs_for, umap
from simclr.results import MapFigures, MapResult
from simclr.runs import Run, writing

Bank = NDArray[np.float32]
Open = Callable[[], Bank]


def make_maps(
    config: MapConfig,
    banks: Sequence[Path],
    run: Run,
    emit: Emit = ignore,
    should_stop: ShouldStop = never,
) -> MapResult:
    """Map the banks in their order into ``run.map``, float32 of shape (M, N, 2), and judge each map.

    Raises:
        ValueError: there is no bank, one is no bank or of other images, or the images are too few; names it.
        Stopped: ``should_stop`` said so; nothing was written.
    """
    began = time.monotonic()
    run.begin(config, kind="map")
    places, figures = maps_of(config, [opener(path) for path in banks], emit, should_stop)
    with writing(run.map, places.nbytes) as temporary:
        np.save(temporary, places, allow_pickle=False)
    result = MapResult(method=config.method, n=places.shape[1], maps=figures, seconds=time.monotonic() - began)
    run.finish(result)
    return result


def maps_of(
    config: MapConfig, banks: Sequence[Open], emit: Emit = ignore, should_stop: ShouldStop = never
) -> tuple[NDArray[np.float32], list[MapFigures]]:
    """The maps, float32 of shape (M, N, 2), and what they are worth; of many banks only one is in memory at a time.

    Raises:
        ValueError: as ``make_maps``.
        Stopped: ``should_stop`` said so.
    """
    if not banks:
        raise ValueError("there are no embeddings to map: embed the set first")
    made: list[NDArray[np.float32]] = []
    figures: list[MapFigures] = []
    progress: MapProgress | None = None
    for number, opened in enumerate(banks):
        points = opened()
        _check(points, len(made[0]) if made else None)
        progress = progress or MapProgress(len(banks), epochs_for(len(points), config), emit, should_stop)
        if len(banks) > 1:
            emit(Log(message=f"Map {number + 1} of {len(banks)}."))
        before = made[-1] if made else None
        explained: tuple[float, float] | None = None
        if config.method == "umap":
            made.append(umap(points, config, progress, before))
        else:
            found = pca_map(points)
            explained = found.explained
            made.append(turned_onto(found.places, before) if before is not None else found.places)
        figures.append(_judged(points, made[-1], explained))
        progress.finished()
    return np.stack(made), figures


def _judged(points: Bank, places: NDArray[np.float32], explained: tuple[float, float] | None) -> MapFigures:
    quality = judge_map(points, places)
    return MapFigures(
        explained=list(explained) if explained else None,
        **{name: value for name, value in asdict(quality).items() if name != "n"} if quality else {},
    )


def _check(points: Bank, n: int | None) -> None:
    if points.ndim != 2 or points.dtype != np.float32 or len(points) == 0:
        raise ValueError(f"embeddings must be float32 of shape (N, D), N > 0, not {points.dtype} of {points.shape}")
    if n is not None and len(points) != n:
        raise ValueError(
            f"one bank holds {n} images and another {len(points)}: map encoders that embedded the same set"
        )


def opener(path: Path) -> Open:
    """Reads the bank at ``path`` when called.

    Raises:
        ValueError: when called, it is missing or damaged; names it.
    """

    def opened() -> Bank:
        try:
            # Read into memory: a map passes over it several times.
            bank: Bank = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(f"the embeddings at {path} are missing or damaged: embed the set again") from error
        return bank

    return opened
