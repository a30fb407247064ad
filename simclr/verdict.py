"""Whether a pretraining learns: stated rules over what was measured on the way, and the one change to try. Free of torch.

Rules are looked at in this order, and the first that is met decides:

1. too early: no look after the first epoch, or no loss yet.
2. collapsed, total: the dimensions of unit-length z spread by less than a tenth of what an even sphere has (1/√d).
3. collapsed, dimensional: z's effective rank is below 2 or 5 % of its dimensions, and below half of the untrained network's.
4. loss at chance: it is less than 2 % below ln(2N - 1), what guessing gives. If labels can be told better than from the untrained
   network all the same, the loss is flat and the probe rises; else nothing is learned.
5. shortcut suspected: views find their partner (half of them first, or a trivial feature does for 30 %), yet labels can't be told
   any better than before, though there was room.
6. learning: everything else.

"Better than before" means that 95 % intervals don't overlap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from simclr.config import PretrainConfig
from simclr.events import Evaluation, Progress
from simclr.intervals import wilson_interval
from simclr.results import Verdict, VerdictFigure, VerdictState

EVEN_SHARE = 0.1
LEAST_RANK, LEAST_RANK_SHARE = 2.0, 0.05
FLAT_SHARE = 0.02
SOLVED, TRIVIAL = 0.5, 0.3
# From here up a k-NN accuracy that does not rise has little room to.
NEARLY_ALL = 0.9
Figures = list[VerdictFigure]


class TrivialFeature(Protocol):
    """What an audit of shortcuts says of a feature, such as ``simclr.shortcuts.Shortcut``: ``low`` ends its 95 % interval."""

    @property
    def feature(self) -> str: ...
    @property
    def top1(self) -> float: ...
    @property
    def low(self) -> float: ...


@dataclass(frozen=True)
class Labels:
    """How well labels can be told from the features: before, now, and whether that is surely more."""

    name: str
    before: float
    now: float
    rises: bool

    def figures(self) -> Figures:
        moved = "above" if self.rises else "not surely above"
        return [VerdictFigure(name=self.name, value=self.now, rule=f"{moved} {self.before:.3f}, what it was at first")]


def verdict(
    evaluations: Sequence[Evaluation],
    progress: Sequence[Progress],
    config: PretrainConfig,
    shortcuts: Sequence[TrivialFeature] = (),
) -> Verdict:
    """Judge a pretraining, finished or not.

    Args:
        evaluations: Every look at the features, in order; the first is of the untrained network.
        progress: What was told of the loss, in order; the last is enough.
        config: Of the pretraining.
        shortcuts: What an audit found for its policy, where there is one.
    """
    told = [each for each in progress if each.loss is not None and each.chance]
    if len(evaluations) < 2 or evaluations[-1].epoch < 1 or not told:
        return _said(
            "too_early", [VerdictFigure(name="looks", value=len(evaluations), rule="fewer than 2, or no loss yet")]
        )
    now, labels = evaluations[-1], _labels(evaluations)
    loss, chance = told[-1].loss or 0.0, told[-1].chance or 1.0
    if collapse := _collapse(evaluations[0], now, config):
        state, figures = collapse
        return _said(state, [*figures, *(labels.figures() if labels else [])], _against_collapse(state, config))
    if chance - loss < FLAT_SHARE * chance:
        return _flat(loss, chance, labels, config)
    if found := _shortcut(now, labels, shortcuts):
        return _said("shortcut_suspected", found[0], found[1])
    figures = [VerdictFigure(name="loss", value=loss, rule=f"at least 2 % below chance, {chance:.3f}")]
    return _said("learning", [*figures, *(labels.figures() if labels else [])], _going_on(labels))


def _collapse(first: Evaluation, now: Evaluation, config: PretrainConfig) -> tuple[VerdictState, Figures] | None:
    if now.std_z is not None and now.rank_z is not None:
        # Without a head z is h, whose dimensions the config does not say; its rank is looked at by itself.
        dimensions = config.projection_dim if config.projection_layers else None
        share = now.std_z * dimensions**0.5 if dimensions else None
        if share is not None and share < EVEN_SHARE:
            rule = f"below {EVEN_SHARE}, where 1 is an even sphere"
            return "collapsed_total", [VerdictFigure(name="spread of z × √dimensions", value=share, rule=rule)]
        least = max(LEAST_RANK, LEAST_RANK_SHARE * (dimensions or 0))
        if now.rank_z < min(least, (first.rank_z or now.rank_z * 3) / 2):
            rule = f"below {least:g} of {dimensions or 'its'} dimensions, and half of {first.rank_z or 0:.1f} at first"
            return "collapsed_dimensional", [VerdictFigure(name="effective rank of z", value=now.rank_z, rule=rule)]
    return None


def _flat(loss: float, chance: float, labels: Labels | None, config: PretrainConfig) -> Verdict:
    figures = [VerdictFigure(name="loss", value=loss, rule=f"not 2 % below chance, {chance:.3f}")]
    if 2 / config.temperature < 0.1 * chance:
        figures.append(
            VerdictFigure(
                name="temperature",
                value=config.temperature,
                rule=f"the loss can fall by {2 / config.temperature:.2g} at most",
            )
        )
    figures += labels.figures() if labels else []
    if labels is not None and labels.rises:
        return _said(
            "flat_loss_probe_rising", figures, _against_flatness(config, "Judge it by k-NN or a probe, and train on.")
        )
    return _said("at_chance", figures, _against_flatness(config, "Train for more epochs, or take a larger encoder."))


def _shortcut(
    now: Evaluation, labels: Labels | None, shortcuts: Sequence[TrivialFeature]
) -> tuple[Figures, str] | None:
    if labels is not None and (labels.rises or labels.now >= NEARLY_ALL):
        return None
    worst = max(shortcuts, key=lambda each: each.low, default=None)
    if worst is not None and worst.low >= TRIVIAL:
        rule = f"finds a view's partner; its interval lies above {TRIVIAL}"
        figures = [VerdictFigure(name=worst.feature, value=worst.top1, rule=rule)]
        return figures + (labels.figures() if labels else []), _against_shortcut(worst.feature)
    if labels is not None and now.contrast_top1 is not None and now.contrast_top1 >= SOLVED:
        rule = f"views that find their partner first, at least {SOLVED}"
        figures = [VerdictFigure(name="contrastive accuracy", value=now.contrast_top1, rule=rule)]
        return figures + labels.figures(), _against_shortcut("")
    return None


def _labels(evaluations: Sequence[Evaluation]) -> Labels | None:
    """k-NN from the untrained network on; else the probe from the first epoch on, before which it was untrained itself."""
    choices = (
        ("k-NN accuracy", [(e.knn_accuracy, e.n) for e in evaluations if e.knn_accuracy is not None]),
        (
            "probe accuracy",
            [(e.probe_accuracy, e.n) for e in evaluations if e.probe_accuracy is not None and e.epoch > 0],
        ),
    )
    for name, seen in choices:
        if len(seen) >= 2:
            (before, n_before), (now, n_now) = seen[0], seen[-1]
            high = wilson_interval(round(before * n_before), n_before)[1]
            low = wilson_interval(round(now * n_now), n_now)[0]
            return Labels(name, before, now, rises=low > high)
    return None


def _against_collapse(state: VerdictState, config: PretrainConfig) -> str:
    if config.optim.decay_all and config.weight_decay >= 0.1:
        return f"Leave biases and norms out of the weight decay (optim.decay_all), which is {config.weight_decay:g}."
    if config.weight_decay >= 0.1:
        return f"Lower weight_decay from {config.weight_decay:g} to 1e-4."
    if (usual := _usual_rate(config)) and config.learning_rate > 10 * usual:
        return f"Lower learning_rate from {config.learning_rate:g} to {usual:g}."
    if config.projection_layers and not config.projection_norm:
        return "Switch batch norm in the projection head on (projection_norm)."
    if state == "collapsed_dimensional":
        return "Augment less (raise augment.crop_scale_min), or put another layer into the projection head."
    return "Lower learning_rate to a tenth, or lengthen warmup_epochs."


def _against_flatness(config: PretrainConfig, otherwise: str) -> str:
    if config.temperature >= 1:
        return f"Lower temperature from {config.temperature:g} to 0.2."
    if config.temperature < 0.05:
        return f"Raise temperature from {config.temperature:g} to 0.2."
    usual = _usual_rate(config)
    if usual and config.learning_rate < usual / 100:
        return f"Raise learning_rate from {config.learning_rate:g} to {usual:g}."
    if usual and config.learning_rate > 10 * usual:
        return f"Lower learning_rate from {config.learning_rate:g} to {usual:g}."
    return otherwise


def _against_shortcut(feature: str) -> str:
    if feature == "4 × 4 thumbnail":
        return "Crop more (lower augment.crop_scale_min), so that two views rarely share their layout."
    if feature == "edge histogram":
        return "Crop more (lower augment.crop_scale_min) or blur (augment.blur_p), so that edges tell less."
    return "Shift colours more (augment.jitter_strength, augment.grey_p), then audit the policy for shortcuts again."


def _going_on(labels: Labels | None) -> str:
    if labels is None:
        return "Nothing need change; give labels to some images to see what the features are worth."
    if labels.rises:
        return "Nothing need change; train for more epochs as long as it rises, then compare with a linear probe."
    return "Train for more epochs: the task is being learned, but labels cannot be told better from the features yet."


def _usual_rate(config: PretrainConfig) -> float:
    """A rate that suits the optimiser, before scaling; 0 where that depends too much on the batch."""
    return {"adamw": 2e-3, "adam": 2e-3, "sgd": 0.05, "lars": 0.0}[config.optim.optimizer]


def _said(state: VerdictState, because: Figures, advice: str = "Wait for the first epochs.") -> Verdict:
    return Verdict(state=state, because=because, advice=advice)
