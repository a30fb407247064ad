"""From what a grid names to the transfers that it needs: every one once, and what cannot be left out with a reason."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from backend.catalogue.models import DatasetRow, EncoderRow
from backend.jobs.cells import Strategy, canonical, cell_of, network_of
from simclr.config import FineTuneConfig, KnnConfig, LabelsConfig


@dataclass(frozen=True)
class Axes:
    """What a grid varies; an empty axis leaves what the strategies say."""

    strategies: Sequence[Strategy]
    depths: Sequence[int | None] = ()
    fractions: Sequence[float] = ()
    shots: Sequence[int] = ()
    seeds: Sequence[int] = ()
    from_scratch: bool = False


@dataclass(frozen=True)
class Cell:
    """One transfer of a grid."""

    key: str
    encoder: EncoderRow
    config: Strategy


@dataclass(frozen=True)
class LeftOut:
    """A combination that cannot be computed, and why."""

    encoder: EncoderRow
    strategy: str
    reason: str


def expand(axes: Axes, encoders: Sequence[EncoderRow], dataset: DatasetRow) -> tuple[list[Cell], list[LeftOut]]:
    """Every transfer once, encoder by encoder; a network from scratch once for all encoders of its kind."""
    cells: dict[str, Cell] = {}
    left_out: dict[tuple[str, str], LeftOut] = {}
    networks: set[str] = set()
    for encoder in encoders:
        network = network_of(encoder)
        is_first = network not in networks
        networks.add(network)
        for config in _strategies(axes, is_first=is_first):
            if isinstance(config, FineTuneConfig) and encoder.origin == "pixels":
                reason = f"{encoder.name} has no network to train"
                left_out[encoder.id, config.strategy] = LeftOut(encoder, config.strategy, reason)
                continue
            for choices in _choices(axes, config):
                cell = Cell(cell_of(encoder, dataset, choices), encoder, choices)
                cells.setdefault(cell.key, cell)
    return list(cells.values()), list(left_out.values())


def _strategies(axes: Axes, *, is_first: bool) -> Iterator[Strategy]:
    yield from axes.strategies
    if axes.from_scratch and is_first:
        tuned = [config for config in axes.strategies if isinstance(config, FineTuneConfig)] or [FineTuneConfig()]
        for config in tuned:
            new = {"start": "scratch", "unfrozen_blocks": None, "freeze_batch_norm": False}
            yield config.model_copy(update=new)


def _choices(axes: Axes, config: Strategy) -> Iterator[Strategy]:
    amounts: list[dict[str, Any]] = [
        *({"fraction": fraction, "shots": None} for fraction in axes.fractions),
        *({"fraction": None, "shots": shots} for shots in axes.shots),
    ]
    trains_some = isinstance(config, FineTuneConfig) and config.start == "encoder"
    depths = axes.depths if trains_some and axes.depths else (None,)
    for amount, depth, seed in product(amounts or [{}], depths, axes.seeds or (None,)):
        labels: LabelsConfig = config.labels.model_copy(update=amount)
        changes: dict[str, Any] = {"unfrozen_blocks": depth} if trains_some and axes.depths else {}
        if seed is not None:
            labels = labels.model_copy(update={"seed": seed})
            changes |= {"seed": seed} if not isinstance(config, KnnConfig) else {}
        yield canonical(config.model_copy(update=changes | {"labels": labels}))
