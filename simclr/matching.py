"""Finds the residual network in a checkpoint's weights, whatever its program called it, and says what fits and what does not."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from simclr.architecture import BOTTLENECKS, STAGES
from simclr.config import EncoderConfig
from simclr.match_report import Ignored, MatchReport, Misshapen, shape_said, some
from simclr.resnet import Encoder

# Batch norm counts its batches in these; nothing here reads them, and old files lack them.
COUNTER = "num_batches_tracked"
# Prefixes of a network that only follows another one: MoCo's keys, BYOL's target, DINO's teacher, averages.
FOLLOWER = re.compile(r"(^|[._])(momentum|ema|teacher|target|key|k)([._]|$)")
# First parts of a name that would take part in the features; any other part beside them is a head or the like.
TRUNK = re.compile(r"(conv|bn|norm|layer|stem|maxpool)\d*$")
REASONS = (
    (FOLLOWER, "a copy that follows the network"),
    (re.compile(r"proj|predict", re.IGNORECASE), "a projection or prediction head"),
    (re.compile(r"(^|[._])(fc|classifiers?|linear|heads?|logits)([._]|$)|online", re.IGNORECASE), "a classifier or head"),
    (re.compile(r"queue|prototype|centers?|memory|bank", re.IGNORECASE), "what only its training needed"),
)  # fmt: skip
OTHERWISE = "not part of the encoder"


@dataclass(frozen=True)
class Layout:
    """A way to name a residual network: how it is recognised, and a name's counterpart in torchvision.

    ``name_of`` gets names without their prefix and answers None for what lies outside the network.
    """

    said: str
    anchor: str
    name_of: Callable[[str], str | None]


def _by_name(name: str) -> str | None:
    return name.replace(SHORTCUT, ".downsample.") if TRUNK.match(name.partition(".")[0]) else None


def _by_place(name: str) -> str | None:
    """Names of nn.Sequential(*list(resnet.children())[:-1]), whose parts 2, 3 and 8 have no weights."""
    place, _, rest = name.partition(".")
    if not place.isdigit() or int(place) > 7:
        return None
    part = {"0": "conv1", "1": "bn1"}.get(place) or f"layer{int(place) - 3}"
    return f"{part}.{rest}"


NAMES = Layout("torchvision's names", "layer1.0.conv1.weight", _by_name)
PLACES = Layout("lightly's nn.Sequential, by place", "4.0.conv1.weight", _by_place)
LAYOUTS = (NAMES, PLACES)
GENERATOR = "the names of lightly's ResNetGenerator"
# nn.Sequential(*list(ResNetGenerator(...).children())[:-1]) has a stage where torchvision has a ReLU: that class applies
# its first ReLU in forward, so nn.Sequential loses it.
WITHOUT_RELU = "2.0.conv1.weight"
# What lightly's ResNetGenerator calls torchvision's "downsample".
SHORTCUT = ".shortcut."


@dataclass(frozen=True)
class Trunk:
    """The network's weights under torchvision's names; ``own`` gives each its name in the checkpoint."""

    layout: str
    prefix: str
    weights: Mapping[str, Tensor]
    own: Mapping[str, str]


def find_trunk(weights: Mapping[str, Tensor]) -> Trunk:
    """The one residual network in ``weights``; copies that only follow it, such as a teacher, are passed over.

    Raises:
        ValueError: there is none, or several, or one whose forward pass no encoder here can repeat.
    """
    found = [(layout, name[: -len(layout.anchor)]) for layout in LAYOUTS for name in _ending(weights, layout.anchor)]
    leading = [(layout, prefix) for layout, prefix in found if not FOLLOWER.search(prefix)] or found
    if not leading:
        raise ValueError(
            f"no residual network among the weights ({some(tuple(weights))}): names should be torchvision's, such as "
            f"{NAMES.anchor}, after any prefix"
        )
    if len(leading) > 1:
        prefixes = " and ".join(f"'{prefix}'" for _, prefix in leading)
        raise ValueError(f"several networks begin with {prefixes}: save the weights of one alone")
    layout, prefix = leading[0]
    if layout is PLACES and prefix + WITHOUT_RELU in weights:
        raise ValueError(
            "this is a lightly ResNetGenerator taken apart by nn.Sequential, which loses the ReLU after its first norm; "
            "no encoder here computes that, so its features could not be repeated"
        )
    own = {
        known: name
        for name in weights
        if name.startswith(prefix) and (known := layout.name_of(name.removeprefix(prefix))) is not None
    }
    said = GENERATOR if any(SHORTCUT in name for name in own.values()) else layout.said
    return Trunk(said, prefix, {known: weights[name] for known, name in own.items()}, own)


def match(weights: Mapping[str, Tensor], architecture: EncoderConfig | None = None) -> tuple[MatchReport, Trunk]:
    """Hold a checkpoint's weights against ``architecture``, or against the one that their shapes show.

    Raises:
        ValueError: no single network is there, or its shapes show none that an encoder can have.
    """
    trunk = find_trunk(weights)
    channels = _channels(trunk)
    assumed = () if architecture is not None else _assumed(trunk)
    architecture = architecture or detect(trunk)
    with torch.device("meta"):
        empty = Encoder(architecture, channels)
    expected = {name: tuple(t.shape) for name, t in empty.state_dict().items() if not name.endswith(COUNTER)}
    learned = {name for name, _ in empty.named_parameters()}
    found = {name: tuple(t.shape) for name, t in trunk.weights.items() if not name.endswith(COUNTER)}
    fitting = [name for name, shape in expected.items() if found.get(name) == shape]
    report = MatchReport(
        layout=trunk.layout,
        prefix=trunk.prefix,
        architecture=architecture,
        channels=channels,
        matched=len(fitting),
        parameters=sum(trunk.weights[name].numel() for name in fitting if name in learned),
        ignored=_ignored(weights, trunk),
        missing=tuple(name for name in expected if name not in found),
        misshapen=tuple(
            Misshapen(name=trunk.own[name], found=found[name], expected=shape)
            for name, shape in expected.items()
            if name in found and found[name] != shape
        ),
        unexpected=tuple(trunk.own[name] for name in found if name not in expected),
        assumed=assumed,
    )
    return report, trunk


def detect(trunk: Trunk) -> EncoderConfig:
    """The architecture that names and shapes show.

    Raises:
        ValueError: it is none of those that an encoder can have.
    """
    is_bottleneck = "layer1.0.conv3.weight" in trunk.weights
    stages = _stages(trunk)
    names = [name for name, blocks in STAGES.items() if blocks == stages and (name in BOTTLENECKS) == is_bottleneck]
    width, _, size_px, _ = _first_shape(trunk)
    if not names:
        block = "bottleneck" if is_bottleneck else "basic"
        raise ValueError(
            f"a network with {stages} {block} blocks is none of {', '.join(STAGES)}: import one of those instead"
        )
    if size_px not in (3, 7):
        raise ValueError(f"the first convolution is {size_px}×{size_px}: only 3×3 and 7×7 can be imported")
    if not 8 <= width <= 64:
        raise ValueError(f"the network is {width} channels wide: only 8 to 64 can be imported")
    stem = "imagenet" if size_px == 7 else "small"
    return EncoderConfig.model_validate({"architecture": names[0], "width": width, "stem": stem})


def _first_shape(trunk: Trunk) -> tuple[int, ...]:
    first = trunk.weights.get("conv1.weight")
    if first is None or first.ndim != 4:
        found = "has no such weight" if first is None else f"has a weight of {shape_said(tuple(first.shape))}"
        raise ValueError(
            f"the network should begin with one convolution, 'conv1', but {found} there: "
            "stems of several layers cannot be imported"
        )
    return tuple(first.shape)


def _channels(trunk: Trunk) -> int:
    channels = _first_shape(trunk)[1]
    if channels not in (1, 3):
        raise ValueError(f"the network takes images of {channels} channels: only 1 and 3 can be imported")
    return channels


def _stages(trunk: Trunk) -> tuple[int, ...]:
    """Blocks of every stage, by the highest number that occurs in it."""
    counts: dict[int, int] = {}
    for name in trunk.weights:
        place = re.match(r"layer(\d{1,4})\.(\d{1,4})\.", name)
        if place:
            stage, block = int(place[1]), int(place[2])
            counts[stage] = max(counts.get(stage, 0), block + 1)
    return tuple(counts[stage] for stage in sorted(counts))


def _assumed(trunk: Trunk) -> tuple[str, ...]:
    """What the shapes leave open. solo-learn pads its 3×3 stem by 2, which shifts images by a pixel."""
    if _first_shape(trunk)[2] == 3:
        return (
            "Weights do not tell how the first convolution, 3×3, strides and pads: the small stem was assumed (stride 1, "
            "padding 1), so features differ where it was trained otherwise, as by solo-learn (padding 2).",
        )
    return ("Weights do not tell of pooling: a max-pool after the first convolution, 7×7, was assumed.",)


def _ignored(weights: Mapping[str, Tensor], trunk: Trunk) -> tuple[Ignored, ...]:
    inside = set(trunk.own.values())
    groups: dict[str, list[str]] = {}
    for name in weights:
        if name not in inside:
            # Of a head beside the network only its own part counts: "encoder_k.fc" and "online.fc" are not alike.
            rest = name.removeprefix(trunk.prefix)
            why = next((reason for pattern, reason in REASONS if pattern.search(rest)), OTHERWISE)
            groups.setdefault(why, []).append(name)
    return tuple(Ignored(why=why, names=tuple(names)) for why, names in groups.items())


def _ending(weights: Mapping[str, Tensor], anchor: str) -> list[str]:
    return [name for name in weights if name == anchor or name.endswith(f".{anchor}")]
