"""Commands about views alone: pairs as a picture, and the shortcuts of a policy."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from simclr.arguments import find_dataset
from simclr.config import AugmentConfig
from simclr.datasets import Dataset
from simclr.options import build, configured
from simclr.policy import hardly_any_effect, may_change_the_label, without_effect
from simclr.presets import augment_preset
from simclr.terminal import console

DatasetArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="digits, patterns, factors (or factors:COUNT:SEED), a downloaded set, a zip, tar or .npz file, a folder of images "
        "or a stored set.",
    ),
]
Preset = Annotated[
    str | None, typer.Option("--preset", help="Recipe to start from; options go over it. Its names: 'simclr presets'.")
]
ImageSize = Annotated[
    int | None, typer.Option("--image-size", help="Side in pixels to which imported images are brought.")
]


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
    config, images = _asked(dataset, given, preset, image_size)
    import torch

    from simclr.augment import draw_views
    from simclr.contact_sheet import contact_sheet

    chosen = np.sort(np.random.default_rng(seed).permutation(len(images))[:count])
    originals = torch.from_numpy(images.images[chosen])
    generator = torch.Generator().manual_seed(seed)
    views = [draw_views(originals, config, generator).mul(255).round().byte().numpy() for _ in range(2)]
    contact_sheet([originals.numpy(), *views]).save(out, format="PNG")
    typer.echo(f"{out}: {len(chosen)} images, two views each")


@configured(AugmentConfig)
def shortcuts(
    dataset: DatasetArgument,
    given: dict[str, Any],
    count: Annotated[int, typer.Option("--count", min=2, max=2048, help="Images in the batch.")] = 256,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same images and same views.")] = 0,
    preset: Preset = None,
    image_size: ImageSize = None,
) -> None:
    """Solve the contrastive task with trivial features: does a histogram of colours give pairs away?"""
    config, images = _asked(dataset, given, preset, image_size)
    import torch

    from simclr.shortcuts import audit_shortcuts

    training = images.indices("train")
    of = training if len(training) >= 2 else np.arange(len(images))
    chosen = np.sort(np.random.default_rng(seed).permutation(of)[:count])
    found = audit_shortcuts(torch.from_numpy(images.images[chosen]), config, torch.Generator().manual_seed(seed))
    for shortcut in found.shortcuts:
        typer.echo(f"{shortcut.feature}: {shortcut.top1:.3f} (95 %: {shortcut.low:.3f} to {shortcut.high:.3f})")
    typer.echo(f"chance: {found.chance:.4f}, 1 of {found.views - 1} views")


def _asked(
    dataset: str, given: dict[str, Any], preset: str | None, image_size: int | None
) -> tuple[AugmentConfig, Dataset]:
    """The policy and the images; prints what of the policy is in vain for them, or a risk."""
    config = build(AugmentConfig, given, augment_preset(preset) if preset is not None else None)
    images = find_dataset(dataset, image_size)
    for sentence in (
        *without_effect(config, images.channels, images.image_size),
        *hardly_any_effect(config, images.image_size),
        *may_change_the_label(config, images.classes),
    ):
        console.print(sentence, markup=False)
    return config, images
