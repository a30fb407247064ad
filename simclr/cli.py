"""The command line: the same calls as the lab's, without a server. Heavy imports wait until a command needs them."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, cast

import numpy as np
import typer

from simclr.arguments import (
    checkpoint_path,
    downloads_folder,
    encode_file,
    encoder_path,
    expected,
    find_bank,
    find_dataset,
    find_encoder,
    named_sets,
    new_run,
)
from simclr.config import (
    EmbedConfig,
    PretrainConfig,
)
from simclr.datasets import write_dataset
from simclr.datasets.sources import SOURCES
from simclr.events import Progress, Stopped
from simclr.map_commands import map_banks
from simclr.options import build, configured
from simclr.presets import AUGMENT_PRESETS, PRETRAIN_PRESETS, pretrain_preset
from simclr.terminal import console, watching
from simclr.transfer_commands import EncoderOption, Like, compare, scratch, transfer
from simclr.variant_commands import fewer_labels, split
from simclr.view_commands import DatasetArgument, ImageSize, Preset, preview, shortcuts

app = typer.Typer(
    help="SimCLR without a server: see views, pretrain, transfer, embed and search.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    # Panels cut long option names off at 80 columns.
    rich_markup_mode=None,
)


def main() -> None:
    """Run the command line; every mistake of the caller's ends in one line and exit code 2."""
    try:
        code = app(standalone_mode=False)
    except Stopped as stopped:
        _end(str(stopped), 130)
    except (KeyboardInterrupt, typer.Abort):
        _end("broken off", 130)
    except (ValueError, FileNotFoundError, IsADirectoryError, PermissionError, typer.TyperException) as error:
        said = error.format_message() if hasattr(error, "format_message") else str(error)
        _end(f"error: {said}", 2)
    sys.exit(code if isinstance(code, int) else 0)


def _end(message: str, code: int) -> NoReturn:
    sys.stderr.write(" ".join(message.split()) + "\n")
    sys.exit(code)


@app.command()
def datasets() -> None:
    """List the image sets that have names: built-in ones, and published ones to download."""
    for line in named_sets():
        typer.echo(line)


@app.command()
def download(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A published set; 'simclr datasets' lists them.")],
) -> None:
    """Fetch a published set, after which its name is a DATASET; a download that broke off goes on where it stopped."""
    from simclr.datasets.download import download as fetch

    if name not in SOURCES:
        raise ValueError(f"no published set '{name}': 'simclr datasets' lists them")
    with watching() as (emit, should_stop):
        files = fetch(
            SOURCES[name], downloads_folder(name), should_stop=should_stop,
            progress=lambda done, total: emit(Progress(step=done, steps=total)),
        )  # fmt: skip
    for file in files:
        typer.echo(str(file))


@app.command()
def presets() -> None:
    """List the recipes that --preset knows."""
    for title, known in (("preview", AUGMENT_PRESETS), ("pretrain", PRETRAIN_PRESETS)):
        for preset in known:
            typer.echo(f"{title} --preset {preset.name}: {preset.why} ({preset.source})")


@app.command("import")
def import_set(
    source: DatasetArgument,
    out: Annotated[Path, typer.Option("--out", help="Folder for the stored set, which opens at once later.")],
    image_size: ImageSize = None,
) -> None:
    """Store an image set, so that its images need not be decoded again."""
    if out.exists():
        raise ValueError(f"{out} exists already: choose another folder")
    info = write_dataset(find_dataset(source, image_size), out)
    for note in info.notes:
        console.print(note, markup=False)
    typer.echo(f"{out}: {info.n:,} images of {info.image_size}×{info.image_size}, {len(info.classes)} classes")


@app.command()
def report(
    dataset: DatasetArgument,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file for all of it, with every list in full.")] = None,
    image_size: ImageSize = None,
) -> None:
    """Tell what to know of a set before training on it: balance, leaks between splits, repeated and skipped files."""
    from simclr.datasets.report import make_report
    from simclr.datasets.report_text import lines

    made = make_report(find_dataset(dataset, image_size))
    for line in lines(made):
        typer.echo(line)
    if out is not None:
        out.write_text(made.model_dump_json(indent=1) + "\n", encoding="utf-8")


