"""Two halves of a batch at the same time: each view is drawn and encoded by a thread of its own, forwards and backwards.

Threads that share one operation wait for each other a hundred times a step, and one busy neighbour then stalls them all.
These two meet twice a step. Batch norm sees each view by itself, as where views are encoded one after the other.
"""

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Network = TypeVar("Network", bound=nn.Module)
Work = Callable[[Any, int], Tensor]


class Halves(Generic[Network]):
    """A network and its twin: the same weights, each with batch norm's statistics of its own view."""

    def __init__(self, network: Network, threads: int) -> None:
        """Keep ``network``, which must be on its device already; with ``threads`` below 2 the halves take turns.

        The results are the same, bit for bit, whether they take turns or not.
        """
        shared = {id(parameter): parameter for parameter in network.parameters()}
        self.networks = (network, copy.deepcopy(network, dict(shared)))
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.pool = (
            ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(threads // 2,)) if threads > 1 else None
        )

    def __call__(self, work: Callable[[Network, int], Tensor]) -> tuple[Tensor, Tensor]:
        """Both views' projections, each (N, D), differentiable once with respect to the network's parameters.

        ``work`` is given a network and the number of its view, 0 or 1, and draws it, encodes it and returns its projections.
        """
        both: tuple[Tensor, Tensor] = _Both.apply(self, work, *self.parameters)
        return both

    def settle(self) -> None:
        """Give both networks the mean of their statistics, before the first one is read or saved.

        Each running statistic is a linear average, so it does not matter how often this is done.
        """
        for ours, theirs in zip(self.networks[0].buffers(), self.networks[1].buffers(), strict=True):
            if ours.is_floating_point():
                theirs.copy_(ours.lerp_(theirs, 0.5))

    def close(self) -> None:
        """End the threads."""
        if self.pool is not None:
            self.pool.shutdown()

    def each(self, task: Callable[[int], Any]) -> list[Any]:
        """``task(0)`` and ``task(1)``."""
        numbers = range(2)
        return list(self.pool.map(task, numbers) if self.pool is not None else map(task, numbers))


@contextmanager
def halves(network: Network, threads: int) -> Iterator[Halves[Network]]:
    """``Halves`` whose threads end with the block, also by an error."""
    made = Halves(network, threads)
    try:
        yield made
    finally:
        made.close()


class _Both(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, both: Halves[Any], work: Work, *_parameters: Tensor) -> tuple[Tensor, Tensor]:
        def encode(number: int) -> Tensor:
            with torch.enable_grad():
                return work(both.networks[number], number)

        ctx.both = both
        ctx.projections = both.each(encode)
        first, second = (projections.detach() for projections in ctx.projections)
        return first, second

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        both: Halves[Any] = ctx.both

        def differentiate(number: int) -> tuple[Tensor, ...]:
            # The same, bit for bit, as with grad_outputs, for whose shapes torch loads sympy: most of a second in every job.
            with torch.enable_grad():
                product = (ctx.projections[number] * gradients[number]).sum()
            return torch.autograd.grad(product, both.parameters)

        first, second = both.each(differentiate)
        ctx.projections = None
        return None, None, *(a + b for a, b in zip(first, second, strict=True))
