"""Rows of all processes of a distributed run, with the gradient that an average over the processes needs."""

from typing import Any

import torch
from torch import Tensor, distributed
from torch.autograd.function import once_differentiable


def processes() -> int:
    """How many processes share the run; 1 where ``torch.distributed`` was not initialised."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def collect(own: Tensor) -> Tensor:
    """The rows of all processes without a gradient, this process's own first and then those of the ranks after it, in a circle.

    Args:
        own: This process's rows, shape (N, ...); every process must bring the same shape and dtype, and must call.

    Returns:
        Shape (N · processes, ...).
    """
    own = own.detach().contiguous()
    if processes() == 1:
        return own
    parts = [torch.empty_like(own) for _ in range(processes())]
    distributed.all_gather(parts, own)
    rank = distributed.get_rank()
    return torch.cat(parts[rank:] + parts[:rank])


def gather_rows(own: Tensor) -> Tensor:
    """As ``collect``, with a gradient for ``own``, for a loss that every process computes alike from all rows.

    The backward pass sends nothing: each process knows the gradient of its own rows from the common loss. It is multiplied by
    the number of processes, since DistributedDataParallel divides by it when it averages the gradients of the weights.
    """
    everyone: Tensor = _Gather.apply(own)
    return everyone


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        ctx.rows = len(own)
        return collect(own)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient[: ctx.rows] * processes()
