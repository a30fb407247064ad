"""A folder on the server as a source of images: nothing outside of it is read, whatever it holds."""

import errno
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from simclr.datasets.errors import DatasetError
from simclr.datasets.limits import LIMITS, MIB, Limits
from simclr.datasets.names import check_name, quote

DEEPEST = 32
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
# A pipe must not make its reader wait.
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


def list_folders(root: Path) -> list[str]:
    """Names of the folders directly below ``root`` that can be imported, sorted; links and hidden ones are left out.

    Raises:
        DatasetError: ``no_folder``: ``root`` is none.
    """
    if not root.is_dir():
        raise DatasetError("no_folder", f"{root} is no folder: make it, or configure another")
    with os.scandir(root) as found:
        return sorted(e.name for e in found if not e.name.startswith(".") and e.is_dir(follow_symlinks=False))


def folder_below(root: Path, name: str) -> Path:
    """The folder that a relative name means below a root that whoever runs the server has configured.

    Raises:
        DatasetError: ``path_outside`` or ``bad_name`` for a name that is no plain relative path, ``link`` where a part of it
            is a symbolic link, ``no_folder`` where there is none.
    """
    check_name(name)
    path = root.resolve()
    for part in name.split("/"):
        if part in ("", "."):
            raise DatasetError("path_outside", f"{quote(name)} is no plain relative path: name a folder below the root")
        path /= part
        if path.is_symlink():
            raise DatasetError("link", f"{quote(name)} leads through a symbolic link: name the folder itself")
    if not path.is_dir():
        raise DatasetError("no_folder", f"there is no folder {quote(name)} below the configured root: name one that is")
    return path


@contextmanager
def open_folder(path: Path, limits: Limits = LIMITS) -> Iterator["FolderMembers"]:
    """Look over a folder; hidden files and folders are passed over.

    Raises:
        DatasetError: ``no_folder``, ``empty_archive``, ``too_many_entries``, ``too_deep``, ``archive_bomb`` for more bytes
            than the limits allow, ``link``, ``bad_name``, ``path_outside``, ``not_readable``.
    """
    try:
        top = os.open(path, FOLDER_FLAGS)
    except OSError as error:
        raise DatasetError("no_folder", f"{path} is no folder that can be read ({error.strerror}): name one") from error
    try:
        sizes: dict[str, int] = {}
        for name, size in _walk(top, "", 0):
            sizes[name] = size
            if len(sizes) > limits.entries:
                raise DatasetError(
                    "too_many_entries", f"the folder holds more than {limits.entries:,} files: name a smaller one"
                )
        if not sizes:
            raise DatasetError("empty_archive", "the folder holds no files: put images into it, one folder a class")
        if sum(sizes.values()) > limits.total_bytes:
            raise DatasetError(
                "archive_bomb", f"the folder's files take more than {limits.total_bytes // MIB} MiB: name a smaller one"
            )
        yield FolderMembers(top, sizes, limits)
    finally:
        os.close(top)


class FolderMembers:
    """The files of a folder that has been looked over; every part of every path is opened without following links."""

    kind = "folder"

    def __init__(self, top: int, sizes: dict[str, int], limits: Limits) -> None:
        self.sizes = sizes
        self._top, self._limits = top, limits

    def read(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """The wanted files by path; see ``members.Members.read``."""
        for name in sorted(wanted):
            yield name, self._read(name)

    def _read(self, name: str) -> bytes:
        *folders, last = name.split("/")
        opened: list[int] = []
        try:
            at = self._top
            for folder in folders:
                at = os.open(folder, FOLDER_FLAGS, dir_fd=at)
                opened.append(at)
            with os.fdopen(os.open(last, FILE_FLAGS, dir_fd=at), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise _link(name)
                data = file.read(self._limits.member_bytes + 1)
        except OSError as error:
            raise _unreadable(name, error) from error
        finally:
            for folder_fd in opened:
                os.close(folder_fd)
        if len(data) > self._limits.member_bytes:
            raise DatasetError(
                "archive_bomb", f"{quote(name)} takes more than {self._limits.member_bytes // MIB} MiB: leave it out"
            )
        return data


def _walk(folder: int, prefix: str, depth: int) -> Iterator[tuple[str, int]]:
    if depth > DEEPEST:
        raise DatasetError(
            "too_deep", f"{quote(prefix)} lies more than {DEEPEST} folders deep: name a folder further in"
        )
    try:
        with os.scandir(folder) as found:
            entries = sorted((e for e in found if not e.name.startswith(".")), key=lambda e: e.name)
    except OSError as error:
        raise _unreadable(prefix or "the folder", error) from error
    for entry in entries:
        name = f"{prefix}{entry.name}"
        check_name(name)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk_below(folder, entry.name, name, depth)
        elif entry.is_file(follow_symlinks=False):
            yield name, entry.stat(follow_symlinks=False).st_size
        else:
            raise _link(name)


def _walk_below(folder: int, part: str, name: str, depth: int) -> Iterator[tuple[str, int]]:
    try:
        inner = os.open(part, FOLDER_FLAGS, dir_fd=folder)
    except OSError as error:
        raise _unreadable(name, error) from error
    try:
        yield from _walk(inner, f"{name}/", depth + 1)
    finally:
        os.close(inner)


def _link(name: str) -> DatasetError:
    return DatasetError("link", f"{quote(name)} is a link, a pipe or a device: put the images themselves there")


def _unreadable(name: str, error: OSError) -> DatasetError:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return _link(name)
    return DatasetError("not_readable", f"{quote(name)} can't be read ({error.strerror}): check who may read it")