app.command("map")(map_banks)
app.command()(split)
app.command()(fewer_labels)
app.command()(preview)
app.command()(shortcuts)


@app.command()
@configured(PretrainConfig)
def pretrain(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option("--out", help="Folder for the run: encoder, config and result.")],
    given: dict[str, Any],
    preset: Preset = None,
    start: Annotated[
        Path | None,
        typer.Option("--start", help="Encoder file or folder whose weights are the start; else random ones."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            "--resume",
            help="Checkpoint to go on from, or the folder of a run, whose newest it is; its recipe, of which --epochs may grow.",
        ),
    ] = None,
    image_size: ImageSize = None,
) -> None:
    """Train an encoder by contrast on the training images; no labels are needed."""
    if resume is not None and preset is not None:
        raise ValueError("--preset goes with a new training: --resume takes the recipe that it began with")
    base: PretrainConfig | None = pretrain_preset(preset) if preset is not None else None
    checkpoint = checkpoint_path(str(resume)) if resume is not None else None
    if checkpoint is not None:
        from simclr.resume import read_training

        base = read_training(checkpoint).config_as(PretrainConfig)
    config = build(PretrainConfig, given, base)
    images, run = find_dataset(dataset, image_size), new_run(out)
    from simclr.pretrain import pretrain as run_pretrain
    from simclr.resume import keeping_few

    try:
        with watching() as (emit, should_stop):
            result = run_pretrain(
                config, images, run, keeping_few(emit, run), should_stop,
                start=encoder_path(str(start)) if start is not None else None, resume=checkpoint,
            )  # fmt: skip
    except Stopped as stopped:
        again = ["simclr", "pretrain", dataset, "--resume", str(out), "--out", str(out)]
        again += ["--image-size", str(image_size)] if image_size is not None else []
        raise Stopped(f"{stopped}; to go on: {shlex.join(again)}") from stopped
    knn = "" if result.knn_accuracy is None else f", k-NN accuracy {result.knn_accuracy:.3f}"
    typer.echo(
        f"{run.encoder}: loss {result.loss:.3f} (chance {result.chance:.3f}){knn}, "
        f"{result.images_per_s:,.0f} images/s on {result.device}"
    )


@app.command()
def encoder(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="imagenet:resnet18, imagenet:resnet34, imagenet:resnet50, or another program's checkpoint.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Encoder file to write, for --encoder elsewhere.")],
    channels: Annotated[
        Literal["1", "3"] | None, typer.Option("--channels", help="1 makes colours' weights fit grey images.")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option("--image-size", min=8, max=1024, help="Side in pixels to which images are brought.")
    ] = None,
    mean: Annotated[
        str | None, typer.Option("--mean", help="A checkpoint's mean of each channel in [0, 1]: 0.49,0.48,0.45.")
    ] = None,
    std: Annotated[str | None, typer.Option("--std", help="Its spread of each channel, likewise.")] = None,
    stem: Annotated[
        Literal["small", "strided", "imagenet"] | None,
        typer.Option("--stem", help="A checkpoint's first layer; weights do not tell 'small' and 'strided' apart."),
    ] = None,
    weights: Annotated[Path | None, typer.Option("--weights", help="torchvision's file for imagenet:….")] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch that file where it is absent.")] = False,
) -> None:
    """Make an encoder of weights that were trained elsewhere."""
    if out.exists():
        raise ValueError(f"{out} exists already: choose another file")
    kind, _, architecture = source.partition(":")
    if kind == "imagenet":
        if mean or std or stem:
            raise ValueError("--mean, --std and --stem go with a checkpoint; those of imagenet:… are known")
        from simclr.weights import imagenet_encoder

        # A name that torchvision does not have is refused there, with those that it has.
        file = imagenet_encoder(
            cast(Any, architecture), 1 if channels == "1" else 3, out, weights,
            image_size=image_size or 224, download=download,
        )  # fmt: skip
    else:
        if weights or download:
            raise ValueError("--weights and --download go with imagenet:…, not with a checkpoint")
        from simclr.weights import import_checkpoint

        facts, config = expected(Path(source), channels, image_size, mean, std, stem)
        file, report = import_checkpoint(Path(source), out, facts=facts, architecture=config)
        console.print(report.sentence(), markup=False)
    typer.echo(f"{out}: {file.feature_dim} features of images of {file.image_size}×{file.image_size}×{file.channels}")


