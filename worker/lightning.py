"""PyTorch Lightning as a runner loads it: without its metrics, which no job measures with.

Lightning compares what it is given with two classes of torchmetrics, whose import brings torchvision and scipy.signal with it:
a fifth of the time until a worker is ready. A program that uses both must not do so.
"""

import importlib
import sys
from importlib.metadata import version
from types import ModuleType

METRICS = "torchmetrics"


def load_lightning() -> None:
    """Import Lightning, to which an import of torchmetrics gives two empty classes; to others it gives the real ones."""
    if METRICS in sys.modules:
        return
    stand_in = ModuleType(METRICS)
    classes = {name: type(name, (), {}) for name in ("Metric", "MetricCollection")}
    vars(stand_in).update(__version__=version(METRICS), **classes)
    sys.modules[METRICS] = stand_in
    try:
        importlib.import_module("pytorch_lightning")
    finally:
        del sys.modules[METRICS]
