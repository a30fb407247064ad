"""``python -m backend.vision.child PARENT FD``: holds torch, answers the process PARENT on the socket FD, under limits.

Only this process of the backend sees strangers' images as images. It imports torch and warms up first, then takes away from
itself what it will not need: memory, files, core dumps.
"""

import ctypes
import gc
import os
import resource
import signal
import socket
import sys
from pathlib import Path

from backend.vision.frames import Channel

PR_SET_PDEATHSIG = 1
MEMORY_ABOVE_WARM = 2 << 30
FILES = 64
LARGEST_FILE = 1 << 30
NICER = 5  # than the API: training and previews must not make pages wait


def main() -> None:
    parent, end = int(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))
    _die_with(parent)
    os.nice(NICER)
    # Of what is loaded for good nothing is garbage: looking for it would take a tenth of the start, and hold up answers.
    gc.disable()
    # Only now: importing torch takes seconds, in which the parent may be gone.
    from backend.vision import operations

    operations.warm_up()
    gc.freeze()
    gc.enable()
    _limit()
    channel = Channel(end)
    try:
        channel.send({"warm": True})
        while True:
            channel.send(*operations.reply(*channel.receive()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the API is gone


def _die_with(parent: int) -> None:
    """Ask Linux for SIGKILL when the parent ends, however it ends; end at once if it already has."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)


def _limit() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    memory = pages * resource.getpagesize() + MEMORY_ABOVE_WARM
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    main()
