import pytest
import torch

from simclr.config import LinearProbeConfig
from simclr.metrics import accuracy
from simclr.probe import LinearModel, LogisticRegression
from simclr.probe_sgd import probe_by_sgd
from simclr.results import EpochScore
from simclr.training import Diverged
from tests.simclr.test_probe import problem

CONFIG = LinearProbeConfig(solver="sgd", epochs=40, batch_size=50, learning_rate=1.0)


def descend(
    config: LinearProbeConfig, features: torch.Tensor, labels: torch.Tensor
) -> tuple[LinearModel, int, list[EpochScore]]:
    curve: list[EpochScore] = []
    model, epoch = probe_by_sgd(
        config, features, labels, 3, None,
        lambda model: accuracy(model.probabilities(features), labels.numpy()), curve.append,
    )  # fmt: skip
    return model, epoch, curve


def test_it_comes_to_what_the_solver_finds() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(400, 5, generator=generator)
    labels = (features[:, :3] + torch.randn(400, 3, generator=generator)).argmax(dim=1)
    model, epoch, curve = descend(CONFIG, features, labels)
    solved = LogisticRegression(features, labels, 3).fit(1e-6, 500).probabilities(features)
    reached = accuracy(model.probabilities(features), labels.numpy())
    assert reached >= accuracy(solved, labels.numpy()) - 0.01
    scores = [each.val_accuracy for each in curve]
    assert len(scores) == CONFIG.epochs
    assert (epoch, reached) == (scores.index(max(scores)) + 1, max(scores))
    # The last epoch's rate is next to nothing, so its mean loss is that of the solution.
    best_loss = torch.nn.functional.nll_loss(torch.from_numpy(solved).log(), labels)
    assert curve[-1].loss == pytest.approx(float(best_loss), abs=0.005)


def test_the_seed_decides() -> None:
    features, labels = problem(n=100)
    few = CONFIG.model_copy(update={"epochs": 2, "batch_size": 16})
    first, again, other = (descend(few.model_copy(update={"seed": seed}), features, labels)[0] for seed in (0, 0, 1))
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)


def test_the_first_step_by_hand() -> None:
    """From zero, one batch of all: rate · batch / 256 · Xᵀ(y - 1/3) / N, and Nesterov's first step is 1.9 of it."""
    features, labels = problem(n=64)
    model, _, _ = descend(CONFIG.model_copy(update={"epochs": 1, "batch_size": 1000}), features, labels)
    gradient = features.T @ (1 / 3 - torch.nn.functional.one_hot(labels, 3).float()) / 64
    torch.testing.assert_close(model.weight, -64 / 256 * 1.9 * gradient)


def test_numbers_that_are_too_large_are_refused() -> None:
    with pytest.raises(Diverged, match=r"the loss became nan in epoch \d of 40: lower learning_rate"):
        descend(CONFIG, torch.full((60, 2), 3e38), torch.arange(60) % 3)
