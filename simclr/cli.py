"""The command line: the same calls as the lab's, without a server. Heavy imports wait until a command needs them."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import numpy as np
import typer
from numpy.typing import NDArray

from simclr.config import (
    AugmentConfig,
    EmbedConfig,
    EncoderConfig,
    FineTuneConfig,
    KnnConfig,
    LinearProbeConfig,
    PretrainConfig,
)
from simclr.datasets import BUILTIN, Dataset, open_dataset, write_dataset
from simclr.datasets.store import content_hash
from simclr.encoder_file import EncoderFile, image_facts, pixels_encoder, read_encoder_file
from simclr.events import Stopped
from simclr.options import build, configured
from simclr.runs import Run, sha256_of
from simclr.terminal import console, watching

STRATEGIES: dict[str, type[KnnConfig | LinearProbeConfig | FineTuneConfig]] = {
    "knn": KnnConfig,
    "linear_probe": LinearProbeConfig,
    "fine_tune": FineTuneConfig,
}

app = typer.Typer(
    help="SimCLR without a server: see views, pretrain, transfer, embed and search.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    # Panels cut long option names off at 80 columns.
    rich_markup_mode=None,
)

DatasetArgument = Annotated[
    str, typer.Argument(metavar="DATASET", help="digits, patterns, a .zip or .npz file, or the folder of a stored set.")
]
ImageSize = Annotated[
    int | None, typer.Option("--image-size", help="Side in pixels to which the images of a .zip or .npz are brought.")
]
EncoderOption = Annotated[
    str,
    typer.Option(
        "--encoder", help="An encoder file, the folder of a pretraining, 'untrained' (or 'untrained:SEED') or 'pixels'."
    ),
]
Like = Annotated[
    str | None,
    typer.Option("--like", help="Encoder file or folder whose architecture 'untrained' takes; else the default one."),
]


def main() -> None:
    """Run the command line; every mistake of the caller's ends in one line and exit code 2."""
    try:
        code = app(standalone_mode=False)
    except Stopped:
        _end("stopped", 130)
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
    """List the built-in image sets."""
    for name, make in BUILTIN.items():
        dataset = make()
        sizes = ", ".join(f"{len(dataset.indices(split))} {split}" for split in ("train", "val", "test"))
        colours = "grey" if dataset.channels == 1 else "RGB"
        typer.echo(
            f"{name}: {len(dataset):,} {colours} images of {dataset.image_size}×{dataset.image_size}, "
            f"{len(dataset.classes)} classes ({sizes})"
        )


@app.command("import")
def import_set(
    source: DatasetArgument,
    out: Annotated[Path, typer.Option("--out", help="Folder for the stored set, which opens at once later.")],
    image_size: ImageSize = None,
) -> None:
    """Store an image set, so that its images need not be decoded again."""
    if out.exists():
        raise ValueError(f"{out} exists already: choose another folder")
    info = write_dataset(_dataset(source, image_size), out)
    for note in info.notes:
        console.print(note, markup=False)
    typer.echo(f"{out}: {info.n:,} images of {info.image_size}×{info.image_size}, {len(info.classes)} classes")


@app.command()
@configured(AugmentConfig)
def preview(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option("--out", help="PNG file to write.")],
    given: dict[str, Any],
    count: Annotated[int, typer.Option("--count", min=1, max=64, help="Images, one a row.")] = 8,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same images and same views.")] = 0,
    image_size: ImageSize = None,
) -> None:
    """Draw pairs of views and write them as a picture: image, first view, second view."""
    config = build(AugmentConfig, given)
    images = _dataset(dataset, image_size)
    import torch

    from simclr.augment import draw_views
    from simclr.contact_sheet import contact_sheet

    chosen = np.sort(np.random.default_rng(seed).permutation(len(images))[:count])
    originals = torch.from_numpy(images.images[chosen])
    generator = torch.Generator().manual_seed(seed)
    views = [draw_views(originals, config, generator).mul(255).round().byte().numpy() for _ in range(2)]
    contact_sheet([originals.numpy(), *views]).save(out, format="PNG")
    typer.echo(f"{out}: {len(chosen)} images, two views each")


@app.command()
@configured(PretrainConfig)
def pretrain(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option("--out", help="Folder for the run: encoder, config and result.")],
    given: dict[str, Any],
    image_size: ImageSize = None,
) -> None:
    """Train an encoder by contrast on the training images; no labels are needed."""
    config = build(PretrainConfig, given)
    images, run = _dataset(dataset, image_size), _new_run(out)
    from simclr.pretrain import pretrain as run_pretrain

    with watching() as (emit, should_stop):
        result = run_pretrain(config, images, run, emit, should_stop)
    knn = "" if result.knn_accuracy is None else f", k-NN accuracy {result.knn_accuracy:.3f}"
    typer.echo(
        f"{run.encoder}: loss {result.loss:.3f} (chance {result.chance:.3f}){knn}, "
        f"{result.images_per_s:,.0f} images/s on {result.device}"
    )


