"""Encoders from weights that were trained elsewhere: checkpoints of other programs, and torchvision's of ImageNet."""

import http.client
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from simclr.checkpoints import read_checkpoint
from simclr.config import EncoderConfig
from simclr.encoder_file import EncoderFile, ImageFacts
from simclr.encoders import save_encoder, seeded
from simclr.match_report import MatchReport
from simclr.matching import COUNTER, Trunk, match
from simclr.runs import sha256_of

MAX_BYTES = 2 * 2**30
# Each channel's mean and spread over ImageNet, with which nearly all published weights were trained.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# The same for grey images: the channels' averages.
GREY_MEAN = (0.449,)
GREY_STD = (0.226,)

Published = Literal["resnet18", "resnet34", "resnet50"]


def inspect_checkpoint(
    source: Path, *, architecture: EncoderConfig | None = None, max_bytes: int = MAX_BYTES
) -> MatchReport:
    """What ``import_checkpoint`` would find, whether it fits or not; nothing is written.

    Raises:
        ValueError: the file cannot be read, or holds no single residual network.
    """
    return match(read_checkpoint(source, max_bytes), architecture)[0]


def import_checkpoint(
    source: Path,
    path: Path,
    *,
    facts: ImageFacts,
    architecture: EncoderConfig | None = None,
    max_bytes: int = MAX_BYTES,
) -> tuple[EncoderFile, MatchReport]:
    """Write the residual network in a checkpoint as an encoder file.

    Args:
        source: A safetensors file, or one of torch.save that holds nothing but weights and plain values.
        path: The encoder file to write; it appears complete or not at all.
        facts: What the network expects of images; no checkpoint tells. With one channel where the network takes three, the
            first convolution's kernels are summed: the answer to a grey image is then the original's to the repeated one,
            normalised by this mean and spread in all three channels.
        architecture: Where it is known; otherwise names and shapes show it, except what ``MatchReport.assumed`` says.
        max_bytes: Limit to the size of ``source``.

    Raises:
        ValueError: the file cannot be read, holds no single residual network, or one of whose weights is missing, unknown,
            misshapen, not a floating-point number, or not finite; or ``facts`` has three channels and the network one.
    """
    report, trunk = match(read_checkpoint(source, max_bytes), architecture)
    report.check(source.name)
    weights = _floats(trunk)
    if (report.channels, facts.channels) == (3, 1):
        weights["conv1.weight"] = weights["conv1.weight"].sum(dim=1, keepdim=True)
        summed = "The first convolution's kernels for three channels were summed for grey images."
        report = report.model_copy(update={"assumed": (*report.assumed, summed)})
    elif report.channels != facts.channels:
        raise ValueError(
            f"{source.name} takes images of 1 channel, not {facts.channels}: "
            "import it for 1 channel; images in colour are turned to grey for it"
        )
    return _write(path, weights, report.architecture, facts, "imported"), report


def imagenet_encoder(
    architecture: Published,
    channels: Literal[1, 3],
    path: Path,
    weights_file: Path | None = None,
    *,
    image_size: int = 224,
    download: bool = False,
) -> EncoderFile:
    """Write torchvision's network, trained on ImageNet's labels (IMAGENET1K_V1), as an encoder file.

    With three channels its features are torchvision's; grey images are repeated for it. With one channel the first
    convolution's kernels are summed, each divided by its channel's spread, and the channels' means go into the batch norm
    after it. That answers a grey image as the original does the repeated one, except in the outermost three pixels: the
    zeros around a normalised image stand for three levels of grey there, and for one here. With random weights that
    moves features by 0.1 % at 224 px, 0.3 % at 96 px and 1 to 2 % at 28 px; choose three channels where that matters.

    Args:
        weights_file: The file, wherever it is; otherwise it is looked for in torch.hub's cache.
        image_size: Side in pixels to which images are brought; trained at 224.
        download: Fetch the file into torch.hub's cache where it is not there yet.

    Raises:
        ValueError: the file is absent, cannot be fetched, or is not torchvision's.
    """
    url = weights_url(architecture)
    source = weights_file or _cached(url, download)
    if not source.is_file():
        raise ValueError(f"no weights at {source}: {_how_to_get(url)}")
    _check_hash(source, url)
    config = EncoderConfig(architecture=architecture, width=64, stem="imagenet")
    report, trunk = match(read_checkpoint(source, MAX_BYTES), config)
    report.check(source.name)
    weights = _floats(trunk)
    facts = imagenet_facts(channels, image_size)
    if channels == 1:
        _turn_grey(weights, facts)
    return _write(path, weights, config, facts, "imagenet")


