"""The command that maps banks of embeddings."""

from pathlib import Path
from typing import Annotated, Any

import typer

from simclr.arguments import new_run
from simclr.map_config import MapConfig
from simclr.options import build, configured
from simclr.runs import FEATURES, PROJECTIONS
from simclr.terminal import watching


@configured(MapConfig)
def map_banks(
    banks: Annotated[
        list[Path],
        typer.Argument(
            metavar="BANK_FOLDER",
            help="Folders that 'simclr embed' wrote; of several, each map is laid over the one before.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the map.")],
    given: dict[str, Any],
) -> None:
    """Map embeddings in two dimensions, and say how much the map lies."""
    config, run = build(MapConfig, given), new_run(out)
    from simclr.maps.make import make_maps

    file = FEATURES if config.features == "h" else PROJECTIONS
    with watching() as (emit, should_stop):
        result = make_maps(config, [bank / file for bank in banks], run, emit, should_stop)
    typer.echo(f"{run.map}: {len(result.maps)} of {result.n:,} images by {config.method}, {result.seconds:.1f} s")
    for bank, figures in zip(banks, result.maps, strict=True):
        if figures.trustworthiness is not None and figures.overlap is not None:
            typer.echo(
                f"{bank}: trustworthiness {figures.trustworthiness:.3f}, {figures.overlap:.0%} of the {figures.k} nearest kept"
            )
