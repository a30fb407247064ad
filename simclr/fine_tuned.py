"""An encoder under a linear classifier, of which only the upper stages may be trained."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import AdamW, Optimizer

from simclr.config import FineTuneConfig
from simclr.encoders import Encoder
from simclr.optim import adamw


class FineTuned(nn.Module):
    """Encoder and linear layer: normalised images, (N, C, S, S), to logits, (N, classes).

    What is frozen keeps its weights and its batch norm's statistics, bit for bit, and costs no gradients.
    """

    def __init__(self, encoder: Encoder, classes: int, config: FineTuneConfig) -> None:
        """Put a classifier, random by ``config.seed``, on ``encoder``, which is kept and changed.

        Raises:
            ValueError: the encoder has fewer stages than shall be trained.
        """
        super().__init__()
        self.encoder = encoder
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.classifier = nn.Linear(encoder.feature_dim, classes)
        # From the images up: the first layer, then the stages.
        self.layers: list[tuple[Callable[[Tensor], Tensor], list[nn.Module]]] = [
            (encoder.stem, [encoder.conv1, encoder.bn1]),
            *((stage, [stage]) for stage in encoder.stages()),
        ]
        self.frozen = _frozen_layers(encoder, config.unfrozen_blocks)
        self.keeps_batch_norm = config.freeze_batch_norm
        for module in self._still():
            module.requires_grad_(False)
        self.train()

    def forward(self, images: Tensor) -> Tensor:
        x = images
        with torch.no_grad():
            for layer, _ in self.layers[: self.frozen]:
                x = layer(x)
        for layer, _ in self.layers[self.frozen :]:
            x = layer(x)
        logits: Tensor = self.classifier(x.mean(dim=(2, 3)))
        return logits

    def train(self, mode: bool = True) -> "FineTuned":
        """Training mode for what is trained alone: batch norm that is frozen goes on using its statistics."""
        super().train(mode)
        for module in self._still():
            module.eval()
        return self

    def optimizer(self, config: FineTuneConfig) -> Optimizer:
        """AdamW; with ``layer_decay`` below 1 each layer under the classifier takes steps shorter by that factor."""
        if config.layer_decay == 1:
            return adamw(self, config.learning_rate, config.weight_decay)
        groups = []
        downwards: list[list[nn.Module]] = [[self.classifier], *(modules for _, modules in reversed(self.layers))]
        for depth, modules in enumerate(downwards):
            rate = config.learning_rate * config.layer_decay**depth
            trained = [p for module in modules for p in module.parameters() if p.requires_grad]
            for chosen, decay in (
                ([p for p in trained if p.ndim > 1], config.weight_decay),
                ([p for p in trained if p.ndim <= 1], 0.0),
            ):
                if chosen:
                    groups.append({"params": chosen, "lr": rate, "weight_decay": decay})
        return AdamW(groups, lr=config.learning_rate)

    def _still(self) -> Iterator[nn.Module]:
        """What is not trained: frozen layers, and batch norm everywhere where that is kept."""
        for _, modules in self.layers[: self.frozen]:
            yield from modules
        if self.keeps_batch_norm:
            yield from (module for module in self.encoder.modules() if isinstance(module, _BatchNorm))


def _frozen_layers(encoder: Encoder, unfrozen_blocks: int | None) -> int:
    """How many layers, the first one among them, are frozen."""
    stages = len(encoder.stages())
    if unfrozen_blocks is None:
        return 0
    if unfrozen_blocks > stages:
        raise ValueError(
            f"unfrozen_blocks is {unfrozen_blocks}, but {encoder.config.architecture} has {stages} stages: "
            f"choose 0 to {stages}, or leave it out to train the first layer too"
        )
    return stages + 1 - unfrozen_blocks
