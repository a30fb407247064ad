"""Lightning is loaded without its metrics, and nobody else misses them."""

import sys

from simclr.lightning import METRICS


def test_what_lightning_finds_in_the_place_of_its_metrics_does_not_stay() -> None:
    assert METRICS not in sys.modules or hasattr(sys.modules[METRICS], "Accuracy")
