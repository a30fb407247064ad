"""Zip files from strangers: looked over before a byte is unpacked, then read member by member, never extracted."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from simclr.datasets.errors import DatasetError
from simclr.datasets.limits import LIMITS, MIB, Limits
from simclr.datasets.names import check_name, quote

LOCAL_HEADER_BYTES = 30
END_RECORD = b"PK\x05\x06"
ENCRYPTED = 0x1 | 0x40 | 0x2000
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# Everything zipfile and zlib were seen to raise on damaged bytes; 3.11 raises struct and index errors of its own.
DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, NotImplementedError, RuntimeError,
    IndexError, KeyError, ValueError, OverflowError,
)  # fmt: skip


@contextmanager
def open_zip(path: Path, limits: Limits = LIMITS) -> Iterator[zipfile.ZipFile]:
    """Open ``path`` after a look at its list of members; nothing is unpacked yet.

    Raises:
        DatasetError: ``broken_archive``, ``empty_archive``, ``too_many_entries``, ``archive_bomb``, ``overlap``,
            ``encrypted``, ``compression``, ``link``, ``path_outside``, ``bad_name``, ``duplicate_name``.
    """
    _check_directory_size(path, limits)
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGE as error:
        raise broken(error) from error
    with archive:
        _check_members(archive, path.stat().st_size, limits)
        yield archive


@contextmanager
def open_zip_members(path: Path, limits: Limits = LIMITS) -> Iterator["ZipMembers"]:
    """The files of a zip as ``members.Members``; see ``open_zip`` for refusals."""
    with open_zip(path, limits) as archive:
        yield ZipMembers(archive, limits)


class ZipMembers:
    """The files of an opened zip."""

    kind = "zip"

    def __init__(self, archive: zipfile.ZipFile, limits: Limits) -> None:
        self._archive, self._limits = archive, limits
        self._infos = {m.filename: m for m in archive.infolist() if not m.is_dir()}
        self.sizes = {name: info.file_size for name, info in self._infos.items()}

    def read(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """The wanted files as they lie in the archive, so that a disk reads forward; see ``members.Members.read``."""
        for name in sorted(wanted, key=lambda name: self._infos[name].header_offset):
            yield name, read_member(self._archive, self._infos[name], self._limits.member_bytes)


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> bytes:
    """The member's bytes, counted while they come, because what a header declares may be a lie.

    Raises:
        DatasetError: ``archive_bomb`` past ``limit`` bytes, ``broken_archive`` when it can't be unpacked.
    """
    try:
        with archive.open(member) as file:
            data = file.read(limit + 1)
    except DAMAGE as error:
        raise broken(error, member.filename) from error
    if len(data) > limit:
        raise DatasetError(
            "archive_bomb", f"{quote(member.filename)} unpacks to more than {limit // MIB} MiB: leave it out"
        )
    return data


def broken(error: BaseException, name: str = "") -> DatasetError:
    """The refusal for bytes that can't be unpacked, of the whole archive or of one member."""
    what = f"{quote(name)} in the archive" if name else "the archive"
    return DatasetError("broken_archive", f"{what} can't be read ({error or type(error).__name__}): pack it again")


def _check_directory_size(path: Path, limits: Limits) -> None:
    """Refuse a list of members that would not fit into memory, before ``zipfile`` reads it whole."""
    with path.open("rb") as file:
        size, count = _declared_directory(file)
    if count > limits.entries:
        raise _too_many(count, limits)
    if size > limits.directory_bytes:
        raise DatasetError(
            "too_many_entries",
            f"the archive's list of members takes {size // MIB} MiB, more than {limits.directory_bytes // MIB} MiB: "
            f"split the archive into several of at most {limits.entries:,} files",
        )


def _declared_directory(file: BinaryIO) -> tuple[int, int]:
    """Bytes and entries that the end record declares, or 0 where there is none: ``zipfile`` will say what is wrong then.

    Source: APPNOTE 6.3.10, 4.3.14 to 4.3.16.
    """
    length = file.seek(0, 2)
    file.seek(max(0, length - 2**16 - 22 - 76))
    tail = file.read()
    # The search order of zipfile itself, or the two could read different records.
    bare = tail[-22:-18] == END_RECORD and tail[-2:] == b"\0\0"
    end = len(tail) - 22 if bare else tail.rfind(END_RECORD)
    if end < 0 or len(tail) < end + 16:
        return 0, 0
    count, size = struct.unpack_from("<HL", tail, end + 10)
    wide = tail[max(0, end - 76) : end]
    if len(wide) == 76 and wide[56:60] == b"PK\x06\x07" and wide[:4] == b"PK\x06\x06":
        count, size = struct.unpack_from("<QQ", wide, 32)
    return int(size), int(count)


def _too_many(count: int, limits: Limits) -> DatasetError:
    return DatasetError(
        "too_many_entries", f"the archive holds {count:,} files, more than {limits.entries:,}: split it"
    )


def _check_members(archive: zipfile.ZipFile, packed_bytes: int, limits: Limits) -> None:
    members = archive.infolist()
    if not members:
        raise DatasetError("empty_archive", "the archive holds no files: put images into it, one folder for each class")
    if len(members) > limits.entries:
        raise _too_many(len(members), limits)
    seen: set[str] = set()
    for member in members:
        # zipfile cuts a name at its first NUL, so that "a.png\0.exe" looks harmless: judge what stands in the file.
        check_name(member.orig_filename)
        _check_kind(member)
        _check_size(member, limits)
        if member.filename in seen:
            raise DatasetError("duplicate_name", f"{quote(member.filename)} is in the archive twice: keep one of them")
        seen.add(member.filename)
    total = sum(member.file_size for member in members)
    if total > limits.total_bytes or total > limits.free_bytes + limits.ratio * packed_bytes:
        raise DatasetError(
            "archive_bomb",
            f"the archive would unpack from {packed_bytes:,} to {total:,} bytes; at most {limits.total_bytes // MIB} MiB "
            f"and {limits.ratio} times its size are read: split it",
        )
    _check_overlap(archive, members)


def _check_kind(member: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DatasetError("link", f"{quote(member.filename)} is a link or a device: pack the images themselves")
    if member.flag_bits & ENCRYPTED:
        raise DatasetError("encrypted", f"{quote(member.filename)} is encrypted: pack the images without a password")
    if member.compress_type not in METHODS:
        raise DatasetError(
            "compression", f"{quote(member.filename)} is packed by method {member.compress_type}: use stored or deflate"
        )


def _check_size(member: zipfile.ZipInfo, limits: Limits) -> None:
    if member.file_size > limits.free_bytes and member.file_size > limits.ratio * member.compress_size:
        raise DatasetError(
            "archive_bomb",
            f"{quote(member.filename)} would unpack from {member.compress_size:,} to {member.file_size:,} bytes, more than "
            f"{limits.ratio} times its size: leave it out",
        )


def _check_overlap(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> None:
    """Refuse members that share bytes: a few kilobytes can unpack to terabytes that way (CVE-2024-0450)."""
    ordered = sorted(members, key=lambda member: member.header_offset)
    ends = [m.header_offset + LOCAL_HEADER_BYTES + len(m.orig_filename) + m.compress_size for m in ordered]
    starts = [m.header_offset for m in ordered[1:]] + [archive.start_dir]
    for member, end, following in zip(ordered, ends, starts, strict=True):
        if member.header_offset < 0:
            raise broken(ValueError("it points before its beginning"), member.filename)
        if end > following:
            raise DatasetError(
                "overlap", f"{quote(member.filename)} shares bytes with another file: pack the folder again"
            )
