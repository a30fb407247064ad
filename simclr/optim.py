"""Optimisers and how their step size changes: LARS, SGD, Adam, AdamW; linear warm-up, then a cosine to zero."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from simclr.config import OptimConfig

# The batch for which a recipe names its learning rate. Source: Chen et al. 2020, B.1.
REFERENCE_BATCH = 256


class LARS(Optimizer):
    """SGD with momentum whose step is, layer by layer, in proportion to the layer's weights.

    A layer with weights w and gradient g moves by lr · trust · ‖w‖ / (‖g‖ + decay · ‖w‖) along -(g + decay · w); where either
    norm is 0 the factor is 1. Groups with ``adapt`` False move as in SGD.

    Source: You et al. 2017, arXiv:1708.03888, eq. 6. Departs as torch's SGD, lightly and solo-learn do: the learning rate
    multiplies the momentum too, while Algorithm 1 there adds earlier steps at the rate they were made with.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.9,
        trust: float = 1e-3,
        clip: bool = False,
    ) -> None:
        """Prepare steps over ``groups`` of "params" with their own "weight_decay" and "adapt".

        Args:
            groups: Parameters; "weight_decay" defaults to 0, "adapt" to True.
            lr: The global step size, above 0.
            momentum: Share of the last step that is repeated, in [0, 1).
            trust: The paper's η, above 0.
            clip: The local factor never exceeds 1, so no step is longer than SGD's (as in NVIDIA's LARC).

        Raises:
            ValueError: a number is out of its range.
        """
        if not lr > 0 or not 0 <= momentum < 1 or not trust > 0:
            raise ValueError(f"LARS needs lr ({lr}) and trust ({trust}) above 0, and momentum ({momentum}) in [0, 1)")
        defaults = {"lr": lr, "momentum": momentum, "trust": trust, "clip": clip, "weight_decay": 0.0, "adapt": True}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move every parameter that has a gradient; ``closure`` is evaluated first, with gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group)
        return loss

    def _move(self, weight: Tensor, slope: Tensor, group: dict[str, Any]) -> None:
        gradient = slope.add(weight, alpha=group["weight_decay"])
        if group["adapt"]:
            gradient = gradient * self._local_rate(weight, slope, group)
        state = self.state[weight]
        if "momentum_buffer" in state:
            gradient = state["momentum_buffer"].mul_(group["momentum"]).add_(gradient)
        state["momentum_buffer"] = gradient
        weight.sub_(gradient, alpha=group["lr"])

    def _local_rate(self, weight: Tensor, slope: Tensor, group: dict[str, Any]) -> Tensor:
        size, steepness = weight.norm(), slope.norm()
        rate = group["trust"] * size / (steepness + group["weight_decay"] * size)
        if group["clip"]:
            # The step is lr · rate, and is never longer than lr.
            rate = (rate / group["lr"]).clamp(max=1.0) if group["lr"] > 0 else torch.ones_like(rate)
        # Kept on the device: reading the norms would make an accelerator wait.
        return torch.where((size > 0) & (steepness > 0), rate, torch.ones_like(rate))


def scaled_rate(learning_rate: float, scaling: str, batch_size: int) -> float:
    """The learning rate for ``batch_size`` images, from the one named for 256.

    Args:
        learning_rate: For a batch of 256.
        scaling: "none", "linear" or "square_root".
        batch_size: Images (pairs) in a batch.

    Raises:
        ValueError: ``scaling`` is none of the three.

    Source: Chen et al. 2020, B.1.
    """
    ratio = batch_size / REFERENCE_BATCH
    match scaling:
        case "none":
            return learning_rate
        case "linear":
            return learning_rate * ratio
        case "square_root":
            return learning_rate * math.sqrt(ratio)
    raise ValueError(f"scaling is '{scaling}' but must be none, linear or square_root")


