"""What is written fast is read back the same."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backend.vision.png import png


@given(st.sampled_from([1, 3]), st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_another_reader_finds_the_same_pixels(channels: int, height: int, width: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (channels, height, width), dtype=np.uint8)
    with Image.open(io.BytesIO(png(image))) as read:
        read.verify()  # every checksum
    with Image.open(io.BytesIO(png(image))) as read:
        assert (read.size, read.mode) == ((width, height), "L" if channels == 1 else "RGB")
        found = np.asarray(read).reshape(height, width, channels).transpose(2, 0, 1)
    np.testing.assert_array_equal(found, image)


def test_smooth_images_become_smaller() -> None:
    ramp = np.broadcast_to(np.arange(96, dtype=np.uint8), (3, 96, 96))
    assert len(png(ramp)) < ramp.size / 20
    with pytest.raises(KeyError):
        png(np.zeros((2, 4, 4), np.uint8))
