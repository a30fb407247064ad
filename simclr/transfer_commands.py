"""The command line's transfers: an encoder's worth on labels, and whether two results differ."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from simclr.arguments import find_dataset, find_encoder, new_run
from simclr.config import FineTuneConfig, KnnConfig, LinearProbeConfig
from simclr.options import build, configured
from simclr.results import Score
from simclr.runs import Run
from simclr.terminal import watching
from simclr.view_commands import DatasetArgument, ImageSize

STRATEGIES: dict[str, type[KnnConfig | LinearProbeConfig | FineTuneConfig]] = {
    "knn": KnnConfig,
    "linear_probe": LinearProbeConfig,
    "fine_tune": FineTuneConfig,
}

EncoderOption = Annotated[
    str,
    typer.Option(
        "--encoder",
        help="An encoder file, a pretraining's folder or checkpoint, 'untrained' (or 'untrained:SEED') or 'pixels'.",
    ),
]
Like = Annotated[
    str | None,
    typer.Option("--like", help="Encoder file or folder whose architecture 'untrained' takes; else the default one."),
]

RunFolder = Annotated[Path, typer.Argument(metavar="RUN_FOLDER", help="Folder that 'simclr transfer --out' wrote.")]


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for what nobody needs afterwards."""
    with tempfile.TemporaryDirectory(prefix="simclr-") as folder:
        yield Path(folder)


@configured(KnnConfig, LinearProbeConfig, FineTuneConfig)
def transfer(
    dataset: DatasetArgument,
    encoder: EncoderOption,
    given: dict[str, Any],
    strategy: Annotated[
        Literal["knn", "linear_probe", "fine_tune"], typer.Option("--strategy", help="How labels are learned.")
    ] = "linear_probe",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the run; without it nothing is kept.")] = None,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", help="Folder where features are kept, so that further probes need not encode again."),
    ] = None,
    like: Like = None,
    image_size: ImageSize = None,
) -> None:
    """Score an encoder on labels: choices are made on validation, the test split is read once."""
    config = build(STRATEGIES[strategy], given)
    images = find_dataset(dataset, image_size)
    with scratch() as folder:
        path = find_encoder(encoder, like, images, folder)
        run = new_run(out) if out is not None else Run(folder / "run")
        from simclr.feature_cache import FeatureCache
        from simclr.transfer import transfer as run_transfer

        with watching() as (emit, should_stop):
            result = run_transfer(
                config, path, images, run, emit, should_stop, cache=FeatureCache(cache) if cache is not None else None
            )
    for score in result.scores:
        typer.echo(_line(score))
    typer.echo(f"chance: {result.chance:.3f}, learned from {result.labels_used:,} labels")


def compare(first: RunFolder, second: RunFolder) -> None:
    """Test whether two transfers on the same images differ: McNemar's test, and a paired bootstrap of ROC-AUC."""
    from simclr.predictions import HeldOut, compare, read_predictions

    splits: tuple[HeldOut, ...] = ("val", "test")
    for split in splits:
        found = compare(*(read_predictions(Run(folder).predictions, split) for folder in (first, second)))
        right = found.mcnemar
        typer.echo(
            f"{split}: accuracy {found.accuracy[0]:.3f} and {found.accuracy[1]:.3f}, n = {found.n}; only the first is right "
            f"{right.only_first} times, only the second {right.only_second}: p = {right.p:.2g}"
        )
        if found.auc is not None:
            auc = found.auc
            typer.echo(
                f"{split}: AUC {auc.first:.3f} and {auc.second:.3f}, {auc.difference:+.3f} "
                f"(95 %: {auc.low:+.3f} to {auc.high:+.3f}): p = {auc.p:.2g}"
            )


def _line(score: Score) -> str:
    low, high = score.auc_low, score.auc_high
    told = [
        f"{score.split}: accuracy {score.accuracy:.3f} "
        f"(95 %: {score.accuracy_low:.3f} to {score.accuracy_high:.3f}, n = {score.n})"
    ]
    if score.auc is not None:
        sure = f" ({low:.3f} to {high:.3f})" if low is not None and high is not None else ""
        told.append(f"AUC {score.auc:.3f}{sure}")
    others = {"balanced accuracy": score.balanced_accuracy, "macro F1": score.macro_f1, "ECE": score.ece}
    told += [f"{name} {figure:.3f}" for name, figure in others.items() if figure is not None]
    return ", ".join(told)
