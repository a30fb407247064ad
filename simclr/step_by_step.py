"""One view told as a story: every operation in the order drawn, what was drawn for it, and the image after it.

Every stage is a whole view whose later operations are left out, made by ``apply_parameters``: so the last one is, bit for bit,
the view that training would be given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from simclr.augment import apply_parameters
from simclr.policy_parts import PARTS
from simclr.views.filters import blur_width
from simclr.views.parameters import BRIGHTNESS, CONTRAST, HUE, SATURATION, ViewParameters

JITTER = {BRIGHTNESS: "brightness", CONTRAST: "contrast", SATURATION: "saturation", HUE: "hue"}
EVERY_PART = tuple(each.name for each in PARTS)
# The parameters that say whether an operation is applied; a crop is where the box is smaller than the image.
SWITCHES = {
    "rotation": "rotate", "flip": "flip", "vertical_flip": "vertical_flip", "jitter": "jitter", "grey": "grey",
    "blur": "blur", "solarise": "solarise", "noise": "noise", "erase": "erase",
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """``part`` names an operation of the policy, ``step`` it or a step of its own; ``said`` tells what was drawn.

    ``applied`` is False where it leaves this view as it was, and ``view`` is then the one before: float32, (C, S, S).
    """

    part: str
    step: str
    applied: bool
    said: str
    view: Tensor


def story(image: Tensor, parameters: ViewParameters) -> list[Step]:
    """The steps of one view.

    Args:
        image: uint8, shape (1, C, S, S).
        parameters: Of this one view.

    Raises:
        ValueError: ``image`` has another dtype or shape, or there are parameters of more views than one.
    """
    if len(image) != 1 or len(parameters) != 1:
        raise ValueError(f"a story is of one view, not of {len(image)} images and {len(parameters)} views")
    size, grey = image.shape[-1], image.shape[1] == 1
    stages, told = [neutral(1, size)], []
    for part, step, names in _order(parameters):
        stages.append(replace(stages[-1], **{name: getattr(parameters, name) for name in names}))
        told.append((part, step, *_said(step, parameters, size, grey)))
    views = apply_parameters(image.expand(len(stages), -1, -1, -1).contiguous(), joined(stages))
    return [Step(*facts, view) for facts, view in zip(told, views[1:], strict=True)]


def parts_alone(parameters: ViewParameters, size_px: int, parts: Sequence[str] = EVERY_PART) -> list[ViewParameters]:
    """Parameters of some operations, each by itself and applied whatever the odds.

    Args:
        parameters: Of one view: what is drawn is what they have.
        size_px: Side of its image.
        parts: The operations, by their names.

    Returns:
        For each operation those of one view.
    """
    rows = []
    names = {part.name: list[str]() for part in PARTS}
    for part, _, own in _order(parameters):
        names[part] += own
    for part in parts:
        row = replace(neutral(1, size_px), **{name: getattr(parameters, name) for name in names[part]})
        rows.append(replace(row, **{SWITCHES[part]: torch.tensor([True])}) if part in SWITCHES else row)
    return rows


def neutral(n: int, size_px: int) -> ViewParameters:
    """Parameters of ``n`` views that are the image itself."""
    no, one, zero = torch.zeros(n, dtype=torch.bool), torch.ones(n), torch.zeros(n)
    start, whole = torch.zeros(n, dtype=torch.int64), torch.full((n,), size_px)
    return ViewParameters(
        rotate=no, angle=zero, top=start, left=start, height=whole, width=whole, bicubic=no, flip=no, vertical_flip=no,
        jitter=no, brightness=one, contrast=one, saturation=one, hue=zero, order=torch.arange(4).repeat(n, 1), grey=no,
        blur=no, sigma=one, solarise=no, threshold=one, noise=no, noise_std=zero, noise_seed=start,
        erase=no, erase_top=start, erase_left=start, erase_height=start, erase_width=start,
    )  # fmt: skip


def joined(parts: list[ViewParameters]) -> ViewParameters:
    """The parameters of several draws one below the other."""
    return ViewParameters(**{name: torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])})


def to_plain(parameters: ViewParameters) -> list[dict[str, Any]]:
    """One mapping of plain numbers a view, which JSON keeps to the last bit."""
    columns = {name: tensor.tolist() for name, tensor in vars(parameters).items()}
    return [{name: column[row] for name, column in columns.items()} for row in range(len(parameters))]


def from_plain(rows: list[dict[str, Any]]) -> ViewParameters:
    """The parameters that ``to_plain`` wrote."""
    kinds = vars(neutral(0, 1))
    return ViewParameters(
        **{name: torch.tensor([row[name] for row in rows], dtype=kind.dtype) for name, kind in kinds.items()}
    )


def _order(p: ViewParameters) -> list[tuple[str, str, list[str]]]:
    """Operation, step of it, and the parameters that the step brings in; jitter's four in the order drawn."""
    jitter = [JITTER[number] for number in p.order[0].tolist()]
    return [
        ("rotation", "rotation", ["rotate", "angle"]),
        ("crop", "crop", ["top", "left", "height", "width", "bicubic"]),
        ("flip", "flip", ["flip"]),
        ("vertical_flip", "vertical_flip", ["vertical_flip"]),
        *(("jitter", name, ["jitter", "order", name]) for name in jitter),
        ("grey", "grey", ["grey"]),
        ("blur", "blur", ["blur", "sigma"]),
        ("solarise", "solarise", ["solarise", "threshold"]),
        ("noise", "noise", ["noise", "noise_std", "noise_seed"]),
        ("erase", "erase", ["erase", "erase_top", "erase_left", "erase_height", "erase_width"]),
    ]


def _said(step: str, parameters: ViewParameters, size: int, grey: bool) -> tuple[bool, str]:
    """Whether a step changes the view, and what was drawn for it, as a person reads it."""
    (p,) = to_plain(parameters)
    if step in JITTER.values():
        if grey and step in ("saturation", "hue"):
            return False, "nothing: the image is grey"
        said = f"{360 * p['hue']:+.0f}° of the colour circle" if step == "hue" else f"× {p[step]:.2f}"
        neutral_value = 0.0 if step == "hue" else 1.0
        return (True, said) if p["jitter"] and p[step] != neutral_value else (False, "not this time")
    if step == "crop":
        share = p["height"] * p["width"] / size**2
        if share == 1:
            return False, "the whole image"
        how = ", by cubics" if p["bicubic"] else ""
        return True, f"{100 * share:.0f} % of the area: {p['width']} × {p['height']} px{how}"
    if not p[SWITCHES[step]] or (grey and step == "grey"):
        return False, "not this time" if not (grey and step == "grey") else "nothing: the image is grey"
    if step == "erase" and not p["erase_height"] * p["erase_width"]:
        return False, "no rectangle fitted"
    if step == "blur" and size < 3:
        return False, "nothing: the image is too small"
    drawn: dict[str, Callable[[], str]] = {
        "rotation": lambda: f"{abs(p['angle']):.1f}° {'counter-clockwise' if p['angle'] > 0 else 'clockwise'}",
        "flip": lambda: "left and right swapped",
        "vertical_flip": lambda: "upside down",
        "grey": lambda: "luma in all channels",
        "blur": lambda: f"σ {p['sigma']:.2f} px over {blur_width(size)} px",
        "solarise": lambda: f"inverted from {p['threshold']:.2f} of white up",
        "noise": lambda: f"spread {p['noise_std']:.2f} of white",
        "erase": lambda: f"{p['erase_width']} × {p['erase_height']} px black",
    }
    return True, drawn[step]()
