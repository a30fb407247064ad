"""The bytes of a plain, gzipped or xz-packed file as a stream, which never holds more than a block and counts what comes."""

import lzma
import zlib
from typing import BinaryIO, Protocol

from simclr.datasets.errors import DatasetError
from simclr.datasets.limits import MIB, Limits

GZIP, XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"
BLOCK_BYTES = 256 * 1024
# The strongest preset of xz needs 65 MiB; a header may ask for 4 GiB.
XZ_MEMORY_BYTES = 128 * MIB
DAMAGE = (zlib.error, lzma.LZMAError, EOFError, OSError)


class Inflow:
    """Reads a file from its beginning, unpacking as it goes.

    ``taken`` counts the bytes read and passed over so far.

    Raises, on any read:
        DatasetError: ``archive_bomb`` past the limits' total or ratio, ``broken_archive`` for damage or a sudden end.
    """

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        file.seek(0, 2)
        self._packed_bytes = file.tell()
        file.seek(0)
        head = file.read(len(XZ))
        file.seek(0)
        self._file, self._limits = file, limits
        self._unpacker = _Gzip() if head.startswith(GZIP) else _Xz() if head == XZ else None
        self._block, self._at, self._unpacked_bytes = b"", 0, 0
        self.taken = 0

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer only where the stream ends."""
        parts = []
        while size > 0 and (self._at < len(self._block) or self._fill()):
            part = self._block[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            parts.append(part)
        data = b"".join(parts)
        self.taken += len(data)
        return data

    def skip(self, size: int) -> None:
        """Pass over ``size`` bytes, or what is left of them."""
        self.taken += size
        inside = min(size, len(self._block) - self._at)
        self._at += inside
        size -= inside
        if self._unpacker is None:
            self._file.seek(size, 1)
        else:
            while size > 0 and self._fill():
                self._at = min(size, len(self._block))
                size -= self._at

    def finish(self) -> None:
        """Read to the end, so that the checksums there are compared."""
        while self._fill():
            pass

    def _fill(self) -> bool:
        try:
            self._block = (
                self._file.read(BLOCK_BYTES) if self._unpacker is None else self._unpacker.next_block(self._file)
            )
        except DAMAGE as error:
            raise DatasetError(
                "broken_archive", f"the file can't be unpacked ({error or type(error).__name__}): pack it again"
            ) from error
        self._at = 0
        self._unpacked_bytes += len(self._block)
        limits = self._limits
        ratio_bytes = limits.free_bytes + limits.ratio * self._packed_bytes
        if self._unpacked_bytes > (
            limits.total_bytes if self._unpacker is None else min(limits.total_bytes, ratio_bytes)
        ):
            raise DatasetError(
                "archive_bomb",
                f"the file unpacks from {self._packed_bytes:,} to more than {self._unpacked_bytes - 1:,} bytes; at most "
                f"{limits.total_bytes // MIB} MiB and {limits.ratio} times its size are read: split it",
            )
        return bool(self._block)


class _Unpacker(Protocol):
    def next_block(self, file: BinaryIO) -> bytes:
        """Some unpacked bytes, none at the end; what is packed behind the end is unpacked too, as both formats allow."""


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(31)
        self._packed = b""

    def next_block(self, file: BinaryIO) -> bytes:
        while True:
            if self._stream.eof:
                # Padding may follow, or another stream; anything else is left alone, as gzip does.
                rest = (self._stream.unused_data or file.read(BLOCK_BYTES)).lstrip(b"\0")
                if not rest.startswith(GZIP):
                    return b""
                self._stream, self._packed = zlib.decompressobj(31), rest
            packed = self._packed or file.read(BLOCK_BYTES)
            block = self._stream.decompress(packed, BLOCK_BYTES)
            self._packed = self._stream.unconsumed_tail
            if block:
                return block
            if not packed and not self._stream.eof:
                raise EOFError("it ends in the middle")


class _Xz:
    def __init__(self) -> None:
        self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY_BYTES)

    def next_block(self, file: BinaryIO) -> bytes:
        while True:
            rest = b""
            if self._stream.eof:
                rest = (self._stream.unused_data or file.read(BLOCK_BYTES)).lstrip(b"\0")
                if not rest.startswith(XZ):
                    return b""
                self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY_BYTES)
            packed = rest or (file.read(BLOCK_BYTES) if self._stream.needs_input else b"")
            was_hungry = self._stream.needs_input
            block = self._stream.decompress(packed, BLOCK_BYTES)
            if block:
                return block
            if not packed and was_hungry and not self._stream.eof:
                raise EOFError("it ends in the middle")
