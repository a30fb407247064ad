"""Files that claim to be pictures: what must be refused, and what must come out of the odd ones."""

import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image, PngImagePlugin

from tests.simclr.datasets.hostile_archives import huge_png_header
from tests.simclr.datasets.pictures import encoded, picture, png

Builder = Callable[[], bytes]
SCRIPT = b"<html><script>alert(1)</script></html>"


def saved_as(kind: str) -> Builder:
    return lambda: encoded(picture(1, size=16), kind)


def blown_up_text() -> bytes:
    """80 MB of text packed into a note beside the pixels."""
    chunk = b"zTXtnote\0\0" + zlib.compress(bytes(80_000_000), 9)
    return _insert_chunk(png(), chunk)


def blown_up_profile() -> bytes:
    chunk = b"iCCPicc\0\0" + zlib.compress(bytes(80_000_000), 9)
    return _insert_chunk(png(), chunk)


def _insert_chunk(file: bytes, chunk: bytes) -> bytes:
    """Put a chunk (its type and data) right behind a PNG's header."""
    return file[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + file[33:]


def real_large_png() -> bytes:
    """169 million pixels of black in 20 kB."""
    return encoded(Image.new("1", (13_000, 13_000)))


def large_bmp() -> bytes:
    data = bytearray(encoded(picture(), "BMP"))
    struct.pack_into("<ii", data, 18, 30_000, 30_000)
    return bytes(data)


def large_gif() -> bytes:
    data = bytearray(encoded(picture(), "GIF"))
    struct.pack_into("<HH", data, 6, 65_535, 65_535)
    return bytes(data)


def large_webp() -> bytes:
    """An extended WebP whose canvas is 16,384² while its frame is small."""
    frames = [Image.fromarray(picture(i)) for i in range(2)]
    data = bytearray(encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True))
    at = data.index(b"VP8X") + 12
    data[at : at + 6] = b"\xff\x3f\x00\xff\x3f\x00"
    return bytes(data)


def no_pixels() -> bytes:
    return huge_png_header(0)


def flipped(file: bytes, at: float) -> bytes:
    data = bytearray(file)
    data[int(len(data) * at)] ^= 0xFF
    return bytes(data)


def turned() -> bytes:
    """20 × 10 pixels that the camera says to turn by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x8825] = {1: "N", 2: (1.0, 2.0, 3.0)}
    return encoded(Image.new("RGB", (20, 10), "red"), "JPEG", exif=exif)


def broken_note() -> bytes:
    return encoded(Image.new("RGB", (20, 10), "red"), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")


def animated(kind: str, frames: int) -> bytes:
    first = Image.new("RGB", (8, 8), (255, 0, 0))
    rest = [Image.new("RGB", (8, 8), (0, 0, 255 - i % 200)) for i in range(frames - 1)]
    return encoded(first, kind, save_all=True, append_images=rest)


def deep() -> bytes:
    """A grey ramp of 16 bits."""
    return encoded(Image.fromarray(np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)))


def translucent(mode: str) -> bytes:
    return encoded(Image.new(mode, (8, 8), (0, 0) if mode == "LA" else (0, 0, 0, 0)))


def see_through_palette() -> bytes:
    image = Image.new("P", (8, 8), 3)
    image.putpalette([0] * 768)
    return encoded(image, transparency=3)


def noted() -> bytes:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("where", "GPS 48.1 11.5")
    return encoded(picture(1), pnginfo=notes)


def headed(header: bytes) -> Builder:
    return lambda: header + bytes(2000)


REFUSED: dict[str, tuple[Builder, str]] = {
    "nothing": (lambda: b"", "not_an_image"),
    "text": (lambda: b"hello " * 100, "not_an_image"),
    "a page": (lambda: SCRIPT, "not_an_image"),
    "a drawing": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', "not_an_image"),
    "a document": (headed(b"%PDF-1.7\n"), "not_an_image"),
    "PostScript": (headed(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "not_an_image"),
    "a TIFF": (saved_as("TIFF"), "not_an_image"),
    "an icon": (saved_as("ICO"), "not_an_image"),
    "a PCX": (saved_as("PCX"), "not_an_image"),
    "a Targa": (saved_as("TGA"), "not_an_image"),
    "a JPEG 2000": (saved_as("JPEG2000"), "not_an_image"),
    "an AVIF": (saved_as("AVIF"), "not_an_image"),
    "FITS": (headed(b"SIMPLE  =                    T"), "not_an_image"),
    "GD": (headed(b"\xff\xfe\x00\x10\x00\x10"), "not_an_image"),
    "a PNG's first half": (lambda: png(size=32)[:1500], "not_an_image"),
    "a JPEG's first half": (lambda: encoded(picture(1, size=64), "JPEG")[:1500], "not_an_image"),
    "a GIF's first half": (lambda: encoded(picture(1, size=64), "GIF")[:900], "not_an_image"),
    "a WebP's first half": (lambda: encoded(picture(1, size=64), "WEBP")[:900], "not_an_image"),
    "a BMP's first half": (lambda: encoded(picture(1, size=64), "BMP")[:900], "not_an_image"),
    "a PNG with a flipped byte": (lambda: flipped(png(size=32), 0.5), "not_an_image"),
    "a PNG of no pixels": (no_pixels, "not_an_image"),
    "a PNG that declares 400 million pixels": (huge_png_header, "too_many_pixels"),
    "a PNG of 169 million pixels": (real_large_png, "too_many_pixels"),
    "a BMP that declares 900 million pixels": (large_bmp, "too_many_pixels"),
    "a GIF that declares 4 billion pixels": (large_gif, "too_many_pixels"),
    "a WebP that declares 268 million pixels": (large_webp, "too_many_pixels"),
    "80 MB of colour profile in a PNG": (blown_up_profile, "not_an_image"),
    "80 MB of text in a PNG": (blown_up_text, "not_an_image"),
}
ACCEPTED: dict[str, tuple[Builder, str, tuple[int, int]]] = {
    "a picture with a page behind it": (lambda: png() + SCRIPT, "RGB", (8, 8)),
    "a picture with notes": (noted, "RGB", (8, 8)),
    "a turned photograph": (turned, "RGB", (10, 20)),
    "a photograph with a broken note": (broken_note, "RGB", (20, 10)),
    "four inks": (lambda: encoded(Image.new("CMYK", (8, 8)), "JPEG"), "RGB", (8, 8)),
    "16 bits of grey": (deep, "L", (32, 32)),
    "one bit": (lambda: encoded(Image.new("1", (8, 8), 1)), "L", (8, 8)),
    "grey": (lambda: png(channels=1), "L", (8, 8)),
    "grey that is transparent": (lambda: translucent("LA"), "L", (8, 8)),
    "colour that is transparent": (lambda: translucent("RGBA"), "RGB", (8, 8)),
    "a palette": (lambda: encoded(Image.fromarray(picture()).quantize(8)), "RGB", (8, 8)),
    "a palette that is transparent": (see_through_palette, "RGB", (8, 8)),
    "a GIF of 2,000 frames": (lambda: animated("GIF", 2000), "RGB", (8, 8)),
    "a PNG of 300 frames": (lambda: animated("PNG", 300), "RGB", (8, 8)),
    "a WebP of 20 frames": (lambda: animated("WEBP", 20), "RGB", (8, 8)),
    "two JPEG in one": (lambda: animated("MPO", 2), "RGB", (8, 8)),
    "one pixel": (lambda: png(size=1), "RGB", (1, 1)),
}
