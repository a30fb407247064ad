"""Tar files that mean harm, or are merely odd, and what must become of each."""

import gzip
import io
import lzma
import struct
import tarfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.simclr.datasets.hostile_archives import huge_png_header, inner_zip, raw
from tests.simclr.datasets.pictures import class_folders, encoded, picture, png

Builder = Callable[[Path], Path]
END = bytes(1024)


def header(
    name: bytes, size: int | bytes = 0, kind: bytes = b"0", magic: bytes = b"ustar\x0000", **fields: bytes
) -> bytes:
    """One header, with a right checksum unless ``checksum`` is given."""
    size_field = size if isinstance(size, bytes) else b"%011o\0" % size
    link, prefix = fields.get("link", b""), fields.get("prefix", b"")
    parts = [
        name.ljust(100, b"\0"), b"0000644\0", b"0000000\0", b"0000000\0", size_field, b"00000000000\0", b" " * 8, kind,
        link.ljust(100, b"\0"), magic, bytes(32), bytes(32), bytes(16), prefix.ljust(155, b"\0"),
    ]  # fmt: skip
    block = b"".join(parts).ljust(512, b"\0")
    total = fields.get("checksum", b"%06o\0 " % sum(block))
    return block[:148] + total + block[156:]


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def member(name: str, data: bytes) -> bytes:
    return header(name.encode(), len(data)) + padded(data)


def good(per_class: int = 10) -> bytes:
    """Members of good pictures, without an end."""
    return b"".join(member(name, data) for name, data in class_folders(per_class).items())


def with_raw(extra: bytes) -> Builder:
    """Good pictures, then whatever is given, then the end."""
    return raw(good(2) + extra + END)


def record(key: str, value: str) -> bytes:
    line = f" {key}={value}\n"
    length = len(line) + 1
    while len(str(length)) + len(line) != length:
        length += 1
    return f"{length}{line}".encode()


def pax(*records: bytes, kind: bytes = b"x") -> bytes:
    data = b"".join(records)
    return header(b"PaxHeaders/x", len(data), kind) + padded(data)


def long_name(name: bytes) -> bytes:
    return header(b"././@LongLink", len(name) + 1, b"L", b"ustar  \0") + padded(name + b"\0")


def tarred(path: Path, files: Mapping[str, bytes], mode: str = "w", **options: int) -> Path:
    """As Python's own writer packs; ``mode`` as ``tarfile`` names it."""
    with tarfile.open(path, mode, **options) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def packed(files: Mapping[str, bytes], mode: str) -> Builder:
    return lambda path: tarred(path, files, mode)


def bomb_gz(path: Path) -> Path:
    """An honest header of 3 GiB, of which 40 MB are there: 40 kB."""
    packer = zlib.compressobj(9, wbits=31)
    data = packer.compress(good(2) + header(b"cat/big.png", 3 * 2**30))
    data += packer.compress(bytes(40_000_000)) + packer.flush()
    path.write_bytes(data)
    return path


def bomb_xz(path: Path) -> Path:
    path.write_bytes(lzma.compress(good(2) + header(b"cat/big.bmp", 60_000_000) + bytes(60_000_000) + END, preset=0))
    return path


def bomb_of_text(path: Path) -> Path:
    """A file that is no picture unpacks to 60 MB; its bytes are counted all the same."""
    path.write_bytes(gzip.compress(good(2) + header(b"notes.txt", 60_000_000) + bytes(60_000_128) + END, 1))
    return path


def hungry_xz(path: Path) -> Path:
    """A header that asks for a dictionary of 1.5 GiB."""
    data = bytearray(lzma.compress(good(2) + END, preset=0))
    at = data.index(b"\x21\x01", 12)
    data[at + 2] = 37  # dictionary size code: 2^30 × 3/2
    size = (data[12] + 1) * 4
    struct.pack_into("<I", data, 12 + size - 4, zlib.crc32(bytes(data[12 : 12 + size - 4])))
    path.write_bytes(data)
    return path


