"""What handlers share: the lab of the running process."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import Depends, Request
from numpy.typing import NDArray

from backend.catalogue.engine import Catalogue
from backend.errors import ApiError
from backend.jobs.queue import Bell
from backend.opened import Opened
from backend.pulse import Pulse
from backend.remembered import Remembered
from backend.reports import Reports
from backend.search_engines import SearchEngines
from backend.security import Keys
from backend.settings import Settings
from backend.staging import Staging
from backend.streams import Streams
from backend.vision import Answer, Vision, VisionCrashed, VisionRefused, VisionSuperseded, VisionUnavailable
from simclr.datasets import Dataset, open_dataset
from simclr.datasets.kinds import kinds_of
from simclr.datasets.origin import Origin, read_origin
from simclr.index import Index

DATASETS_OPEN = 16
# Banks that are copied into memory, see ``simclr.index``, together take no more than this, the last one excepted.
BANKS_OPEN, BANKS_BYTES = 64, 2 << 30
KINDS_OPEN = 8
ORIGINS_OPEN = 4
MAPS_OPEN = 16
STUDY_TIMEOUT_S = 60.0


def open_map(path: Path) -> NDArray[np.float32]:
    """Maps of embeddings, left on disk."""
    places: NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
    return places


@dataclass
class Lab:
    """Everything a handler needs, made when the process starts. Keys in rows are paths below ``folder``."""

    settings: Settings
    keys: Keys
    catalogue: Catalogue
    vision: Vision
    staging: Staging
    streams: Streams
    bell: Bell
    pulse: Pulse
    remembered: Remembered
    datasets: Opened[Dataset] = field(default_factory=lambda: Opened(open_dataset, DATASETS_OPEN))
    origins: Opened[Origin] = field(default_factory=lambda: Opened(read_origin, ORIGINS_OPEN))
    reports: Reports = field(default_factory=Reports)
    kinds: Opened[NDArray[np.int64]] = field(default_factory=lambda: Opened(kinds_of, KINDS_OPEN))
    banks: Opened[Index] = field(init=False)
    engines: SearchEngines = field(init=False)
    maps: Opened[NDArray[np.float32]] = field(default_factory=lambda: Opened(open_map, MAPS_OPEN))
    # A second child for what takes seconds, so that no preview waits behind it; started by the first who asks.
    studies: Vision = field(default_factory=lambda: Vision(timeout_s=STUDY_TIMEOUT_S))

    def __post_init__(self) -> None:
        self.engines = SearchEngines(self.settings, self.catalogue)
        self.banks = Opened(self.engines.open_index, BANKS_OPEN, lambda index: index.memory_bytes, BANKS_BYTES)

    def study(self, header: dict[str, Any], blobs: Sequence[bytes | memoryview], caller: str) -> Answer:
        """The answer of the child that takes seconds; of one caller's studies of a kind only the newest is waited for.

        Raises:
            ApiError: as ``ask``.
        """
        self.studies.start()
        return self.ask(header, blobs, caller, caller and header["do"], self.studies)

    @property
    def folder(self) -> Path:
        return self.settings.data_folder

    def dataset(self, key: str) -> Dataset:
        """An imported set, opened.

        Raises:
            ApiError: 410, its files are not there; most likely it was deleted since the row was read.
        """
        try:
            return self.datasets.get(self.folder / key)
        except FileNotFoundError:
            message = "The images of this set are not there any more: import them again."
            raise ApiError(410, "dataset_deleted", message) from None

    def bank(self, key: str) -> Index:
        """The embeddings of a set, opened for search.

        Raises:
            ApiError: 410, the file is not there, or damaged.
        """
        try:
            return self.banks.get(self.folder / key)
        except FileNotFoundError:
            message = "The file of these embeddings is not there any more: press Embed, and it is made again."
            raise ApiError(410, "embeddings_deleted", message) from None
        except (OSError, EOFError, ValueError) as damage:
            message = f"The file of these embeddings is damaged, {damage}: press Embed, and it is made again."
            raise ApiError(410, "embeddings_damaged", message) from None

    def ask(
        self,
        header: dict[str, Any],
        blobs: Sequence[bytes | memoryview] = (),
        caller: str = "",
        replaces: str = "",
        child: Vision | None = None,
    ) -> Answer:
        """The answer of vision's child, or of another ``child``; ``caller`` and ``replaces`` are those of ``Vision.ask``.

        Raises:
            ApiError: 409 the caller has asked for something newer meanwhile; 422 the child declined, or did not survive the
                request; 503 there is no child to ask.
        """
        try:
            return (child or self.vision).ask(header, blobs, caller, replaces)
        except VisionRefused as refusal:
            raise ApiError(422, refusal.code, str(refusal)) from None
        except VisionCrashed as crash:
            message = f"This could not be computed, {crash}: try it with another image."
            raise ApiError(422, "not_computable", message) from None
        except VisionSuperseded as newer:
            raise ApiError(409, "superseded", f"This was not computed: {newer}.") from None
        except VisionUnavailable as reason:
            message = f"Images cannot be computed just now: {reason}."
            raise ApiError(503, "vision_unavailable", message) from None


async def lab_of(request: Request) -> Lab:
    """Asynchronous because FastAPI would send a plain function to a thread and back, a tenth of a short request's time."""
    lab: Lab = request.app.state.lab
    return lab


LabDep = Annotated[Lab, Depends(lab_of)]
