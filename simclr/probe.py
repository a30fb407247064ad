"""Multinomial logistic regression on cached features, to convergence: the linear probe's solver."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]
from torch import Tensor

# Up to this many dimensions the Gram matrix (64 MB) and its Cholesky factor are cheap.
LARGEST_GRAM = 4096
# Share of the Hessian's largest entry that is added to its diagonal at least.
LEAST_DIAGONAL = 1e-5
# Converged: no entry of the preconditioned gradient is above this, which no longer moves an accuracy.
GRADIENT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Standard:
    """Each feature's mean and spread over the training images; constant features are left at 0."""

    mean: Tensor
    scale: Tensor

    @classmethod
    def of(cls, features: Tensor) -> "Standard":
        """Statistics of ``features``, float, shape (N, D)."""
        spread = features.std(dim=0, correction=0)
        constant = spread <= 1e-6 * features.abs().amax(dim=0)
        return cls(features.mean(dim=0), torch.where(constant, 0.0, 1 / torch.where(constant, 1.0, spread)))

    def __call__(self, features: Tensor) -> Tensor:
        return (features - self.mean) * self.scale


@dataclass(frozen=True)
class LinearModel:
    """Weights (D, classes) and biases (classes,) on standardised features, and the solver's steps."""

    weight: Tensor
    bias: Tensor
    iterations: int

    def probabilities(self, features: Tensor) -> NDArray[np.float32]:
        """Of every class, shape (N, classes), for standardised ``features`` (N, D)."""
        probabilities: NDArray[np.float32] = (features @ self.weight + self.bias).softmax(dim=1).numpy()
        return probabilities


class LogisticRegression:
    """Minimises mean cross entropy + l2 / 2 · |weight|² for several ``l2`` over the same features.

    With class weights each image's cross entropy counts by its class's, as scikit-learn's ``class_weight`` has it.

    L-BFGS on variables in which the problem is nearly round: the Hessian's bound ½ XᵀX / N + l2 is factored once for each
    ``l2``, so tens of steps are enough where the plain problem takes hundreds. Departs from the plain solver in speed only.

    Source: Böhning & Lindsay 1988, Ann. Inst. Stat. Math. 40, 641-663 (the bound); Nocedal 1980 (L-BFGS).
    """

    def __init__(
        self, features: Tensor, labels: Tensor, classes: int, class_weights: NDArray[np.float32] | None = None
    ) -> None:
        """Keep ``features``, float32 and standardised, shape (N, D), ``labels``, int64, shape (N,), and a weight a class."""
        self.features = features
        self.labels = labels
        self.classes = classes
        self.one_hot = torch.nn.functional.one_hot(labels, classes).float()
        n, dim = features.shape
        # Each image's share in the mean, shape (N, 1).
        each = torch.ones(classes) if class_weights is None else torch.from_numpy(class_weights)
        self.shares = each[labels][:, None] / n
        self.gram = features.T @ (features * self.shares) if dim <= LARGEST_GRAM else None

    def fit(
        self,
        l2: float,
        max_iterations: int,
        start: LinearModel | None = None,
        on_step: Callable[[], None] | None = None,
    ) -> LinearModel:
        """Solve for one ``l2`` above 0, from ``start`` or from zero.

        ``on_step`` is called before every look at the loss and may raise to stop.
        """
        dim = self.features.shape[1]
        factor = self._factor(l2)
        weight, bias = (
            (start.weight, start.bias) if start else (torch.zeros(dim, self.classes), torch.zeros(self.classes))
        )
        variables = torch.cat((factor.T @ weight if factor is not None else weight, bias[None]))

        def loss_and_gradient(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            if on_step is not None:
                on_step()
            return self._loss_and_gradient(torch.from_numpy(flat).float().view(dim + 1, self.classes), factor, l2)

        solution = minimize(
            loss_and_gradient,
            variables.double().numpy().ravel(),
            jac=True,
            method="L-BFGS-B",
            # Single precision tells losses apart to about 1e-7; a smaller step in the loss is noise.
            options={"maxiter": max_iterations, "gtol": GRADIENT_TOLERANCE, "ftol": 1e-8, "maxcor": 20},
        )
        found = torch.from_numpy(solution.x).float().view(dim + 1, self.classes)
        return LinearModel(self._weight(found[:-1], factor), found[-1], int(solution.nit))

    def _factor(self, l2: float) -> Tensor | None:
        """Lower Cholesky factor of the Hessian's bound, (D, D); None where it would be too large."""
        if self.gram is None:
            return None
        bound = (0.5 * self.gram).double()
        # The Gram matrix is exact to single precision: with less on its diagonal it may have no factor. Any factor leads to the
        # same solution, in more or fewer steps.
        bound.diagonal().add_(max(l2, LEAST_DIAGONAL * float(bound.diagonal().max())))
        factor: Tensor = torch.linalg.cholesky(bound).float()
        return factor

    def _weight(self, variables: Tensor, factor: Tensor | None) -> Tensor:
        if factor is None:
            return variables
        weight: Tensor = torch.linalg.solve_triangular(factor.T, variables, upper=True)
        return weight

    def _loss_and_gradient(
        self, variables: Tensor, factor: Tensor | None, l2: float
    ) -> tuple[float, NDArray[np.float64]]:
        weight = self._weight(variables[:-1], factor)
        logits = torch.addmm(variables[-1], self.features, weight)
        log_probabilities = logits.log_softmax(dim=1)
        loss = -(log_probabilities.gather(1, self.labels[:, None]) * self.shares).sum() + l2 / 2 * weight.square().sum()
        error = (log_probabilities.exp() - self.one_hot) * self.shares
        gradient = self.features.T @ error + l2 * weight
        if factor is not None:
            gradient = torch.linalg.solve_triangular(factor, gradient, upper=False)
        whole = torch.cat((gradient, error.sum(dim=0, keepdim=True)))
        return float(loss), whole.double().numpy().ravel()
