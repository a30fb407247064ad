"""Lightning is loaded without its metrics, and nobody else misses them."""

import sys

from worker.lightning import METRICS, load_lightning


def test_what_lightning_finds_in_the_place_of_its_metrics_does_not_stay() -> None:
    load_lightning()
    assert "pytorch_lightning" in sys.modules or METRICS in sys.modules
    assert METRICS not in sys.modules or hasattr(sys.modules[METRICS], "Accuracy")
