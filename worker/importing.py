"""Imports in the place of a runner: a thread that downloads, and watches over the limited child that reads strangers' files.

Nothing here holds torch or a device, so imports go on beside a training. Strangers' bytes are read in the child alone.
"""

import logging
import queue
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from backend.jobs.imports import DOWNLOADS, MADE, ImportOrder
from backend.settings import PREFIX, Settings
from simclr.datasets.download import download, missing_files
from simclr.datasets.errors import DatasetError
from simclr.datasets.folders import folder_below
from simclr.datasets.importer import draw_in_child, import_in_child
from simclr.datasets.limits import LIMITS, Limits
from simclr.datasets.reporter import ReportFailed, report_in_child
from simclr.datasets.sources import SOURCES, Source
from simclr.datasets.store import DatasetInfo
from simclr.datasets.variants import LabelsVariant, SplitsVariant, write_variant
from simclr.events import Log, Progress, ShouldStop, Stopped
from simclr.results import ImportResult
from worker.protocol import Exit, Exited, Finished, Message, Order, Refused

TELL_S = 0.1
CRASHED = 1
Reads = Callable[..., DatasetInfo]
Draws = Callable[..., DatasetInfo]
Reports = Callable[[Path, ShouldStop], None]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sources:
    """Where imports find what they are asked for, and what they may cost. ``mirror`` has the published sets' files instead of
    their publishers; tests and closed networks have one."""

    downloads: Path
    folders: Path | None = None
    limits: Limits = LIMITS
    most_s: float = 1800.0
    mirror: str | None = None


def sources_of(settings: Settings) -> Sources:
    """As a deployment has them."""
    limits = LIMITS.model_copy(
        update={"entries": settings.max_images, "pixels": settings.max_pixels, "cpu_s": settings.max_import_s}
    )
    return Sources(
        settings.data_folder / DOWNLOADS, settings.folders, limits, settings.max_import_s, settings.download_mirror
    )


class Importer:
    """Does one import at a time, and talks as a ``WarmRunner`` does; always warm, and of no device."""

    device: str | None = None
    device_name: str | None = None
    is_alive = True

    def __init__(
        self, sources: Sources, reads: Reads = import_in_child, reports: Reports = report_in_child,
        draws: Draws = draw_in_child,
    ) -> None:  # fmt: skip
        self._sources = sources
        self._reads = reads
        self._reports = reports
        self._draws = draws
        self._work: _Work | None = None

    def wait_ready(self, timeout_s: float) -> bool:  # noqa: ARG002
        """At once."""
        return True

    def run(self, order: Order) -> None:
        """Start an import; the one before must have exited."""
        self._work = _Work(order, self._sources, self._reads, self._reports, self._draws)
        self._work.start()

    def next_message(self, timeout_s: float) -> Message | None:
        """What the import says next; None when it is silent for so long."""
        return self._work.next_message(timeout_s) if self._work else None

    def say_alive(self) -> None:
        """Its child dies with this process, and a lease that lapses while it is frozen fences what it did."""

    def stop(self) -> None:
        """Ask the import to stop; the child is killed, a download ends with the piece that is on its way."""
        if self._work is not None:
            self._work.asked_to_stop.set()

    kill = stop

    def last_words(self) -> str:
        """The traceback of an import that died."""
        return self._work.last_words if self._work else ""

    def close(self) -> None:
        """End the import, and let it go where it does not end: a server that says nothing is waited for up to 30 s."""
        if self._work is not None:
            self._work.abandon()


