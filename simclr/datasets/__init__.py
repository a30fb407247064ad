"""Image sets: one store on disk, and one module per source that fills it."""

from collections.abc import Callable

from simclr.datasets.errors import DatasetError
from simclr.datasets.store import Dataset, DatasetInfo, Split, open_dataset, write_dataset

__all__ = ["BUILTIN", "Dataset", "DatasetError", "DatasetInfo", "Split", "open_dataset", "write_dataset"]


def _digits() -> Dataset:
    from simclr.datasets.digits import digits

    return digits()


def _patterns() -> Dataset:
    from simclr.datasets.patterns import patterns

    return patterns()


def _factors() -> Dataset:
    from simclr.datasets.factors import factors

    return factors()


# Sets that need no file; each source is imported when it is asked for, because who only reads sets needs none of them.
BUILTIN: dict[str, Callable[[], Dataset]] = {"digits": _digits, "patterns": _patterns, "factors": _factors}
