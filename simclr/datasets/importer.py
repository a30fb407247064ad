"""Reads an upload in a child process with narrow limits: hostile bytes can at worst end that child."""

import argparse
import ctypes
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ValidationError

import simclr
from simclr.datasets.archive import Progress, ignore, import_archive
from simclr.datasets.buffers import NO_ROOM, check_image_size
from simclr.datasets.builtin import draw_builtin
from simclr.datasets.errors import DatasetError
from simclr.datasets.images import Fit
from simclr.datasets.limits import LIMITS, MIB, Limits, confine
from simclr.datasets.npz import import_npz
from simclr.datasets.originals import Keeper
from simclr.datasets.published import read_source
from simclr.datasets.sources import SOURCES
from simclr.datasets.store import Dataset, DatasetInfo, write_dataset
from simclr.events import ShouldStop, Stopped, never

# A zip, tar or folder is known by what it is: any of the three words will do.
Format = Literal["zip", "tar", "folder", "npz"]
# A published set's name stands for the folder of its downloaded files.
FORMATS: tuple[str, ...] = (*get_args(Format), *SOURCES)
# Nothing is read for it: the set's name comes in place of a file's.
DRAWN = "builtin"
REFUSED = 78
# Two numbers of always the same length: a reader never sees half of them.
PROGRESS_BYTES = 32
TIMEOUT_S = 1800.0
# How often the child is looked after: progress, wishes to stop, its end.
LOOK_EVERY_S = 0.1
LONGEST_ANSWER = 16 * MIB
PR_SET_PDEATHSIG = 1
# Nothing else of our environment is a stranger's bytes' business: no tokens, no addresses.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")

logger = logging.getLogger(__name__)


class _Answer(BaseModel):
    """The one line that the child prints."""

    ok: bool
    info: DatasetInfo | None = None
    code: str = ""
    message: str = ""


def import_in_child(
    source: Path,
    out: Path,
    format: str,  # noqa: A002 (the word of the command line and the API)
    image_size: int | None = None,
    timeout_s: float = TIMEOUT_S,
    *,
    fit: Fit = "crop",
    originals_px: int | None = None,
    limits: Limits = LIMITS,
    progress: Progress = ignore,
    should_stop: ShouldStop = never,
) -> DatasetInfo:
    """Import ``source`` into the folder ``out``, which must not exist yet, by a child process that is limited and watched.

    The child works in a private folder beside ``out`` and dies with this process; on any failure nothing is left behind.

    Args:
        source: The upload, a folder on this machine (see ``folders.folder_below``), or the one that ``download.download`` filled.
        out: Where the set will stand, whole, when this returns.
        format: "zip", "tar", "folder", "npz", or a name in ``sources.SOURCES``.
        image_size: Side in pixels; by default the images' own, 64 at most.
        timeout_s: Seconds after which the child is killed.
        fit: "crop" or "pad"; see ``images.to_square``.
        originals_px: Longer side to which originals of images that are stored smaller are kept; by default they are not.
        limits: What the upload and the child may cost.
        progress: Called some times a second, when there is news, with the images read and their number.
        should_stop: Asked some times a second; the child is killed when it says so.

    Raises:
        DatasetError: the upload is refused; besides the codes of ``import_archive`` and ``import_npz``: ``format``,
            ``timed_out``, and ``decoder_died`` for a child that its limits or a decoder's fault ended.
        FileExistsError: ``out`` exists.
        Stopped: ``should_stop`` said so.
    """
    if format not in FORMATS:
        raise DatasetError(
            "format",
            f"the format is {format!r}, but must be {', '.join(get_args(Format))} or a published set's name, as cifar10",
        )
    check_image_size(image_size)
    size = [] if image_size is None else ["--image-size", str(image_size)]
    arguments = ["--format", format, "--fit", fit, *size, "--originals-px", str(originals_px or 0)]
    return _made_in_child(str(source.resolve()), out, arguments, limits, timeout_s, progress, should_stop)


