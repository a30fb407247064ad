"""Archives that mean harm, or are merely odd, and what must become of each."""

import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from tests.simclr.datasets.pictures import class_folders, encoded, pack, picture, png

CENTRAL = b"PK\x01\x02"
END = b"PK\x05\x06"
Builder = Callable[[Path], Path]


def named(name: str) -> Builder:
    """An archive with good pictures and one under ``name``."""
    return lambda path: pack(path, {**class_folders(), name: png(999)})


def without(good: int, **bad: bytes) -> Builder:
    """``good`` pictures a class, and files of the given contents."""
    return lambda path: pack(path, {**class_folders(good), **{f"cat/{name}.png": data for name, data in bad.items()}})


def patched(find: bytes, replace: bytes) -> Builder:
    """Good pictures and "cat/evil.png", with bytes replaced throughout the archive."""

    def build(path: Path) -> Path:
        data = named("cat/evil.png")(path).read_bytes()
        assert find in data
        path.write_bytes(data.replace(find, replace))
        return path

    return build


def with_member(change: Callable[[zipfile.ZipInfo], None], data: bytes = b"x") -> Builder:
    def build(path: Path) -> Path:
        pack(path, class_folders())
        info = zipfile.ZipInfo("cat/evil.png")
        change(info)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(info, data)
        return path

    return build


def of_kind(kind: int) -> Builder:
    return with_member(lambda info: setattr(info, "external_attr", (kind | 0o777) << 16), b"/etc/passwd")


def packed_by(method: int) -> Builder:
    return with_member(lambda info: setattr(info, "compress_type", method), png())


def central_field(offset: int, form: str, value: int) -> Builder:
    """Change one field in the last entry of the list of members."""

    def build(path: Path) -> Path:
        data = bytearray(pack(path, {**class_folders(), "cat/evil.png": png(5)}, zipfile.ZIP_DEFLATED).read_bytes())
        struct.pack_into(form, data, data.rindex(CENTRAL) + offset, value)
        path.write_bytes(data)
        return path

    return build


def end_field(offset: int, form: str, value: int) -> Builder:
    def build(path: Path) -> Path:
        data = bytearray(pack(path, class_folders()).read_bytes())
        struct.pack_into(form, data, data.rindex(END) + offset, value)
        path.write_bytes(data)
        return path

    return build


def overlapping(path: Path) -> Path:
    """Two names for the same bytes, as in a bomb of shared members."""
    data = bytearray(pack(path, class_folders()).read_bytes())
    first = data.index(CENTRAL)
    second = data.index(CENTRAL, first + 4)
    data[second + 42 : second + 46] = data[first + 42 : first + 46]
    path.write_bytes(data)
    return path


def nameless(path: Path) -> Path:
    """An entry whose name has no bytes; asking Python 3.11 whether it is a folder raises an IndexError."""
    with zipfile.ZipFile(pack(path, class_folders()), "a") as archive:
        info = zipfile.ZipInfo("x")
        info.filename = info.orig_filename = ""
        archive.writestr(info, b"")
    return path


def twice(path: Path) -> Path:
    pack(path, class_folders())
    data = path.read_bytes().replace(b"cat/1.png", b"cat/0.png")
    path.write_bytes(data)
    return path


def swollen(path: Path) -> Path:
    """50 MB of nothing in 50 kB."""
    return pack(path, {**class_folders(), "cat/big.bmp": bytes(50_000_000)}, zipfile.ZIP_DEFLATED)


def swarm(path: Path) -> Path:
    """Each member small enough to pass, all together 300 times the archive."""
    return pack(path, {f"cat/{i}.bmp": bytes(2**20) for i in range(80)}, zipfile.ZIP_DEFLATED)


def tarball(path: Path) -> Path:
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("cat/1.png")
        info.size = len(png())
        archive.addfile(info, BytesIO(png()))
    return path


def cut(path: Path, share: float = 0.5) -> Path:
    data = pack(path, class_folders()).read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def raw(data: bytes) -> Builder:
    def build(path: Path) -> Path:
        path.write_bytes(data)
        return path

    return build


def prefixed(path: Path) -> Path:
    data = pack(path, class_folders()).read_bytes()
    path.write_bytes(b"#!/bin/sh\nrm -rf /\n" * 10 + data)
    return path


