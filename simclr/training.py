"""What pretraining and fine-tuning share: random batches without worker processes, progress, stopping."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simclr.events import Emit, Progress, ShouldStop, Stopped
from simclr.resume import State

REPORT_EVERY_S = 0.25
# The loss that is told is the mean of so many last steps, so that it belongs to the step and not to the clock.
STEPS_MEANT = 20
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
            # No batch of one: nothing in it could be told apart from anything.
            smaller = f"choose {len(indices)} or less, or " if len(indices) >= 2 else ""
            raise ValueError(
                f"batch_size is {batch_size} but there are only {len(indices)} training images: "
                f"{smaller}import more images"
            )
        self.indices = torch.from_numpy(indices)
        self.batch_size = batch_size
        self.generator = generator

    def __len__(self) -> int:
        return len(self.indices) // self.batch_size

    def __iter__(self) -> Iterator[Tensor]:
        shuffled = self.shuffle()
        return (self.batch(shuffled, number) for number in range(len(self)))

    def shuffle(self) -> Tensor:
        """The order of the next pass."""
        return self.indices[torch.randperm(len(self.indices), generator=self.generator)]

    def batch(self, shuffled: Tensor, number: int) -> Tensor:
        """The ``number``-th batch, from 0, of a pass in this order."""
        return shuffled[number * self.batch_size : (number + 1) * self.batch_size]


class Course:
    """All batches that are left, over all passes, as one iterable that can be taken up at any step."""

    def __init__(self, batches: Batches, steps: int) -> None:
        self.batches = batches
        self.steps = steps
        self.first = 0
        # A pass's order, and the generator's state after it was drawn; whoever reads ahead has drawn the next pass's too.
        self.orders: dict[int, tuple[Tensor, Tensor]] = {}

    def __len__(self) -> int:
        return self.steps - self.first

    def __iter__(self) -> Iterator[Tensor]:
        for step in range(self.first, self.steps):
            epoch, number = divmod(step, len(self.batches))
            if epoch not in self.orders:
                self.orders.pop(epoch - 2, None)
                self.orders[epoch] = self.batches.shuffle(), self.batches.generator.get_state()
            yield self.batches.batch(self.orders[epoch][0], number)

    def state(self, step: int) -> dict[str, Tensor]:
        """What ``go_on`` needs at ``step``, which is the last one taken or the one before."""
        drawn = self.orders.get(step // len(self.batches))
        order, generator = drawn or (torch.empty(0, dtype=torch.int64), self.batches.generator.get_state())
        return {"order": order, "generator": generator}

    def go_on(self, step: int, state: dict[str, Tensor]) -> None:
        """Continue after ``step`` steps."""
        self.first = step
        self.batches.generator.set_state(state["generator"])
        if len(state["order"]):
            self.orders = {step // len(self.batches): (state["order"], state["generator"])}


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
        self.step = self.first = 0
        self.pending: list[Tensor] = []
        self.recent = torch.empty(0)
        self.spent = 0.0
        self.earlier_s = 0.0
        self.began_at = self.resumed_at = self.reported_at = clock()

    @property
    def epoch(self) -> int:
        """The one in which the last step lies, from 1; 0 before the first."""
        return (self.step - 1) // self.steps_per_epoch + 1

    @property
    def loss(self) -> float:
        """The mean of the last steps that were read, an epoch's at most; NaN before the first."""
        return float(self.recent.mean())

    @property
    def seconds(self) -> float:
        """Since the beginning, without the time between an interruption and going on."""
        return self.earlier_s + self.clock() - self.began_at

    def state(self) -> State:
        """What ``go_on`` needs.

        Raises:
            Diverged: a loss since the last report is NaN or infinite, so there is nothing to go on from.
        """
        self._read_losses()
        return {"step": self.step, "recent": self.recent, "seconds": self.seconds}

    def go_on(self, state: State) -> None:
        """Continue where ``state`` was taken; speed is measured anew."""
        self.step = self.first = int(state["step"])
        self.recent = state["recent"]
        self.earlier_s = float(state["seconds"])

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
        """Training images (not views) a second so far, since an interruption if there was one."""
        return (self.step - self.first) * self.batch_size / max(1e-9, self.spent + self.clock() - self.resumed_at)

    def _report(self, learning_rate: float) -> None:
        self._read_losses()
        self.reported_at = self.clock()
        speed = self.images_per_s
        self.emit(
            Progress(
                step=self.step,
                steps=self.steps,
                epoch=self.epoch,
                epochs=self.epochs,
                loss=self.loss,
                chance=self.chance,
                learning_rate=learning_rate,
                images_per_s=speed,
                eta_s=(self.steps - self.step) * self.batch_size / speed,
            )
        )

    def _read_losses(self) -> None:
        """Take in what was not read yet."""
        if not self.pending:
            return
        losses = torch.stack(self.pending).float().cpu()
        self._refuse_no_number(losses)
        self.pending.clear()
        self.recent = torch.cat((self.recent, losses))[-min(STEPS_MEANT, self.steps_per_epoch) :]

    def _refuse_no_number(self, losses: Tensor) -> None:
        wrong = (~losses.isfinite()).nonzero()[:, 0]
        if len(wrong):
            step = self.step - len(losses) + int(wrong[0]) + 1
            raise Diverged(
                f"the loss became {float(losses[wrong[0]])} at step {step} of {self.steps}: "
                "lower learning_rate, or raise temperature or warmup_epochs where there are any"
            )
