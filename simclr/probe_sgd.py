"""The linear probe by stochastic gradient descent, as papers evaluate: batches, momentum, a cosine; the best epoch is kept."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from simclr.config import LinearProbeConfig
from simclr.optim import schedule
from simclr.probe import LinearModel
from simclr.randomness import stream
from simclr.results import EpochScore
from simclr.training import Batches, Diverged


def probe_by_sgd(
    config: LinearProbeConfig,
    features: Tensor,
    labels: Tensor,
    classes: int,
    class_weights: NDArray[np.float32] | None,
    score: Callable[[LinearModel], float],
    on_epoch: Callable[[EpochScore], None],
) -> tuple[LinearModel, int]:
    """Train a linear layer, from zero, on frozen features.

    Args:
        config: Epochs, rate, momentum, batch and seed; the rate is for a batch of 256 and grows with it.
        features: Standardised, float32, shape (N, D). Papers leave them as they are: standardised, the same rate suits any
            encoder.
        labels: int64, shape (N,).
        classes: How many there are.
        class_weights: One a class, or none.
        score: Validation accuracy of a model.
        on_epoch: Told of every epoch; may raise to stop.

    Returns:
        The model of the best epoch on validation, the earliest of equals, and that epoch, from 1.

    Raises:
        Diverged: the loss became NaN.

    Source: Chen et al. 2020, arXiv:2002.05709, B.6: Nesterov momentum 0.9, rate 0.1 · batch / 256, no weight decay.
    """
    batch_size = min(config.batch_size, len(features))
    batches = Batches(np.arange(len(features)), batch_size, stream(config.seed, "order"))
    linear = nn.Linear(features.shape[1], classes)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    rate = config.learning_rate * batch_size / 256
    optimizer = torch.optim.SGD(linear.parameters(), lr=rate, momentum=config.momentum, nesterov=config.momentum > 0)
    scheduler = schedule(optimizer, 0, config.epochs * len(batches))
    weights = None if class_weights is None else torch.from_numpy(class_weights)
    best, best_epoch, best_accuracy = None, 0, -1.0
    for epoch in range(1, config.epochs + 1):
        losses = []
        for batch in batches:
            losses.append(_step(linear, optimizer, features[batch], labels[batch], weights))
            scheduler.step()
        loss = float(torch.stack(losses).mean())
        if not np.isfinite(loss):
            raise Diverged(f"the loss became {loss} in epoch {epoch} of {config.epochs}: lower learning_rate")
        model = LinearModel(linear.weight.detach().T.clone(), linear.bias.detach().clone(), epoch * len(batches))
        reached = score(model)
        on_epoch(EpochScore(epoch=epoch, loss=loss, val_accuracy=reached))
        if reached > best_accuracy:
            best, best_epoch, best_accuracy = model, epoch, reached
    if best is None:
        raise ValueError("a probe by SGD needs at least one epoch")
    return best, best_epoch


def _step(
    linear: nn.Linear, optimizer: torch.optim.Optimizer, features: Tensor, labels: Tensor, weights: Tensor | None
) -> Tensor:
    loss = functional.cross_entropy(linear(features), labels, weights)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.detach()
