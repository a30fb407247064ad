"""The sums over all pairs are the same whatever the strips, and never need the whole matrix."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from simclr.blocked import logsumexp_of_others
from simclr.loss import dcl, nt_xent, sup_con


def views(rows: int, d: int, temperature: float, seed: int = 0) -> Tensor:
    """Unit rows over the root of the temperature, float64."""
    drawn = torch.randn(rows, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (functional.normalize(drawn, dim=1) / math.sqrt(temperature)).requires_grad_()


def whole(scaled: Tensor, group: int) -> Tensor:
    """The same by the whole matrix."""
    groups = torch.arange(len(scaled)) // group
    return (scaled @ scaled.T).masked_fill(groups[:, None] == groups, -math.inf).logsumexp(dim=1)


@given(
    pairs=st.integers(2, 24),
    strip=st.integers(1, 2500),
    group=st.sampled_from([1, 2]),
    # The lower two are too low for exponentials without a maximum, in float64 the last one alone.
    temperature=st.sampled_from([1.0, 0.1, 0.01, 0.001]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 10**6),
)
@settings(deadline=None, max_examples=60)
def test_strips_of_any_size_give_the_sums_and_gradient_of_the_whole_matrix(
    pairs: int, strip: int, group: int, temperature: float, dtype: torch.dtype, seed: int
) -> None:
    exact = views(2 * pairs, 5, temperature, seed)
    weight = torch.rand(2 * pairs, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    scaled = exact.detach().to(dtype).requires_grad_()
    found = logsumexp_of_others(scaled, 1 / temperature, group=group, strip=strip)
    expected = whole(exact, group)
    # Similarities up to 1 / temperature are good to a few roundings of that size, and so are exponents.
    rounding = 8 * torch.finfo(dtype).eps / temperature
    torch.testing.assert_close(
        found.double(), expected, atol=rounding + 1e-12, rtol=1e-6 if dtype == torch.float32 else 0
    )
    (gradient,) = torch.autograd.grad((found * weight.to(dtype)).sum(), scaled)
    (wanted,) = torch.autograd.grad((expected * weight).sum(), exact)
    scale = 2 * len(weight) / math.sqrt(temperature)  # no gradient is longer
    torch.testing.assert_close(
        gradient.double(), wanted, atol=(rounding + 1e-6 * (dtype == torch.float32)) * scale, rtol=0
    )


@pytest.mark.parametrize("temperature", [0.2, 0.001])
@pytest.mark.parametrize(("own", "strip"), [(6, 10_000), (6, 30), (10, 1), (4, 64)])
def test_rows_of_other_processes_are_columns_alone(own: int, strip: int, temperature: float) -> None:
    # Without a group of processes nothing is collected, so the sums are this process's own, and so is the gradient
    # of a loss that knows them alone; the test with two processes covers the rest.
    scaled = views(10, 3, temperature)
    found = logsumexp_of_others(scaled, 1 / temperature, own=own, strip=strip)
    torch.testing.assert_close(found, whole(scaled, 1)[:own], atol=1e-10, rtol=0)


class Largest(TorchDispatchMode):
    """Remembers the largest tensor that any operation returned."""

    elements = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        sizes = [
            leaf.untyped_storage().nbytes() // leaf.element_size()
            for leaf in tree_leaves(result)
            if isinstance(leaf, Tensor)
        ]
        self.elements = max(self.elements, *sizes, 0)
        return result


LABELS = torch.arange(1024) % 10


@pytest.mark.parametrize(
    "loss", [nt_xent, dcl, lambda a, b, t: sup_con(a, b, LABELS, t)], ids=["nt_xent", "dcl", "sup_con"]
)
@pytest.mark.parametrize("temperature", [0.2, 0.01])
def test_the_whole_matrix_never_exists(loss: Callable[..., Tensor], temperature: float) -> None:
    n = 1024
    first, second = torch.randn(2, n, 32, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with Largest() as largest:
        loss(first, second, temperature).backward()
    # A strip holds at most 2^19 similarities, an eighth of the matrix; features are far smaller.
    assert 0 < largest.elements <= (2 * n) ** 2 / 8


def test_the_watch_for_large_tensors_sees_a_whole_matrix() -> None:
    with Largest() as largest:
        torch.ones(100, 3) @ torch.ones(3, 100)
    assert largest.elements == 10_000
