"""What pretraining and fine-tuning share: random batches without worker processes, progress, stopping, Lightning's trainer."""

import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import Tensor

from simclr.device import Device
from simclr.events import Emit, Progress, ShouldStop, Stopped

REPORT_EVERY_S = 0.25
# A set up to this size is kept on the accelerator, so that no batch waits for a copy.
RESIDENT_BYTES = 4 << 30


class ImagePool:
    """Images by index as a uint8 tensor on the device that trains."""

    def __init__(self, images: NDArray[np.uint8], device: torch.device) -> None:
        self.images = images
        self.device = device
        resident = device.type != "cpu" and images.nbytes <= RESIDENT_BYTES
        self.resident = torch.from_numpy(np.array(images)).to(device) if resident else None

    def __getitem__(self, indices: Tensor) -> Tensor:
        """Images of ``indices``, int64 of shape (N,), as uint8 of shape (N, C, S, S)."""
        if self.resident is not None:
            return self.resident[indices.to(self.device)]
        return torch.from_numpy(self.images[indices.cpu().numpy()]).to(self.device)


class Batches:
    """Indices in a new random order at every pass, in batches; what does not fill the last one is left for another pass."""

    def __init__(self, indices: NDArray[np.int64], batch_size: int, generator: torch.Generator) -> None:
        """Prepare passes over ``indices``.

        Raises:
            ValueError: not even one batch can be filled.
        """
        if batch_size > len(indices):
            raise ValueError(
                f"batch_size is {batch_size} but there are only {len(indices)} training images: "
                f"choose {len(indices)} or less, or import more images"
            )
        self.indices = torch.from_numpy(indices)
        self.batch_size = batch_size
        self.generator = generator

    def __len__(self) -> int:
        return len(self.indices) // self.batch_size

    def __iter__(self) -> Iterator[Tensor]:
        shuffled = self.indices[torch.randperm(len(self.indices), generator=self.generator)]
        for number in range(len(self)):
            yield shuffled[number * self.batch_size : (number + 1) * self.batch_size]


class Diverged(ValueError):
    """The loss is no number any more; the message says at which step and what to change."""


class Watch:
    """Asks before every step whether to stop; tells a few times a second how training goes; refuses a loss that is no number.

    Losses are read together, not one by one, since reading one makes an accelerator wait.
    """

    def __init__(
        self,
        batches: Batches,
        epochs: int,
        emit: Emit,
        should_stop: ShouldStop,
        *,
        chance: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.steps_per_epoch = len(batches)
        self.steps = len(batches) * epochs
        self.epochs = epochs
        self.batch_size = batches.batch_size
        self.chance = chance
        self.emit = emit
        self.should_stop = should_stop
        self.clock = clock
        self.step = 0
        self.loss = math.nan
        self.pending: list[Tensor] = []
        self.spent = 0.0
        self.resumed_at = self.reported_at = clock()

    def check(self) -> None:
        """Raise ``Stopped`` when asked to stop."""
        if self.should_stop():
            raise Stopped(f"stopped on request at step {self.step} of {self.steps}")

    def stepped(self, loss: Tensor, learning_rate: float) -> None:
        """Count one step.

        Raises:
            Diverged: a loss since the last report is NaN or infinite.
        """
        self.step += 1
        self.pending.append(loss.detach())
        if self.step % self.steps_per_epoch == 0 or self.clock() - self.reported_at >= REPORT_EVERY_S:
            self._report(learning_rate)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Time spent inside, such as on an evaluation, does not count as training."""
        self.spent += self.clock() - self.resumed_at
        yield
        self.resumed_at = self.clock()

    @property
    def images_per_s(self) -> float:
        """Training images (not views) a second so far."""
        return self.step * self.batch_size / max(1e-9, self.spent + self.clock() - self.resumed_at)

    def _report(self, learning_rate: float) -> None:
        losses = torch.stack(self.pending).float().cpu()
        self._refuse_no_number(losses)
        self.pending.clear()
        self.loss = float(losses.mean())
        self.reported_at = self.clock()
        speed = self.images_per_s
        self.emit(
            Progress(
                step=self.step,
                steps=self.steps,
                epoch=(self.step - 1) // self.steps_per_epoch + 1,
                epochs=self.epochs,
                loss=self.loss,
                chance=self.chance,
                learning_rate=learning_rate,
                images_per_s=speed,
                eta_s=(self.steps - self.step) * self.batch_size / speed,
            )
        )

    def _refuse_no_number(self, losses: Tensor) -> None:
        wrong = (~losses.isfinite()).nonzero()[:, 0]
        if len(wrong):
            step = self.step - len(losses) + int(wrong[0]) + 1
            raise Diverged(
                f"the loss became {float(losses[wrong[0]])} at step {step} of {self.steps}: "
                "lower learning_rate, or raise temperature or warmup_epochs where there are any"
            )


def fit(module: pl.LightningModule, batches: Batches, epochs: int, device: Device, gradient_clip: float = 0.0) -> None:
    """Train ``module`` with Lightning alone: no bar, logger, checkpoint or message of its own, and no files.

    ``gradient_clip`` above 0 is the longest gradient over all weights together.

    Raises:
        Stopped: the process was asked to end (SIGTERM).
    """
    with _quiet():
        trainer = pl.Trainer(
            accelerator="cuda" if device.device.type == "cuda" else "cpu",
            devices=1,
            precision="bf16-mixed" if device.bf16 else "32-true",
            max_epochs=epochs,
            gradient_clip_val=gradient_clip or None,
            barebones=True,
        )
        try:
            trainer.fit(module, train_dataloaders=batches)
        except SIGTERMException as ended:
            raise Stopped("the process was asked to end") from ended


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advice, which is for authors of training loops, from the people who only watch one."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning")
            yield
    finally:
        logger.setLevel(level)
