"""Thumbnails by the two hundred in one binary answer: what a grid of 60,000 images draws while somebody scrolls."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Query, Response
from numpy.typing import NDArray

from backend.api.fields import RowId
from backend.api.images import FOREVER, MAX_INDEX, Choice, IfNoneMatch, chosen
from backend.api.rows import dataset_row
from backend.deps import LabDep
from backend.errors import ApiError
from simclr.datasets import Dataset

router = APIRouter(tags=["images"])

PER_TILE = 200
LONGEST_PX = 48
MEDIA_TYPE = "application/octet-stream"


@router.get(
    "/datasets/{dataset_id}/tiles/{number}",
    response_class=Response,
    responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}},
)
def read_tile(
    dataset_id: RowId,
    number: Annotated[int, Path(ge=0, le=MAX_INDEX)],
    choice: Annotated[Choice, Query()],
    lab: LabDep,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """From the image number × 200 of a split and class on: thumbnails, positions, labels and splits, as ``as_bytes`` has them."""
    with lab.catalogue.reading() as session:
        row = dataset_row(session, dataset_id)
    tag = f'"{row.content_hash[:16]}-{choice.split}-{choice.class_index}-{number}"'
    headers = {"ETag": tag, "Cache-Control": FOREVER}
    if if_none_match == tag:
        return Response(status_code=304, headers=headers)
    dataset = lab.dataset(row.key)
    found = chosen(dataset, choice)
    positions = found[number * PER_TILE : (number + 1) * PER_TILE]
    if not len(positions):
        message = (
            f"{row.name} has {len(found)} images of this split and class, {PER_TILE} a tile: there is no tile {number}."
        )
        raise ApiError(404, "unknown_tile", message, "number")
    return Response(as_bytes(dataset, positions), media_type=MEDIA_TYPE, headers=headers)


def as_bytes(dataset: Dataset, positions: NDArray[np.int64]) -> bytes:
    """The images at ``positions``, little-endian.

    Three uint32: their number n, channels, side in pixels. Then n int32 positions, n int32 labels (-1 for none), n uint8 splits
    (0 train, 1 val, 2 test) filled up to a multiple of four bytes, and the pixels: uint8 of shape (n, channels, side, side).
    """
    small = thumbnails(dataset.images[positions])
    n, channels, side = small.shape[:3]
    parts = (
        np.array((n, channels, side), "<u4"),
        positions.astype("<i4"),
        dataset.labels[positions].astype("<i4"),
        dataset.splits[positions],
        np.zeros(-n % 4, np.uint8),
        small,
    )
    return b"".join(part.tobytes() for part in parts)


def thumbnails(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The images, uint8 of shape (N, C, S, S), at 48 pixels or fewer: means over blocks.

    Where blocks do not divide the side, edges are left out.
    """
    size = images.shape[2]
    block = -(-size // LONGEST_PX)
    if block == 1:
        return images
    side = size // block
    edge = (size - side * block) // 2
    middle = images[:, :, edge : edge + side * block, edge : edge + side * block]
    # 16 bits hold the sum over a block of up to 16 × 16 pixels, of images of up to 768; rows first, as they lie side by side.
    wide = np.uint16 if block <= 16 else np.uint32
    rows = np.zeros((*images.shape[:2], side, side * block), wide)
    for row in range(block):
        rows += middle[:, :, row::block]
    sums = np.zeros((*images.shape[:2], side, side), wide)
    for column in range(block):
        sums += rows[..., column::block]
    means: NDArray[np.uint8] = ((sums + block**2 // 2) // block**2).astype(np.uint8)
    return means
