"""What the arguments of the command line name: image sets, encoders, banks. Heavy imports wait until one is needed."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from simclr.config import EncoderConfig
from simclr.datasets import BUILTIN, Dataset, open_dataset
from simclr.datasets.builtin import ABOUT
from simclr.datasets.origin import read_origin
from simclr.datasets.sources import SOURCES
from simclr.datasets.store import INFO, content_hash
from simclr.encoder_file import EncoderFile, ImageFacts, image_facts, pixels_encoder, read_encoder_file
from simclr.runs import CHECKPOINT, Run, sha256_of
from simclr.terminal import console


def downloads_folder(name: str) -> Path:
    """Where the files of a published set are kept for this person."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "simclr" / name


def named_sets() -> Iterator[str]:
    """A line for every set that has a name."""
    for name, about in ABOUT.items():
        yield f"{name}: {about}"
    for name, source in SOURCES.items():
        yield f"{name}: {source.title}, to download. {source.about} Licence: {source.licence}"


def find_dataset(text: str, image_size: int | None) -> Dataset:
    """A built-in or downloaded set by name, a stored one by its folder; or images from files, brought to ``image_size``."""
    path = Path(text)
    if text in BUILTIN:
        return BUILTIN[text]()
    if text.startswith("factors:"):
        return _factors(text)
    if text in SOURCES:
        from simclr.datasets.download import missing_files
        from simclr.datasets.published import read_source

        if missing_files(SOURCES[text], downloads_folder(text)):
            raise ValueError(f"{SOURCES[text].title} is not here yet: run 'simclr download {text}'")
        return read_source(text, downloads_folder(text), image_size=image_size)
    if (path / INFO).exists():
        return replace(open_dataset(path), origin=read_origin(path))
    if not path.exists():
        raise ValueError(
            f"no image set '{text}': give {', '.join(BUILTIN)}, a published set, a .zip, .tar or "
            ".npz file, a folder of images or a stored set; 'simclr datasets' lists those with names"
        )
    if path.suffix.lower() == ".npz":
        from simclr.datasets.npz import import_npz

        return import_npz(path, image_size=image_size)
    from simclr.datasets.archive import import_archive

    return import_archive(path, image_size=image_size)


def _factors(text: str) -> Dataset:
    """``factors:COUNT`` or ``factors:COUNT:SEED``."""
    from simclr.datasets.factors import factors

    numbers = text.split(":")[1:]
    if len(numbers) > 2 or not all(number.isascii() and number.isdigit() for number in numbers):
        raise ValueError(f"'{text}' is no set: write factors:COUNT or factors:COUNT:SEED, such as factors:20000:1")
    return factors(*map(int, numbers))


def new_run(folder: Path) -> Run:
    """The folder of a run that has not finished yet."""
    run = Run(folder)
    if run.is_complete:
        raise ValueError(f"{folder} holds a finished run already: choose another folder")
    return run


def encoder_path(text: str) -> Path:
    """An encoder's file, by itself or by the folder of its pretraining."""
    path = Path(text)
    return Run(path).encoder if path.is_dir() else path


def checkpoint_path(text: str) -> Path:
    """A training's checkpoint, by itself or as the newest in the folder of its run."""
    path = Path(text)
    if not path.is_dir():
        return path
    found = Run(path).checkpoints()
    if not found:
        raise ValueError(f"{path} holds no checkpoint to go on from: name another folder, or begin anew")
    return found[-1]


def find_encoder(text: str, like: str | None, dataset: Dataset, folder: Path) -> Path:
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
        architecture = describe(like).architecture if like is not None else EncoderConfig()
        if architecture is None:
            raise ValueError(f"{like} is raw pixels, which have no architecture: name a network for --like")
        from simclr.encoders import untrained_encoder

        untrained_encoder(architecture, image_facts(dataset), int(seed or 0), path)
        return path
    if Path(text).suffix == Path(CHECKPOINT).suffix:
        return _at_checkpoint(Path(text), dataset, path)
    describe(text)
    return encoder_path(text)


def _at_checkpoint(source: Path, dataset: Dataset, path: Path) -> Path:
    """The encoder of a pretraining's checkpoint, which was made for the images of the finished one beside it, or these."""
    from simclr.resume import read_training
    from simclr.saved_encoder import encoder_of_checkpoint

    finished = Run(source.parent).encoder
    if finished.exists():
        facts: ImageFacts = read_encoder_file(finished)
    elif read_training(source).facts.get("dataset") == content_hash(dataset):
        facts = image_facts(dataset)
    else:
        raise ValueError(
            f"{source} belongs to another image set, and no finished encoder lies beside it: finish that training"
        )
    encoder_of_checkpoint(source, facts, path)
    return path


def describe(text: str) -> EncoderFile:
    """What the header of an encoder's file says."""
    return read_encoder_file(encoder_path(text))


def expected(
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


def find_bank(folder: Path, dataset: Dataset) -> Run:
    """The run that embedded ``dataset`` into ``folder``."""
    run = Run(folder)
    if not run.is_complete or not run.features.exists():
        raise ValueError(f"{folder} holds no bank: make one with 'simclr embed DATASET --encoder … --out {folder}'")
    if run.facts().get("dataset") != content_hash(dataset):
        raise ValueError(f"the bank in {folder} was made of another image set: name that one, or embed this one")
    return run


def encode_file(image: Path, encoder: str | None, run: Run, features: Literal["h", "z"]) -> NDArray[np.float32]:
    """Features of a picture, made by the encoder that made the bank, which has its projection head where they are z."""
    if encoder is None:
        raise ValueError("--image needs --encoder: the encoder that made the bank")
    path = encoder_path(encoder)
    description = read_encoder_file(path)
    if run.facts().get("encoder") != sha256_of(path):
        raise ValueError(f"the bank in {run.path} was made by another encoder than {path}: name that one")
    from simclr.datasets.images import decode_image, to_square
    from simclr.encoders import load_encoder, load_head
    from simclr.encoding import FeaturesAndProjections, encode_images

    picture = to_square(decode_image(image.read_bytes()), description.channels, description.image_size)
    network = FeaturesAndProjections(load_encoder(path)[0], load_head(path, description))
    both: NDArray[np.float32] = encode_images(network, description, picture[None]).numpy()[0]
    return both[: description.feature_dim] if features == "h" else both[description.feature_dim :]
