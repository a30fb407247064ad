"""What a benchmark found: rows of medians with their spread, as a table in the terminal and as JSON beside it."""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

OURS = "ours"


@dataclass(frozen=True)
class Row:
    """One thing measured for several contenders in turns; ``values`` holds one figure a turn for each, ours among them."""

    what: str
    unit: str
    values: Mapping[str, list[float]]
    higher_is_better: bool = True

    def median(self, contender: str) -> float:
        return statistics.median(self.values[contender])

    def ratios(self, contender: str) -> list[float]:
        """How many times better we are than ``contender``, turn by turn, ascending."""
        pairs = zip(self.values[OURS], self.values[contender], strict=True)
        return sorted(our / their if self.higher_is_better else their / our for our, their in pairs)

    def lines(self) -> list[str]:
        """A line for ours and one for each peer, with the ratio of the medians and the range over turns."""
        shown = [f"{self.what} ({self.unit})"]
        for contender, figures in self.values.items():
            line = f"  {contender:<34} {self.median(contender):>10,.4g}   {min(figures):,.4g} to {max(figures):,.4g}"
            if contender != OURS:
                ratios = self.ratios(contender)
                line += f"   {statistics.median(ratios):.2f} × ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            shown.append(line)
        return shown


def in_turns(
    what: str, unit: str, contenders: Mapping[str, Callable[[], float]], turns: int, *, higher_is_better: bool = True
) -> Row:
    """Measure every contender once a turn, so that a machine that slows down slows them all."""
    values: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(turns):
        for name, measure in contenders.items():
            values[name].append(measure())
    return Row(what, unit, values, higher_is_better)


def write_json(path: Path, conditions: Mapping[str, str], rows: Sequence[Any]) -> None:
    """Everything measured (dataclasses), with the conditions, for whoever wants to draw or compare it."""
    path.write_text(
        json.dumps({"conditions": dict(conditions), "rows": [asdict(row) for row in rows]}, indent=2) + "\n"
    )
