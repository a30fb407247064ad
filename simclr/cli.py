"""The command line: the same calls as the lab's, without a server. Heavy imports wait until a command needs them."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, cast

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
from simclr.encoder_file import EncoderFile, ImageFacts, image_facts, pixels_encoder, read_encoder_file
from simclr.events import Stopped
from simclr.options import build, configured
from simclr.presets import AUGMENT_PRESETS, PRETRAIN_PRESETS, augment_preset, pretrain_preset
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
Preset = Annotated[
    str | None, typer.Option("--preset", help="Recipe to start from; options go over it. Its names: 'simclr presets'.")
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
    preset: Preset = None,
    image_size: ImageSize = None,
) -> None:
    """Draw pairs of views and write them as a picture: image, first view, second view."""
    config = build(AugmentConfig, given, augment_preset(preset) if preset is not None else None)
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
    preset: Preset = None,
    start: Annotated[
        Path | None,
        typer.Option("--start", help="Encoder file or folder whose weights are the start; else random ones."),
    ] = None,
    image_size: ImageSize = None,
) -> None:
    """Train an encoder by contrast on the training images; no labels are needed."""
    config = build(PretrainConfig, given, pretrain_preset(preset) if preset is not None else None)
    images, run = _dataset(dataset, image_size), _new_run(out)
    from simclr.pretrain import pretrain as run_pretrain

    with watching() as (emit, should_stop):
        result = run_pretrain(
            config, images, run, emit, should_stop, start=_encoder_path(str(start)) if start is not None else None
        )
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

        facts, config = _expected(Path(source), channels, image_size, mean, std, stem)
        file, report = import_checkpoint(Path(source), out, facts=facts, architecture=config)
        console.print(report.sentence(), markup=False)
    typer.echo(f"{out}: {file.feature_dim} features of images of {file.image_size}×{file.image_size}×{file.channels}")


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


def _expected(
    source: Path, channels: str | None, image_size: int | None, mean: str | None, std: str | None, stem: str | None
) -> tuple[ImageFacts, EncoderConfig | None]:
    """What a checkpoint's network expects of images, by options or weights; its architecture too where ``stem`` is given."""
    from simclr.weights import imagenet_facts, inspect_checkpoint

    report = inspect_checkpoint(source)
    found = report.architecture
    usual = imagenet_facts(int(channels or report.channels), image_size or (224 if found.stem == "imagenet" else 32))
    if mean is None or std is None:
        console.print("Normalising as for ImageNet; give --mean and --std if it was trained otherwise.", markup=False)
    facts = usual.model_dump()
    for option, text in (("mean", mean), ("std", std)):
        if text is not None:
            facts[option] = _levels(option, text, usual.channels)
    config = None if stem is None else EncoderConfig.model_validate(found.model_dump() | {"stem": stem})
    return ImageFacts.model_validate(facts), config


def _levels(option: str, text: str, channels: int) -> tuple[float, ...]:
    try:
        levels = tuple(float(part) for part in text.split(","))
    except ValueError:
        levels = ()
    lowest = 0.0 if option == "mean" else sys.float_info.epsilon
    if len(levels) != channels or not all(lowest <= level <= 1 for level in levels):
        raise ValueError(
            f"--{option} is {text}: give {channels} of the channels' values in [0, 1], with commas between"
        )
    return levels


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