app.command()(transfer)
app.command()(compare)


@app.command()
@configured(EmbedConfig)
def embed(
    dataset: DatasetArgument,
    encoder: EncoderOption,
    out: Annotated[Path, typer.Option("--out", help="Folder for the bank.")],
    given: dict[str, Any],
    like: Like = None,
    image_size: ImageSize = None,
) -> None:
    """Encode every image into a bank that can be searched."""
    config = build(EmbedConfig, given)
    images, run = find_dataset(dataset, image_size), new_run(out)
    with scratch() as folder:
        path = find_encoder(encoder, like, images, folder)
        from simclr.embed import embed as run_embed

        with watching() as (emit, should_stop):
            result = run_embed(config, path, images, run, emit, should_stop)
    z = "" if result.projection_dim is None else f", z in {result.projection_dim} beside them"
    typer.echo(
        f"{run.features}: {result.n:,} images in {result.feature_dim} dimensions{z}, {result.images_per_s:,.0f} images/s"
    )


@app.command()
def search(
    bank: Annotated[Path, typer.Argument(metavar="BANK_FOLDER", help="Folder that 'simclr embed' wrote.")],
    dataset: Annotated[str, typer.Option("--dataset", help="The set that was embedded; as DATASET elsewhere.")],
    index: Annotated[
        int | None, typer.Option("--index", min=0, help="Find what is like this image of the set.")
    ] = None,
    image: Annotated[Path | None, typer.Option("--image", help="Find what is like this picture.")] = None,
    encoder: Annotated[str | None, typer.Option("--encoder", help="With --image: the encoder of the bank.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="Images to find.")] = 10,
    by: Annotated[Literal["h", "z"], typer.Option("--features", help="Features h, or z of the projection head.")] = "h",
    image_size: ImageSize = None,
) -> None:
    """Find the nearest images of an embedded set."""
    from simclr.index import Index, precision_at_k

    if (index is None) == (image is None):
        raise ValueError("give either --index or --image, and not both")
    images = find_dataset(dataset, image_size)
    run = find_bank(bank, images)
    path = run.features if by == "h" else run.projections
    if not path.exists():
        raise ValueError(f"{bank} holds no z, as its encoder has no projection head: leave out --features z")
    features = np.load(path, mmap_mode="r", allow_pickle=False)
    if image is not None:
        query, label = encode_file(image, encoder, run, by), -1
    else:
        if index is None or index >= len(images):
            raise ValueError(f"--index is {index} but the set has {len(images)} images, 0 to {len(images) - 1}")
        query, label = features[index], int(images.labels[index])
    found = Index(features).search(query, k, None if index is None else {index})
    for rank, (hit, near) in enumerate(zip(found.indices.tolist(), found.scores.tolist(), strict=True), start=1):
        hit_label = int(images.labels[hit])
        typer.echo(f"{rank}\t{hit}\t{near:.4f}\t{images.classes[hit_label] if hit_label >= 0 else '-'}")
    precision = precision_at_k(label, images.labels[found.indices])
    if precision is not None:
        console.print(
            f"precision@{len(found.indices)}: {precision:.3f} for class {images.classes[label]}", markup=False
        )


if __name__ == "__main__":
    main()
