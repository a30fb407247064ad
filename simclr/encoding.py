"""Features of images through a network, batch after batch, and how far that is."""

import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from simclr.chunks import for_each
from simclr.encoders import ImageFacts, prepare
from simclr.events import Emit, Progress, ShouldStop, Stopped
from simclr.training import REPORT_EVERY_S

# On a CPU each core takes so many images through the whole network by itself; whatever the batch, the sums are then the same.
SLICE = 64


class FeaturesAndProjections(nn.Module):
    """h, and z beside it where there is a head: normalised images, (N, C, S, S), to (N, D) or (N, D + dimensions of z)."""

    def __init__(self, encoder: nn.Module, head: nn.Module | None) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, images: Tensor) -> Tensor:
        h: Tensor = self.encoder(images)
        return h if self.head is None else torch.cat([h, self.head(h)], dim=1)


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