def build_optimizer(
    config: OptimConfig, modules: Iterable[nn.Module], learning_rate: float, weight_decay: float
) -> Optimizer:
    """The optimiser that ``config`` names over the weights of ``modules``.

    Only weight matrices and kernels are pulled towards zero and, in LARS, scaled; biases and norms, vectors all, are left out
    unless ``decay_all``.

    Source: Chen et al. 2020, B.6, leaves the same parameters out.
    """
    groups = list(_groups([p for module in modules for p in module.parameters()], config.decay_all, weight_decay))
    match config.optimizer:
        case "lars":
            return LARS(groups, learning_rate, config.momentum, config.trust, config.trust_clip)
        case "sgd":
            return SGD(_without_adapt(groups), lr=learning_rate, momentum=config.momentum)
        case "adam":
            return Adam(_without_adapt(groups), lr=learning_rate)
        case "adamw":
            return AdamW(_without_adapt(groups), lr=learning_rate)


def adamw(model: nn.Module, learning_rate: float, weight_decay: float) -> Optimizer:
    """AdamW over ``model``; biases and norms are not pulled towards zero. Source: Loshchilov & Hutter 2019, arXiv:1711.05101."""
    return build_optimizer(OptimConfig(), [model], learning_rate, weight_decay)


def warmup_cosine(step: int, warmup_steps: int, steps: int, start: float = 0.0, *, constant: bool = False) -> float:
    """Share of the full learning rate at ``step`` (from 0) of ``steps``: rises linearly, then falls to 0 along half a cosine.

    The first step already moves, and the share would reach 0 exactly one step after the last. ``start`` is the share from which
    the warm-up rises; ``constant`` stays at 1 after it.

    Source: Chen et al. 2020, B.6; Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5.
    """
    if step < warmup_steps:
        return start + (1 - start) * (step + 1) / (warmup_steps + 1)
    if constant:
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps)))


def schedule(
    optimizer: Optimizer, warmup_steps: int, steps: int, start: float = 0.0, *, constant: bool = False, done: int = 0
) -> LambdaLR:
    """A scheduler to step after every batch; see ``warmup_cosine``. ``optimizer`` has taken ``done`` steps already, under
    a scheduler before this one.

    Raises:
        ValueError: ``warmup_steps`` is negative or leaves no step after it.
    """
    if not 0 <= warmup_steps < steps:
        raise ValueError(f"{warmup_steps} warm-up steps of {steps}: warm-up must end before training does")
    return LambdaLR(
        optimizer, lambda step: warmup_cosine(step, warmup_steps, steps, start, constant=constant), last_epoch=done - 1
    )


class MovingAverage:
    """A copy of a module that follows it slowly: average ← decay · average + (1 - decay) · weights, after every step.

    Buffers, such as batch norm's statistics, are copied, being averages already. Source: Polyak & Juditsky 1992, SIAM J. Control
    Optim. 30, 838-855; as the target network in Grill et al. 2020, arXiv:2006.07733.
    """

    def __init__(self, module: nn.Module, copy: nn.Module, decay: float) -> None:
        """Let ``copy``, of the same architecture, start as ``module`` is.

        Raises:
            ValueError: ``decay`` is not in [0, 1).
        """
        if not 0 <= decay < 1:
            raise ValueError(f"ema_decay is {decay} but must be in [0, 1); 0.99 to 0.999 is usual")
        copy.load_state_dict(module.state_dict())
        self.module, self.copy, self.decay = module, copy.requires_grad_(False), decay

    @torch.no_grad()
    def follow(self) -> None:
        """Take one step towards the module."""
        torch._foreach_lerp_(
            list(self.copy.parameters()), [p.detach() for p in self.module.parameters()], 1 - self.decay
        )
        for average, buffer in zip(self.copy.buffers(), self.module.buffers(), strict=True):
            average.copy_(buffer)


def _groups(parameters: list[nn.Parameter], decay_all: bool, weight_decay: float) -> Iterator[dict[str, Any]]:
    trained = [p for p in parameters if p.requires_grad]
    vectors = [] if decay_all else [p for p in trained if p.ndim <= 1]
    matrices = trained if decay_all else [p for p in trained if p.ndim > 1]
    yield {"params": matrices, "weight_decay": weight_decay, "adapt": True}
    if vectors:
        yield {"params": vectors, "weight_decay": 0.0, "adapt": False}


def _without_adapt(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in group.items() if name != "adapt"} for group in groups]
