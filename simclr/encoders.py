"""Encoders made, saved and loaded, images made to fit them, and the projection head."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional

from simclr.architecture import feature_dim, stage_of
from simclr.config import EncoderConfig, PretrainConfig
from simclr.encoder_file import EncoderFile, ImageFacts, header, image_facts, pixels_encoder, read_encoder_file
from simclr.resnet import Encoder
from simclr.runs import writing

__all__ = [
    "Encoder",
    "EncoderFile",
    "ImageFacts",
    "Pixels",
    "ProjectionHead",
    "adapt",
    "build_encoder",
    "build_head",
    "feature_dim",
    "image_facts",
    "load_encoder",
    "load_head",
    "load_into",
    "normalise",
    "pixels_encoder",
    "prepare",
    "read_encoder_file",
    "save_encoder",
    "seeded",
    "untrained_encoder",
]

# What the names of a projection head's weights begin with.
HEAD = "projection."
# ITU-R 601-2, as in augment.py.
LUMA = (0.2989, 0.587, 0.114)


class Pixels(nn.Module):
    """The baseline without a network: normalised images, (N, C, S, S), as features (N, C · S · S)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.feature_dim = dim

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)


class ProjectionHead(nn.Sequential):
    """From features h, (N, in_dim), to projections z, (N, out_dim): ``layers`` linear layers with ReLU between them.

    Args:
        in_dim: Dimensions of h.
        layers: Linear layers; 1 is a linear head, 0 none at all, and then z is h and ``width`` and ``out_dim`` say nothing.
        width: Dimensions of every hidden layer.
        out_dim: Dimensions of z.
        norm: Batch norm in the hidden layers. It brings a shift of its own, so their biases are left out; the last layer
            never has one.

    Source: Chen et al. 2020, sec. 4.2 (two layers); batch norm in the hidden layer as in their published code.
    """

    def __init__(self, in_dim: int, layers: int, width: int, out_dim: int, norm: bool) -> None:
        parts: list[nn.Module] = []
        for _ in range(layers - 1):
            parts.append(nn.Linear(in_dim, width, bias=not norm))
            if norm:
                parts.append(nn.BatchNorm1d(width))
            parts.append(nn.ReLU(inplace=True))
            in_dim = width
        if layers > 0:
            parts.append(nn.Linear(in_dim, out_dim, bias=False))
        super().__init__(*parts)


def build_head(config: PretrainConfig, in_dim: int) -> nn.Module:
    """The projection head of a pretraining, with random weights from torch's current random state."""
    return ProjectionHead(
        in_dim, config.projection_layers, config.projection_width, config.projection_dim, config.projection_norm
    )


def build_encoder(config: EncoderConfig, channels: int) -> Encoder:
    """A network with random weights from torch's current random state; see ``seeded``."""
    return Encoder(config, channels)


