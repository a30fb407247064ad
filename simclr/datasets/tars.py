"""Tar files from strangers, plain, gzipped or packed by xz: read as a stream, once for the names and once for the bytes.

Python's own reader holds every member, follows links and reads extended headers of any size; here a header is either of a
plain kind or refused.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simclr.datasets.errors import DatasetError
from simclr.datasets.inflow import GZIP, XZ, Inflow
from simclr.datasets.limits import LIMITS, MIB, Limits
from simclr.datasets.names import check_name, quote

BLOCK = 512
NOTHING = bytes(BLOCK)
FILES, FOLDERS, LINKS, SPARSE = b"\x007", b"5", b"12346", b"S"
LONG_NAME, LONG_LINK, EXTENDED, EXTENDED_FOR_ALL = b"L", b"K", b"xX", b"g"
# Of an extended header; names are shorter, but systems put attributes beside them.
EXTENDED_BYTES = MIB
MOST_EXTENDED = 8


@dataclass(frozen=True)
class Entry:
    """A file of the archive; ``read`` gives its next bytes, until the next entry is asked for."""

    name: str
    size: int
    inflow: Inflow

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes.

        Raises:
            DatasetError: ``broken_archive``: the archive ends before.
        """
        return _exactly(self.inflow, size)


def is_tar(head: bytes) -> bool:
    """Whether a file that begins so (512 bytes) can be a tar, packed or not."""
    return head.startswith((GZIP, XZ)) or (len(head) == BLOCK and any(head) and _has_sum(head))


@contextmanager
def open_tar(path: Path, limits: Limits = LIMITS) -> Iterator["TarMembers"]:
    """Look over the whole archive, then let its files be read.

    Raises:
        DatasetError: ``broken_archive``, ``empty_archive``, ``too_many_entries``, ``archive_bomb``, ``link``, ``sparse``,
            ``bad_entry``, ``path_outside``, ``bad_name``, ``duplicate_name``.
    """
    sizes: dict[str, int] = {}
    names_bytes = total = 0
    for number, entry in enumerate(entries(path, limits), start=1):
        names_bytes, total = names_bytes + len(entry.name), total + entry.size
        if number > limits.entries or names_bytes > limits.directory_bytes:
            raise DatasetError(
                "too_many_entries", f"the archive holds more than {limits.entries:,} files, or endless names: split it"
            )
        if total > limits.total_bytes:
            raise DatasetError(
                "archive_bomb",
                f"the archive's files take more than {limits.total_bytes // MIB} MiB, which are the most read: split it",
            )
        if entry.name in sizes:
            raise DatasetError("duplicate_name", f"{quote(entry.name)} is in the archive twice: keep one of them")
        sizes[entry.name] = entry.size
    if not sizes:
        raise DatasetError("empty_archive", "the archive holds no files: put images into it, one folder for each class")
    yield TarMembers(path, sizes, limits)


