"""``simclr-lab up | demo | worker | doctor | jobs | job``."""

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import typer
from rich.console import Console

from backend.lab import jobs as jobs_of_lab
from backend.lab.configuration import load_settings
from backend.lab.errors import Interrupted, LabError
from backend.lab.launcher import Launcher, link_of
from backend.lab.ownership import AlreadyRunning
from backend.lab.signals import StopSignals
from backend.lab.workers import WORKER_COMMAND
from backend.settings import PREFIX

app = typer.Typer(help="Run SimCLR Lab on this machine.", no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(jobs_of_lab.app, name="job")
Port = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Port to listen on; default: SIMCLR_LAB_PORT or 8765.")
]


def main() -> None:
    """The entry point: an error that a person can cure is one line on standard error."""
    try:
        app(standalone_mode=True)
    except LabError as error:
        sys.stderr.write(f"simclr-lab: {error}\n")
        sys.exit(1)


@app.command()
def up(port: Port = None) -> None:
    """Start the lab, print its link, and run until Ctrl-C."""
    say = speaker(Console(highlight=False))
    with running_lab(port, say) as launcher:
        say(f"\nSimCLR Lab is ready. Open\n\n    {launcher.link()}\n")
        say(f"Data folder: {launcher.settings.data_folder}. Ctrl-C stops the lab.")
        launcher.watch(until=lambda: False)


@app.command()
def demo(
    port: Port = None,
    leave: Annotated[bool, typer.Option("--exit", help="Stop when the demonstration has ended.")] = False,
    epochs: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Passes over the images; fewer end sooner and learn less.")
    ] = None,
    source: Annotated[
        Literal["patterns", "digits", "factors"],
        typer.Option("--set", help="The built-in images to learn from; digits are the fewest and smallest."),
    ] = "patterns",
) -> None:
    """Start the lab and learn from images without labels, before your eyes."""
    from backend.lab.demo import demonstrate

    console = Console(highlight=False)
    say = speaker(console)
    try:
        with running_lab(port, say) as launcher:
            token = launcher.settings.access_token
            say(f"\nSimCLR Lab is ready. To watch in the browser as well, open\n\n    {launcher.link()}\n")
            show = Background(lambda: demonstrate(launcher.address, token, console, epochs, source))
            launcher.watch(until=show.has_ended)
            show.reraise()
            if not leave:
                say("\nThe lab stays up for you to look around. Ctrl-C stops it.")
                launcher.watch(until=lambda: False)
    except AlreadyRunning as running:
        if running.note is None:
            raise
        settings = load_settings(port)
        say(
            f"A lab already runs: showing the demonstration there, at\n\n    {link_of(running.note.address, settings)}\n"
        )
        demonstrate(running.note.address, settings.access_token, console, epochs, source)


@app.command()
def worker(
    check: Annotated[
        bool, typer.Option("--check", help="Only ask whether this machine's worker gives signs of life.")
    ] = False,
    lanes: Annotated[
        str | None, typer.Option(help="Queues to take jobs from, as short or long,short; default: long,short,import.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Device to compute on, such as cpu or cuda:1; default: what is found.")
    ] = None,
) -> None:
    """Run only a worker, in this terminal; it needs SIMCLR_LAB_REDIS_URL and the catalogue's settings."""
    asked = {f"{PREFIX}LANES": lanes, f"{PREFIX}DEVICE": device}
    os.environ.update({name: value for name, value in asked.items() if value is not None})
    settings = load_settings()
    if check:
        from backend.lab.doctor import has_living_worker

        if not has_living_worker(settings, socket.gethostname()):
            raise LabError("no worker of this machine gave a sign of life in the last 30 s")
        return
    if settings.redis_url is None:
        raise LabError(
            "a worker of its own needs SIMCLR_LAB_REDIS_URL, the Redis that the API rings; 'simclr-lab up' starts one "
            "together with Redis and the API"
        )
    os.execv(WORKER_COMMAND[0], WORKER_COMMAND)  # noqa: S606 - a fixed program


@app.command()
def jobs(every: Annotated[bool, typer.Option("--all", help="Also those that ended long ago.")] = False) -> None:
    """List the jobs of the running lab: what runs, waits, is paused and has ended."""
    jobs_of_lab.listing(every)


@app.command()
def doctor() -> None:
    """Look at settings, disk, Redis, API, workers and device, and say what to do."""
    from backend.lab.doctor import examine

    if not examine(Console(highlight=False)):
        raise typer.Exit(1)


@contextmanager
def running_lab(port: int | None, say: Callable[[str], None]) -> Iterator[Launcher]:
    """A started lab; Ctrl-C, SIGTERM and SIGHUP end the block quietly once everything has been stopped in order."""
    with StopSignals() as signals:
        try:
            settings = load_settings(port)
            say("Starting Redis, the worker and the API …")
            with Launcher(settings, signals, say, os.environ) as launcher:
                try:
                    yield launcher
                finally:
                    say("Stopping the API, the worker and Redis … (Ctrl-C again: at once)")
        except Interrupted:
            say("Stopped.")


def speaker(console: Console) -> Callable[[str], None]:
    """Prints a sentence; a terminal that has gone away is no reason to stop in the middle of stopping."""

    def say(sentence: str) -> None:
        try:
            console.print(sentence, markup=False, soft_wrap=True)
        except OSError:
            console.quiet = True

    return say


class Background:
    """Runs a function beside the watching, which has to stay in the main thread: children follow the thread that made them."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._error: BaseException | None = None
        self._function = function
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._function()
        except BaseException as error:  # noqa: BLE001 - handed to the main thread
            self._error = error

    def has_ended(self) -> bool:
        return not self._thread.is_alive()

    def reraise(self) -> None:
        if self._error is not None:
            raise self._error
