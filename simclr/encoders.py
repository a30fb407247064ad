"""ResNets for small images, the projection head, and encoders on disk."""

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from simclr.config import EncoderConfig
from simclr.encoder_file import EncoderFile, ImageFacts, header, image_facts, pixels_encoder, read_encoder_file
from simclr.runs import writing

__all__ = [
    "Encoder",
    "EncoderFile",
    "ImageFacts",
    "Pixels",
    "ProjectionHead",
    "adapt",
    "build_encoder",
    "feature_dim",
    "image_facts",
    "load_encoder",
    "normalise",
    "pixels_encoder",
    "prepare",
    "read_encoder_file",
    "save_encoder",
    "seeded",
    "untrained_encoder",
]

# Blocks at every stage; each stage after the first halves the resolution and doubles the channels.
STAGES: dict[str, tuple[int, ...]] = {"resnet8": (1, 1, 1), "resnet10": (1, 1, 1, 1), "resnet18": (2, 2, 2, 2)}
# ITU-R 601-2, as in augment.py.
LUMA = (0.2989, 0.587, 0.114)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a way past them. Source: He et al. 2016, arXiv:1512.03385, Fig. 5 left, option B."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        residual = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)), inplace=True)))
        return functional.relu(residual + self.shortcut(x), inplace=True)


class Encoder(nn.Module):
    """A residual network from normalised images, float (N, C, S, S), to features h, (N, feature_dim)."""

    def __init__(self, config: EncoderConfig, channels: int) -> None:
        super().__init__()
        stride = 1 if config.stem == "small" else 2
        self.feature_dim = feature_dim(config)
        self.stem = nn.Sequential(
            nn.Conv2d(channels, config.width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(config.width),
            nn.ReLU(inplace=True),
        )
        # Convolutions keep torch's own start (uniform, by fan-in). torchvision's (normal, by fan-out) learns far slower
        # here: on patterns, 4 epochs at batch 256 reach a k-NN of 0.45 from the one and 0.18 from the other.
        self.blocks = nn.Sequential(*_blocks(config))

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.blocks(self.stem(images)).mean(dim=(2, 3))
        return features


class Pixels(nn.Module):
    """The baseline without a network: normalised images, (N, C, S, S), as features (N, C · S · S)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.feature_dim = dim

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)


class ProjectionHead(nn.Sequential):
    """From features h, (N, D), to projections z, (N, out_dim): linear, batch norm, ReLU, linear.

    Source: Chen et al. 2020, sec. 4.2; batch norm in the hidden layer as in their published code.
    """

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int) -> None:
        super().__init__(
            nn.Linear(in_dim, hidden_dim, bias=False),
            nn.BatchNorm1d(hidden_dim),
            nn.ReLU(inplace=True),
            nn.Linear(hidden_dim, out_dim, bias=False),
        )


def feature_dim(config: EncoderConfig) -> int:
    """Dimensions of h, known without building the network."""
    return int(config.width * 2 ** (len(STAGES[config.architecture]) - 1))


def build_encoder(config: EncoderConfig, channels: int) -> Encoder:
    """A network with random weights from torch's current random state; see ``seeded``."""
    return Encoder(config, channels)


def seeded(config: EncoderConfig, channels: int, seed: int) -> Encoder:
    """A network whose random weights depend on ``seed`` alone; torch's global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_encoder(config, channels)


def save_encoder(path: Path, encoder: nn.Module, file: EncoderFile) -> None:
    """Write weights and description to ``path``, which appears complete or not at all."""
    # safetensors refuses channels_last tensors, and tensors on an accelerator are copied to the CPU.
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    with writing(path) as temporary:
        save_file(weights, temporary, metadata=header(file))


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
        encoder.load_state_dict(load_file(path), strict=True)
    except (RuntimeError, SafetensorError) as error:
        raise ValueError(f"the weights in {path} do not fit the architecture it names: {error}") from error
    return encoder.eval(), file


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


def _blocks(config: EncoderConfig) -> Iterator[BasicBlock]:
    before = config.width
    for stage, count in enumerate(STAGES[config.architecture]):
        width = config.width * 2**stage
        for position in range(count):
            yield BasicBlock(before, width, stride=2 if stage > 0 and position == 0 else 1)
            before = width
