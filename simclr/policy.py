"""What a policy of augmentation does in vain or at a risk, in sentences, without torch: for forms, the command line, the API."""

import math
import re
from collections.abc import Sequence

from simclr.config import AugmentConfig

# Upright capitals, small letters and digits that a mirror or half a turn makes into another, or into none.
CHARACTER = re.compile(
    r"^(digit |letter )?([0-9A-Za-z]|zero|one|two|three|four|five|six|seven|eight|nine)$", re.IGNORECASE
)
COLOUR = re.compile(
    r"\b(red|orange|yellow|green|blue|purple|violet|pink|brown|cyan|magenta|hue|colou?r)", re.IGNORECASE
)


def without_effect(config: AugmentConfig, channels: int, size_px: int) -> list[str]:
    """Name every operation that is switched on but changes no view of such images.

    Args:
        config: The policy.
        channels: 1 for grey images, 3 for colour.
        size_px: Side of the images.

    Returns:
        A sentence each, empty where every operation that is on does something.

    Raises:
        ValueError: ``channels`` is neither 1 nor 3, or ``size_px`` is less than 1.
    """
    if channels not in (1, 3) or size_px < 1:
        raise ValueError(f"images have 1 or 3 channels and at least 1 px, not {channels} channels and {size_px} px")
    return [*_of_colours(config, channels), *_of_zero_ranges(config), *_of_the_size(config, size_px)]


def hardly_any_effect(config: AugmentConfig, size_px: int) -> list[str]:
    """Name every operation that is on and changes images of this size so little that one may leave it out."""
    # The kernel of the blur is the odd number next to a tenth of the image, and 3 px at least; see views/filters.py.
    if config.blur_p > 0 and 3 <= size_px < 40:
        return [
            f"Blur (blur_p) hardly changes images of {size_px} px: its kernel is 3 px wide, "
            "and the paper leaves it out for small images."
        ]
    return []


def may_change_the_label(config: AugmentConfig, classes: Sequence[str]) -> list[str]:
    """Name every operation that probably makes an image one of another class, as far as the classes' names tell.

    Names tell little: what an operation really costs is measured by ``simclr.label_cost``.

    Args:
        config: The policy.
        classes: Names of the classes; empty where images have no labels.

    Returns:
        A sentence each.
    """
    doubts = []
    if classes and all(CHARACTER.match(name) for name in classes):
        mirrored = [name for name in ("flip", "vertical_flip") if getattr(config, f"{name}_p") > 0]
        if mirrored:
            doubts.append(
                f"The classes are characters, and a mirrored one is another or none: {' and '.join(mirrored)}."
            )
        if config.rotation_p > 0 and config.rotation_max > 45:
            doubts.append(
                f"The classes are characters, and one turned by {config.rotation_max:g}° may be another, as 6 and 9 are."
            )
    if sum(bool(COLOUR.search(name)) for name in classes) > len(classes) / 2:
        shifts = config.jitter_p > 0 and config.jitter_strength * config.hue > 0
        if shifts or config.grey_p > 0:
            which = [name for name, on in (("hue", shifts), ("greyscale", config.grey_p > 0)) if on]
            doubts.append(f"The classes are named by colour, which {' and '.join(which)} change.")
    return doubts


def _of_colours(config: AugmentConfig, channels: int) -> list[str]:
    ranges = (config.brightness, config.contrast, config.saturation, config.hue)
    vain = []
    if config.jitter_p > 0 and config.jitter_strength == 0:
        vain.append("Colour jitter (jitter_p) does nothing: jitter_strength is 0.")
    elif config.jitter_p > 0 and not any(ranges):
        vain.append("Colour jitter (jitter_p) does nothing: brightness, contrast, saturation and hue are all 0.")
    elif config.jitter_p > 0 and channels == 1:
        named = {"Saturation": config.saturation, "Hue": config.hue}
        vain += [f"{name} does nothing: the images are grey." for name, reach in named.items() if reach > 0]
    if config.grey_p > 0 and channels == 1:
        vain.append("Greyscale (grey_p) does nothing: the images are grey already.")
    return vain


def _of_zero_ranges(config: AugmentConfig) -> list[str]:
    vain = []
    if config.rotation_p > 0 and config.rotation_max == 0:
        vain.append("Rotation (rotation_p) does nothing: rotation_max is 0.")
    if config.noise_p > 0 and config.noise_std == 0:
        vain.append("Noise (noise_p) does nothing: noise_std is 0.")
    return vain


def _of_the_size(config: AugmentConfig, size_px: int) -> list[str]:
    vain = []
    if config.blur_p > 0 and size_px < 3:
        vain.append(f"Blur (blur_p) does nothing: it needs images of 3 px, these have {size_px}.")
    for name in ("rotation", "flip", "vertical_flip"):
        if size_px == 1 and getattr(config, f"{name}_p") > 0:
            vain.append(
                f"{name.replace('_', ' ').capitalize()} ({name}_p) does nothing: the images have a single pixel."
            )
    # A square is the rectangle that fits best: both sides are the root of the area, rounded to whole pixels.
    smallest, largest = (
        round(size_px * math.sqrt(share)) for share in (config.erase_scale_min, config.erase_scale_max)
    )
    if config.erase_p > 0 and largest == 0:
        vain.append(f"Erasing (erase_p) does nothing: erase_scale_max is less than a pixel of {size_px} × {size_px}.")
    elif config.erase_p > 0 and max(smallest, 1) >= size_px:
        vain.append("Erasing (erase_p) does nothing: a rectangle of erase_scale_min does not fit into the image.")
    return vain
