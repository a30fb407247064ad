"""Images that stand in a set more than once: the same bytes, or nearly the same picture."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DIGEST_BYTES = 16
HASH_BITS = 64
# Two hashes that differ in at most this many bits agree in one of BANDS parts at least.
MOST_DIFFERENT_BITS = 7
BANDS = (8,) * 8
THUMB_PX = 16
LEAST_CORRELATION = 0.96
# A picture with less spread than this, in grey levels, is as good as blank: its hash and correlation are noise.
LEAST_SPREAD = 2.0
MOST_PAIRS = 200_000
BLOCK_BYTES = 64 * 2**20
PAIRS_AT_ONCE = 4096
METHOD = (
    "Exact: the same pixels after import. Near: DCT hashes of 64 bits (Zauner 2010, 'Implementation and benchmarking of "
    f"perceptual image hash functions') that differ in at most {MOST_DIFFERENT_BITS}, and colour thumbnails of "
    f"{THUMB_PX} × {THUMB_PX} that correlate by {LEAST_CORRELATION} at least; mirrored or cropped copies are not found."
)


@dataclass(frozen=True)
class Twins:
    """Which images of a set are the same, and which nearly.

    Attributes:
        kind: For every image, the position of the first one with the same pixels: int64, shape (N,).
        near: Pairs of such first positions (i < j), sorted: int64, shape (P, 2).
        is_complete: False where near pairs were too many to compare all.
    """

    kind: NDArray[np.int64]
    near: NDArray[np.int64]
    is_complete: bool


def find_twins(images: NDArray[np.uint8]) -> Twins:
    """Compare every image with every other: uint8, shape (N, 1 or 3, S, S)."""
    kind = first_of_kind(images)
    firsts = np.flatnonzero(kind == np.arange(len(images)))
    hashes, is_blank = perceptual_hashes(images, firsts)
    near, is_complete = _near_pairs(images, firsts[~is_blank], hashes[~is_blank])
    return Twins(kind, near, is_complete)


def first_of_kind(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """For every image, the position of the first one with the same pixels: int64, shape (N,)."""
    digests = bytearray()
    for image in images:
        digests += hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=DIGEST_BYTES).digest()
    _, firsts, kinds = np.unique(np.frombuffer(digests, f"S{DIGEST_BYTES}"), return_index=True, return_inverse=True)
    return firsts[kinds].astype(np.int64)


def perceptual_hashes(
    images: NDArray[np.uint8], positions: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """DCT hashes of the images at ``positions``, shape (n,), and which of them are too flat to have one.

    The image in grey, as 32 × 32, is transformed; bits tell which of its 64 lowest frequencies lie above their median.

    Source: Zauner 2010, section 3.2.1, here with the 64 frequencies from (0, 0) on, the median taken without (0, 0).
    """
    size = images.shape[2]
    to_frequencies = _dct(8, 32) @ _averages(32, size)
    hashes, is_blank = np.empty(len(positions), np.uint64), np.empty(len(positions), np.bool_)
    weights = (np.uint64(1) << np.arange(HASH_BITS, dtype=np.uint64))[None]
    for part in blocks(images, len(positions)):
        grey = _grey(images[positions[part]])
        frequencies = (to_frequencies @ (grey @ to_frequencies.T)).reshape(len(grey), HASH_BITS)
        bits = frequencies > np.median(frequencies[:, 1:], axis=1, keepdims=True)
        hashes[part] = (bits * weights).sum(1, dtype=np.uint64)
        is_blank[part] = grey.std((1, 2)) < LEAST_SPREAD
    return hashes, is_blank


def blocks(images: NDArray[np.uint8], n: int) -> Iterator[slice]:
    """Slices of 0..n that are few enough images to be worked on in eight bytes a value."""
    rows = max(1, BLOCK_BYTES // (8 * math.prod(images.shape[1:])))
    return (slice(start, min(n, start + rows)) for start in range(0, n, rows))


def _near_pairs(
    images: NDArray[np.uint8], positions: NDArray[np.int64], hashes: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], bool]:
    found: list[NDArray[np.int64]] = []
    count = 0
    for pairs in _candidates(hashes):
        found.append(pairs)
        count += len(pairs)
        if count > MOST_PAIRS:
            break
    pairs = np.unique(np.concatenate([np.empty((0, 2), np.int64), *found]), axis=0)
    confirmed = positions[pairs[_correlate(images, positions, pairs)]]
    return np.unique(np.sort(confirmed, axis=1), axis=0), count <= MOST_PAIRS


def _candidates(hashes: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """Pairs (i < j) of hashes that differ in few bits; some come more than once.

    Sorted by one band of bits, hashes that agree in it lie side by side, and only those are compared.
    """
    shift = 0
    for width in BANDS:
        band = (hashes >> np.uint64(shift)) & np.uint64(2**width - 1)
        shift += width
        order = np.argsort(band, kind="stable")
        band, ordered = band[order], hashes[order]
        alive = np.arange(len(band))
        distance = 0
        while len(alive):
            distance += 1
            alive = alive[: np.searchsorted(alive, len(band) - distance)]
            alive = alive[band[alive] == band[alive + distance]]
            different = np.bitwise_count(ordered[alive] ^ ordered[alive + distance])
            near = alive[different <= MOST_DIFFERENT_BITS]
            if len(near):
                yield np.sort(np.stack([order[near], order[near + distance]], axis=1), axis=1)


def _correlate(images: NDArray[np.uint8], positions: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which pairs' thumbnails look alike, whatever their brightness and contrast."""
    used, inverse = np.unique(pairs, return_inverse=True)
    inverse = inverse.reshape(pairs.shape)
    thumbs = np.empty((len(used), images.shape[1] * THUMB_PX**2), np.float32)
    shrink = _averages(THUMB_PX, images.shape[2])
    for part in blocks(images, len(used)):
        small = shrink @ (images[positions[used[part]]].astype(np.float32) @ shrink.T)
        flat = small.reshape(len(small), -1)
        flat -= flat.mean(1, keepdims=True)
        thumbs[part] = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    alike = np.empty(len(pairs), np.bool_)
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        alike[part] = np.einsum("nd,nd->n", thumbs[inverse[part, 0]], thumbs[inverse[part, 1]]) >= LEAST_CORRELATION
    return alike


def _grey(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    if images.shape[1] == 1:
        return images[:, 0].astype(np.float32)
    red, green, blue = (images[:, channel].astype(np.float32) for channel in range(3))
    grey: NDArray[np.float32] = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
    return grey


def _averages(to_px: int, from_px: int) -> NDArray[np.float32]:
    """The matrix that resizes by the mean over each new pixel's area, shape (to_px, from_px)."""
    edges = np.arange(to_px + 1) * from_px / to_px
    below, above = edges[:-1, None], edges[1:, None]
    pixel = np.arange(from_px)
    shared = np.clip(np.minimum(above, pixel + 1) - np.maximum(below, pixel), 0, None)
    shares: NDArray[np.float32] = (shared / shared.sum(1, keepdims=True)).astype(np.float32)
    return shares


def _dct(frequencies: int, size: int) -> NDArray[np.float32]:
    """Rows of the orthonormal DCT-II, shape (frequencies, size)."""
    k, x = np.arange(frequencies)[:, None], np.arange(size)
    rows = np.sqrt(2 / size) * np.cos(np.pi * k * (2 * x + 1) / (2 * size))
    rows[0] /= np.sqrt(2)
    matrix: NDArray[np.float32] = rows.astype(np.float32)
    return matrix
