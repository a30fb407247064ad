"""One way to read what holds images: a zip file, a tar file, a folder."""

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from simclr.datasets.errors import DatasetError
from simclr.datasets.folders import open_folder
from simclr.datasets.limits import LIMITS, Limits
from simclr.datasets.tars import is_tar, open_tar
from simclr.datasets.zips import open_zip_members

OTHER_ARCHIVES = {
    b"BZh": "bzip2", b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!\x1a\x07": "RAR", b"\x28\xb5\x2f\xfd": "Zstandard",
}  # fmt: skip


class Members(Protocol):
    """Files by name; ``kind`` is "zip", "tar" or "folder", and a set made of it says so."""

    @property
    def kind(self) -> str: ...

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes that every file declares, by name; folders are not listed. A declaration may be a lie."""

    def read(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """The wanted files, each once and whole, in whatever order costs least.

        Raises:
            DatasetError: ``archive_bomb`` for a file larger than the limits allow, ``broken_archive``.
        """


def open_members(path: Path, limits: Limits = LIMITS) -> AbstractContextManager[Members]:
    """Open a folder, or an archive by what its bytes are; its suffix is not asked for.

    Raises:
        DatasetError: see ``zips.open_zip``, ``tars.open_tar``, ``folders.open_folder``; ``format`` for other archives.
    """
    if path.is_dir():
        return open_folder(path, limits)
    with path.open("rb") as file:
        head = file.read(512)
    for magic, name in OTHER_ARCHIVES.items():
        if head.startswith(magic):
            raise DatasetError("format", f"the archive is packed by {name}: pack it as zip, tar, tar.gz or tar.xz")
    return open_tar(path, limits) if is_tar(head) else open_zip_members(path, limits)
