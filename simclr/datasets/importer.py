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
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ValidationError

import simclr
from simclr.datasets.archive import import_archive
from simclr.datasets.buffers import NO_ROOM, check_image_size
from simclr.datasets.errors import DatasetError
from simclr.datasets.limits import MIB, confine
from simclr.datasets.npz import import_npz
from simclr.datasets.store import DatasetInfo, write_dataset

Format = Literal["zip", "npz"]
IMPORTERS = {"zip": import_archive, "npz": import_npz}
REFUSED = 78
TIMEOUT_S = 1800.0
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
) -> DatasetInfo:
    """Import ``source`` into the folder ``out``, which must not exist yet, by a child process that is limited and watched.

    The child works in a private folder beside ``out`` and dies with this process; on any failure nothing is left behind.

    Args:
        source: The upload.
        out: Where the set will stand, whole, when this returns.
        format: "zip" or "npz".
        image_size: Side in pixels; by default the images' own, 64 at most.
        timeout_s: Seconds after which the child is killed.

    Raises:
        DatasetError: the upload is refused; besides the codes of ``import_archive`` and ``import_npz``: ``format``,
            ``timed_out``, and ``decoder_died`` for a child that its limits or a decoder's fault ended.
        FileExistsError: ``out`` exists.
    """
    if format not in get_args(Format):
        raise DatasetError("format", f"the format is {format!r}, but must be one of {', '.join(get_args(Format))}")
    check_image_size(image_size)
    if out.exists():
        raise FileExistsError(f"{out} exists: choose a new folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".import-", dir=out.parent) as private:
        made = Path(private).resolve() / "set"
        size = [] if image_size is None else ["--image-size", str(image_size)]
        arguments = [str(source.resolve()), str(made), "--format", format, *size, "--parent", str(os.getpid())]
        answer = _run_child(arguments, Path(private), timeout_s)
        if not answer.ok or answer.info is None:
            raise DatasetError(answer.code, answer.message)
        made.rename(out)
        return answer.info


def _run_child(arguments: list[str], private: Path, timeout_s: float) -> _Answer:
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {
        "PYTHONPATH": str(Path(simclr.__file__).parents[1]),
        "HOME": str(private),
        "TMPDIR": str(private),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [sys.executable, "-P", "-m", "simclr.datasets.importer", *arguments]
    # Files, not pipes: the child's file limit bounds what it can say.
    with (private / "answer").open("w+b") as answer, (private / "complaints").open("w+b") as complaints:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=answer, stderr=complaints,
            cwd=private, env=environment, start_new_session=True,
        )  # fmt: skip
        try:
            code = child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise DatasetError(
                "timed_out",
                f"the images were not read within {timeout_s:.0f} s: split the archive or choose a smaller size",
            ) from None
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        answer.seek(0)
        complaints.seek(0)
        return _parse(code, answer.read(LONGEST_ANSWER), complaints.read(MIB))


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
    confine()
    try:
        answer = _Answer(ok=True, info=_import(options.source, options.out, options.format, options.image_size))
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
    parser.add_argument("source", type=Path, help="zip or npz file")
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument("--format", choices=get_args(Format), required=True)
    parser.add_argument("--image-size", type=int, help="side in pixels")
    parser.add_argument("--parent", type=int, help="process to die with")
    return parser.parse_args(arguments)


def _die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent dies, also when that has happened already."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def _import(source: Path, out: Path, kind: Format, image_size: int | None) -> DatasetInfo:
    """Write the set beside ``out`` and rename it when it is whole."""
    if out.exists():
        raise DatasetError("folder_exists", f"{out} exists: choose a new folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".import-", dir=out.parent))
    try:
        dataset = IMPORTERS[kind](source, image_size=image_size, scratch=work / "scratch")
        info = write_dataset(dataset, work / "set")
        (work / "set").rename(out)
        return info
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
