"""What the Views page is shown: views with the parameters that replay them, their story, a photo made an image of a set."""

import hashlib
import io
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from backend.vision.frames import Header
from simclr.augment import ViewParameters, apply_parameters, draw_parameters
from simclr.config import AugmentConfig
from simclr.contact_sheet import contact_sheet
from simclr.datasets.images import decode_image, to_square
from simclr.overlap import boxes, drawn_overlaps, overlap
from simclr.step_by_step import each_alone, joined, story, to_plain

Reply = tuple[Header, list[bytes]]

# Pairs of which the distribution of overlaps is made, and the bars in which it is told.
DRAWS, BARS = 256, 20
# Where a set's images have their number, a photo has this one.
PHOTO = 2**31


def preview(header: Header, blobs: list[bytes]) -> Reply:
    """PNGs of every image and its views in turn, then of the first image under each operation alone, where asked.

    The views of an image depend on the seed and its index alone; the first two are its pair, whatever the number of views.
    """
    images, config, drawn = _drawn(header, blobs)
    views, parameters = header["views"], joined(drawn)
    made = apply_parameters(images.repeat_interleave(views, dim=0), parameters)
    alone = each_alone(images[:1], drawn[0][:1]) if header["alone"] else {}
    pairs = [boxes(each[:2]) for each in drawn]
    answer = {
        "parameters": to_plain(parameters),
        "digests": [hashlib.sha256(view.numpy().tobytes()).hexdigest() for view in made],
        "overlaps": overlap(torch.stack([p[0] for p in pairs]), torch.stack([p[1] for p in pairs])).tolist(),
        "alone": list(alone),
        **_law(config, images.shape[-1], header["seed"]),
    }
    eight_bits = _rounded(made).view(len(images), views, *images.shape[1:])
    shown = [picture for image, its in zip(images, eight_bits, strict=True) for picture in (image, *its)]
    return answer, [png(picture) for picture in (*shown, *map(_rounded, alone.values()))]


def told(header: Header, blobs: list[bytes]) -> Reply:
    """The story of both views of one image: PNGs of the image, then of every step of the one view and the other."""
    images, _, (drawn,) = _drawn(header, blobs)
    stories = [story(images, drawn[row : row + 1]) for row in range(2)]
    both = boxes(drawn)
    steps = [[{"part": s.part, "step": s.step, "applied": s.applied, "said": s.said} for s in told] for told in stories]
    answer = {"boxes": both.tolist(), "overlap": float(overlap(both[:1], both[1:])), "steps": steps}
    return answer, [png(images[0]), *(png(_rounded(step.view)) for told in stories for step in told)]


def sheet(header: Header, blobs: list[bytes]) -> Reply:
    """One PNG of all images and their views: a row for each image."""
    images, _, drawn = _drawn(header, blobs)
    made = _rounded(apply_parameters(images.repeat_interleave(header["views"], dim=0), joined(drawn)))
    columns = made.view(len(images), header["views"], *images.shape[1:]).unbind(dim=1)
    file = io.BytesIO()
    contact_sheet([images.numpy(), *(column.numpy() for column in columns)]).save(file, "PNG")
    return {}, [file.getvalue()]


def photo(header: Header, blobs: list[bytes]) -> Reply:
    """A stranger's picture as an image of a set would be: cropped to a square, of its size and channels, as PNG."""
    size = header["image_size"]
    square = to_square(decode_image(blobs[0], needed_px=size), header["channels"], size)
    return {}, [png(torch.from_numpy(np.array(square)))]


def png(image: Tensor) -> bytes:
    """A PNG of an image, uint8 of shape (1 or 3, S, S)."""
    file = io.BytesIO()
    array: Any = image[0] if len(image) == 1 else image.permute(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(array.numpy())).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _drawn(header: Header, blobs: list[bytes]) -> tuple[Tensor, AugmentConfig, list[ViewParameters]]:
    """The images that are asked for, the photo first, the policy, and what is drawn for each image."""
    images = torch.from_numpy(np.frombuffer(blobs[0], dtype=np.uint8).reshape(header["shape"]).copy())
    numbers = list(header["indices"])
    if len(blobs) > 1:
        _, channels, size, _ = images.shape
        square = to_square(decode_image(blobs[1], needed_px=size), channels, size)
        images, numbers = torch.cat((torch.from_numpy(np.array(square))[None], images)), [PHOTO, *numbers]
    config = AugmentConfig.model_validate(header["config"])
    views = header.get("views", 2)
    return images, config, [_draw(images.shape[-1], config, header["seed"], number, views) for number in numbers]


def _draw(size: int, config: AugmentConfig, seed: int, index: int, views: int) -> ViewParameters:
    return draw_parameters(views, size, config, generator_of(seed, index))


def generator_of(seed: int, index: int) -> torch.Generator:
    """Where the views of an image come from."""
    # Torch's generator reads 32 bits of its seed; this mixes both numbers into them.
    mixed = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
    return torch.Generator().manual_seed(mixed)


def _law(config: AugmentConfig, size: int, seed: int) -> Header:
    law = drawn_overlaps(config, size, DRAWS, torch.Generator().manual_seed(seed))
    counts = torch.histc(law, BARS, 0.0, 1.0).int().tolist()
    return {"law": counts, "median": float(law.median()), "apart": float((law == 0).float().mean())}


def _rounded(views: Tensor) -> Tensor:
    return views.mul(255).round_().to(torch.uint8)