def huge_png_header(side: int = 20_000) -> bytes:
    """A PNG that declares ``side``² pixels and has none."""
    data = bytearray(png())
    struct.pack_into(">II", data, 16, side, side)
    struct.pack_into(">I", data, 29, zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def inner_zip() -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.png", png())
    return buffer.getvalue()


def commented(path: Path, comment: bytes) -> Path:
    with zipfile.ZipFile(pack(path, class_folders()), "a") as archive:
        archive.comment = comment
    return path


def folders(**files: bytes) -> Builder:
    return lambda path: pack(path, {name.replace("__", "/") + ".png": data for name, data in files.items()})


REFUSED: dict[str, tuple[Builder, str]] = {
    "climbs out": (named("../evil.png"), "path_outside"),
    "climbs out from within": (named("cat/../../evil.png"), "path_outside"),
    "climbs by the last part": (named("cat/.."), "path_outside"),
    "is absolute": (named("/etc/evil.png"), "path_outside"),
    "is a network path": (named("//host/share/evil.png"), "path_outside"),
    "has a drive letter": (named("C:/evil.png"), "path_outside"),
    "has backslashes": (named("..\\..\\evil.png"), "path_outside"),
    "has a NUL in a name": (patched(b"cat/evil.png", b"cat/ev\0l.png"), "bad_name"),
    "has a line break in a name": (named("cat/ev\nil.png"), "bad_name"),
    "has an escape in a name": (named("cat/\x1b[2J.png"), "bad_name"),
    "has a nameless file": (nameless, "bad_name"),
    "turns the reading direction": (named("c\u202eat/1.png"), "bad_name"),
    "has an endless class name": (named("c" * 101 + "/1.png"), "bad_name"),
    "has a symbolic link": (of_kind(stat.S_IFLNK), "link"),
    "has a device": (of_kind(stat.S_IFCHR), "link"),
    "has a pipe": (of_kind(stat.S_IFIFO), "link"),
    "is encrypted": (central_field(8, "<H", 1), "encrypted"),
    "is strongly encrypted": (central_field(8, "<H", 0x40), "encrypted"),
    "is packed by bzip2": (packed_by(zipfile.ZIP_BZIP2), "compression"),
    "is packed by lzma": (packed_by(zipfile.ZIP_LZMA), "compression"),
    "is packed by an unknown method": (central_field(10, "<H", 99), "compression"),
    "has files that overlap": (overlapping, "overlap"),
    "has a file beyond the end": (central_field(42, "<L", 2**31), "overlap"),
    "declares a smaller file": (central_field(24, "<L", 10), "broken_archive"),
    "declares a far larger file": (central_field(24, "<L", 2**31), "archive_bomb"),
    "is a bomb": (swollen, "archive_bomb"),
    "is a swarm of small bombs": (swarm, "archive_bomb"),
    "declares an endless list": (end_field(12, "<L", 2**31), "too_many_entries"),
    "declares its list elsewhere": (end_field(16, "<L", 2**30), "broken_archive"),
    "has a false end in its comment": (lambda path: commented(path, END + b" is no end" * 3), "too_many_entries"),
    "needs an unknown version": (central_field(6, "<H", 999), "broken_archive"),
    "has a wrong checksum": (central_field(16, "<L", 1), "broken_archive"),
    "names a file differently in two places": (central_field(46, "<B", ord("b")), "broken_archive"),
    "is empty": (lambda path: pack(path, {}), "empty_archive"),
    "has no bytes": (raw(b""), "broken_archive"),
    "is noise": (raw(bytes(range(256)) * 40), "broken_archive"),
    "is only an end": (raw(END), "broken_archive"),
    "is a tar file of one picture": (tarball, "too_few_images"),
    "is a picture": (raw(png()), "broken_archive"),
    "was cut in the middle": (cut, "broken_archive"),
    "has an archive inside": (lambda path: pack(path, {**class_folders(), "more.zip": inner_zip()}), "nested_archive"),
    "has a tarball inside": (lambda path: pack(path, {**class_folders(), "a/b.tar.gz": b"x"}), "nested_archive"),
    "has a name twice": (twice, "duplicate_name"),
    "has a name twice in disguise": (named("cat/.//0.png"), "duplicate_name"),
    "has no pictures": (lambda path: pack(path, {"readme.txt": b"hello"}), "no_images"),
    "has only folders": (lambda path: pack(path, {"cat/": b"", "dog/": b""}), "no_images"),
    "has only system files": (lambda path: pack(path, {"__MACOSX/cat/._1.png": b"x"}), "no_images"),
    "has text for pictures": (folders(a__1=b"no", a__2=b"no", b__1=b"no", b__2=b"no"), "not_an_image"),
    "has a fifth of its pictures damaged": (without(4, a=b"x", b=b"y", c=b"z"), "not_an_image"),
    "has pictures of 400 million pixels": (without(2, a=huge_png_header()), "too_many_pixels"),
    "has one picture": (folders(x=png()), "too_few_images"),
    "has one training picture": (
        folders(train__a__1=png(1), test__a__1=png(2), test__b__2=png(3)), "too_few_images"),
    "has a class too small to divide": (lambda path: pack(path, {**class_folders(), "ant/1.png": png()}), "too_few_images"),
    "has pictures beside its splits": (folders(train__a__1=png(1), train__b__1=png(2), other__c=png(3)), "unclear_layout"),
}  # fmt: skip

ACCEPTED: dict[str, Builder] = {
    "begins with a script": prefixed,
    "has system files": lambda path: pack(
        path, {**class_folders(), "__MACOSX/cat/._1.png": b"x", "cat/.DS_Store": b"x", "cat/Thumbs.db": b"x"}
    ),
    "has entries for folders": lambda path: pack(path, {"cat/": b"", "dog/": b"", **class_folders()}),
    "has a readme": lambda path: pack(path, {"readme.txt": b"hello", **class_folders()}),
    "has one damaged picture of 31": without(10, broken=b"x"),
    "starts every path with a dot": lambda path: pack(path, {f"./{k}": v for k, v in class_folders().items()}),
    "has capital suffixes": lambda path: pack(path, {k.replace("png", "PNG"): v for k, v in class_folders().items()}),
    "has JPEG under a name of PNG": lambda path: pack(
        path, {**class_folders(), "cat/x.png": encoded(picture(7), "JPEG")}
    ),
    "has a comment": lambda path: commented(path, b"made by hand"),
    "is deflated": lambda path: pack(path, class_folders(), zipfile.ZIP_DEFLATED),
    "has names of other scripts": lambda path: pack(
        path, {k.replace("cat", "猫").replace("dog", "собака"): v for k, v in class_folders().items()}
    ),
}
