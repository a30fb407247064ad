"""Encode images, and write the bank of embeddings that search and maps read."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from torch import nn

from simclr.banks import Rows, bank_of
from simclr.config import EmbedConfig
from simclr.datasets.store import Dataset, content_hash
from simclr.device import Device, choose_device
from simclr.encoders import EncoderFile, load_encoder, load_head
from simclr.encoding import EncodingProgress, FeaturesAndProjections, encode_images
from simclr.events import Emit, Log, ShouldStop, ignore, never
from simclr.feature_cache import FeatureCache, FeatureKey, kept_features
from simclr.memory import naming_what_fits
from simclr.results import EmbedResult
from simclr.runs import Run, sha256_of

# Pixels of the images whose features are kept at a time, some seconds' work: so much is lost when an embedding is interrupted.
PIECE_PIXELS = 1 << 21


def embed(
    config: EmbedConfig,
    encoder: Path,
    dataset: Dataset,
    run: Run,
    emit: Emit = ignore,
    should_stop: ShouldStop = never,
    cache: FeatureCache | None = None,
) -> EmbedResult:
    """Encode every image of ``dataset``, in its order, into ``run.features``: float32, shape (N, D), rows of unit length.

    The lengths that they had stand beside it, float32, shape (N,); see ``simclr.index.norms_beside``. Where the encoder's file
    has its projection head, ``run.projections`` holds z likewise. Features are kept in pieces in ``cache``, or until the end in
    the run's folder, and what is kept is not computed again: an interrupted embedding goes on, and on a CPU ends with the same
    bytes.

    Raises:
        ValueError: the encoder cannot be loaded, or gives features that are not finite.
        OutOfMemory: which batch size fits.
        Stopped: ``should_stop`` said so; no bank was written.
        DiskFull: the bank does not fit.
    """
    work = _Work(config, encoder, dataset)
    run.begin(config, kind="embed", dataset=work.dataset_hash, encoder=work.encoder_hash)
    emit(Log(message=work.device.reason))
    if work.bf16 != work.device.bf16:
        emit(Log(message=f"As was asked for, features are computed in {work.precision}."))
    began = time.monotonic()
    kept = cache or FeatureCache(run.pieces)
    progress = EncodingProgress(len(dataset), emit, should_stop)
    with ExitStack() as files, naming_what_fits(work.try_batch, config.batch_size):
        banks = [
            files.enter_context(bank_of(path, len(dataset), dim))
            for path, dim in zip((run.features, run.projections), work.dims, strict=False)
        ]
        for rows in _pieces(work, kept, progress, emit):
            for add, part in zip(banks, np.split(rows, np.cumsum(work.dims)[:-1], axis=1), strict=True):
                add(part)
    shutil.rmtree(run.pieces, ignore_errors=True)
    seconds = time.monotonic() - began
    result = EmbedResult(
        n=len(dataset),
        feature_dim=work.file.feature_dim,
        projection_dim=work.file.projection.dim if work.file.projection is not None else None,
        precision="bf16" if work.bf16 else "fp32",
        kept=progress.kept,
        images_per_s=((len(dataset) - progress.kept) or len(dataset)) / seconds,
        seconds=seconds,
    )
    run.finish(result)
    return result


class _Work:
    """An encoder with its head on its device, and the images that it is to encode."""

    def __init__(self, config: EmbedConfig, encoder: Path, dataset: Dataset) -> None:
        self.config, self.encoder, self.images = config, encoder, dataset.images
        model, self.file = load_encoder(encoder)
        self.network: nn.Module = FeaturesAndProjections(model, load_head(encoder, self.file))
        self.device: Device = choose_device()
        self.network = self.network.to(self.device.device).to(memory_format=torch.channels_last)
        self.threads = self.device.threads if self.device.device.type == "cpu" else 1
        self.bf16 = self.device.bf16 if config.precision == "auto" else config.precision == "bf16"
        self.dataset_hash, self.encoder_hash = content_hash(dataset), sha256_of(encoder)
        self.dims = _dims(self.file)
        pixels = config.batch_size * dataset.image_size**2
        self.piece = config.batch_size * max(1, -(-PIECE_PIXELS // pixels))

    @property
    def precision(self) -> str:
        return "bfloat16" if self.bf16 else "float32"

    def key(self, start: int, stop: int) -> FeatureKey:
        """Of the features h and z of images ``start`` to ``stop``."""
        level = f"{'hz' if len(self.dims) > 1 else 'h'}.{start}.{stop}"
        return FeatureKey(self.dataset_hash, self.encoder_hash, level, f"{self.device.device.type}.{self.precision}")

    def encode(self, start: int, stop: int, on_batch: Callable[[int], None] | None = None) -> Rows:
        with torch.autocast(self.device.device.type, torch.bfloat16, self.bf16):
            rows: Rows = encode_images(
                self.network, self.file, self.images[start:stop], self.config.batch_size, on_batch, self.threads
            ).numpy()
        if not bool(np.isfinite(rows).all()):
            raise ValueError(f"the encoder {self.encoder} gives features that are not finite: pretrain it again")
        return rows

    def try_batch(self, batch: int) -> None:
        encode_images(self.network, self.file, self.images[:batch], batch, threads=self.threads)


def _dims(file: EncoderFile) -> list[int]:
    return [file.feature_dim, *([file.projection.dim] if file.projection is not None else [])]


def _pieces(work: _Work, cache: FeatureCache, progress: EncodingProgress, emit: Emit) -> Iterator[Rows]:
    """Features of all images, piece after piece; those that are kept are read, the others computed and kept."""
    is_kept = True
    for start in range(0, len(work.images), work.piece):
        stop = min(start + work.piece, len(work.images))
        rows = kept_features(cache, work.key(start, stop), emit)
        if rows is not None and rows.shape == (stop - start, sum(work.dims)):
            progress.keep(stop)
            yield rows
            continue
        rows = work.encode(start, stop, lambda done, start=start: progress(start + done))  # type: ignore[misc]
        if is_kept:
            try:
                cache.write(work.key(start, stop), rows)
            except OSError as error:
                is_kept = False
                emit(Log(level="warning", message=f"Features could not be kept for other jobs: {error}."))
        yield rows
    if progress.kept:
        emit(Log(message=f"{progress.kept:,} of {len(work.images):,} images had been encoded before."))
