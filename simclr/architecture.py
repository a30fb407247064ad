"""What an architecture's name stands for; free of torch, so that whoever only plans a network need not load it."""

from simclr.config import EncoderConfig

# Blocks at every stage; each stage after the first halves the resolution and doubles the channels.
# Source: He et al. 2016, arXiv:1512.03385, Table 1. The two smallest are theirs with one block a stage.
STAGES: dict[str, tuple[int, ...]] = {
    "resnet8": (1, 1, 1),
    "resnet10": (1, 1, 1, 1),
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
}
# Networks of bottleneck blocks, whose output has this many times the channels of its 3×3 convolution.
BOTTLENECKS = frozenset({"resnet50"})
EXPANSION = 4


def feature_dim(config: EncoderConfig) -> int:
    """Dimensions of h: channels after the last stage."""
    last = config.width << (len(STAGES[config.architecture]) - 1)
    return last * EXPANSION if config.architecture in BOTTLENECKS else last


def stage_of(config: EncoderConfig, block: int) -> tuple[int, int]:
    """Stage (from 1) and place in it (from 0) of a network's ``block`` (from 0 at the stem).

    Raises:
        ValueError: the network has fewer blocks.
    """
    place = block
    for stage, count in enumerate(STAGES[config.architecture], start=1):
        if place < count:
            return stage, place
        place -= count
    raise ValueError(f"{config.architecture} has no block {block}")
