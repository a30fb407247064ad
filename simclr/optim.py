"""The optimiser and how its step size changes: AdamW, linear warm-up, cosine to zero."""

import math

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR


def adamw(model: nn.Module, learning_rate: float, weight_decay: float) -> AdamW:
    """AdamW that pulls only weight matrices and kernels towards zero; biases and norms, vectors all, are left out.

    Source: Chen et al. 2020, B.6, leaves the same parameters out; Loshchilov & Hutter 2019, arXiv:1711.05101.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return AdamW(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=learning_rate,
    )


def warmup_cosine(step: int, warmup_steps: int, steps: int) -> float:
    """Share of the full learning rate at ``step`` (from 0) of ``steps``: rises linearly, then falls to 0 along half a cosine.

    The first step already moves, and the share would reach 0 exactly one step after the last.

    Source: Chen et al. 2020, B.6; Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5.
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps)))


def schedule(optimizer: AdamW, warmup_steps: int, steps: int) -> LambdaLR:
    """A scheduler to step after every batch.

    Raises:
        ValueError: ``warmup_steps`` is negative or leaves no step after it.
    """
    if not 0 <= warmup_steps < steps:
        raise ValueError(f"{warmup_steps} warm-up steps of {steps}: warm-up must end before training does")
    return LambdaLR(optimizer, lambda step: warmup_cosine(step, warmup_steps, steps))
