"""Which workers ``up`` starts: one for each GPU, or one for what there is; and one for short jobs alone where a setting asks."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from backend.settings import PREFIX, Settings

WORKER_COMMAND = [
    sys.executable, "-m", "celery", "-A", "worker.app", "worker",
    "-P", "threads", "-c", "1", "--without-gossip", "--without-mingle", "--loglevel", "INFO",
]  # fmt: skip
LOOK_S = 20.0  # nvidia-smi takes seconds where nothing keeps the driver loaded


@dataclass(frozen=True)
class Worker:
    """A worker to start: its name as people read it, that of its log, and the settings of its own."""

    name: str
    log: str
    settings: Mapping[str, str]


def planned_workers(settings: Settings, environ: Mapping[str, str]) -> list[Worker]:
    """The workers of this machine; a single one keeps the plain name."""
    if settings.device is not None:
        devices = [settings.device]
    else:
        count = count_gpus(environ)
        devices = [f"cuda:{number}" for number in range(count)] if count > 1 else []
    if len(devices) > 1:
        found = [
            Worker(f"The worker on {device}", f"worker-{device.replace(':', '')}.log", {f"{PREFIX}DEVICE": device})
            for device in devices
        ]
    else:
        found = [Worker("The worker", "worker.log", {})]
    if settings.short_slot is not None:
        short = {f"{PREFIX}DEVICE": settings.short_slot, f"{PREFIX}LANES": "short"}
        found.append(Worker("The worker for short jobs", "worker-short.log", short))
    return found


def count_gpus(environ: Mapping[str, str]) -> int:
    """NVIDIA GPUs that a process with this environment sees, without loading torch."""
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() not in ("", "-1")])
    with suppress(OSError, subprocess.SubprocessError):
        listed = subprocess.run(
            ["nvidia-smi", "-L"], env={**os.environ, **environ}, capture_output=True, text=True, timeout=LOOK_S, check=True
        )  # fmt: skip
        return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
    return 0
