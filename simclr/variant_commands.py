"""Commands that make a set of another one: other splits, or only some of the labels."""

from pathlib import Path
from typing import Annotated, Any

import typer

from simclr.arguments import find_dataset
from simclr.datasets import write_dataset
from simclr.datasets.store import INFO, SPLITS, DatasetInfo
from simclr.datasets.variants import LabelsVariant, SplitsVariant, vary, write_variant
from simclr.options import build, configured
from simclr.view_commands import DatasetArgument, ImageSize

Out = Annotated[Path, typer.Option("--out", help="Folder for the set; it shares the images of a stored one.")]


@configured(SplitsVariant)
def split(dataset: DatasetArgument, out: Out, given: dict[str, Any], image_size: ImageSize = None) -> None:
    """Divide a set anew into train, val and test, every class in proportion, and store it as another set."""
    _make(dataset, image_size, build(SplitsVariant, given), out)


@configured(LabelsVariant)
def fewer_labels(dataset: DatasetArgument, out: Out, given: dict[str, Any], image_size: ImageSize = None) -> None:
    """Keep only some of the training labels, a share or so many of every class, and store it as another set."""
    _make(dataset, image_size, build(LabelsVariant, given), out)


def _make(dataset: str, image_size: int | None, variant: SplitsVariant | LabelsVariant, out: Path) -> None:
    if out.exists():
        raise ValueError(f"{out} exists already: choose another folder")
    if (Path(dataset) / INFO).exists():
        info = write_variant(Path(dataset), out, variant, Path(dataset).name)
    else:
        info = write_dataset(vary(find_dataset(dataset, image_size), variant, dataset), out)
    typer.echo(f"{out}: {info.notes[-1]}")
    typer.echo(f"labelled images: {', '.join(_count(info, split) for split in SPLITS)}; {info.n:,} images in all")


def _count(info: DatasetInfo, split: Any) -> str:
    return f"{sum(info.counts[split]):,} {split}"