@app.command()
@configured(KnnConfig, LinearProbeConfig, FineTuneConfig)
def transfer(
    dataset: DatasetArgument,
    encoder: EncoderOption,
    given: dict[str, Any],
    strategy: Annotated[
        Literal["knn", "linear_probe", "fine_tune"], typer.Option("--strategy", help="How labels are learned.")
    ] = "linear_probe",
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the run; without it nothing is kept.")] = None,
    like: Like = None,
    image_size: ImageSize = None,
) -> None:
    """Score an encoder on labels: choices are made on validation, the test split is read once."""
    config = build(STRATEGIES[strategy], given)
    images = _dataset(dataset, image_size)
    with _scratch() as folder:
        path = _encoder(encoder, like, images, folder)
        run = _new_run(out) if out is not None else Run(folder / "run")
        from simclr.transfer import transfer as run_transfer

        with watching() as (emit, should_stop):
            result = run_transfer(config, path, images, run, emit, should_stop)
    for score in result.scores:
        auc = "" if score.auc is None else f", AUC {score.auc:.3f}"
        typer.echo(
            f"{score.split}: accuracy {score.accuracy:.3f} "
            f"(95 %: {score.accuracy_low:.3f} to {score.accuracy_high:.3f}, n = {score.n}){auc}"
        )
    typer.echo(f"chance: {result.chance:.3f}")


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
    images, run = _dataset(dataset, image_size), _new_run(out)
    with _scratch() as folder:
        path = _encoder(encoder, like, images, folder)
        from simclr.embed import embed as run_embed

        with watching() as (emit, should_stop):
            result = run_embed(config, path, images, run, emit, should_stop)
    typer.echo(f"{run.features}: {result.n:,} images in {result.feature_dim} dimensions")


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
    image_size: ImageSize = None,
) -> None:
    """Find the nearest images of an embedded set."""
    from simclr.index import Index, precision_at_k

    if (index is None) == (image is None):
        raise ValueError("give either --index or --image, and not both")
    images = _dataset(dataset, image_size)
    run = _bank(bank, images)
    features = np.load(run.features, mmap_mode="r", allow_pickle=False)
    if image is not None:
        query, label = _encode_file(image, encoder, run), -1
    else:
        if index is None or index >= len(images):
            raise ValueError(f"--index is {index} but the set has {len(images)} images, 0 to {len(images) - 1}")
        query, label = features[index], int(images.labels[index])
    found, similarity = Index(features).search(query, k, None if index is None else {index})
    for rank, (hit, near) in enumerate(zip(found.tolist(), similarity.tolist(), strict=True), start=1):
        hit_label = int(images.labels[hit])
        typer.echo(f"{rank}\t{hit}\t{near:.4f}\t{images.classes[hit_label] if hit_label >= 0 else '-'}")
    precision = precision_at_k(label, images.labels[found])
    if precision is not None:
        console.print(f"precision@{len(found)}: {precision:.3f} for class {images.classes[label]}", markup=False)


def _dataset(text: str, image_size: int | None) -> Dataset:
    path = Path(text)
    if text in BUILTIN:
        return BUILTIN[text]()
    if path.is_dir():
        return open_dataset(path)
    if not path.exists():
        raise ValueError(f"no image set '{text}': give {', '.join(BUILTIN)}, a .zip or .npz file, or a stored folder")
    if path.suffix.lower() == ".npz":
        from simclr.datasets.npz import import_npz

        return import_npz(path, image_size=image_size)
    from simclr.datasets.archive import import_archive

    return import_archive(path, image_size=image_size)


def _new_run(folder: Path) -> Run:
    run = Run(folder)
    if run.is_complete:
        raise ValueError(f"{folder} holds a finished run already: choose another folder")
    return run


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="simclr-") as folder:
        yield Path(folder)


def _encoder_path(text: str) -> Path:
    path = Path(text)
    return Run(path).encoder if path.is_dir() else path


def _encoder(text: str, like: str | None, dataset: Dataset, folder: Path) -> Path:
    """The file of an encoder by name; baselines are made in ``folder`` for the images of ``dataset``."""
    kind, _, seed = text.partition(":")
    if like is not None and kind != "untrained":
        raise ValueError("--like only goes with --encoder untrained")
    path = folder / "encoder.safetensors"
    if text == "pixels":
        pixels_encoder(image_facts(dataset), path)
        return path
    if kind == "untrained":
        if seed and not (seed.isascii() and seed.isdigit()):
            raise ValueError(f"'{seed}' in '{text}' is no seed: give a whole number, such as untrained:1")
        architecture = _description(like).architecture if like is not None else EncoderConfig()
        if architecture is None:
            raise ValueError(f"{like} is raw pixels, which have no architecture: name a network for --like")
        from simclr.encoders import untrained_encoder

        untrained_encoder(architecture, image_facts(dataset), int(seed or 0), path)
        return path
    _description(text)
    return _encoder_path(text)


def _description(text: str) -> EncoderFile:
    return read_encoder_file(_encoder_path(text))


def _bank(folder: Path, dataset: Dataset) -> Run:
    run = Run(folder)
    if not run.is_complete or not run.features.exists():
        raise ValueError(f"{folder} holds no bank: make one with 'simclr embed DATASET --encoder … --out {folder}'")
    if run.facts().get("dataset") != content_hash(dataset):
        raise ValueError(f"the bank in {folder} was made of another image set: name that one, or embed this one")
    return run


def _encode_file(image: Path, encoder: str | None, run: Run) -> NDArray[np.float32]:
    """Features of a picture, made by the encoder that made the bank."""
    if encoder is None:
        raise ValueError("--image needs --encoder: the encoder that made the bank")
    path = _encoder_path(encoder)
    description = read_encoder_file(path)
    if run.facts().get("encoder") != sha256_of(path):
        raise ValueError(f"the bank in {run.path} was made by another encoder than {path}: name that one")
    from simclr.datasets.images import decode_image, to_square
    from simclr.embed import encode_images
    from simclr.encoders import load_encoder

    picture = to_square(decode_image(image.read_bytes()), description.channels, description.image_size)
    model, _ = load_encoder(path)
    features: NDArray[np.float32] = encode_images(model, description, picture[None]).numpy()[0]
    return features


if __name__ == "__main__":
    main()
