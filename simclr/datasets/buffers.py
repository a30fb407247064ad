"""Room for the pixels of an import: which size they get, and memory or disk that is certain to hold them."""

import errno
import math
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simclr.datasets.errors import DatasetError
from simclr.datasets.images import Fit
from simclr.datasets.limits import Limits

SMALLEST_PX, LARGEST_PX = 8, 224
# By default no image is kept larger: training on more takes a GPU, and a person who means to can say so.
LARGEST_DEFAULT_PX = 64
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_image_size(image_size: int | None) -> None:
    """Refuse a size no encoder here can use.

    Raises:
        DatasetError: ``image_size``.
    """
    if image_size is not None and not SMALLEST_PX <= image_size <= LARGEST_PX:
        raise DatasetError(
            "image_size", f"the image size is {image_size} pixels, but must lie in {SMALLEST_PX}..{LARGEST_PX}"
        )


def default_size(short_side_px: int) -> int:
    """The size for images whose short side is ``short_side_px``, when nobody chose one."""
    return max(SMALLEST_PX, min(short_side_px, LARGEST_DEFAULT_PX))


def resized_note(is_resized: bool, size_px: int, fit: Fit = "crop") -> tuple[str, ...]:
    """A sentence for the set's notes, if pixels were changed."""
    how = "cut to their central square" if fit == "crop" else "padded with black to a square"
    text = f"Images of another shape were {how} and resized to {size_px} × {size_px} pixels."
    return (text,) if is_resized else ()


def room_for(shape: tuple[int, int, int, int], limits: Limits, scratch: Path | None) -> NDArray[np.uint8]:
    """An array to decode into, shape (N, C, S, S); on disk, its blocks reserved, where ``scratch`` is given.

    Raises:
        DatasetError: ``too_large`` for more than the limits store, ``disk_full`` when the disk has no room.
    """
    needed = math.prod(shape)
    if needed > limits.stored_bytes:
        raise DatasetError(
            "too_large",
            f"{shape[0]:,} images of {shape[2]} × {shape[3]} pixels take {needed:,} bytes, more than "
            f"{limits.stored_bytes:,}: choose a smaller image size",
        )
    if scratch is None:
        return np.empty(shape, dtype=np.uint8)
    try:
        with scratch.open("wb") as file:
            # Without reserved blocks, a full disk kills whoever writes to the map.
            os.posix_fallocate(file.fileno(), 0, needed)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise DatasetError("disk_full", f"the disk has no room for {needed:,} bytes: free some space") from error
    return np.memmap(scratch, dtype=np.uint8, mode="r+", shape=shape)
