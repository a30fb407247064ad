"""Pictures: five formats come out upright, grey or RGB; everything else is refused before it costs anything."""

import random
import tracemalloc
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from simclr.datasets import DatasetError
from simclr.datasets.images import decode_image, image_sides, to_square
from tests.simclr.datasets.hostile_archives import huge_png_header
from tests.simclr.datasets.hostile_images import ACCEPTED, REFUSED, animated, deep, translucent, turned
from tests.simclr.datasets.pictures import encoded, picture, png


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_no_picture_to_keep(name: str) -> None:
    build, code = REFUSED[name]
    data = build()
    tracemalloc.start()
    with pytest.raises(DatasetError) as refusal:
        decode_image(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refusal.value.code == code
    assert peak < 70e6


@pytest.mark.parametrize("name", ACCEPTED)
def test_it_becomes_a_plain_picture(name: str) -> None:
    build, mode, size = ACCEPTED[name]
    image = decode_image(build())
    assert (image.mode, image.size) == (mode, size)


def test_no_damage_to_a_picture_escapes_as_another_error() -> None:
    rng = random.Random(0)
    kinds = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
    whole = [encoded(picture(1, size=16), kind) for kind in kinds]
    taken = 0
    for _ in range(1000):
        data = bytearray(rng.choice(whole))
        for _ in range(rng.choice((1, 2, 8))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            assert decode_image(bytes(data)).mode in ("L", "RGB")
            taken += 1
        except DatasetError:
            pass
    assert 0 < taken < 1000


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_lossless_files_give_the_same_pixels(kind: str) -> None:
    assert np.array_equal(np.asarray(decode_image(encoded(picture(3), kind))), picture(3))


def test_only_the_first_frame_is_seen() -> None:
    for kind in ("GIF", "PNG", "WEBP", "MPO"):
        red, green, blue = np.asarray(decode_image(animated(kind, 3))).mean((0, 1))
        assert red > 240
        assert max(green, blue) < 15


def test_a_photograph_is_turned_and_forgets_where_it_was_taken() -> None:
    image = decode_image(turned())
    assert image.size == (10, 20)
    assert 0x8825 in Image.open(BytesIO(turned())).getexif()
    assert 0x8825 not in Image.open(BytesIO(encoded(image))).getexif()


def test_16_bits_keep_their_upper_eight() -> None:
    values = np.asarray(decode_image(deep())).ravel()
    assert np.array_equal(values, np.arange(0, 65536, 64) >> 8)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_what_is_transparent_shows_white(mode: str) -> None:
    assert (np.asarray(decode_image(translucent(mode))) == 255).all()


def test_four_inks_become_the_colour_they_print() -> None:
    cyan = decode_image(encoded(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG"))
    red, green, blue = np.asarray(cyan).mean((0, 1))
    assert red < 30
    assert min(green, blue) > 200


def test_a_large_jpeg_is_decoded_no_larger_than_needed() -> None:
    smooth = Image.linear_gradient("L").resize((2048, 2048)).convert("RGB")
    data = encoded(smooth, "JPEG")
    small = decode_image(data, needed_px=32)
    assert 64 <= small.width < 2048
    whole = to_square(decode_image(data), 3, 32).astype(int)
    assert abs(to_square(small, 3, 32) - whole).max() <= 3


def test_the_square_is_the_middle_of_the_picture() -> None:
    wide = np.zeros((10, 30, 3), dtype=np.uint8)
    wide[:, 10:20] = 200
    square = to_square(Image.fromarray(wide), 3, 10)
    assert square.shape == (3, 10, 10)
    assert (square == 200).all()


def test_a_padded_picture_is_seen_whole_between_black_bars() -> None:
    wide = np.full((10, 30, 3), 200, dtype=np.uint8)
    square = to_square(Image.fromarray(wide), 3, 30, "pad")
    assert square.shape == (3, 30, 30)
    assert (square[:, 10:20] == 200).all()
    assert not square[:, :10].any()
    assert not square[:, 20:].any()
    tall = to_square(Image.fromarray(wide[..., 0].T.copy()), 1, 12, "pad")
    assert (tall[0, :, 4:8] == 200).all()
    assert not tall[0, :, :4].any()
    assert to_square(Image.fromarray(np.full((1, 900), 9, np.uint8)), 1, 8, "pad").any()


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    assert np.array_equal(to_square(Image.fromarray(picture(2)), 3, 8), picture(2).transpose(2, 0, 1))


def test_grey_and_colour_are_made_from_each_other() -> None:
    grey, colour = Image.fromarray(picture(1, 1)), Image.fromarray(picture(1))
    assert np.array_equal(to_square(grey, 3, 8), np.stack([picture(1, 1)] * 3))
    assert to_square(colour, 1, 8).shape == (1, 8, 8)
    with pytest.raises(ValueError, match="channels is 4"):
        to_square(colour, 4, 8)


def test_sides_are_read_without_decoding() -> None:
    assert image_sides(huge_png_header(13_000)) is None
    assert image_sides(png(size=5)) == (5, 5)
    assert image_sides(b"no picture") is None