def seeded(config: EncoderConfig, channels: int, seed: int) -> Encoder:
    """A network whose random weights depend on ``seed`` alone; torch's global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_encoder(config, channels)


def save_encoder(path: Path, encoder: nn.Module, file: EncoderFile, head: nn.Module | None = None) -> None:
    """Write weights and description to ``path``, which appears complete or not at all.

    ``head`` is the projection head that ``file.projection`` describes, where it does.
    """
    states = encoder.state_dict()
    if head is not None and file.projection is not None:
        states |= {HEAD + name: tensor for name, tensor in head.state_dict().items()}
    # safetensors refuses channels_last tensors, and tensors on an accelerator are copied to the CPU.
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in states.items()}
    # Writing to a full disk, safetensors raises what is no OSError.
    content = save(weights, metadata=header(file))
    with writing(path, len(content)) as temporary:
        temporary.write_bytes(content)


def load_encoder(path: Path) -> tuple[nn.Module, EncoderFile]:
    """Read an encoder onto the CPU, in evaluation mode.

    Raises:
        ValueError: the file is missing, broken, not written by this program, or its weights do not fit its description.
    """
    file = read_encoder_file(path)
    if file.architecture is None:
        return Pixels(file.feature_dim).eval(), file
    encoder = build_encoder(file.architecture, file.channels)
    if encoder.feature_dim != file.feature_dim:
        raise ValueError(
            f"{path} says {file.feature_dim} feature dimensions, but its architecture has {encoder.feature_dim}"
        )
    try:
        weights = {name: tensor for name, tensor in load_file(path).items() if not name.startswith(HEAD)}
        encoder.load_state_dict(_renamed(weights, file.architecture), strict=True)
    except (RuntimeError, ValueError, SafetensorError) as error:
        raise ValueError(f"the weights in {path} do not fit the architecture it names: {error}") from error
    return encoder.eval(), file


def load_head(path: Path, file: EncoderFile) -> nn.Module | None:
    """Read the projection head beside an encoder onto the CPU, in evaluation mode; None where there is none.

    Raises:
        ValueError: its weights do not fit what ``file``, the file's description, says of it.
    """
    shape = file.projection
    if shape is None:
        return None
    head = ProjectionHead(file.feature_dim, shape.layers, shape.width, shape.dim, shape.norm)
    try:
        weights = {n.removeprefix(HEAD): tensor for n, tensor in load_file(path).items() if n.startswith(HEAD)}
        head.load_state_dict(weights, strict=True)
    except (RuntimeError, ValueError, SafetensorError) as error:
        raise ValueError(f"the projection head in {path} does not fit its description: {error}") from error
    return head.eval()


def load_into(encoder: Encoder, path: Path) -> None:
    """Copy the weights of an encoder file into ``encoder``, so that a training starts from them.

    An encoder of one channel takes the sum over the three channels' kernels of a first convolution made for colours, which
    answers a grey image as the original answers it repeated, where all three channels are normalised alike.

    Raises:
        ValueError: the file cannot be loaded, holds another architecture, or expects one channel where there are three.
    """
    source, file = load_encoder(path)
    if not isinstance(source, Encoder):
        raise ValueError(f"{path} is raw pixels, which have no weights to start from: name a network")
    if source.config != encoder.config:
        raise ValueError(
            f"{path} holds a {_said(source.config)}, which does not fit a {_said(encoder.config)}: "
            "choose the architecture, width and stem of the file"
        )
    weights = source.state_dict()
    if (file.channels, encoder.channels) == (3, 1):
        weights["conv1.weight"] = weights["conv1.weight"].sum(dim=1, keepdim=True)
    elif file.channels != encoder.channels:
        raise ValueError(
            f"{path} was made for images of {file.channels} channel, which says nothing of colours: "
            "start from an encoder for RGB, or train on grey images"
        )
    encoder.load_state_dict(weights)


def _said(config: EncoderConfig) -> str:
    return f"{config.architecture} of width {config.width} with the {config.stem} stem"


def _renamed(weights: dict[str, Tensor], config: EncoderConfig) -> dict[str, Tensor]:
    """Weights under today's names; files of version 0.1.0 number the blocks through and call the first layer "stem"."""
    if not any(name.startswith("stem.") for name in weights):
        return weights
    return {_today(name, config): tensor for name, tensor in weights.items()}


def _today(name: str, config: EncoderConfig) -> str:
    if name.startswith("blocks."):
        _, block, rest = name.split(".", 2)
        stage, place = stage_of(config, int(block))
        return f"layer{stage}.{place}.{rest}".replace(".shortcut.", ".downsample.")
    return name.replace("stem.0.", "conv1.").replace("stem.1.", "bn1.")


def untrained_encoder(config: EncoderConfig, facts: ImageFacts, seed: int, path: Path) -> EncoderFile:
    """Write a network with the random weights that a pretraining with this seed starts from: what training must beat."""
    encoder = seeded(config, facts.channels, seed)
    file = EncoderFile(
        **facts.model_dump(include=set(ImageFacts.model_fields)),
        origin="untrained",
        architecture=config,
        feature_dim=encoder.feature_dim,
    )
    save_encoder(path, encoder, file)
    return file


def prepare(images: Tensor, facts: ImageFacts) -> Tensor:
    """Make any images fit an encoder: its number of channels, its size, its normalisation.

    Args:
        images: uint8, shape (N, 1 or 3, S, S), any S.
        facts: What the encoder expects; an ``EncoderFile`` will do.

    Returns:
        float32, shape (N, facts.channels, facts.image_size, facts.image_size). Grey becomes RGB by repetition, RGB becomes
        grey by luma, other sizes are resized bilinearly with antialiasing.
    """
    return adapt(images.float() / 255, facts)


def adapt(pixels: Tensor, facts: ImageFacts) -> Tensor:
    """``prepare`` for float ``pixels`` in [0, 1], such as views."""
    if pixels.shape[1] == 3 and facts.channels == 1:
        pixels = (pixels * torch.tensor(LUMA, device=pixels.device).view(3, 1, 1)).sum(dim=1, keepdim=True)
    elif pixels.shape[1] == 1 and facts.channels == 3:
        pixels = pixels.expand(-1, 3, -1, -1)
    size = (facts.image_size, facts.image_size)
    if pixels.shape[2:] != size:
        pixels = functional.interpolate(pixels, size, mode="bilinear", antialias=True)
    return normalise(pixels, facts)


def normalise(pixels: Tensor, facts: ImageFacts) -> Tensor:
    """Subtract each channel's mean and divide by its spread; ``pixels`` are float in [0, 1], shape (N, C, S, S)."""
    mean = torch.tensor(facts.mean, device=pixels.device).view(-1, 1, 1)
    std = torch.tensor(facts.std, device=pixels.device).view(-1, 1, 1)
    return (pixels - mean) / std
