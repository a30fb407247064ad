"""Files of published sets, fetched from where their publishers offer them: with progress, resumed when broken off, checked."""

import fcntl
import hashlib
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import urlsplit

from simclr.datasets.errors import DatasetError
from simclr.datasets.sources import RemoteFile, Source
from simclr.events import ShouldStop, Stopped, never

Progress = Callable[[int, int], None]
CHUNK_BYTES = 256 * 1024
ATTEMPTS = 5
SILENCE_S = 30.0
MOST_BYTES = 8 * 2**30
# Answers after which asking again may help.
PASSING = (408, 425, 429, 500, 502, 503, 504)


def ignore(done: int, total: int, /) -> None:
    """A ``Progress`` for callers who do not watch."""


def download(
    source: Source,
    folder: Path,
    *,
    progress: Progress = ignore,
    should_stop: ShouldStop = never,
    mirror: str | None = None,
    pause: Callable[[float], object] = time.sleep,
) -> list[Path]:
    """Bring a source's files into ``folder``; what is there and right is not fetched again.

    A download that broke off goes on where it stopped, where the server allows it, also after a restart: the beginning stays
    as ``NAME.part``. A file that somebody put there by hand is checked like a fetched one.

    Args:
        source: One of ``sources.SOURCES``.
        folder: Made if absent.
        progress: Called with the bytes that are there and those there will be (0 while unknown), of one file after the other.
        should_stop: Asked after every quarter of a mebibyte.
        mirror: Address of a folder that holds the same files, asked instead of the publishers.
        pause: Waits the given seconds before another attempt.

    Returns:
        The files, in the source's order.

    Raises:
        DatasetError: ``offline`` (the message says which file to put where), ``download_failed`` for a refusal of the server,
            ``checksum``, ``disk_full``, ``busy`` where another process fetches the same file.
        Stopped: ``should_stop`` said so.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fetched = []
    for file in source.files:
        path = folder / file.name
        if path.exists():
            _check(path, file, path)
        else:
            _Fetch(file, path, _address(file, mirror), progress, should_stop).run(pause)
        progress(path.stat().st_size, path.stat().st_size)
        fetched.append(path)
    return fetched


def missing_files(source: Source, folder: Path) -> list[str]:
    """Names of a source's files that are not in ``folder``; nothing is checked."""
    return [file.name for file in source.files if not (folder / file.name).exists()]


@dataclass
class _Fetch:
    """One file on its way."""

    file: RemoteFile
    path: Path
    url: str
    progress: Progress
    should_stop: ShouldStop
    total: int = 0

    def run(self, pause: Callable[[float], object]) -> None:
        part = self.path.with_name(f"{self.path.name}.part")
        with _alone(part, self.file) as out:
            for attempt in range(ATTEMPTS):
                if attempt:
                    pause(2.0 ** (attempt - 1))
                try:
                    self._attempt(out)
                    break
                except (HTTPException, OSError) as error:
                    if isinstance(error, urllib.error.HTTPError) and error.code not in PASSING:
                        raise self._refused(error) from error
                    if attempt == ATTEMPTS - 1:
                        raise self._offline(error, out) from error
            out.flush()
            _check(part, self.file, self.path)
            part.replace(self.path)

    def _attempt(self, out: BinaryIO) -> None:
        """Fetch what is missing; an error of the connection leaves what has come."""
        have = out.seek(0, 2)
        headers = {"User-Agent": "simclr-lab", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        request = urllib.request.Request(self.url, headers=headers)  # noqa: S310 (from our own table; checked in _address)
        try:
            response = cast(HTTPResponse, urllib.request.urlopen(request, timeout=SILENCE_S))  # noqa: S310
        except urllib.error.HTTPError as error:
            if error.code == 416:
                # Nothing lies behind what we have: it is whole, or wrong, which its sum will tell.
                return
            raise
        with response:
            have = self._begin(response, out, have)
            while chunk := response.read(CHUNK_BYTES):
                have += out.write(chunk)
                self.progress(have, self.total)
                if self.should_stop():
                    raise Stopped(f"stopped at {have:,} bytes of {self.file.name}; a later download goes on from there")
                if have > MOST_BYTES:
                    raise self._refused(ValueError(f"more than {MOST_BYTES:,} bytes"))
        if have < self.total:
            raise ConnectionError(f"the connection ended after {have:,} of {self.total:,} bytes")

    def _begin(self, response: HTTPResponse, out: BinaryIO, have: int) -> int:
        """Go to where the answer's bytes belong: behind those that are there, or to the beginning."""
        length = int(response.headers.get("Content-Length") or 0)
        goes_on = response.status == 206 and (response.headers.get("Content-Range") or "").startswith(f"bytes {have}-")
        if not goes_on:
            have = 0
            out.seek(0)
            out.truncate()
        self.total = have + length if length else 0
        free = shutil.disk_usage(self.path.parent).free
        if length > free:
            raise DatasetError(
                "disk_full",
                f"{self.file.name} needs {length:,} more bytes, but {free:,} are free in {self.path.parent}",
            )
        return have

    def _offline(self, error: Exception, out: BinaryIO) -> DatasetError:
        have = out.seek(0, 2)
        so_far = f"; {have:,} bytes are kept for the next attempt" if have else ""
        return DatasetError(
            "offline",
            f"{self.url} can't be reached ({error or type(error).__name__}){so_far}: try again later, or fetch "
            f"{self.file.name} elsewhere and put it into {self.path.parent}",
        )

    def _refused(self, error: Exception) -> DatasetError:
        return DatasetError(
            "download_failed",
            f"{self.url} is not given out ({error}): fetch {self.file.name} elsewhere and put it into {self.path.parent}",
        )


def _address(file: RemoteFile, mirror: str | None) -> str:
    url = file.url if mirror is None else f"{mirror.rstrip('/')}/{file.name}"
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"the address {url} is neither http nor https")
    return url


@contextmanager
def _alone(part: Path, file: RemoteFile) -> Iterator[BinaryIO]:
    """The file's beginning, opened by nobody else."""
    with part.open("ab+") as out:
        try:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatasetError("busy", f"{file.name} is being downloaded already: wait for that") from None
        yield out


def _check(path: Path, file: RemoteFile, home: Path) -> None:
    """Refuse a file with another sum; a fetched one is removed, one that somebody put there is not ours to remove."""
    with path.open("rb") as opened:
        found = hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found == file.md5:
        return
    if path != home:
        path.unlink()
    raise DatasetError(
        "checksum",
        f"{home.name} has the MD5 {found}, but {file.md5} is published: "
        + ("it was not kept; download it again" if path != home else f"remove {home} and download it again"),
    )
