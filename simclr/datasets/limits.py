"""What an upload may cost: sizes, counts, and what the process that reads it may take."""

import resource

from pydantic import BaseModel, ConfigDict, PositiveInt

MIB = 2**20
GIB = 2**30


class Limits(BaseModel):
    """Caps on an upload and on the child process that reads it; frozen. The defaults fit CIFAR-10 (60,000 files) and MedMNIST.

    ``ratio`` is how many times its packed size a member larger than ``free_bytes``, or the whole archive, may unpack to.
    ``directory_bytes`` bounds the list of members before it is read, ``stored_bytes`` the images as they will be kept.
    ``memory_bytes`` bounds the child's own memory (RLIMIT_DATA); what it maps from files comes on top (RLIMIT_AS).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    entries: PositiveInt = 200_000
    directory_bytes: PositiveInt = 48 * MIB
    total_bytes: PositiveInt = 4 * GIB
    member_bytes: PositiveInt = 32 * MIB
    ratio: PositiveInt = 200
    free_bytes: PositiveInt = MIB
    pixels: PositiveInt = 16_000_000
    classes: PositiveInt = 10_000
    stored_bytes: PositiveInt = 4 * GIB
    bad_share: float = 0.1
    memory_bytes: PositiveInt = GIB
    cpu_s: PositiveInt = 1800
    open_files: PositiveInt = 128


LIMITS = Limits()


def confine(limits: Limits = LIMITS) -> None:
    """Hold this process to ``limits`` for the rest of its life: no way back, so only for a child that reads an upload."""
    caps = {
        resource.RLIMIT_DATA: limits.memory_bytes,
        # Code and libraries map about 1 GiB without touching it.
        resource.RLIMIT_AS: limits.memory_bytes + limits.stored_bytes + 2 * GIB,
        resource.RLIMIT_CPU: limits.cpu_s,
        resource.RLIMIT_FSIZE: limits.stored_bytes + MIB,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CORE: 0,
    }
    for kind, cap in caps.items():
        _, hard = resource.getrlimit(kind)
        allowed = cap if hard == resource.RLIM_INFINITY else min(cap, hard)
        resource.setrlimit(kind, (allowed, allowed))
