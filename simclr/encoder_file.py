"""What an encoder file says of itself; read and written without torch, so that a catalogue can list encoders cheaply."""

import json
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from simclr.config import EncoderConfig, PretrainConfig
from simclr.datasets.store import Dataset
from simclr.runs import writing

# The key of the JSON text in the file's metadata; safetensors holds nothing but texts there.
HEADER = "simclr_encoder"
# A channel that is the same in all images has no spread to divide by.
SMALLEST_STD = 1 / 255
PIXELS_SIDE = 32
Channel = tuple[float, ...]
# Where weights come from: trained here, random, torchvision's of ImageNet, another program's; or there are none.
Origin = Literal["pretrained", "untrained", "imagenet", "imported", "pixels"]


class ImageFacts(BaseModel):
    """What an encoder expects of images: channels, size in pixels, and each channel's mean and spread in [0, 1]."""

    model_config = ConfigDict(frozen=True)

    channels: Literal[1, 3]
    image_size: int = Field(ge=1)
    mean: Channel
    std: Channel

    @model_validator(mode="after")
    def _one_value_a_channel(self) -> Self:
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ValueError(f"mean and std must hold {self.channels} values, one a channel")
        if min(self.std) <= 0:
            raise ValueError(f"std must be above 0 everywhere, not {self.std}")
        return self


class Projection(BaseModel):
    """Shape of the projection head that lies beside an encoder: linear layers, hidden width, dimensions of z, batch norm."""

    model_config = ConfigDict(frozen=True)

    layers: int = Field(ge=1)
    width: int = Field(ge=1)
    dim: int = Field(ge=1)
    norm: bool


class EncoderFile(ImageFacts):
    """An encoder's description; ``architecture`` is None for raw pixels, ``projection`` where there is no head beside it."""

    origin: Origin
    architecture: EncoderConfig | None
    feature_dim: int = Field(ge=1)
    projection: Projection | None = None

    @model_validator(mode="after")
    def _networks_have_an_architecture(self) -> Self:
        if (self.architecture is None) != (self.origin == "pixels"):
            raise ValueError("exactly the raw pixels come without an architecture")
        return self


def projection_of(config: PretrainConfig) -> Projection | None:
    """The projection head of a pretraining; None where h itself was compared."""
    if config.projection_layers == 0:
        return None
    return Projection(
        layers=config.projection_layers,
        width=config.projection_width,
        dim=config.projection_dim,
        norm=config.projection_norm,
    )


def image_facts(dataset: Dataset) -> ImageFacts:
    """Facts of a set; mean and spread over its training images, or over all where it has no training split."""
    chosen = dataset.indices("train")
    if len(chosen) == 0:
        chosen = np.arange(len(dataset))
    total = np.zeros(dataset.channels)
    squares = np.zeros(dataset.channels)
    for start in range(0, len(chosen), 4096):
        counts = [
            np.bincount(dataset.images[chosen[start : start + 4096], channel].ravel(), minlength=256)
            for channel in range(dataset.channels)
        ]
        levels = np.arange(256) / 255
        total += [count @ levels for count in counts]
        squares += [count @ levels**2 for count in counts]
    pixels = len(chosen) * dataset.image_size**2
    mean = total / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 0))
    return ImageFacts(
        channels=1 if dataset.channels == 1 else 3,
        image_size=dataset.image_size,
        mean=tuple(mean.tolist()),
        std=tuple(np.maximum(std, SMALLEST_STD).tolist()),
    )


def read_encoder_file(path: Path) -> EncoderFile:
    """Read the description alone.

    Raises:
        ValueError: the file is missing, is no safetensors file, or was not written by this program.
    """
    if not path.is_file():
        raise ValueError(f"no encoder at {path}: pretrain one, or name the folder of a finished run")
    try:
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {}).get(HEADER)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a safetensors file, or a broken one: {error}") from error
    if text is None:
        raise ValueError(f"{path} holds weights but no '{HEADER}' header: only encoders saved by simclr can be loaded")
    try:
        return EncoderFile.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(f"{path} has a header that does not fit this version of simclr: {error}") from error


def header(file: EncoderFile) -> dict[str, str]:
    """The metadata under which ``file`` is stored; the same content always gives the same text."""
    return {HEADER: json.dumps(file.model_dump(mode="json"), sort_keys=True)}


def pixels_encoder(facts: ImageFacts, path: Path) -> EncoderFile:
    """Write the "encoder" whose features are the pixels themselves: the baseline that needs no network.

    Of every channel the set's mean is subtracted, and it is divided by its spread. Images larger than ``PIXELS_SIDE`` are brought
    to that size, so that the features have 3,072 dimensions at most.
    """
    size = min(facts.image_size, PIXELS_SIDE)
    file = EncoderFile(
        **facts.model_dump(include=set(ImageFacts.model_fields)) | {"image_size": size},
        origin="pixels",
        architecture=None,
        feature_dim=facts.channels * size**2,
    )
    with writing(path) as temporary:
        save_file({}, temporary, metadata=header(file))
    return file
