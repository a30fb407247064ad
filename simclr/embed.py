"""Encode images, and write the bank of embeddings that search and maps read."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from simclr.banks import Rows, bank_of
from simclr.config import EmbedConfig
from simclr.datasets.store import Dataset, content_hash
from simclr.device import Device, choose_device
from simclr.encoders import EncoderFile, ImageFacts, load_encoder, load_head, prepare
from simclr.events import Emit, Log, Progress, ShouldStop, Stopped, ignore, never
from simclr.feature_cache import FeatureCache, FeatureKey, kept_features
from simclr.memory import naming_what_fits
from simclr.results import EmbedResult
from simclr.runs import Run, sha256_of
from simclr.training import REPORT_EVERY_S
from simclr.views.chunks import for_each

# Pixels of the images whose features are kept at a time, some seconds' work: so much is lost when an embedding is interrupted.
PIECE_PIXELS = 1 << 21
# On a CPU each core takes so many images through the whole network by itself; whatever the batch, the sums are then the same.
SLICE = 64


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
        threads = self.device.threads if self.device.device.type == "cpu" else 1
        with torch.autocast(self.device.device.type, torch.bfloat16, self.bf16):
            rows: Rows = encode_images(
                self.network, self.file, self.images[start:stop], self.config.batch_size, on_batch, threads
            ).numpy()
        if not bool(np.isfinite(rows).all()):
            raise ValueError(f"the encoder {self.encoder} gives features that are not finite: pretrain it again")
        return rows

    def try_batch(self, batch: int) -> None:
        encode_images(self.network, self.file, self.images[:batch], batch)


class FeaturesAndProjections(nn.Module):
    """h, and z beside it where there is a head: normalised images, (N, C, S, S), to (N, D) or (N, D + dimensions of z)."""

    def __init__(self, encoder: nn.Module, head: nn.Module | None) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, images: Tensor) -> Tensor:
        h: Tensor = self.encoder(images)
        return h if self.head is None else torch.cat([h, self.head(h)], dim=1)


def _dims(file: EncoderFile) -> list[int]:
    return [file.feature_dim, *([file.projection.dim] if file.projection is not None else [])]


def _pieces(work: _Work, cache: FeatureCache, progress: "EncodingProgress", emit: Emit) -> Iterator[Rows]:
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


def encode_images(
    encoder: nn.Module,
    facts: ImageFacts,
    images: NDArray[np.uint8],
    batch_size: int = 512,
    on_batch: Callable[[int], None] | None = None,
    threads: int = 1,
) -> Tensor:
    """Features h of ``images``, without gradients and with the encoder's statistics as they are.

    Args:
        encoder: On any device; put into evaluation mode meanwhile.
        facts: What it expects of images.
        images: uint8, shape (N, C, S, S); may be a memory map.
        batch_size: Images encoded at a time; changes speed, not results.
        on_batch: Told before every batch how many images are done; may raise to stop.
        threads: On a CPU, cores that take slices of a batch side by side. One operation shared by all cores is slower.

    Returns:
        float32, shape (N, D), on the CPU.
    """
    device = next((parameter.device for parameter in encoder.parameters()), torch.device("cpu"))
    training = encoder.training
    encoder.eval()

    def encode(batch: Tensor) -> Tensor:
        pixels = prepare(batch, facts).contiguous(memory_format=torch.channels_last)
        return encoder(pixels).float().cpu()  # type: ignore[no-any-return]

    parts: list[Tensor] = []
    try:
        with torch.inference_mode():
            for start in range(0, len(images), batch_size):
                if on_batch is not None:
                    on_batch(start)
                # A copy, since torch warns about memory it must not write to.
                batch = torch.from_numpy(np.array(images[start : start + batch_size])).to(device)
                parts += _side_by_side(encode, batch, threads) if threads > 1 else [encode(batch)]
    finally:
        encoder.train(training)
    features = torch.cat(parts)
    if on_batch is not None:
        on_batch(len(images))
    # Outside inference mode a plain tensor, which others may change or differentiate through.
    return features.clone()


def _side_by_side(encode: Callable[[Tensor], Tensor], batch: Tensor, threads: int) -> list[Tensor]:
    slices = list(batch.split(SLICE))  # type: ignore[no-untyped-call]
    found: dict[int, Tensor] = {}
    device = batch.device.type
    is_cast, dtype = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)

    def work(number: int) -> None:
        # A thread starts without its caller's casts, and threads must not share a cache of them.
        with torch.autocast(device, dtype, is_cast, cache_enabled=False):
            found[number] = encode(slices[number])

    for_each(work, list(range(len(slices))), threads)
    return [found[number] for number in range(len(slices))]


class EncodingProgress:
    """Tells how many images are encoded, a few times a second and at the end, and stops when asked to."""

    def __init__(self, n: int, emit: Emit, should_stop: ShouldStop) -> None:
        self.n = n
        self.emit = emit
        self.should_stop = should_stop
        self.done = self.kept = 0
        self.began = time.monotonic()
        self.reported_at = -REPORT_EVERY_S

    def keep(self, done: int) -> None:
        """Up to ``done`` images nothing is left to do, the last of which had been done before."""
        self.kept += done - self.done
        self(done)

    def __call__(self, done: int) -> None:
        if self.should_stop():
            raise Stopped(f"stopped on request after {done} of {self.n} images")
        self.done = done
        now = time.monotonic()
        if done < self.n and now - self.reported_at < REPORT_EVERY_S:
            return
        self.reported_at = now
        encoded = done - self.kept
        speed = encoded / max(1e-9, now - self.began) if encoded else None
        self.emit(
            Progress(
                step=done,
                steps=self.n,
                images_per_s=speed,
                eta_s=(self.n - done) / speed if speed else None,
            )
        )
