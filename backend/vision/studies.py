"""What takes seconds: a policy's shortcuts, how hard its pairs are, what it costs the label; an encoder's neighbours."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from backend.vision.encoders import encoder_at
from backend.vision.frames import Header
from backend.vision.previews import Reply
from simclr.config import AugmentConfig
from simclr.encoders import EncoderFile
from simclr.hardness import features_of, hardness
from simclr.map_config import MapConfig
from simclr.maps.make import maps_of, opener
from simclr.policy_effects import Labelled, label_costs, mean_changes
from simclr.policy_parts import parts_on
from simclr.retrieval import find_hubs, retrieval
from simclr.shortcuts import audit_shortcuts

BARS = 40
# How long encoding may take in all; a deep network on a slow machine gets fewer images instead.
BUDGET_S = 12.0
TRIED, FEWEST = 16, 64


def shortcuts(header: Header, blobs: list[bytes]) -> Reply:
    """The shortcut audit of a policy on some images, and by how much each of its operations changes a pixel."""
    (images,), config, generator = _asked(header, blobs)
    return {
        **asdict(audit_shortcuts(images, config, generator)),
        "changes": mean_changes(images, config, generator),
    }, []


def hard(header: Header, blobs: list[bytes]) -> Reply:
    """Histograms of an encoder's similarity of pairs and of strangers, on one axis."""
    (images,), config, generator = _asked(header, blobs)
    encoder, file = encoder_at(header["encoder"])
    images = images[: _affordable(encoder, file, images, views=2)]
    found = hardness(encoder, file, images, config, generator)
    both = torch.cat((found.pairs, found.others))
    if not bool(both.isfinite().all()):
        raise ValueError("the encoder gives features that are not finite: choose another one")
    # On the next lower twentieth, so that the axis does not move with every seed.
    low = float((both.min() * 20).floor() / 20)
    pairs, others = (torch.histc(each, BARS, low, 1.0 + 1e-6).int().tolist() for each in (found.pairs, found.others))
    means = {"mean_pairs": float(found.pairs.mean()), "mean_others": float(found.others.mean())}
    return {
        "n": len(images), "low": low, "pairs": pairs, "others": others, "told_apart": found.told_apart, **means,
    }, []  # fmt: skip


def cost(header: Header, blobs: list[bytes]) -> Reply:
    """What each operation costs the label; blobs are images and labels to fit on, then those to score."""
    (train, held_out), config, generator = _asked(header, blobs)
    labels = [torch.from_numpy(np.frombuffer(blob, dtype=np.int64).copy()) for blob in blobs[1::2]]
    encoder, file = encoder_at(header["encoder"])
    rounds = 1 + len(parts_on(config))
    share = min(1.0, _affordable(encoder, file, train, views=rounds) / (len(train) + len(held_out)))
    fitted, scored = (max(min(FEWEST, len(s)), int(share * len(s))) for s in (train, held_out))
    found = label_costs(
        encoder, file, Labelled(train[:fitted], labels[0][:fitted]), Labelled(held_out[:scored], labels[1][:scored]),
        config, generator,
    )  # fmt: skip
    return asdict(found), []


def neighbours(header: Header, blobs: list[bytes]) -> Reply:
    """How well images find those of their class in a bank; blobs are labels, queries and the gallery, int64."""
    labels, queries, gallery = (np.frombuffer(blob, dtype=np.int64) for blob in blobs)
    return asdict(retrieval(_bank(header), labels, queries, gallery)), []


def hubs(header: Header, blobs: list[bytes]) -> Reply:
    """Whose neighbour each image is, among those of a bank that the one blob, int64, names; answered with the counts, int64."""
    found = find_hubs(_bank(header)[np.frombuffer(blobs[0], dtype=np.int64)], header["k"])
    return {"skewness": found.skewness}, [found.occurrences.tobytes()]


def draw_maps(header: Header, _blobs: list[bytes]) -> Reply:
    """Maps of the banks, one after the other; answered with float32 of shape (M, N, 2)."""
    config: Any = MapConfig.model_validate(header["config"])
    places, figures = maps_of(config, [opener(Path(bank)) for bank in header["banks"]])
    return {"n": places.shape[1], "maps": [each.model_dump() for each in figures]}, [places.tobytes()]


STUDIES: dict[str, Callable[[Header, list[bytes]], Reply]] = {
    "shortcuts": shortcuts,
    "hardness": hard,
    "label_costs": cost,
    "retrieval": neighbours,
    "hubs": hubs,
    "maps": draw_maps,
}


def _bank(header: Header) -> NDArray[np.float32]:
    bank: NDArray[np.float32] = np.load(header["bank"], mmap_mode="r", allow_pickle=False)
    return bank


def _asked(header: Header, blobs: list[bytes]) -> tuple[list[Tensor], AugmentConfig, torch.Generator]:
    shapes: list[list[int]] = header["shapes"]
    # Images come alone, or each followed by its labels.
    pixels = blobs[:: len(blobs) // len(shapes)]
    images = [
        torch.from_numpy(np.frombuffer(blob, dtype=np.uint8).reshape(shape).copy())
        for blob, shape in zip(pixels, shapes, strict=True)
    ]
    config: Any = AugmentConfig.model_validate(header["config"])
    return images, config, torch.Generator().manual_seed(header["seed"])


def _affordable(encoder: nn.Module, file: EncoderFile, images: Tensor, views: int) -> int:
    """How many images can be encoded ``views`` times within the budget, as a few of them tell."""
    few = images[:TRIED].float() / 255
    features_of(encoder, file, few)  # the first time costs more
    began = time.perf_counter()
    features_of(encoder, file, few)
    each_s = (time.perf_counter() - began) / len(few)
    return max(FEWEST, int(BUDGET_S / (views * each_s)))
