"""What every strategy of a transfer is given, and what it gives back."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from simclr.datasets.store import Split
from simclr.device import Device
from simclr.encoders import EncoderFile
from simclr.events import Emit, ShouldStop
from simclr.feature_cache import FeatureCache
from simclr.labelled import Labelled
from simclr.results import EpochScore

# Gives the probabilities, (N, classes), of a split's labelled images; asked for the test split once, at the end.
Classifier = Callable[[Split], NDArray[np.float32]]


class Subject(NamedTuple):
    """An encoder on its device, what it expects, the labelled images it is tried on, and whom to tell.

    Attributes:
        encoder: In evaluation mode.
        file: What it says of itself.
        head: Its projection head, where its file has one.
        labelled: The images.
        device: Where to work.
        dataset_hash, encoder_hash: By which features are kept.
        cache: Where to keep them; None keeps none.
        emit, should_stop: Told how it goes, and asked before every step.
    """

    encoder: nn.Module
    file: EncoderFile
    head: nn.Module | None
    labelled: Labelled
    device: Device
    dataset_hash: str
    encoder_hash: str
    cache: FeatureCache | None
    emit: Emit
    should_stop: ShouldStop


class Learned(NamedTuple):
    """What a strategy made.

    Attributes:
        classify: Its classifier.
        chosen: What was chosen on validation, by name.
        images_seen: Labelled training images, each counted as often as it was shown.
        curve: Epoch by epoch, where there were epochs.
    """

    classify: Classifier
    chosen: dict[str, float]
    images_seen: int
    curve: list[EpochScore]
