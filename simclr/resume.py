"""The state of a training as one file, from which it goes on as if it had never been interrupted."""

import hashlib
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, ValidationError

from simclr.checkpoints import read_saved
from simclr.events import Checkpoint, Emit, Event, SavedEpoch
from simclr.runs import LIBRARIES, Run, sha256_of, writing

State = dict[str, Any]
Config = TypeVar("Config", bound=BaseModel)

# A file is this, the sha256 of the rest in hexadecimal digits, a line's end, and what torch.save wrote: torch itself reads
# tensors with flipped bits without a word.
MARK = b"simclr training 1 "
BEGIN_ANEW = "go on from an earlier checkpoint, or begin anew"


@dataclass(frozen=True)
class Cadence:
    """When a training writes its state, beside always after its last step and when it is asked to stop.

    Attributes:
        epoch_s: At an epoch's end when the last time is at least so many seconds ago.
        most_s: Between two epochs' ends likewise. Source: Young 1974, Commun. ACM 17, 530: √(2 · 0.5 s to write · a day
            between failures) = 294 s.
        clock: Seconds that only grow.
    """

    epoch_s: float = 60.0
    most_s: float = 300.0
    clock: Callable[[], float] = time.monotonic


class Keeper:
    """Writes a training's state into its run folder, and tells so."""

    def __init__(self, run: Run, config: BaseModel, facts: dict[str, str], emit: Emit, cadence: Cadence) -> None:
        """Keep what belongs to ``config``; ``facts`` are those of ``Run.begin``."""
        self.run = run
        self.about = {"config": config.model_dump(mode="json"), "facts": facts}
        self.emit = emit
        self.cadence = cadence
        self.written_at = cadence.clock()

    def is_due(self, *, at_epoch_end: bool) -> bool:
        """Whether the last time, or else the beginning, is long enough ago."""
        waited_s = self.cadence.clock() - self.written_at
        return waited_s >= self.cadence.most_s or (at_epoch_end and waited_s >= self.cadence.epoch_s)

    def write(self, state: State, *, step: int, epoch: int, knn_accuracy: float | None) -> None:
        """Write the file of ``step``; it appears complete or not at all.

        Raises:
            DiskFull: it does not fit.
            OSError: the disk cannot be written.
        """
        path = self.run.checkpoint(step)
        packed = io.BytesIO()
        # Into memory first: writing to a full disk, torch raises what does not say so.
        torch.save(self.about | {"state": state}, packed)
        # Released also by an error: Python 3.12.1 crashes where the error's frames are collected with it.
        with packed.getbuffer() as content, writing(path, len(content)) as temporary, temporary.open("wb") as file:
            file.write(MARK + hashlib.sha256(content).hexdigest().encode() + b"\n")
            file.write(content)
        self.written_at = self.cadence.clock()
        self.emit(Checkpoint(step=step, epoch=epoch, name=path.name, sha256=sha256_of(path), knn_accuracy=knn_accuracy))


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds, not yet known to fit."""

    path: Path
    config: dict[str, Any]
    facts: dict[str, str]
    state: State

    def config_as(self, model: type[Config]) -> Config:
        """The config that the training began with.

        Raises:
            ValueError: it is none of ``model``.
        """
        try:
            return model.model_validate(self.config)
        except ValidationError as error:
            raise ValueError(
                f"{self.path} has a config that is no {model.__name__} of this version of simclr: {BEGIN_ANEW}"
            ) from error

    def check(self, config: BaseModel, **facts: str) -> None:
        """Refuse to go on with another config or other ``facts``; more epochs are welcome.

        Raises:
            ValueError: what differs, and what to do.
        """
        for name, value in facts.items():
            if self.facts.get(name) != value:
                raise ValueError(f"{self.path} belongs to another {WHAT[name]}: name that one, or begin anew")
        before = self.config_as(type(config))
        was, wanted = before.model_dump(mode="json"), config.model_dump(mode="json")
        if wanted["epochs"] < was["epochs"]:
            raise ValueError(
                f"epochs is {wanted['epochs']} but {self.path} belongs to a training of {was['epochs']}: "
                f"give {was['epochs']} to finish it, or more"
            )
        differing = sorted(_differing(was | {"epochs": wanted["epochs"]}, wanted))
        if differing:
            raise ValueError(
                f"{self.path} belongs to another config ({'; '.join(differing)}): "
                "give the one it began with, of which only epochs may grow, or begin anew"
            )

    def notes(self, facts: dict[str, str]) -> list[str]:
        """Sentences about what is no longer as it was, which may change the numbers."""
        names = ("device", "python", *LIBRARIES)
        changed = [
            f"{name} was {self.facts[name]} and is {facts[name]}"
            for name in names
            if name in self.facts and name in facts and self.facts[name] != facts[name]
        ]
        return [f"The numbers may differ from an uninterrupted training's: {', '.join(changed)}."] if changed else []


# Facts that must be the same, in words.
WHAT = {"kind": "kind of training", "dataset": "image set", "start": "start", "encoder": "encoder"}


def read_training(path: Path) -> Saved:
    """Read what ``Keeper.write`` wrote.

    Raises:
        ValueError: the file is missing, damaged, cut off, or of another kind.
    """
    if not path.is_file():
        raise ValueError(f"no checkpoint at {path}: name the file, or the folder of a training that was interrupted")
    mark, line_end, content = path.read_bytes().partition(b"\n")
    if not (mark.startswith(MARK) and line_end):
        raise ValueError(f"{path} is no checkpoint of a training, or its start is damaged: {BEGIN_ANEW}")
    if hashlib.sha256(content).hexdigest().encode() != mark.removeprefix(MARK):
        raise ValueError(f"{path} is damaged or cut off: {BEGIN_ANEW}")
    found = read_saved(content, path.name)
    try:
        return Saved(path, dict(found["config"]), dict(found["facts"]), dict(found["state"]))
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not hold what a checkpoint of a training does: {BEGIN_ANEW}") from error


def superseded(checkpoints: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Those, of one training's in order, that need not be kept: all but the last two and the best."""
    looked_at = [checkpoint for checkpoint in checkpoints if checkpoint.knn_accuracy is not None]
    best = max(looked_at, key=lambda checkpoint: checkpoint.knn_accuracy or 0.0, default=None)
    return [checkpoint for checkpoint in checkpoints[:-2] if checkpoint is not best]


def keeping_few(emit: Emit, run: Run) -> Emit:
    """``emit``, and of the checkpoints and single epochs that it is told of, those that are superseded are deleted."""
    told: list[Checkpoint] = []

    def hear(event: Event) -> None:
        if isinstance(event, Checkpoint):
            told.append(event)
            for old in superseded(told):
                told.remove(old)
                (run.path / old.name).unlink(missing_ok=True)
        elif isinstance(event, SavedEpoch):
            for path in set(run.saved_epochs()) - {run.saved_epoch(epoch) for epoch in event.kept}:
                path.unlink(missing_ok=True)
        emit(event)

    return hear


def _differing(was: dict[str, Any], wanted: dict[str, Any], prefix: str = "") -> list[str]:
    found: list[str] = []
    for name in was.keys() | wanted.keys():
        ours, theirs = was.get(name), wanted.get(name)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            found += _differing(ours, theirs, f"{prefix}{name}.")
        elif ours != theirs:
            found.append(f"{prefix}{name} was {ours}, not {theirs}")
    return found
