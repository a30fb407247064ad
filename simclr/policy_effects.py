"""What each operation of a policy does by itself: how much it changes pixels, and what it costs the label."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from simclr.augment import draw_views
from simclr.config import AugmentConfig
from simclr.encoders import ImageFacts
from simclr.hardness import features_of
from simclr.intervals import Z_95
from simclr.policy_parts import alone, parts_on
from simclr.presets import STILL
from simclr.probe import LogisticRegression, Standard

# The strength of the probe's penalty; transfer.py tries five, of which this is the middle one.
L2, MAX_ITERATIONS = 1e-2, 200


@dataclass(frozen=True)
class Cost:
    """What an operation costs the label: accuracy under it, how much less that is than without, and the loss's 95 % interval."""

    part: str
    accuracy: float
    lost: float
    low: float
    high: float


@dataclass(frozen=True)
class LabelCosts:
    """``accuracy`` is that without any operation, on ``n`` held-out images; ``fitted`` images the probe was fitted on."""

    accuracy: float
    fitted: int
    n: int
    costs: tuple[Cost, ...]


@dataclass(frozen=True)
class Labelled:
    """Images, uint8 of shape (N, 1 or 3, S, S), and their classes, int64 of shape (N,)."""

    images: Tensor
    labels: Tensor


def mean_changes(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> dict[str, float]:
    """By how much each operation that is on changes a pixel, on average over the views, in levels of 255.

    Args:
        images: uint8, shape (N, 1 or 3, S, S).
        config: The policy; each operation is taken by itself, as often as the policy has it.
        generator: Where the views come from.
    """
    pixels = images.float() / 255
    return {
        part.name: float((draw_views(images, alone(config, part), generator) - pixels).abs().mean() * 255)
        for part in parts_on(config)
    }


def label_costs(
    encoder: nn.Module,
    facts: ImageFacts,
    train: Labelled,
    held_out: Labelled,
    config: AugmentConfig,
    generator: torch.Generator,
) -> LabelCosts:
    """What each operation that is on costs the label, as a probe on an encoder's features reads it.

    For each operation by itself, as the policy has it, one view of every image is drawn; a logistic regression is fitted on
    features of the training views and scored on those of the held-out ones. The loss is that score's distance from the same
    with no operation at all. Fitting on views too is what makes it a measure of the label and not of surprise: a probe
    that has seen mirrored digits and still takes them for others tells that mirroring made them alike, where one that has not
    only tells that the encoder is new to them. Crops cost something nearly everywhere, as a part shows less than the whole.

    The interval is of the paired difference, image by image, by the normal approximation.

    Args:
        encoder: In evaluation mode, on the CPU.
        facts: What it expects of images.
        train: What the probe is fitted on.
        held_out: What it is scored on.
        config: The policy.
        generator: Where the views come from.

    Raises:
        ValueError: fewer than two classes among the training labels, or no held-out image.
    """
    if len(held_out.labels) == 0 or len(torch.unique(train.labels)) < 2:
        raise ValueError("a probe needs training images of two classes or more, and held-out ones: label more images")
    classes = int(torch.cat((train.labels, held_out.labels)).max()) + 1

    def right(policy: AugmentConfig) -> Tensor:
        """Whether each held-out image is classified rightly under a policy."""
        fitted, scored = (
            features_of(encoder, facts, draw_views(s.images, policy, generator)) for s in (train, held_out)
        )
        standard = Standard.of(fitted)
        model = LogisticRegression(standard(fitted), train.labels, classes).fit(L2, MAX_ITERATIONS)
        guessed = torch.from_numpy(model.probabilities(standard(scored))).argmax(dim=1)
        return (guessed == held_out.labels).float()

    untouched = right(STILL)
    costs = []
    for part in parts_on(config):
        touched = right(alone(config, part))
        lost = untouched - touched
        half = Z_95 * float(lost.std(correction=0)) / math.sqrt(len(lost))
        mean = float(lost.mean())
        costs.append(Cost(part.name, float(touched.mean()), mean, max(-1.0, mean - half), min(1.0, mean + half)))
    return LabelCosts(float(untouched.mean()), len(train.labels), len(held_out.labels), tuple(costs))