def imagenet_facts(channels: int, image_size: int) -> ImageFacts:
    """Normalisation of ImageNet, for colours or for grey."""
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if channels == 3 else (GREY_MEAN, GREY_STD)
    return ImageFacts(channels=3 if channels == 3 else 1, image_size=image_size, mean=mean, std=std)


def weights_url(architecture: Published) -> str:
    """Where torchvision keeps its first, plainly trained weights; the file's name ends in the start of its sha256."""
    from torchvision.models import get_model_weights

    if architecture not in get_args(Published):
        choices = ", ".join(get_args(Published))
        raise ValueError(f"there are no weights of ImageNet for '{architecture}': choose {choices}")
    return str(get_model_weights(architecture)["IMAGENET1K_V1"].url)


def published_file(architecture: Published) -> Path:
    """Where torchvision's file is looked for, in torch.hub's cache, be it there or not."""
    return _cache() / _name(weights_url(architecture))


def _cached(url: str, download: bool) -> Path:
    cached = _cache() / _name(url)
    if not cached.is_file():
        if not download:
            raise ValueError(
                f"{cached.name}, torchvision's weights of ImageNet, is not on this machine: {_how_to_get(url)}"
            )
        _download(url, cached)
    return cached


def _download(url: str, cached: Path) -> None:
    cached.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Writes beside the target and moves it there once its hash is right.
        torch.hub.download_url_to_file(url, str(cached), _hash_in(url), progress=False)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise ValueError(f"{url} could not be fetched ({error}): {_how_to_get(url)}") from error


def _how_to_get(url: str) -> str:
    return f"allow the download, or get {url} elsewhere and put it into {_cache()}, or name the file"


def _cache() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def _hash_in(url: str) -> str:
    return _name(url).rpartition("-")[2].partition(".")[0]


def _check_hash(source: Path, url: str) -> None:
    digest = sha256_of(source)
    if not digest.startswith(_hash_in(url)):
        raise ValueError(
            f"{source} is not torchvision's {_name(url)}: its sha256 begins with {digest[:8]}, not {_hash_in(url)}. "
            "Fetch it again, or import it as a checkpoint if it is another network"
        )


def _floats(trunk: Trunk) -> dict[str, Tensor]:
    """The network's weights as float32, counters apart.

    Raises:
        ValueError: one is no floating-point number, has no values, or is not finite, or a running variance is negative.
    """
    weights = {}
    for name, tensor in trunk.weights.items():
        if name.endswith(COUNTER):
            continue
        own = trunk.own[name]
        if not tensor.is_floating_point() or tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise ValueError(
                f"{own} holds {tensor.dtype} on '{tensor.device}': plain floating-point weights are needed"
            )
        values = tensor.detach().to(torch.float32, copy=True).contiguous()
        if not bool(values.isfinite().all()):
            raise ValueError(f"{own} holds NaN or infinity: this training had failed, take an earlier checkpoint")
        if name.endswith("running_var") and bool((values < 0).any()):
            raise ValueError(f"{own} is negative, which no variance is: the file is broken")
        weights[name] = values
    return weights


def _turn_grey(weights: dict[str, Tensor], facts: ImageFacts) -> None:
    """Rewrite the stem for one channel; see ``imagenet_encoder``. With c for a channel, k for its kernel, g for grey:

    Σ k_c (g - mean_c) / std_c = [Σ k_c std / std_c] (g - mean) / std + Σ (Σ k_c) (mean - mean_c) / std_c
    """
    kernels = weights["conv1.weight"]
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    weights["conv1.weight"] = (kernels * (facts.std[0] / std).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    shift = kernels.sum(dim=(2, 3)) @ ((facts.mean[0] - mean) / std)
    weights["bn1.running_mean"] = weights["bn1.running_mean"] - shift


def _write(
    path: Path,
    weights: dict[str, Tensor],
    config: EncoderConfig,
    facts: ImageFacts,
    origin: Literal["imagenet", "imported"],
) -> EncoderFile:
    encoder = seeded(config, facts.channels, seed=0)
    counters = {name: tensor for name, tensor in encoder.state_dict().items() if name.endswith(COUNTER)}
    encoder.load_state_dict(weights | counters)
    file = EncoderFile(
        **facts.model_dump(include=set(ImageFacts.model_fields)),
        origin=origin,
        architecture=config,
        feature_dim=encoder.feature_dim,
    )
    save_encoder(path, encoder, file)
    return file