class _Work:
    """One import in its thread."""

    def __init__(self, order: Order, sources: Sources, reads: Reads, reports: Reports, draws: Draws) -> None:
        self.asked_to_stop = threading.Event()
        self.last_words = ""
        self._order = order
        self._sources = sources
        self._reads = reads
        self._reports = reports
        self._draws = draws
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._do, name="import", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def next_message(self, timeout_s: float) -> Message | None:
        try:
            return self._inbox.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def abandon(self) -> None:
        self.asked_to_stop.set()
        self._inbox.put(Exited(status=None))

    def _do(self) -> None:
        status: int = CRASHED
        try:
            self._inbox.put(Finished(result=self._perform()))
            status = Exit.DONE
        except Stopped:
            status = Exit.STOPPED
        except DatasetError as refusal:
            self._inbox.put(Refused(code=refusal.code, message=str(refusal)))
            status = Exit.BAD_INPUT
        except OSError as error:
            self._inbox.put(Refused(code="disk", message=f"Files could not be read or written: {error}"))
            status = Exit.DISK
        except Exception:  # noqa: BLE001  the job's end is recorded, whatever ended it
            self.last_words = traceback.format_exc()
        self._inbox.put(Exited(status=status))

    def _perform(self) -> ImportResult:
        began = time.monotonic()
        asked = ImportOrder.model_validate(self._order.config)
        made = self._order.run / MADE
        made.parent.mkdir(parents=True, exist_ok=True)
        info = self._make(asked, made)
        self._report(made)
        return ImportResult(
            n=info.n, classes=len(info.classes), image_size=info.image_size, channels=info.channels,
            seconds=time.monotonic() - began,
        )  # fmt: skip

    def _make(self, asked: ImportOrder, made: Path) -> DatasetInfo:
        if asked.variant is not None:
            return self._vary(asked, asked.variant, made)
        return self._draw(asked, made) if asked.origin == "builtin" else self._read(asked, made)

    def _draw(self, asked: ImportOrder, made: Path) -> DatasetInfo:
        return self._draws(
            asked.source, made, self._sources.most_s, count=asked.count, seed=asked.seed, limits=self._sources.limits,
            progress=_Pace(self._inbox.put, "image"), should_stop=self.asked_to_stop.is_set,
        )  # fmt: skip

    def _read(self, asked: ImportOrder, made: Path) -> DatasetInfo:
        source, format_ = self._found(asked)
        return self._reads(
            source, made, format_, asked.image_size, self._sources.most_s, fit=asked.fit, originals_px=asked.originals_px,
            limits=self._sources.limits, progress=_Pace(self._inbox.put, "image"), should_stop=self.asked_to_stop.is_set,
        )  # fmt: skip

    def _vary(self, asked: ImportOrder, variant: SplitsVariant | LabelsVariant, made: Path) -> DatasetInfo:
        try:
            if self._order.dataset is None:
                raise FileNotFoundError
            return write_variant(self._order.dataset, made, variant, asked.variant_of)
        except FileNotFoundError:
            raise DatasetError(
                "dataset_deleted",
                f"the images of {asked.variant_of or 'the set'} were deleted meanwhile: import them again",
            ) from None

    def _report(self, made: Path) -> None:
        """Have it ready when somebody opens the set; where it cannot be made, it is tried again when they do."""
        self._inbox.put(Log(message="Looking for repeated images and leaks between splits."))
        try:
            self._reports(made, self.asked_to_stop.is_set)
        except (ReportFailed, OSError) as failure:
            log.warning("the report of %s was not made: %s", made, failure)

    def _found(self, asked: ImportOrder) -> tuple[Path, str]:
        """The file or folder to read, fetched if need be, and its format.

        Raises:
            DatasetError: it is not there, or no longer.
        """
        match asked.origin:
            case "upload":
                if self._order.upload is None or not self._order.upload.exists():
                    raise DatasetError("upload_gone", "the file that was sent is no longer here: send it again")
                return self._order.upload, asked.source
            case "folder":
                if self._sources.folders is None:
                    raise DatasetError(
                        "no_folders", f"this worker knows no folder of images: set {PREFIX}FOLDERS for it"
                    )
                return folder_below(self._sources.folders, asked.source), "folder"
            case "published":
                source = SOURCES.get(asked.source)
                if source is None:
                    raise DatasetError(
                        "unknown_source", f"no published set is called {asked.source}: choose a listed one"
                    )
                return self._fetch(source), source.name
            case "builtin" | "set":  # which need no file; a variant without its choice comes here
                raise DatasetError("no_choice", "say what is other in the variant: splits, or how many labels are kept")

    def _fetch(self, source: Source) -> Path:
        """Bring the files of a published set, one after the other; those that are here are only checked."""
        folder = self._sources.downloads / source.name
        missing, before = missing_files(source, folder), 0
        for file in source.files:
            if file.name in missing:
                self._inbox.put(Log(message=f"Downloading {file.name} from {file.url}."))
            pace = _Pace(self._inbox.put, "byte", before, source.about_bytes)
            [path] = download(
                replace(source, files=(file,)), folder, progress=pace, should_stop=self.asked_to_stop.is_set,
                mirror=self._sources.mirror, pause=self.asked_to_stop.wait,
            )  # fmt: skip
            before += path.stat().st_size
        return folder


class _Pace:
    """Tells progress now and then, with the time that is left at the speed so far."""

    def __init__(
        self, say: Callable[[Message], None], unit: Literal["image", "byte"], before: int = 0, total: int | None = None
    ) -> None:
        """``before`` were done by others before, of ``total`` in all, where that is known."""
        self._say = say
        self._unit = unit
        self._before, self._total = before, total
        self._began_at = time.monotonic()
        self._began_with: int | None = None
        self._told_at = float("-inf")

    def __call__(self, done: int, total: int, /) -> None:
        moment = time.monotonic()
        if self._began_with is None:
            self._began_at, self._began_with = moment, done
        if moment - self._told_at < TELL_S and done < total:
            return
        self._told_at = moment
        speed = (done - self._began_with) / max(1e-9, moment - self._began_at)
        done, total = self._before + done, max(self._total or 0, self._before + total)
        self._say(
            Progress(
                step=done, steps=total, unit=self._unit, images_per_s=speed if speed and self._unit == "image" else None,
                eta_s=(total - done) / speed if speed else None,
            )
        )  # fmt: skip
