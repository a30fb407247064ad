"""Pictures from strangers: five formats, a cap on pixels before anything is decoded, and a plain grey or RGB image out."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from simclr.datasets.errors import DatasetError
from simclr.datasets.limits import LIMITS

if TYPE_CHECKING:
    from PIL import Image

# How a picture becomes a square.
Fit = Literal["crop", "pad"]
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
# What Pillow's decoders were seen to raise on damaged or hostile bytes.
DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError, KeyError, TypeError,
    AttributeError, OverflowError, ZeroDivisionError, NotImplementedError, MemoryError,
)  # fmt: skip


def decode_image(data: bytes, *, max_pixels: int = LIMITS.pixels, needed_px: int | None = None) -> "Image.Image":
    """Decode the first frame of a picture to mode "L" (grey) or "RGB", upright, on white where it is transparent.

    Args:
        data: A PNG, JPEG, WebP, BMP or GIF file; its name is not asked for.
        max_pixels: Refuse more than this before decoding.
        needed_px: Side that will be used; a JPEG may then be decoded at a half, quarter or eighth of its size, not below it.

    Raises:
        DatasetError: ``not_an_image`` or ``too_many_pixels``.
    """
    return decode_sized(data, max_pixels=max_pixels, needed_px=needed_px)[0]


def decode_sized(
    data: bytes, *, max_pixels: int = LIMITS.pixels, needed_px: int | None = None
) -> tuple["Image.Image", tuple[int, int]]:
    """As ``decode_image``, and width and height as they are stored in the file."""
    # Imported here: who only reads stored sets needs no decoder.
    from PIL import Image

    with _strict_warnings():
        try:
            with Image.open(BytesIO(data), formats=FORMATS) as opened:
                sides = opened.size
                _check_pixels(sides, max_pixels)
                if needed_px and opened.format == "JPEG":
                    opened.draft(None, (2 * needed_px, 2 * needed_px))
                # Only the first frame is ever touched: seek() is where decoders turn a JPEG into something else.
                opened.load()
                return _flatten(_upright(opened)), sides
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise DatasetError(
                "too_many_pixels", f"the image has more than {max_pixels:,} pixels: shrink it"
            ) from error
        except DatasetError:
            raise
        except DAMAGE as error:
            raise DatasetError(
                "not_an_image",
                f"the file is no PNG, JPEG, WebP, BMP or GIF image, or a damaged one ({type(error).__name__}): replace it",
            ) from error


def to_square(image: "Image.Image", channels: int, size_px: int, fit: Fit = "crop") -> NDArray[np.uint8]:
    """A square of a picture, resized, as grey (1) or RGB (3): uint8, shape (channels, S, S).

    Args:
        image: Of mode "L" or "RGB".
        channels: 1 or 3.
        size_px: Side of the square.
        fit: "crop" takes the largest central square; "pad" takes the whole picture, with black beside or above and below it.

    Raises:
        ValueError: ``channels`` is neither 1 nor 3.
    """

    if channels not in (1, 3):
        raise ValueError(f"channels is {channels}, but must be 1 (grey) or 3 (RGB)")
    if image.size != (size_px, size_px):
        image = _padded(image, size_px) if fit == "pad" else _cropped(image, size_px)
    packed = _in_mode(image, "L" if channels == 1 else "RGB").tobytes()
    return np.frombuffer(packed, dtype=np.uint8).reshape(size_px, size_px, channels).transpose(2, 0, 1)


def _cropped(image: "Image.Image", size_px: int) -> "Image.Image":
    from PIL import Image

    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return image.resize(
        (size_px, size_px), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side), reducing_gap=3.0
    )


def _padded(image: "Image.Image", size_px: int) -> "Image.Image":
    from PIL import Image

    scale = size_px / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    square = Image.new(image.mode, (size_px, size_px))
    resized = image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    square.paste(resized, ((size_px - width) // 2, (size_px - height) // 2))
    return square


def image_sides(data: bytes) -> tuple[int, int] | None:
    """Width and height as the header tells, or None where it can't be read; nothing is decoded."""
    from PIL import Image

    with _strict_warnings():
        try:
            with Image.open(BytesIO(data), formats=FORMATS) as opened:
                return opened.size
        except (*DAMAGE, Image.DecompressionBombError, Image.DecompressionBombWarning):
            return None


@contextmanager
def _strict_warnings() -> Iterator[None]:
    """Pillow's warning of too many pixels becomes an error; the others, on odd notes in photographs, are no news."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _check_pixels(sides: tuple[int, int], most: int) -> None:
    width, height = sides
    if width * height > most:
        raise DatasetError("too_many_pixels", f"the image has {width} × {height} pixels, more than {most:,}: shrink it")


def _upright(image: "Image.Image") -> "Image.Image":
    """Turn and mirror as the camera noted; an unreadable note is no reason to refuse the picture."""
    from PIL import ImageOps

    with suppress(*DAMAGE):
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _flatten(image: "Image.Image") -> "Image.Image":
    """Any mode to "L" or "RGB": 16 bits lose the lower eight, palettes are looked up, transparency is laid on white."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        deep = np.asarray(image)
        return Image.fromarray((np.clip(deep, 0, 2**16 - 1).astype(np.uint16) >> 8).astype(np.uint8))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        grey = image.mode in ("1", "L", "LA", "La")
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("L" if grey else "RGB")
    return _in_mode(image, "L" if image.mode in ("1", "L") else "RGB")


def _in_mode(image: "Image.Image", mode: str) -> "Image.Image":
    """The image itself where it has the mode: Pillow would copy it."""
    return image if image.mode == mode else image.convert(mode)
