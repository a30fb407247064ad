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
from simclr.maps.kept import Keeper, KeptProgress, MapState, digest_of, read_state
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
    *,
    resume: Path | None = None,
    keep_every_s: float | None = None,
) -> MapResult:
    """Map the banks in their order into ``run.map``, float32 of shape (M, N, 2), and judge each map.

    Args:
        resume: A state of the same maps, in this or another run's folder, from which they go on to the same places, bit for bit;
            where it does not fit they begin anew, which is told.
        keep_every_s: Keep the state of UMAPs between two epochs when so many seconds have passed, and when asked to stop.

    Raises:
        ValueError: there is no bank, one is no bank or of other images, or the images are too few; names it.
        Stopped: ``should_stop`` said so; no map was written.
        DiskFull: maps or their state do not fit.
    """
    began = time.monotonic()
    run.begin(config, kind="map")
    opened = [opener(path) for path in banks]
    state = _begun(config, opened, resume, emit) if resume is not None else MapState()
    keeper = None
    if keep_every_s is not None and config.method == "umap":
        keeper = Keeper(run, config, keep_every_s, emit)
    places, figures = maps_of(config, opened, emit, should_stop, state, keeper)
    with writing(run.map, places.nbytes) as temporary:
        np.save(temporary, places, allow_pickle=False)
    result = MapResult(method=config.method, n=places.shape[1], maps=figures, seconds=time.monotonic() - began)
    run.finish(result)
    return result


def maps_of(
    config: MapConfig,
    banks: Sequence[Open],
    emit: Emit = ignore,
    should_stop: ShouldStop = never,
    state: MapState | None = None,
    keeper: Keeper | None = None,
) -> tuple[NDArray[np.float32], list[MapFigures]]:
    """The maps, float32 of shape (M, N, 2), and what they are worth; of many banks only one is in memory at a time.

    They go on from ``state``, which is kept by ``keeper``.

    Raises:
        ValueError: as ``make_maps``.
        Stopped: ``should_stop`` said so.
    """
    if not banks:
        raise ValueError("there are no embeddings to map: embed the set first")
    state = state or MapState()
    progress: MapProgress | None = None
    for number in range(len(state.made), len(banks)):
        points = banks[number]()
        before = state.made[-1] if state.made else None
        _check(points, len(before) if before is not None else None)
        if progress is None:
            epochs = epochs_for(len(points), config)
            if keeper is not None:
                progress = KeptProgress(keeper, state, len(banks), epochs, emit, should_stop)
            else:
                progress = MapProgress(len(banks), epochs, emit, should_stop)
        if keeper is not None:
            state.banks[number:] = [digest_of(points)]
        if len(banks) > 1:
            emit(Log(message=f"Map {number + 1} of {len(banks)}."))
        explained: tuple[float, float] | None = None
        if config.method == "umap":
            places = umap(points, config, progress, before, state.begun)
        else:
            found = pca_map(points)
            explained = found.explained
            places = turned_onto(found.places, before) if before is not None else found.places
        state.figures.append(_judged(points, places, explained))
        state.made.append(places)
        state.begun = None
        progress.finished()
    return np.stack(state.made), state.figures


def _begun(config: MapConfig, banks: Sequence[Open], path: Path, emit: Emit) -> MapState:
    """The state at ``path``, where it is of these banks and this config; else that of maps that have not begun."""
    try:
        state = read_state(path, config)
        if state.banks != [digest_of(opened()) for opened in banks[: len(state.banks)]]:
            raise ValueError(f"{path} belongs to other embeddings")
    except ValueError as error:
        emit(Log(level="warning", message=f"The map begins anew: {error}."))
        return MapState()
    begun_at = (
        f"map {len(state.made) + 1}, epoch {state.begun[1].epoch}" if state.begun else f"map {len(state.made) + 1}"
    )
    emit(Log(message=f"It goes on from {begun_at}."))
    return state


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
