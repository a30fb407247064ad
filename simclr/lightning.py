"""PyTorch Lightning, loaded without its metrics, which nothing here measures with.

Lightning compares what it is given with two classes of torchmetrics, whose import brings torchvision and scipy.signal with it:
a fifth of the time until a worker is ready.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from types import ModuleType

METRICS = "torchmetrics"


@contextmanager
def _without_metrics() -> Iterator[None]:
    """Inside, an import of torchmetrics finds two empty classes; afterwards the real ones."""
    if METRICS in sys.modules:
        yield
        return
    stand_in = ModuleType(METRICS)
    classes = {name: type(name, (), {}) for name in ("Metric", "MetricCollection")}
    vars(stand_in).update(__version__=version(METRICS), **classes)
    sys.modules[METRICS] = stand_in
    try:
        yield
    finally:
        del sys.modules[METRICS]


with _without_metrics():
    import pytorch_lightning as pl
    from pytorch_lightning.utilities.exceptions import SIGTERMException

__all__ = ["SIGTERMException", "pl"]
