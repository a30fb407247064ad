"""The built-in sets as imports make them: how far they are is told, and their pixels have a room of their own."""

from pathlib import Path

from simclr.datasets import BUILTIN
from simclr.datasets.buffers import room_for
from simclr.datasets.download import Progress, ignore
from simclr.datasets.errors import DatasetError
from simclr.datasets.limits import LIMITS, Limits
from simclr.datasets.store import Dataset

# Sets of which any number of images can be drawn, from any seed; the others are as they are.
COUNTED = ("factors",)
# What they hold, for who lists them: to draw them all takes seconds.
ABOUT = {
    "digits": "1,797 grey images of 8×8, 10 classes (1295 train, 143 val, 359 test)",
    "patterns": "11,000 RGB images of 32×32, 10 classes (8000 train, 1000 val, 2000 test)",
    "factors": "10,000 RGB images of 64×64, 10 classes (7000 train, 1000 val, 2000 test)",
}


def draw_builtin(
    name: str, count: int | None = None, seed: int = 0, *, progress: Progress = ignore, limits: Limits = LIMITS,
    scratch: Path | None = None,
) -> Dataset:  # fmt: skip
    """A built-in set.

    Args:
        name: One in ``BUILTIN``.
        count: Images, by default as many as the set has; only of a set in ``COUNTED``.
        seed: What is drawn, the same; 0 is the default.
        progress: Called with the images drawn and their number.
        limits: How much may be stored.
        scratch: A file that holds the pixels of a counted set; memory does by default.

    Raises:
        DatasetError: ``unknown_source``; ``not_counted`` for a count or seed of a set that has none; those of ``room_for``.
    """
    if name not in BUILTIN:
        raise DatasetError("unknown_source", f"no built-in set is called {name}: choose {', '.join(BUILTIN)}")
    if name not in COUNTED:
        if count is not None or seed:
            raise DatasetError("not_counted", f"{name} are as they are: leave count and seed out")
        return BUILTIN[name]()
    from simclr.datasets.factors import FACTORS, SIZE_PX, factors

    n = FACTORS if count is None else count
    return factors(n, seed, images=room_for((n, 3, SIZE_PX, SIZE_PX), limits, scratch), progress=progress)
