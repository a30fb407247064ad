"""How many cores this process may use."""

import os
from pathlib import Path


def usable_threads() -> int:
    """As many as there are cores, or fewer where ``OMP_NUM_THREADS`` says so."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(usable_cores(), int(asked))) if asked.isdecimal() else usable_cores()


def usable_cores() -> int:
    """Cores this process may use: its affinity, and the quota of its container, of which torch knows nothing."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = container_quota(Path("/sys/fs/cgroup/cpu.max"))
    return max(1, min(cores, quota) if quota else cores)


def container_quota(path: Path) -> int | None:
    """Whole cores of cgroup v2's "quota period" file, rounded up; None without a quota."""
    try:
        quota, period = path.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else -(-int(quota) // int(period))