class TarMembers:
    """The files of a tar whose entries have been looked over."""

    kind = "tar"

    def __init__(self, path: Path, sizes: dict[str, int], limits: Limits) -> None:
        self.sizes = sizes
        self._path, self._limits = path, limits

    def read(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """The wanted files in the archive's own order; see ``members.Members.read``."""
        left = set(wanted)
        for entry in entries(self._path, self._limits):
            if entry.name not in left:
                continue
            if entry.size > self._limits.member_bytes:
                raise DatasetError(
                    "archive_bomb",
                    f"{quote(entry.name)} takes more than {self._limits.member_bytes // MIB} MiB: leave it out",
                )
            yield entry.name, entry.read(entry.size)
            left.remove(entry.name)
            if not left:
                return


def entries(path: Path, limits: Limits = LIMITS) -> Iterator[Entry]:
    """Every file of the archive in order, its name checked; folders are passed over.

    Raises:
        DatasetError: see ``open_tar``.
    """
    with path.open("rb") as file:
        inflow = Inflow(file, limits)
        for _ in range(2 * limits.entries):
            found = _next_entry(inflow)
            if found is None:
                inflow.finish()
                return
            name, size, is_file = found
            if is_file:
                end = inflow.taken + size + -size % BLOCK
                yield Entry(name, size, inflow)
                inflow.skip(end - inflow.taken)
    raise DatasetError("too_many_entries", f"the archive holds more than {limits.entries:,} files: split it")


def _next_entry(inflow: Inflow) -> tuple[str, int, bool] | None:
    """Name, size and whether it is a file; None at the archive's end. Extended headers before it are taken into account."""
    long_name: str | None = None
    long_size: int | None = None
    for _ in range(MOST_EXTENDED):
        header = _exactly(inflow, BLOCK)
        if header == NOTHING:
            return None
        if not _has_sum(header):
            raise _broken("a header's checksum is wrong")
        kind, size = header[156:157], _number(header[124:136])
        if kind in LONG_NAME + LONG_LINK + EXTENDED + EXTENDED_FOR_ALL:
            data = _extended(inflow, size)
            if kind in LONG_NAME:
                long_name = _text(data.partition(b"\0")[0])
            elif kind not in LONG_LINK:
                records = _records(data)
                _refuse_sparse(records)
                if kind in EXTENDED_FOR_ALL and (b"path" in records or b"size" in records):
                    raise _broken("one name or size for all files")
                long_name = _text(records[b"path"]) if b"path" in records else long_name
                long_size = _decimal(records[b"size"]) if b"size" in records else long_size
            continue
        name = long_name if long_name is not None else _name(header)
        return _judged(name, kind, size if long_size is None else long_size)
    raise _broken("too many extended headers in a row")


def _judged(name: str, kind: bytes, size: int) -> tuple[str, int, bool]:
    """Refuse what is neither a file nor a folder."""
    if kind in LINKS:
        raise DatasetError("link", f"{quote(name)} is a link or a device: pack the images themselves")
    if kind in SPARSE:
        raise _sparse(name)
    if kind not in FILES + b"0" + FOLDERS:
        raise DatasetError("bad_entry", f"{quote(name)} is of kind {kind!r}, neither a file nor a folder: leave it out")
    check_name(name)
    is_folder = kind in FOLDERS or (name.endswith("/") and size == 0)
    if name.endswith("/") and not is_folder:
        raise DatasetError("bad_name", f"{quote(name)} is a file with the name of a folder: pack the folder again")
    # Of a folder, the size is a note without bytes behind it.
    return name, 0 if is_folder else size, not is_folder


def _exactly(inflow: Inflow, size: int) -> bytes:
    data = inflow.read(size)
    if len(data) < size:
        raise _broken("it ends in the middle")
    return data


def _extended(inflow: Inflow, size: int) -> bytes:
    if size > EXTENDED_BYTES:
        raise _broken(f"an extended header of {size:,} bytes")
    data = _exactly(inflow, size)
    inflow.skip(-size % BLOCK)
    return data


def _records(data: bytes) -> dict[bytes, bytes]:
    """The records ``LENGTH KEY=VALUE`` of an extended header. Source: POSIX.1-2001, pax interchange format."""
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        length_text, space, _ = data[at : at + 20].partition(b" ")
        length = _decimal(length_text)
        record = data[at + len(length_text) + 1 : at + length]
        key, equals, value = record.partition(b"=")
        if not space or not equals or not record.endswith(b"\n") or at + length > len(data):
            raise _broken("an extended header that can't be read")
        records[key] = value[:-1]
        at += length
    return records


def _refuse_sparse(records: dict[bytes, bytes]) -> None:
    if any(key.startswith(b"GNU.sparse.") for key in records):
        raise _sparse(records.get(b"GNU.sparse.name", b"a file").decode(errors="replace"))


def _sparse(name: str) -> DatasetError:
    return DatasetError("sparse", f"{quote(name)} is stored with holes: pack without --sparse")


def _name(header: bytes) -> str:
    name = header[:100].partition(b"\0")[0]
    if header[257:263] == b"ustar\0" and (prefix := header[345:500].partition(b"\0")[0]):
        name = prefix + b"/" + name
    return _text(name)


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        shown = quote(raw.decode("utf-8", errors="replace"))
        raise DatasetError("bad_name", f"the name {shown} is not UTF-8: rename the file") from None


def _decimal(raw: bytes) -> int:
    if not raw.isdigit() or len(raw) > 19:
        raise _broken("a number that is none")
    return int(raw)


def _number(field: bytes) -> int:
    """Octal digits, or eleven bytes of a large number."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not digits:
        return 0
    if digits.strip(b"01234567"):
        raise _broken("a number that is none, or negative")
    return int(digits, 8)


def _has_sum(header: bytes) -> bool:
    """Whether a header's checksum is right, of bytes or, as some wrote it, of signed bytes."""
    digits = header[148:156].strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        return False
    others = header[:148] + b" " * 8 + header[156:]
    total = sum(others)
    said = int(digits, 8)
    return said == total or said == total - 256 * sum(byte > 127 for byte in others)


def _broken(why: str) -> DatasetError:
    return DatasetError("broken_archive", f"the archive can't be read ({why}): pack it again")