def cut(mode: str, share: float = 0.6) -> Builder:
    def build(path: Path) -> Path:
        data = tarred(path, class_folders(), mode).read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        return path

    return build


def flipped(mode: str, share: float = 0.5) -> Builder:
    def build(path: Path) -> Path:
        data = bytearray(tarred(path, class_folders(), mode).read_bytes())
        data[int(len(data) * share)] ^= 0x55
        path.write_bytes(data)
        return path

    return build


def wrong_crc(path: Path) -> Path:
    data = bytearray(tarred(path, class_folders(), "w:gz").read_bytes())
    data[-6] ^= 1
    path.write_bytes(data)
    return path


def behind_gz(extra: bytes) -> Builder:
    def build(path: Path) -> Path:
        path.write_bytes(tarred(path, class_folders(), "w:gz").read_bytes() + extra)
        return path

    return build


def _signed_sum(name: str, size: int) -> int:
    """As old systems added up bytes above 127."""
    block = header(name.encode(), size)
    return sum(struct.unpack("512b", block[:148] + b" " * 8 + block[156:]))


REFUSED: dict[str, tuple[Builder, str]] = {
    "climbs out": (with_raw(member("../evil.png", png())), "path_outside"),
    "climbs out from within": (with_raw(member("cat/../../evil.png", png())), "path_outside"),
    "is absolute": (with_raw(member("/etc/passwd.png", png())), "path_outside"),
    "has backslashes": (with_raw(member("..\\..\\evil.png", png())), "path_outside"),
    "has a drive letter": (with_raw(member("C:/evil.png", png())), "path_outside"),
    "climbs out by a prefix": (
        with_raw(header(b"evil.png", 0, prefix=b"../../tmp")), "path_outside"),
    "climbs out by a long name": (with_raw(long_name(b"../" * 50 + b"evil.png") + member("x.png", png())), "path_outside"),
    "climbs out by an extended name": (with_raw(pax(record("path", "../../evil.png")) + member("x.png", png())), "path_outside"),
    "has a line break in a name": (with_raw(member("cat/ev\nil.png", png())), "bad_name"),
    "has an escape in an extended name": (with_raw(pax(record("path", "cat/\x1b[2J.png")) + member("x", b"")), "bad_name"),
    "has a NUL in an extended name": (with_raw(pax(record("path", "cat/\0.png")) + member("x.png", png())), "bad_name"),
    "has a name that is not UTF-8": (with_raw(header(b"cat/\xff\xfe.png", 0)), "bad_name"),
    "has a nameless file": (with_raw(header(b"", 0)), "bad_name"),
    "has bytes behind a folder's name": (with_raw(header(b"cat/", 512) + bytes(512)), "bad_name"),
    "turns the reading direction": (with_raw(member("c\u202eat/1.png", png(1)) + member("d/1.png", png(2))), "bad_name"),
    "has a hard link": (with_raw(header(b"cat/evil.png", 0, b"1", link=b"/etc/passwd")), "link"),
    "has a symbolic link": (with_raw(header(b"cat/evil.png", 0, b"2", link=b"/etc/passwd")), "link"),
    "has a symbolic link to a folder": (with_raw(header(b"cat/up", 0, b"2", link=b"..") + member("cat/up/x.png", png())), "link"),
    "has a link of a long name": (
        with_raw(header(b"././@LongLink", 5, b"K") + padded(b"/etc\0") + header(b"a.png", 0, b"2", link=b"/etc")), "link"),
    "has a character device": (with_raw(header(b"cat/null.png", 0, b"3")), "link"),
    "has a block device": (with_raw(header(b"cat/sda.png", 0, b"4")), "link"),
    "has a pipe": (with_raw(header(b"cat/pipe.png", 0, b"6")), "link"),
    "has a file with holes": (with_raw(header(b"cat/holes.png", 512, b"S", b"ustar  \0") + bytes(512)), "sparse"),
    "has a file with newer holes": (
        with_raw(pax(record("GNU.sparse.major", "1"), record("GNU.sparse.realsize", str(2**40))) + member("a.png", b"x")),
        "sparse"),
    "has a part of another volume": (with_raw(header(b"cat/1.png", 0, b"M")), "bad_entry"),
    "has an unknown kind": (with_raw(header(b"cat/1.png", 0, b"Z")), "bad_entry"),
    "has a wrong checksum": (with_raw(header(b"cat/1.png", 0, checksum=b"000001\0 ")), "broken_archive"),
    "has letters for a checksum": (with_raw(header(b"cat/1.png", 0, checksum=b"wrong!\0 ")), "broken_archive"),
    "has letters for a size": (with_raw(header(b"cat/1.png", b"12 monkeys\0\0")), "broken_archive"),
    "has a negative size": (with_raw(header(b"cat/1.png", b"\xff" * 12)), "broken_archive"),
    "declares a file beyond the end": (with_raw(header(b"cat/far.png", 2**30)), "broken_archive"),
    "declares more bytes than there are numbers": (with_raw(header(b"cat/1.png", b"\x80" + b"\xff" * 11)), "archive_bomb"),
    "declares a huge size elsewhere": (with_raw(pax(record("size", "9" * 19)) + member("a.png", b"x")), "archive_bomb"),
    "declares a size of too many digits": (with_raw(pax(record("size", "9" * 30)) + member("a.png", b"x")), "broken_archive"),
    "gives all files one name": (with_raw(pax(record("path", "x.png"), kind=b"g")), "broken_archive"),
    "has an endless extended header": (with_raw(header(b"x", 2**33, b"x")), "broken_archive"),
    "has an endless long name": (with_raw(header(b"x", 2**33, b"L")), "broken_archive"),
    "has an extended header of text": (with_raw(header(b"x", 18, b"x") + padded(b"no record is in it")), "broken_archive"),
    "has a record longer than its header": (with_raw(header(b"x", 12, b"x") + padded(b"999 path=x\n!")), "broken_archive"),
    "has a record of length 0": (with_raw(header(b"x", 9, b"x") + padded(b"0 path=x\n")), "broken_archive"),
    "has a hundred extended headers in a row": (with_raw(pax(record("comment", "x")) * 100), "broken_archive"),
    "has a name twice": (with_raw(member("cat/0.png", png())), "duplicate_name"),
    "has a name twice in disguise": (with_raw(member("cat/.//0.png", png())), "duplicate_name"),
    "has no end": (raw(good(3)), "broken_archive"),
    "is only an end": (raw(END * 10), "broken_archive"),
    "has only folders": (raw(header(b"cat/", 0, b"5") + header(b"dog/", 0, b"5") + END), "empty_archive"),
    "has no pictures": (raw(member("readme.txt", b"hello") + END), "no_images"),
    "has an archive inside": (with_raw(member("cat/more.zip", inner_zip())), "nested_archive"),
    "has a tarball inside": (with_raw(member("cat/more.tar.gz", gzip.compress(good(1) + END))), "nested_archive"),
    "has pictures of 400 million pixels": (with_raw(member("cat/big.png", huge_png_header())), "too_many_pixels"),
    "has one picture": (raw(member("a.png", png()) + END), "too_few_images"),
    "is a bomb in gzip": (bomb_gz, "archive_bomb"),
    "is a bomb in xz": (bomb_xz, "archive_bomb"),
    "hides a bomb in a text": (bomb_of_text, "archive_bomb"),
    "asks for much memory in xz": (hungry_xz, "broken_archive"),
    "was cut in the middle": (cut("w"), "broken_archive"),
    "was cut in the middle, gzipped": (cut("w:gz"), "broken_archive"),
    "was cut in the middle, in xz": (cut("w:xz"), "broken_archive"),
    "lost its last bytes, gzipped": (cut("w:gz", 0.999), "broken_archive"),
    "has a flipped byte, gzipped": (flipped("w:gz"), "broken_archive"),
    "has a flipped byte, in xz": (flipped("w:xz"), "broken_archive"),
    "has a wrong checksum, gzipped": (wrong_crc, "broken_archive"),
    "is gzip of nothing": (raw(gzip.compress(b"")), "broken_archive"),
    "is gzip of text": (raw(gzip.compress(b"hello " * 500)), "broken_archive"),
    "is gzip of gzip": (raw(gzip.compress(gzip.compress(good(2) + END))), "broken_archive"),
    "is xz of noise": (raw(lzma.compress(bytes(range(256)) * 8)), "broken_archive"),
    "is the beginning of gzip": (raw(b"\x1f\x8b"), "broken_archive"),
    "is the beginning of xz": (raw(b"\xfd7zXZ\x00"), "broken_archive"),
    "is bzip2": (packed(class_folders(), "w:bz2"), "format"),
    "is 7z": (raw(b"7z\xbc\xaf\x27\x1c" + bytes(100)), "format"),
    "is RAR": (raw(b"Rar!\x1a\x07\x01\x00" + bytes(100)), "format"),
    "is Zstandard": (raw(b"\x28\xb5\x2f\xfd" + bytes(100)), "format"),
}  # fmt: skip

