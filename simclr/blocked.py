"""Sums over all pairs of views, a strip of the similarity matrix at a time, so that the whole matrix never exists.

Similarities are symmetric: a strip holds some rows and only the columns from its first row on, and what lies right of its square
counts for the columns too. That halves the products and exponentials.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from simclr.gathering import collect

# Similarities worked on at a time: what stays near a core, or CPU_ROWS rows where those hold more. In thread time, 2^17 to 2^21
# were within 20 % of each other for 2,048 views and within 10 % for 8,192; but threads wait for each other at every step, and
# larger strips have fewer. An accelerator needs large products to be busy.
CPU_STRIP, CPU_ROWS, ACCELERATOR_STRIP = 1 << 19, 256, 1 << 25
# Fewer rows than this make slow products.
LEAST_ROWS = 64


def logsumexp_of_others(
    scaled: Tensor, bound: float, *, own: int | None = None, group: int = 1, strip: int | None = None
) -> Tensor:
    """For each row, the logarithm of the sum of exp(row · other row) over all rows outside its own group.

    Costs one pass over half the matrix forwards and one backwards, and memory for ``strip`` similarities (twice that backwards).
    A matrix that is a single strip is kept for the way back instead of computed again.

    Args:
        scaled: float32 or float64, shape (M, D); the scale is in it: unit rows times the square root of 1 / temperature.
        bound: No product of two rows is above this, nor below its negative: 1 / temperature for such rows.
        own: The first ``own`` rows are this process's, the others came by ``gathering.gather_rows``, for the gradient of
            which alone this makes sense: the gradient of the other rows is left at zero. None: all rows.
        group: Rows that follow each other in groups of this size leave one another out: 1 leaves out a row itself, 2 a pair.
        strip: Similarities held at a time; None chooses by the device.

    Returns:
        Shape (M,), in the dtype of ``scaled``; -inf where a row has no others. Differentiable once.
    """
    own = len(scaled) if own is None else own
    if strip is None:
        strip = max(CPU_STRIP, CPU_ROWS * len(scaled)) if scaled.device.type == "cpu" else ACCELERATOR_STRIP
    plan = _Plan(
        own, len(scaled), group, _rows(strip, len(scaled), group), _exp_is_safe(bound, len(scaled), scaled.dtype)
    )
    result: Tensor = _LogSumExp.apply(scaled, plan)
    return result


def _rows(strip: int, columns: int, group: int) -> int:
    """Rows of a strip: whole groups, so that what is left out lies in the strip's square."""
    rows = min(columns, max(strip // columns, min(LEAST_ROWS, strip)))
    return max(group, rows - rows % group)


def _exp_is_safe(bound: float, rows: int, dtype: torch.dtype) -> bool:
    """Whether exponentials up to exp(``bound``) and their sum stay normal numbers; then no maximum need be looked for."""
    largest = math.log(torch.finfo(dtype).max) - 1
    return bound + math.log(rows) < largest and -bound > math.log(torch.finfo(dtype).tiny) + 1


@dataclass(frozen=True)
class _Plan:
    """Which strips are walked over, and how."""

    own: int
    columns: int
    group: int
    rows: int
    exp_is_safe: bool

    @property
    def is_single(self) -> bool:
        """Whether one strip is all."""
        return self.rows >= self.own

    def strips(self, views: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
        """Rows of a strip, the own columns right of its square, and its similarities, -inf where left out.

        The strip has the columns from its first row on. It lies in memory that the next one overwrites: fresh pages for each
        cost as much as the product.
        """
        memory = views.new_empty(self.rows * self.columns)
        for start in range(0, self.own, self.rows):
            stop = min(start + self.rows, self.own)
            strip = memory[: (stop - start) * (self.columns - start)].view(stop - start, self.columns - start)
            torch.mm(views[start:stop], views[start:].T, out=strip)
            self._leave_out_groups(strip)
            yield slice(start, stop), slice(stop, self.own), strip

    def _leave_out_groups(self, strip: Tensor) -> None:
        rows, columns = strip.shape
        for first in range(self.group):
            for second in range(self.group):
                # Every group-th entry of the diagonal that begins at (first, second).
                entries = strip.as_strided(
                    ((rows - 1 - first) // self.group + 1,),
                    (self.group * (columns + 1),),
                    strip.storage_offset() + first * columns + second,
                )
                entries.fill_(-math.inf)

    def right(self, strip: Tensor, right: slice) -> Tensor:
        """The part of ``strip`` that counts for the own columns right of its square as well."""
        begin = strip.shape[0]
        return strip[:, begin : begin + right.stop - right.start]


class _LogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scaled: Tensor, plan: _Plan) -> Tensor:
        with torch.autocast(scaled.device.type, enabled=False):
            sums, exponentials = _sums(scaled, plan) if plan.exp_is_safe else (_careful_sums(scaled, plan), None)
            if plan.own < plan.columns:
                sums = collect(sums)
        ctx.save_for_backward(scaled, sums, exponentials if plan.is_single else None)
        ctx.plan = plan
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, weight: Tensor) -> tuple[Tensor, None]:
        """Similarity (i, j) has the gradient weight_i · exp(s_ij - sum_i) + weight_j · exp(s_ij - sum_j)."""
        scaled, sums, exponentials = ctx.saved_tensors
        plan: _Plan = ctx.plan
        with torch.autocast(scaled.device.type, enabled=False):
            gradient = torch.zeros_like(scaled)
            if exponentials is not None:
                factor = weight * torch.exp(-sums)
                torch.mm(
                    torch.add(factor[: plan.own, None], factor).mul_(exponentials), scaled, out=gradient[: plan.own]
                )
                return gradient, None
            memory = scaled.new_empty(plan.rows * plan.columns)
            for rows, right, strip in plan.strips(scaled):
                other = memory[: strip.numel()].view_as(strip)
                _weigh(strip, other, sums, weight, rows, plan)
                gradient[rows].addmm_(strip, scaled[rows.start :])
                gradient[right].addmm_(plan.right(strip, right).T, scaled[rows])
        return gradient, None


def _sums(scaled: Tensor, plan: _Plan) -> tuple[Tensor, Tensor]:
    """Of each row, and the exponentials of the last strip."""
    sums = scaled.new_zeros(plan.own)
    for rows, right, strip in plan.strips(scaled):
        strip.exp_()
        sums[rows] += strip.sum(dim=1)
        sums[right] += plan.right(strip, right).sum(dim=0)
    return sums.log_(), strip


def _careful_sums(scaled: Tensor, plan: _Plan) -> Tensor:
    sums = scaled.new_full((plan.own,), -math.inf)
    for rows, right, strip in plan.strips(scaled):
        sums[rows] = torch.logaddexp(sums[rows], strip.logsumexp(dim=1))
        sums[right] = torch.logaddexp(sums[right], plan.right(strip, right).logsumexp(dim=0))
    return sums


def _weigh(strip: Tensor, other: Tensor, sums: Tensor, weight: Tensor, rows: slice, plan: _Plan) -> None:
    """Turn the similarities of ``strip`` into their gradients; ``other`` is memory of the same shape."""
    columns = slice(rows.start, plan.columns)
    if plan.exp_is_safe:
        factor = weight * torch.exp(-sums)
        torch.add(factor[rows, None], factor[columns], out=other)
        strip.exp_().mul_(other)
        return
    torch.sub(strip, sums[columns], out=other).exp_().mul_(weight[columns])
    strip.sub_(sums[rows, None]).exp_().mul_(weight[rows, None]).add_(other)