def draw_in_child(
    name: str,
    out: Path,
    timeout_s: float = TIMEOUT_S,
    *,
    count: int | None = None,
    seed: int = 0,
    limits: Limits = LIMITS,
    progress: Progress = ignore,
    should_stop: ShouldStop = never,
) -> DatasetInfo:
    """Make a built-in set in the folder ``out``, which must not exist yet, by a child such as ``import_in_child`` has.

    ``name``, ``count`` and ``seed`` are those of ``builtin.draw_builtin``, the others as there.

    Raises:
        DatasetError: those of ``draw_builtin``, ``timed_out``, and ``decoder_died`` for a child that its limits ended.
        FileExistsError: ``out`` exists.
        Stopped: ``should_stop`` said so.
    """
    arguments = ["--format", DRAWN, "--seed", str(seed), *([] if count is None else ["--count", str(count)])]
    return _made_in_child(name, out, arguments, limits, timeout_s, progress, should_stop)


def _made_in_child(
    source: str, out: Path, arguments: list[str], limits: Limits, timeout_s: float, progress: Progress,
    should_stop: ShouldStop,
) -> DatasetInfo:  # fmt: skip
    if out.exists():
        raise FileExistsError(f"{out} exists: choose a new folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".import-", dir=out.parent) as private:
        made = Path(private).resolve() / "set"
        with _Child([source, str(made), *arguments, "--limits", limits.model_dump_json()], Path(private)) as child:
            answer = child.wait(timeout_s, progress, should_stop)
        if not answer.ok or answer.info is None:
            raise DatasetError(answer.code, answer.message)
        made.rename(out)
        return answer.info


class _Child:
    """The importing process, from start to certain end, with the files through which it talks."""

    def __init__(self, arguments: list[str], private: Path) -> None:
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {
            "PYTHONPATH": str(Path(simclr.__file__).parents[1]),
            "HOME": str(private),
            "TMPDIR": str(private),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        self._progress = private / "progress"
        self._seen = b""
        watched = ["--progress", str(self._progress), "--parent", str(os.getpid())]
        command = [sys.executable, "-P", "-m", "simclr.datasets.importer", *arguments, *watched]
        # Files, not pipes: the child's file limit bounds what it can say.
        self._answer, self._complaints = (private / "answer").open("w+b"), (private / "complaints").open("w+b")
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._answer, stderr=self._complaints,
            cwd=private, env=environment, start_new_session=True,
        )  # fmt: skip

    def __enter__(self) -> "_Child":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._answer.close()
        self._complaints.close()

    def wait(self, timeout_s: float, progress: Progress, should_stop: ShouldStop) -> _Answer:
        """What the child has to say in the end."""
        deadline = time.monotonic() + timeout_s
        while (code := self._ended()) is None:
            if should_stop():
                raise Stopped("stopped while images were read")
            if time.monotonic() > deadline:
                raise DatasetError(
                    "timed_out",
                    f"the images were not read within {timeout_s:.0f} s: split the archive or choose a smaller size",
                )
            self._tell(progress)
        self._tell(progress)
        self._answer.seek(0)
        self._complaints.seek(0)
        return _parse(code, self._answer.read(LONGEST_ANSWER), self._complaints.read(MIB))

    def _ended(self) -> int | None:
        try:
            return self._process.wait(LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            return None

    def _tell(self, progress: Progress) -> None:
        if not self._progress.exists():
            return
        with self._progress.open("rb") as file:
            line = file.read(PROGRESS_BYTES)
        parts = line.split()
        if line != self._seen and len(parts) == 2 and all(part.isdigit() for part in parts):
            self._seen = line
            progress(int(parts[0]), int(parts[1]))


def _parse(code: int, line: bytes, complaints: bytes) -> _Answer:
    try:
        if code in (0, REFUSED):
            return _Answer.model_validate_json(line)
    except ValidationError as error:
        logger.warning("the importing child's answer can't be read: %s", error)
    logger.warning("the importing child ended with %d: %s", code, complaints.decode(errors="replace")[-2000:])
    return _died(f"exit {code}" if code >= 0 else signal.Signals(-code).name)


def _died(how: str) -> _Answer:
    text = (
        f"the process that reads uploads ended while reading this one ({how}): a file in it is damaged, hostile or takes "
        "more than 1 GiB of memory to decode; leave out what doesn't open in an image viewer"
    )
    return _Answer(ok=False, code="decoder_died", message=text)


def main(arguments: Sequence[str] | None = None) -> int:
    """The child: confine this process, import, print one JSON line; 0 when the set is written, 78 when it was refused."""
    options = _options(arguments)
    if options.parent is not None:
        _die_with(options.parent)
    confine(options.limits)
    try:
        answer = _Answer(ok=True, info=_import(options))
    except DatasetError as refusal:
        answer = _Answer(ok=False, code=refusal.code, message=str(refusal))
    except MemoryError:
        answer = _died("out of memory")
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        answer = _Answer(ok=False, code="disk_full", message="the disk is full: free some space")
    fields = {"ok", "info"} if answer.ok else {"ok", "code", "message"}
    sys.stdout.write(json.dumps(answer.model_dump(mode="json", include=fields)) + "\n")
    return 0 if answer.ok else REFUSED


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simclr.datasets.importer", description=__doc__)
    parser.add_argument(
        "source", type=Path, help="zip, tar, tar.gz, tar.xz or npz file, folder, or a built-in set's name"
    )
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument("--format", choices=(*FORMATS, DRAWN), required=True, metavar="FORMAT")
    parser.add_argument("--image-size", type=int, help="side in pixels")
    parser.add_argument("--fit", choices=get_args(Fit), default="crop", help="how an image becomes a square")
    parser.add_argument("--progress", type=Path, help="file that always holds the images read and their number")
    parser.add_argument("--originals-px", type=int, default=0, help="longer side of originals to keep; 0 keeps none")
    parser.add_argument("--count", type=int, help="images of a built-in set of which any number can be drawn")
    parser.add_argument("--seed", type=int, default=0, help="what is drawn of it")
    parser.add_argument("--limits", type=Limits.model_validate_json, default=LIMITS, help="what it may cost, as JSON")
    parser.add_argument("--parent", type=int, help="process to die with")
    return parser.parse_args(arguments)


def _die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent dies, also when that has happened already."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def _import(options: argparse.Namespace) -> DatasetInfo:
    """Write the set beside ``out`` and rename it when it is whole."""
    out: Path = options.out
    if out.exists():
        raise DatasetError("folder_exists", f"{out} exists: choose a new folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".import-", dir=out.parent))
    try:
        with _telling(options.progress) as progress:
            dataset = _read(options, progress, work / "scratch")
        info = write_dataset(dataset, work / "set")
        (work / "set").rename(out)
        return info
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _read(options: argparse.Namespace, progress: Progress, scratch: Path) -> Dataset:
    if options.format == DRAWN:
        return draw_builtin(
            str(options.source), options.count, options.seed, progress=progress, limits=options.limits, scratch=scratch
        )
    if options.format == "npz":
        return import_npz(options.source, image_size=options.image_size, limits=options.limits, scratch=scratch)
    if options.format in SOURCES:
        return read_source(
            options.format, options.source, image_size=options.image_size, fit=options.fit, progress=progress,
            limits=options.limits, scratch=scratch,
        )  # fmt: skip
    keeper = None
    if options.originals_px:
        keeper = Keeper(scratch.with_name("originals"), options.originals_px, options.limits.stored_bytes)
    return import_archive(
        options.source, image_size=options.image_size, fit=options.fit, progress=progress, limits=options.limits,
        scratch=scratch, originals=keeper,
    )  # fmt: skip


@contextmanager
def _telling(path: Path | None) -> Iterator[Progress]:
    """A ``Progress`` that keeps the file at ``path`` up to date."""
    if path is None:
        yield ignore
        return
    with path.open("wb", buffering=0) as file:
        yield lambda done, total: _overwrite(file.fileno(), done, total)


def _overwrite(file: int, done: int, total: int) -> None:
    os.pwrite(file, f"{done:15d} {total:15d}\n".encode(), 0)


if __name__ == "__main__":
    sys.exit(main())
