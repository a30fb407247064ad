"""A figure beside its goal: measured once, or some times, with what it was measured on."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Reached:
    """One figure of one load. ``goal`` is an upper bound in the same unit; None where there is only something to know."""

    what: str
    unit: str
    value: float
    goal: float | None = None
    more: dict[str, float] = field(default_factory=dict)  # which has no place in the table

    @property
    def is_met(self) -> bool:
        return self.goal is None or self.value <= self.goal

    def lines(self) -> list[str]:
        goal = "" if self.goal is None else f"   goal ≤ {self.goal:,g}{'' if self.is_met else ': missed'}"
        return [f"  {f'{self.what} ({self.unit})':<62} {self.value:>10,.4g}{goal}"]


@dataclass(frozen=True)
class Title:
    """What the figures below it were measured on."""

    what: str

    def lines(self) -> list[str]:
        return [self.what]


def percentile(values: list[float], share: float) -> float:
    """The value below which ``share`` of them lie, by the nearest rank; NaN of none."""
    if not values:
        return float("nan")
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
