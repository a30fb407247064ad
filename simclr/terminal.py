"""How an experiment is shown in a terminal: a bar, sentences, and Ctrl-C as a request to stop."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from simclr.events import AnyEvent, Evaluation, Log, Progress, ShouldStop

# Results go to standard output; everything else to standard error, so that a pipe gets results alone.
console = Console(stderr=True, highlight=False)


class Watching:
    """An ``Emit`` that draws a bar and prints sentences."""

    def __init__(self, bar: Bar) -> None:
        self.bar = bar
        self.task = bar.add_task("", total=None, detail="")

    def __call__(self, event: AnyEvent, /) -> None:
        match event:
            case Log():
                self.bar.console.print(event.message, markup=False)
            case Evaluation(knn_accuracy=float(reached)):
                self.bar.console.print(
                    f"Epoch {event.epoch}: k-NN accuracy {reached:.3f} on {event.n} validation images"
                )
            case Progress():
                self.bar.update(self.task, completed=event.step, total=event.steps, detail=_detail(event))


@contextmanager
def watching() -> Iterator[tuple[Watching, ShouldStop]]:
    """Show an experiment while it runs. The first Ctrl-C asks it to stop, the second breaks it off."""
    asked = False

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = signal.signal(signal.SIGINT, ask)
    bar = Bar(
        BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[detail]}"), console=console
    )
    try:
        with bar:
            yield Watching(bar), lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


def _detail(event: Progress) -> str:
    parts = []
    if event.epochs:
        parts.append(f"epoch {event.epoch}/{event.epochs}")
    if event.loss is not None:
        chance = f" (chance {event.chance:.3f})" if event.chance is not None else ""
        parts.append(f"loss {event.loss:.3f}{chance}")
    if event.images_per_s is not None:
        parts.append(f"{event.images_per_s:,.0f} images/s")
    return ", ".join(parts)
