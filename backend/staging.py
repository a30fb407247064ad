"""Where uploads land: a folder that is tidied at start, files of our own naming, counted bytes, room kept on the disk."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from backend.catalogue.ids import new_id
from backend.errors import ApiError
from backend.jobs.imports import remove
from backend.security import exceeds

MIB = 1 << 20
WRITE_BYTES = MIB
IDLE_TIMEOUT_S = 60.0
# Room that an upload must leave for the catalogue, for logs and for the images that are made of it.
RESERVE_BYTES = 256 * MIB


class Staging:
    """Receives the bodies of requests as files that vanish after use, unless somebody has moved them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def clean(self, needed: Collection[Path] = ()) -> None:
        """Remove what an earlier process left behind, all but the ``needed``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in set(self.folder.iterdir()) - set(needed):
            remove(path)

    @asynccontextmanager
    async def receiving(self, request: Request, cap: int) -> AsyncIterator[Path]:
        """The request's body as a file, there until the end of the block.

        Raises:
            ApiError: 413 more than ``cap`` bytes, 422 none at all, 408 nothing came for a minute, 507 the disk is full.
        """
        check_declared(request, cap)
        self._check_room(2 * int(request.headers.get("content-length", "0")))  # the file, and the images made of it
        path = self.folder / f"{new_id()}.part"
        try:
            await self._write(request, path, cap)
            yield path
        finally:
            await run_in_threadpool(path.unlink, missing_ok=True)

    async def _write(self, request: Request, path: Path, cap: int) -> None:
        with path.open("xb") as file:
            buffer = bytearray()
            async for chunk in counted(request, cap):
                buffer += chunk
                if len(buffer) >= WRITE_BYTES:
                    self._check_room(len(buffer))
                    await run_in_threadpool(file.write, bytes(buffer))
                    buffer.clear()
            await run_in_threadpool(file.write, bytes(buffer))
            await run_in_threadpool(_sync, file)

    def _check_room(self, wanted: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if wanted + RESERVE_BYTES > free:
            raise ApiError(
                507, "disk_full", f"The disk of the lab has {free // MIB} MiB left: make room, then try again."
            )


def check_declared(request: Request, cap: int) -> None:
    """Refuse by its declared length a body that will be too long."""
    declared = request.headers.get("content-length")
    if declared is not None and exceeds(declared, cap):
        raise _too_large(cap)


async def read_body(request: Request, cap: int) -> bytes:
    """The whole body, in memory.

    Raises:
        ApiError: as ``Staging.receiving``.
    """
    check_declared(request, cap)
    return b"".join([chunk async for chunk in counted(request, cap)])


async def counted(request: Request, cap: int) -> AsyncIterator[bytes]:
    """The chunks of a body, counted: a declared length may lie."""
    total = 0
    chunks = request.stream()
    while True:
        try:
            chunk = await asyncio.wait_for(anext(chunks, None), IDLE_TIMEOUT_S)
        except TimeoutError:
            raise ApiError(
                408, "upload_stalled", f"Nothing arrived for {IDLE_TIMEOUT_S:.0f} s: send it again."
            ) from None
        except ClientDisconnect:
            raise ApiError(400, "upload_broken_off", "The connection ended before the upload did.") from None
        if chunk is None:
            break
        total += len(chunk)
        if total > cap:
            raise _too_large(cap)
        yield chunk
    if total == 0:
        raise ApiError(422, "empty_upload", "The body is empty: send the file as the body of the request.")


def _sync(file: BinaryIO) -> None:
    """What was accepted is still there after a power cut."""
    file.flush()
    os.fsync(file.fileno())


def _too_large(cap: int) -> ApiError:
    return ApiError(413, "too_large", f"The upload is larger than {cap // MIB} MiB.")