ACCEPTED: dict[str, Builder] = {
    "is plain": packed(class_folders(), "w"),
    "is gzipped": packed(class_folders(), "w:gz"),
    "is packed by xz": packed(class_folders(), "w:xz"),
    "is GNU's": lambda path: tarred(path, class_folders(), "w", format=tarfile.GNU_FORMAT),
    "is POSIX's of 1988": lambda path: tarred(path, class_folders(), "w", format=tarfile.USTAR_FORMAT),
    "is POSIX's of 2001": lambda path: tarred(path, class_folders(), "w", format=tarfile.PAX_FORMAT),
    "is the seventh Unix's": raw(
        b"".join(
            header(name.encode(), len(data), b"\0", bytes(8)) + padded(data) for name, data in class_folders().items()
        )
        + END
    ),
    "is called a zip": lambda path: packed(class_folders(), "w:gz")(path),
    "is gzipped in pieces": lambda path: raw(gzip.compress(good()[:7000]) + gzip.compress(good()[7000:] + END))(path),
    "has padding behind": behind_gz(bytes(5000)),
    "has words behind": behind_gz(b"some words"),
    "has long names": lambda path: tarred(
        path, {k.replace("/", "/" + "long" * 40 + "/"): v for k, v in class_folders().items()}, "w", format=tarfile.GNU_FORMAT
    ),
    "has long names in extended headers": lambda path: tarred(
        path, {k.replace("/", "/" + "länger" * 40 + "/"): v for k, v in class_folders().items()}, "w:gz"
    ),
    "has names of other scripts": packed(
        {k.replace("cat", "猫").replace("dog", "собака"): v for k, v in class_folders().items()}, "w"
    ),
    "has markup for names": packed(
        {k.replace("cat", "<script>alert(1)<").replace("dog", "{{7*7}}"): v for k, v in class_folders().items()}, "w:gz"
    ),
    "has entries for folders": raw(header(b"cat/", 0, b"5") + header(b"dog", 4096, b"5") + good() + END),
    "has a comment for all": raw(pax(record("comment", "made by hand"), kind=b"g") + good() + END),
    "has a contiguous file": raw(good() + header(b"cat/more.png", len(png(77)), b"7") + padded(png(77)) + END),
    "has a signed checksum": raw(
        good() + header("cat/ä.png".encode(), len(png(78)), checksum=b"%06o\0 " % _signed_sum("cat/ä.png", len(png(78))))
        + padded(png(78)) + END
    ),
    "has system files": packed({**class_folders(), "cat/._0.png": b"x", "__MACOSX/y": b"x"}, "w:gz"),
    "has one damaged picture of 31": packed({**class_folders(), "cat/broken.png": b"x"}, "w:xz"),
    "has JPEG under a name of PNG": packed({**class_folders(), "cat/x.png": encoded(picture(7), "JPEG")}, "w"),
    "has one block for an end": raw(good() + bytes(512)),
}  # fmt: skip
