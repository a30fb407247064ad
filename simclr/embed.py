"""Encode images, and write the bank of embeddings that search and maps read."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from simclr.config import EmbedConfig
from simclr.datasets.store import Dataset, content_hash
from simclr.device import choose_device
from simclr.encoders import ImageFacts, load_encoder, prepare
from simclr.events import Emit, Log, Progress, ShouldStop, Stopped, ignore, never
from simclr.index import norms_beside
from simclr.memory import naming_what_fits
from simclr.results import EmbedResult
from simclr.runs import Run, sha256_of, writing
from simclr.training import REPORT_EVERY_S


def embed(
    config: EmbedConfig,
    encoder: Path,
    dataset: Dataset,
    run: Run,
    emit: Emit = ignore,
    should_stop: ShouldStop = never,
) -> EmbedResult:
    """Encode every image of ``dataset``, in its order, into ``run.features``: float32, shape (N, D), rows of unit length.

    The lengths that they had stand beside it, float32, shape (N,); see ``simclr.index.norms_beside``.

    Raises:
        ValueError: the encoder cannot be loaded, or gives features that are not finite.
        OutOfMemory: which batch size fits.
        Stopped: ``should_stop`` said so; no bank was written.
    """
    model, file = load_encoder(encoder)
    device = choose_device()
    model = model.to(device.device).to(memory_format=torch.channels_last)
    run.begin(config, kind="embed", dataset=content_hash(dataset), encoder=sha256_of(encoder))
    emit(Log(message=device.reason))
    began = time.monotonic()
    progress = EncodingProgress(len(dataset), emit, should_stop)
    with naming_what_fits(lambda batch: encode_images(model, file, dataset.images[:batch], batch), config.batch_size):
        features = encode_images(model, file, dataset.images, config.batch_size, progress)
    if not bool(features.isfinite().all()):
        raise ValueError(f"the encoder {encoder} gives features that are not finite: pretrain it again")
    bank = functional.normalize(features, dim=1).numpy()
    norms = features.norm(dim=1).numpy()
    _give_zero_rows_a_direction(bank)
    with writing(norms_beside(run.features), norms.nbytes) as temporary:
        np.save(temporary, norms, allow_pickle=False)
    with writing(run.features, bank.nbytes) as temporary:
        np.save(temporary, bank, allow_pickle=False)
    seconds = time.monotonic() - began
    result = EmbedResult(
        n=len(dataset), feature_dim=bank.shape[1], images_per_s=len(dataset) / seconds, seconds=seconds
    )
    run.finish(result)
    return result


def encode_images(
    encoder: nn.Module,
    facts: ImageFacts,
    images: NDArray[np.uint8],
    batch_size: int = 512,
    on_batch: Callable[[int], None] | None = None,
) -> Tensor:
    """Features h of ``images``, without gradients and with the encoder's statistics as they are.

    Args:
        encoder: On any device; put into evaluation mode meanwhile.
        facts: What it expects of images.
        images: uint8, shape (N, C, S, S); may be a memory map.
        batch_size: Images encoded at a time; changes speed, not results.
        on_batch: Told before every batch how many images are done; may raise to stop.

    Returns:
        float32, shape (N, D), on the CPU.
    """
    device = next((parameter.device for parameter in encoder.parameters()), torch.device("cpu"))
    training = encoder.training
    encoder.eval()
    parts: list[Tensor] = []
    try:
        with torch.inference_mode():
            for start in range(0, len(images), batch_size):
                if on_batch is not None:
                    on_batch(start)
                # A copy, since torch warns about memory it must not write to.
                batch = torch.from_numpy(np.array(images[start : start + batch_size])).to(device)
                pixels = prepare(batch, facts).contiguous(memory_format=torch.channels_last)
                parts.append(encoder(pixels).float().cpu())
    finally:
        encoder.train(training)
    features = torch.cat(parts)
    if on_batch is not None:
        on_batch(len(images))
    # Outside inference mode a plain tensor, which others may change or differentiate through.
    return features.clone()


class EncodingProgress:
    """Tells how many images are encoded, a few times a second and at the end, and stops when asked to."""

    def __init__(self, n: int, emit: Emit, should_stop: ShouldStop) -> None:
        self.n = n
        self.emit = emit
        self.should_stop = should_stop
        self.began = time.monotonic()
        self.reported_at = -REPORT_EVERY_S

    def __call__(self, done: int) -> None:
        if self.should_stop():
            raise Stopped(f"stopped on request after {done} of {self.n} images")
        now = time.monotonic()
        if done < self.n and now - self.reported_at < REPORT_EVERY_S:
            return
        self.reported_at = now
        speed = done / max(1e-9, now - self.began) if done else None
        self.emit(
            Progress(
                step=done,
                steps=self.n,
                images_per_s=speed,
                eta_s=(self.n - done) / speed if speed else None,
            )
        )


def _give_zero_rows_a_direction(bank: NDArray[np.float32]) -> None:
    """An all-zero feature has no direction; all of them get the same one, so they are neighbours of each other."""
    zero = np.flatnonzero(np.linalg.norm(bank, axis=1) < 0.5)
    bank[zero] = 1 / np.sqrt(bank.shape[1], dtype=np.float32)
