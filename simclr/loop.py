"""The loop of every training: Lightning's trainer over the steps that are left, ends of epochs, and checkpoints."""

import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from simclr.device import Device
from simclr.events import Log, Stopped
from simclr.memory import is_out_of_memory
from simclr.resume import Keeper, Saved, State
from simclr.training import Batches, Course, Watch


class Part(Protocol):
    """Whatever has a state, as torch's modules and optimisers have."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: Any, /) -> object: ...


class Training(pl.LightningModule, ABC):
    """What every training does between its steps: it counts them, ends epochs, and keeps what it needs to go on.

    For Lightning all epochs are one pass over a ``Course``: taken up in the middle of a pass of its own it would show other
    batches.
    """

    optimizer: Optimizer
    scheduler: LRScheduler

    def __init__(self, batches: Batches, watch: Watch, views: torch.Generator, keeper: Keeper) -> None:
        super().__init__()
        self.watch = watch
        self.course = Course(batches, watch.steps)
        self.views = views
        self.keeper = keeper
        # The last epoch whose end is dealt with; 0 stands for what comes before the first.
        self.ended_epoch = -1
        self.knn_accuracy: float | None = None
        self.kept: tuple[int, int] | None = None

    @abstractmethod
    def build_optimizer(self) -> Optimizer: ...

    @abstractmethod
    def build_scheduler(self, done: int) -> LRScheduler:
        """Made for the step that follows ``done`` steps."""

    @abstractmethod
    def rate(self, step: int) -> float:
        """The learning rate of a step, from 0, to be told."""

    @abstractmethod
    def end_epoch(self, epoch: int) -> float | None:
        """What follows an epoch's last step, and in epoch 0 precedes the first; the k-NN accuracy where it is measured."""

    @abstractmethod
    def parts(self) -> dict[str, Part]:
        """Everything with a state of its own but the optimiser."""

    @abstractmethod
    def found(self) -> State:
        """What was found on the way, in tensors and plain values."""

    @abstractmethod
    def find(self, found: State) -> None:
        """Take back what ``found`` gave."""

    def after_step(self) -> None:
        """For what follows the weights at every step."""

    def is_over(self, epoch: int) -> bool:  # noqa: ARG002
        """Whether the training ends with ``epoch``, before its last step."""
        return False

    def configure_optimizers(self) -> dict[str, object]:  # type: ignore[override]
        return {"optimizer": self.optimizer, "lr_scheduler": {"scheduler": self.scheduler, "interval": "step"}}

    def on_train_start(self) -> None:
        # Where nothing was interrupted this is epoch 0; else a look that was interrupted is taken again.
        self._end_epoch_once()

    def on_train_batch_end(self, outputs: dict[str, Tensor], _batch: Tensor, _number: int) -> None:  # type: ignore[override]
        self.after_step()
        self.knn_accuracy = None
        self.watch.stepped(outputs["loss"], self.rate(self.watch.step))
        self._end_epoch_once()
        has_ended = self._has_ended
        if has_ended:
            self.trainer.should_stop = True
        is_last = self.watch.step == self.watch.steps or has_ended
        if is_last or self.keeper.is_due(at_epoch_end=self._is_at_epoch_end):
            self.keep()

    def keep(self) -> None:
        """Write a checkpoint, unless there is one of this very moment.

        Raises:
            OSError: it cannot be written.
            Diverged: there is nothing to go on from.
        """
        moment = self.watch.step, self.ended_epoch
        if self.kept != moment:
            self.keeper.write(
                self.state(), step=self.watch.step, epoch=self.watch.epoch, knn_accuracy=self.knn_accuracy
            )
            self.kept = moment

    def state(self) -> State:
        """All that decides about the steps that are left, in tensors and plain values."""
        return {
            "watch": self.watch.state(),
            "ended_epoch": self.ended_epoch,
            "knn_accuracy": self.knn_accuracy,
            "order": self.course.state(self.watch.step),
            "views": self.views.get_state(),
            "views_device": self.views.device.type,
            "optimizer": self.optimizer.state_dict(),
            "parts": {name: part.state_dict() for name, part in self.parts().items()},
            "found": self.found(),
        }

    def begin(self, saved: Saved | None) -> None:
        """Make the optimiser, and go on from ``saved`` where it is given; the training must be on its device.

        Raises:
            ValueError: ``saved`` was written by a program that kept something else.
        """
        self.optimizer = self.build_optimizer()
        if saved is not None:
            try:
                self._go_on(saved.state)
            except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
                if is_out_of_memory(error):
                    raise
                said = " ".join(str(error).split())[:200]
                raise ValueError(f"{saved.path} does not fit this version of simclr ({said}): begin anew") from error
            self.watch.emit(Log(message=f"Going on after step {self.watch.step} of {self.watch.steps}."))
        # A function of the step alone, so it is right also where there are more epochs now.
        self.scheduler = self.build_scheduler(self.watch.step)

    def _go_on(self, state: State) -> None:
        parts = self.parts()
        if parts.keys() != state["parts"].keys():
            raise ValueError(f"it holds {', '.join(state['parts'])} instead of {', '.join(parts)}")
        for name, part in parts.items():
            part.load_state_dict(state["parts"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.watch.go_on(state["watch"])
        self.course.go_on(self.watch.step, state["order"])
        self.ended_epoch = int(state["ended_epoch"])
        self.knn_accuracy = state["knn_accuracy"]
        if state["views_device"] == self.views.device.type:
            self.views.set_state(state["views"])
        else:
            # Generators of different devices do not understand each other; these numbers are new at least.
            self.views.manual_seed(self.views.initial_seed() + self.watch.step)
        self.find(state["found"])

    @property
    def _is_at_epoch_end(self) -> bool:
        return self.watch.step % self.watch.steps_per_epoch == 0

    @property
    def _has_ended(self) -> bool:
        return self._is_at_epoch_end and self.is_over(self.watch.epoch)

    def _end_epoch_once(self) -> None:
        if self._is_at_epoch_end and self.ended_epoch < self.watch.epoch:
            self.knn_accuracy = self.end_epoch(self.watch.epoch)
            self.ended_epoch = self.watch.epoch


def fit(training: Training, device: Device, gradient_clip: float = 0.0, saved: Saved | None = None) -> None:
    """Train with Lightning alone: no bar, logger, checkpoint or message of its own.

    ``gradient_clip`` above 0 is the longest gradient over all weights together; from ``saved`` the training goes on.

    Raises:
        Stopped: it was asked to stop, or the process to end (SIGTERM); a checkpoint of this moment was written.
        ValueError: ``saved`` does not fit.
        OSError: a checkpoint could not be written.
    """
    training.begin(saved)
    with _quiet():
        trainer = pl.Trainer(
            accelerator="cuda" if device.device.type == "cuda" else "cpu",
            devices=1,
            precision="bf16-mixed" if device.bf16 else "32-true",
            max_epochs=1,
            gradient_clip_val=gradient_clip or None,
            barebones=True,
        )
        try:
            if len(training.course) and not training.is_over(training.ended_epoch):
                trainer.fit(training, train_dataloaders=training.course)
            else:
                training.on_train_start()
                training.keep()
        except SIGTERMException as ended:
            training.keep()
            raise Stopped("the process was asked to end") from ended
        except Stopped:
            training.keep()
            raise


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
