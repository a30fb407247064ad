"""Residual networks; modules bear torchvision's names, in which nearly all published weights are kept."""

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional

from simclr.architecture import BOTTLENECKS, EXPANSION, STAGES, feature_dim
from simclr.config import EncoderConfig
from simclr.winograd import Conv3x3


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a way past them. Source: He et al. 2016, arXiv:1512.03385, Fig. 5 left, option B."""

    def __init__(self, channels_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = Conv3x3(channels_in, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = Conv3x3(width, width, 1)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _way_past(channels_in, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)), inplace=True)))
        return functional.relu(residual + self.downsample(x), inplace=True)


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolutions, the middle one narrow, and a way past them.

    Source: He et al. 2016, Fig. 5 right. Departs as torchvision does ("v1.5"): the 3×3 convolution strides, not the first.
    """

    def __init__(self, channels_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = Conv3x3(width, width, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * EXPANSION, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * EXPANSION)
        self.downsample = _way_past(channels_in, width * EXPANSION, stride)

    def forward(self, x: Tensor) -> Tensor:
        residual = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        residual = functional.relu(self.bn2(self.conv2(residual)), inplace=True)
        residual = self.bn3(self.conv3(residual))
        return functional.relu(residual + self.downsample(x), inplace=True)


class Encoder(nn.Module):
    """A residual network from normalised images, float (N, C, S, S), to features h, (N, feature_dim)."""

    def __init__(self, config: EncoderConfig, channels: int) -> None:
        super().__init__()
        self.config = config
        self.channels = channels
        self.feature_dim = feature_dim(config)
        size_px = 7 if config.stem == "imagenet" else 3
        stride = 1 if config.stem == "small" else 2
        self.conv1 = nn.Conv2d(channels, config.width, size_px, stride, padding=size_px // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(config.width)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1) if config.stem == "imagenet" else nn.Identity()
        # Convolutions keep torch's own start (uniform, by fan-in). torchvision's (normal, by fan-out) learns far slower
        # here: on patterns, 4 epochs at batch 256 reach a k-NN of 0.45 from the one and 0.18 from the other.
        for number, blocks in enumerate(_stages(config), start=1):
            self.add_module(f"layer{number}", nn.Sequential(*blocks))

    def stem(self, images: Tensor) -> Tensor:
        """The first layer, before any block."""
        stemmed: Tensor = self.maxpool(functional.relu(self.bn1(self.conv1(images)), inplace=True))
        return stemmed

    def stages(self) -> list[nn.Module]:
        """Residual stages, the first one first."""
        return [self.get_submodule(f"layer{number}") for number in range(1, len(STAGES[self.config.architecture]) + 1)]

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        for stage in self.stages():
            x = stage(x)
        return x.mean(dim=(2, 3))


def _way_past(channels_in: int, channels: int, stride: int) -> nn.Module:
    if stride == 1 and channels_in == channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))


def _stages(config: EncoderConfig) -> Iterator[list[nn.Module]]:
    block = Bottleneck if config.architecture in BOTTLENECKS else BasicBlock
    grown = EXPANSION if config.architecture in BOTTLENECKS else 1
    before = config.width
    for stage, count in enumerate(STAGES[config.architecture]):
        width = config.width * 2**stage
        blocks: list[nn.Module] = []
        for position in range(count):
            blocks.append(block(before, width, stride=2 if stage > 0 and position == 0 else 1))
            before = width * grown
        yield blocks
