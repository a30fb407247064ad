"""How far maps are, as one file, from which they go on as if they had never been interrupted."""

import hashlib
import json
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simclr.events import Checkpoint, Emit, ShouldStop, Stopped
from simclr.map_config import MapConfig
from simclr.maps.layout import Moment
from simclr.maps.neighbours import Neighbours
from simclr.maps.progress import MapProgress
from simclr.results import MapFigures
from simclr.runs import Run, sha256_of, writing


@dataclass
class MapState:
    """How far maps are.

    Attributes:
        banks: Digests of the embeddings that were mapped, those that are being mapped included.
        made: Maps that are done, each float32 of shape (N, 2).
        figures: What each of them is worth.
        begun: Neighbours and a moment of the map that is being made; None before its neighbours are known.
    """

    banks: list[str] = field(default_factory=list)
    made: list[NDArray[np.float32]] = field(default_factory=list)
    figures: list[MapFigures] = field(default_factory=list)
    begun: tuple[Neighbours, Moment] | None = None


def digest_of(bank: NDArray[np.float32]) -> str:
    """A name of what embeddings hold."""
    return hashlib.sha256(np.ascontiguousarray(bank).data).hexdigest()


class KeptProgress(MapProgress):
    """Keeps the state as well: between two epochs, when the last time is long enough ago, and when asked to stop."""

    def __init__(self, keeper: "Keeper", state: MapState, maps: int, epochs: int, emit: Emit, stop: ShouldStop) -> None:
        super().__init__(maps, epochs, emit, stop, len(state.made))
        self._keeper, self._state, self._epochs_each = keeper, state, epochs

    def moved(self, neighbours: Neighbours, moment: Moment) -> None:
        self._state.begun = neighbours, moment
        super().moved(neighbours, moment)
        if self._keeper.is_due:
            self._keep()

    def _tell(self, within: int, eta_s: float | None) -> None:
        try:
            super()._tell(within, eta_s)
        except Stopped:
            if self._state.made or self._state.begun:
                self._keep()
            raise

    def _keep(self) -> None:
        epoch = self._state.begun[1].epoch if self._state.begun else 0
        self._keeper.write(self._state, step=self.step, epoch=len(self._state.made) * self._epochs_each + epoch)


class Keeper:
    """Writes the state of maps into a run's folder, and tells so."""

    def __init__(self, run: Run, config: MapConfig, every_s: float, emit: Emit) -> None:
        self._run, self._config, self._every_s, self._emit = run, config, every_s, emit
        self._written_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        return time.monotonic() - self._written_at >= self._every_s

    def write(self, state: MapState, *, step: int, epoch: int) -> None:
        """Write the file of ``step``; it appears complete or not at all. ``epoch`` counts those of all maps.

        Raises:
            DiskFull: it does not fit.
            OSError: the disk cannot be written.
        """
        about: dict[str, Any] = {
            "config": self._config.model_dump(mode="json"),
            "banks": state.banks,
            "figures": [each.model_dump(mode="json") for each in state.figures],
        }
        arrays: dict[str, NDArray[Any]] = {"made": np.asarray(state.made, np.float32)}
        if state.begun is not None:
            neighbours, moment = state.begun
            about |= {"epoch": moment.epoch, "random": moment.random}
            arrays |= {"indices": neighbours.indices, "distances": neighbours.distances}
            arrays |= {"places": moment.places, "turns": moment.turns}
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        path = self._run.map_state(step)
        with writing(path, sum(array.nbytes for array in arrays.values())) as temporary:
            np.savez(temporary, allow_pickle=False, **arrays)
        self._written_at = time.monotonic()
        self._emit(Checkpoint(step=step, epoch=epoch, name=path.name, sha256=sha256_of(path)))


def read_state(path: Path, config: MapConfig) -> MapState:
    """What ``Keeper.write`` wrote for maps by ``config``.

    Raises:
        ValueError: it is missing, damaged, or of another config.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(bytes(file["about"]))
            state = MapState(
                about["banks"], list(file["made"]), [MapFigures.model_validate(each) for each in about["figures"]]
            )
            if "epoch" in about:
                moment = Moment(about["epoch"], file["places"], file["turns"], about["random"])
                state.begun = Neighbours(file["indices"], file["distances"]), moment
    except (OSError, EOFError, LookupError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no state of a map, or it is damaged") from error
    if about["config"] != config.model_dump(mode="json"):
        raise ValueError(f"{path} belongs to another config")
    return state
