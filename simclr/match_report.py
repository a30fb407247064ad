"""What an import says of how a checkpoint's weights fit; free of torch, so that an API may show it."""

from pydantic import BaseModel, ConfigDict

from simclr.architecture import STAGES
from simclr.config import EncoderConfig


class Report(BaseModel):
    """Frozen, as all that is reported."""

    model_config = ConfigDict(frozen=True)


class Ignored(Report):
    """Weights that were left out, and what they are."""

    why: str
    names: tuple[str, ...]


class Misshapen(Report):
    """A weight of another shape than the architecture has there."""

    name: str
    found: tuple[int, ...]
    expected: tuple[int, ...]


class MatchReport(Report):
    """How a checkpoint's weights fit an encoder.

    Names are the checkpoint's own, except in ``missing``, which it does not have. ``matched`` counts weights and running
    statistics, ``parameters`` the single learned numbers among them. ``assumed`` says what no file of weights can tell.
    """

    layout: str
    prefix: str
    architecture: EncoderConfig
    channels: int
    matched: int
    parameters: int
    ignored: tuple[Ignored, ...] = ()
    missing: tuple[str, ...] = ()
    misshapen: tuple[Misshapen, ...] = ()
    unexpected: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        return not (self.missing or self.misshapen or self.unexpected)

    def sentence(self) -> str:
        """What was found, for people."""
        network = self.architecture
        after = f" after '{self.prefix}'" if self.prefix else ""
        left = "; ".join(f"{len(part.names)} of {part.why} ({some(part.names)})" for part in self.ignored)
        return " ".join(
            (
                f"{network.architecture} of width {network.width} with the {network.stem} stem for {self.channels} "
                f"channel{'s' if self.channels > 1 else ''}: {self.matched} weights ({self.parameters:,} parameters) matched, "
                f"in {self.layout}{after}.",
                *([f"Left out: {left}."] if left else []),
                *([f"{self._problems()}."] if not self.fits else []),
                *self.assumed,
            )
        )

    def _problems(self) -> str:
        parts = []
        if self.missing:
            parts.append(f"{len(self.missing)} missing ({some(self.missing)})")
        if self.misshapen:
            shapes = tuple(
                f"{bad.name} {shape_said(bad.found)}, not {shape_said(bad.expected)}" for bad in self.misshapen
            )
            parts.append(f"{len(shapes)} of another shape ({some(shapes)})")
        if self.unexpected:
            parts.append(f"{len(self.unexpected)} that this network does not have ({some(self.unexpected)})")
        return "; ".join(parts)

    def check(self, source: str) -> None:
        """Raises ValueError, naming the first weights at fault and the way out, unless everything fits."""
        if self.fits:
            return
        network = self.architecture
        raise ValueError(
            f"{source} does not fit a {network.architecture} of width {network.width} with the {network.stem} stem: "
            f"{self._problems()}. Name its architecture, width and stem if they were guessed wrong; "
            f"only {', '.join(STAGES)} with batch norm, as torchvision builds them, can be imported"
        )


def some(names: tuple[str, ...]) -> str:
    """The first three of many names."""
    shown = ", ".join(name if len(name) <= 100 else f"{name[:100]}…" for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def shape_said(shape: tuple[int, ...]) -> str:
    """A tensor's shape for people."""
    return "×".join(map(str, shape)) or "a single number"
