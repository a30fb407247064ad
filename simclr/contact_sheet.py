"""A picture of pairs: every row an image and the views drawn from it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GAP_PX = 4
SMALLEST_TILE_PX = 96


def contact_sheet(columns: Sequence[NDArray[np.uint8]]) -> Image.Image:
    """Tile images into a sheet: one column for every array, one row for every image.

    Args:
        columns: Arrays of one shape, uint8, (N, 1 or 3, S, S). Small images are enlarged by a whole factor.
    """
    n, _, size, _ = columns[0].shape
    factor = -(-SMALLEST_TILE_PX // size) if size < SMALLEST_TILE_PX else 1
    step = size * factor + GAP_PX
    sheet = np.full((n * step + GAP_PX, len(columns) * step + GAP_PX, 3), 255, np.uint8)
    for column, images in enumerate(columns):
        for row, image in enumerate(images):
            tile = np.broadcast_to(image.transpose(1, 2, 0), (size, size, 3)).repeat(factor, 0).repeat(factor, 1)
            top, left = GAP_PX + row * step, GAP_PX + column * step
            sheet[top : top + size * factor, left : left + size * factor] = tile
    return Image.fromarray(sheet)
