"""Strategies that leave the encoder as it is: k-NN and the linear probe, on features of any depth."""

from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simclr.config import KnnConfig, LinearProbeConfig
from simclr.datasets.store import Split
from simclr.events import Log, Progress, Stopped
from simclr.features import features_of
from simclr.knn import knn_scores
from simclr.metrics import accuracy
from simclr.probe import LinearModel, LogisticRegression, Standard
from simclr.probe_sgd import probe_by_sgd
from simclr.results import EpochScore
from simclr.subject import Learned, Subject

# Strengths of the probe's L2 penalty on standardised features, strongest first, so that each solution starts the next; and how
# weak it may become while every weaker one is the best so far on validation.
L2_GRID = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)
WEAKEST_L2 = 1e-7


def knn(config: KnnConfig, subject: Subject) -> Learned:
    """Let the nearest training images vote."""
    features = features_of(subject, config.features, config.block)
    labels = torch.from_numpy(subject.labelled.labels("train"))

    def classify(split: Split) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = knn_scores(
            features["train"],
            labels,
            features[split],
            classes=len(subject.labelled.dataset.classes),
            k=config.k,
            temperature=config.temperature,
        ).numpy()
        return scores

    return Learned(classify, {}, len(labels), [])


def linear_probe(config: LinearProbeConfig, subject: Subject) -> Learned:
    """A linear classifier on standardised features, by the solver that ``config`` names."""
    features = features_of(subject, config.features, config.block)
    standard = Standard.of(features["train"])
    features = {split: standard(values) for split, values in features.items()}
    return _solved(config, subject, features) if config.solver == "lbfgs" else _descended(config, subject, features)


def _solved(config: LinearProbeConfig, subject: Subject, features: dict[Split, Tensor]) -> Learned:
    """Logistic regression for every L2 strength; the best on validation is kept, the strongest of equals."""
    labelled = subject.labelled
    problem = LogisticRegression(
        features["train"],
        torch.from_numpy(labelled.labels("train")),
        len(labelled.dataset.classes),
        labelled.class_weights() if config.class_weights else None,
    )
    best: tuple[float, LinearModel] | None = None
    best_accuracy = -1.0
    model: LinearModel | None = None
    step, waiting = 0, deque(L2_GRID)
    while waiting:
        step, l2 = step + 1, waiting.popleft()
        model = problem.fit(l2, config.max_iterations, model, lambda: _stop_when_asked(subject))
        reached = accuracy(model.probabilities(features["val"]), labelled.labels("val"))
        short = "" if model.iterations < config.max_iterations else "; not converged, raise max_iterations"
        subject.emit(
            Log(message=f"L2 {l2:g}: validation accuracy {reached:.3f} after {model.iterations} steps{short}.")
        )
        if reached > best_accuracy:
            best, best_accuracy = (l2, model), reached
            # The best at the edge of what was tried may not be the best of all.
            if not waiting and l2 > 1.5 * WEAKEST_L2:
                waiting.append(l2 / 10)
        subject.emit(Progress(step=step, steps=step + len(waiting)))
    if best is None:
        raise ValueError("the probe has no strengths to choose from")
    best_l2, chosen = best
    return Learned(
        lambda split: chosen.probabilities(features[split]),
        {"l2": best_l2, "iterations": chosen.iterations},
        len(features["train"]),
        [],
    )


def _descended(config: LinearProbeConfig, subject: Subject, features: dict[Split, Tensor]) -> Learned:
    """Stochastic gradient descent; the best epoch on validation is kept."""
    labelled = subject.labelled
    curve: list[EpochScore] = []

    def hear(epoch: EpochScore) -> None:
        _stop_when_asked(subject)
        curve.append(epoch)
        subject.emit(Progress(step=epoch.epoch, steps=config.epochs, loss=epoch.loss))

    _stop_when_asked(subject)
    model, epoch = probe_by_sgd(
        config,
        features["train"],
        torch.from_numpy(labelled.labels("train")),
        len(labelled.dataset.classes),
        labelled.class_weights() if config.class_weights else None,
        lambda model: accuracy(model.probabilities(features["val"]), labelled.labels("val")),
        hear,
    )
    seen = len(features["train"]) * config.epochs
    return Learned(lambda split: model.probabilities(features[split]), {"epoch": epoch}, seen, curve)


def _stop_when_asked(subject: Subject) -> None:
    if subject.should_stop():
        raise Stopped("stopped on request while the probe was being solved")
