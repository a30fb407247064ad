import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression as Reference

from simclr.events import Stopped
from simclr.probe import LogisticRegression, Standard


def problem(n: int = 400, dim: int = 30, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    # Strongly correlated features, as an encoder's are.
    features = torch.randn(n, 5, generator=generator) @ torch.randn(5, dim, generator=generator)
    features += 0.1 * torch.randn(n, dim, generator=generator)
    logits = features[:, :classes] + torch.randn(n, classes, generator=generator)
    return Standard.of(features)(features), logits.argmax(dim=1)


# Without the factor, which too many dimensions rule out, weak penalties end near the solution, not at it.
@pytest.mark.parametrize(
    ("l2", "preconditioned"), [(1.0, True), (1e-2, True), (1e-4, True), (1e-6, True), (1.0, False), (1e-2, False)]
)
@pytest.mark.parametrize("classes", [2, 3])
def test_the_solution_is_scikit_learns(
    l2: float, classes: int, preconditioned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not preconditioned:
        monkeypatch.setattr("simclr.probe.LARGEST_GRAM", 0)
    features, labels = problem(classes=classes)
    ours = LogisticRegression(features, labels, classes).fit(l2, 2000).probabilities(features)
    # Two classes: ours has a column each and shares the weight between them, which halves the penalty.
    strength = l2 if classes > 2 else l2 / 2
    reference = Reference(C=1 / (len(labels) * strength), max_iter=10000, tol=1e-8)
    theirs = reference.fit(features.double().numpy(), labels.numpy()).predict_proba(features.double().numpy())
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean() > 0.99
    # Probabilities to half a percent; single precision and the solver's tolerance leave less at moderate strengths.
    np.testing.assert_allclose(ours, theirs, atol=5e-3)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_coefficients_are_scikit_learns(weighted: bool) -> None:
    features, labels = problem()
    rare = labels != 2
    rare[::4] = True
    features, labels = features[rare], labels[rare]
    counts = torch.bincount(labels)
    weights = (len(labels) / (3 * counts)).float().numpy() if weighted else None
    model = LogisticRegression(features, labels, 3, weights).fit(0.1, 2000)
    reference = Reference(
        C=1 / (len(labels) * 0.1), max_iter=10000, tol=1e-8, class_weight="balanced" if weighted else None
    ).fit(features.double().numpy(), labels.numpy())
    np.testing.assert_allclose(model.weight.T, reference.coef_, atol=2e-3)
    # Adding the same to all classes' biases changes nothing.
    np.testing.assert_allclose(
        model.bias - model.bias.mean(), reference.intercept_ - reference.intercept_.mean(), atol=2e-3
    )


def test_the_preconditioned_problem_needs_tens_of_steps() -> None:
    features, labels = problem(n=1000, dim=200)
    model = LogisticRegression(features, labels, 3).fit(1e-4, 300)
    assert model.iterations < 80


def test_the_same_problem_has_the_same_solution_bit_for_bit() -> None:
    features, labels = problem()
    first, again = (LogisticRegression(features, labels, 3).fit(1e-2, 300) for _ in range(2))
    assert torch.equal(first.weight, again.weight)
    assert torch.equal(first.bias, again.bias)


def test_a_start_from_another_strength_ends_at_the_same_solution() -> None:
    features, labels = problem()
    solver = LogisticRegression(features, labels, 3)
    cold = solver.fit(1e-3, 500)
    warm = solver.fit(1e-3, 500, start=solver.fit(1.0, 500))
    np.testing.assert_allclose(cold.probabilities(features), warm.probabilities(features), atol=5e-3)


@pytest.mark.parametrize("l2", [1e-3, 1e-7])
def test_fewer_images_than_dimensions_can_be_solved(l2: float) -> None:
    features, labels = problem(n=20, dim=100)
    model = LogisticRegression(features, labels, 3).fit(l2, 300)
    assert (model.probabilities(features).argmax(axis=1) == labels.numpy()).all()


def test_a_request_to_stop_ends_the_solver() -> None:
    def stop() -> None:
        raise Stopped

    features, labels = problem()
    with pytest.raises(Stopped):
        LogisticRegression(features, labels, 3).fit(1e-2, 300, on_step=stop)


def test_standardised_features_have_mean_0_and_spread_1_and_constant_ones_are_0() -> None:
    features = 3 + 5 * torch.randn(100, 4)
    features[:, 2] = 7.0
    standardised = Standard.of(features)(features)
    assert standardised.mean(dim=0).tolist() == pytest.approx([0] * 4, abs=1e-5)
    assert standardised.std(dim=0, correction=0).tolist() == pytest.approx([1, 1, 0, 1], abs=1e-5)
