"""Features of a set's labelled images at one depth of a frozen encoder, from the cache where they are kept."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simclr.datasets.store import SPLITS, UNLABELLED, Split
from simclr.encoding import EncodingProgress, encode_images
from simclr.events import Log
from simclr.feature_cache import FeatureCache, FeatureKey, kept_features
from simclr.levels import Level, Levels, dimensions, level_of
from simclr.resnet import Encoder
from simclr.subject import Subject


def features_of(subject: Subject, features: Literal["h", "z"], block: int | None) -> dict[Split, Tensor]:
    """Features of every split's chosen images, float32 (N, D) on the CPU; the encoder stays as it is.

    With a cache, one pass over all labelled images keeps every depth, so that further probes need none, whatever depth and
    labels they take.

    Raises:
        ValueError: the encoder has no such depth, or gives features that are not finite.
        Stopped: asked to stop.
    """
    level = level_of(features, block, subject.encoder, subject.head)
    indices = [subject.labelled.indices[split] for split in SPLITS]
    if subject.cache is None:
        (encoded,) = _encode(subject, [level], np.concatenate(indices))
        parts = encoded.split([len(part) for part in indices])  # type: ignore[no-untyped-call]
        return dict(zip(SPLITS, parts, strict=True))
    rows = np.flatnonzero(subject.labelled.dataset.labels != UNLABELLED)
    kept = _cached(subject, subject.cache, level, rows)
    return {
        split: kept[torch.from_numpy(np.searchsorted(rows, part))] for split, part in zip(SPLITS, indices, strict=True)
    }


def _cached(subject: Subject, cache: FeatureCache, level: Level, rows: NDArray[np.int64]) -> Tensor:
    found = kept_features(cache, _key(subject, level), subject.emit)
    if found is not None:
        subject.emit(Log(message="Features of this encoder and set were kept: no image is encoded."))
        return torch.from_numpy(found)
    levels = _worth_keeping(subject, cache, level, len(rows))
    encoded = dict(zip(levels, _encode(subject, levels, rows), strict=True))
    try:
        for each, features in encoded.items():
            cache.write(_key(subject, each), features.numpy())
    except OSError as error:
        subject.emit(Log(level="warning", message=f"Features could not be kept for other jobs: {error}."))
    return encoded[level]


def _worth_keeping(subject: Subject, cache: FeatureCache, level: Level, n: int) -> list[Level]:
    """Every depth, unless that takes more than a quarter of the cache."""
    if not isinstance(subject.encoder, Encoder):
        return [level]
    levels: list[Level] = list(range(len(subject.encoder.stages()) + 1))
    if subject.head is not None:
        levels.append("z")
    total = sum(dimensions(subject.file, subject.encoder, levels))
    return levels if n * total * 4 <= cache.limit_bytes // 4 else [level]


def _encode(subject: Subject, levels: Sequence[Level], rows: NDArray[np.int64]) -> list[Tensor]:
    images = subject.labelled.dataset.images[rows]
    progress = EncodingProgress(len(images), subject.emit, subject.should_stop)
    network = Levels(subject.encoder, subject.head, levels).eval()
    encoded = encode_images(network, subject.file, images, on_batch=progress)
    if not bool(encoded.isfinite().all()):
        raise ValueError("the encoder gives features that are not finite: pretrain it again")
    parts = encoded.split(dimensions(subject.file, subject.encoder, levels), dim=1)  # type: ignore[no-untyped-call]
    return [part.contiguous() for part in parts]


def _key(subject: Subject, level: Level) -> FeatureKey:
    return FeatureKey(subject.dataset_hash, subject.encoder_hash, str(level), subject.device.device.type)
