"""What the Views page is shown: views with the parameters that replay them, their story, a photo made an image of a set."""

import hashlib
import io
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from backend.vision.frames import Header
from backend.vision.png import png
from simclr.augment import ViewParameters, apply_parameters
from simclr.chunks import cores, for_each
from simclr.config import AugmentConfig
from simclr.contact_sheet import contact_sheet
from simclr.datasets.images import decode_image, to_square
from simclr.overlap import boxes, drawn_overlaps, overlap
from simclr.policy_parts import PARTS
from simclr.step_by_step import joined, parts_alone, story, to_plain
from simclr.views.parameters import draw_chances, parameters_from

Reply = tuple[Header, list[bytes]]

# Pairs of which the distribution of overlaps is made, and the bars in which it is told.
DRAWS, BARS = 256, 20
# Less than this, as 16 views of 32 px are, is not worth a second thread.
PIXELS_A_THREAD = 16 * 3 * 40 * 40
# Where a set's images have their number, a photo has this one.
PHOTO = 2**31
CROP = next(part for part in PARTS if part.name == "crop")


def preview(header: Header, blobs: list[bytes]) -> Reply:
    """Pictures of every image's views in turn, then of the first image under each of some operations alone.

    They are PNGs, or where ``raw`` is asked for one blob of all their pixels, uint8 of shape (pictures, C, S, S).
    The views of an image depend on the seed and its index alone; the first two are its pair, whatever the number of views.
    """
    images, config, parameters = _drawn(header, blobs)
    views, alone, n = header["views"], header["alone"], len(parameters)
    shown = torch.cat((images.repeat_interleave(views, dim=0), images[:1].expand(len(alone), -1, -1, -1)))
    pictures, digests = _views(shown, joined([parameters, *parts_alone(parameters[:1], images.shape[-1], alone)]))
    pairs = boxes(parameters).view(len(images), views, 4)
    answer = {
        "parameters": to_plain(parameters),
        "digests": digests[:n],
        "overlaps": overlap(pairs[:, 0], pairs[:, 1]).tolist(),
        "alone": alone,
        **_law(_crops(config), images.shape[-1], header["seed"]),
    }
    return answer, [pictures.numpy().tobytes()] if header.get("raw") else _pngs(pictures)


def told(header: Header, blobs: list[bytes]) -> Reply:
    """The story of both views of one image: PNGs of the image, then of every step of the one view and the other."""
    images, _, parameters = _drawn(header, blobs)
    stories = [story(images, parameters[row : row + 1]) for row in range(2)]
    both = boxes(parameters)
    steps = [[{"part": s.part, "step": s.step, "applied": s.applied, "said": s.said} for s in told] for told in stories]
    answer = {"boxes": both.tolist(), "overlap": float(overlap(both[:1], both[1:])), "steps": steps}
    return answer, [_png(images[0]), *(_png(_rounded(step.view)) for told in stories for step in told)]


def sheet(header: Header, blobs: list[bytes]) -> Reply:
    """One PNG of all images and their views: a row for each image."""
    images, _, parameters = _drawn(header, blobs)
    made = _rounded(apply_parameters(images.repeat_interleave(header["views"], dim=0), parameters))
    columns = made.view(len(images), header["views"], *images.shape[1:]).unbind(dim=1)
    file = io.BytesIO()
    contact_sheet([images.numpy(), *(column.numpy() for column in columns)]).save(file, "PNG")
    return {}, [file.getvalue()]


def photo(header: Header, blobs: list[bytes]) -> Reply:
    """A stranger's picture as an image of a set would be: cropped to a square, of its size and channels, as PNG."""
    size = header["image_size"]
    square = to_square(decode_image(blobs[0], needed_px=size), header["channels"], size)
    return {}, [png(np.asarray(square))]


def _views(images: Tensor, parameters: ViewParameters) -> tuple[Tensor, list[str]]:
    """Every view as uint8, shape as ``images``, and the SHA-256 of its numbers before they are rounded."""
    views, digests = torch.empty_like(images), [""] * len(images)

    def work(rows: slice) -> None:
        made = apply_parameters(images[rows], parameters[rows], 1)
        digests[rows] = [hashlib.sha256(view.numpy()).hexdigest() for view in made]
        views[rows] = made.mul_(255).round_()

    _share(work, images)
    return views, digests


def _pngs(pictures: Tensor) -> list[bytes]:
    files = [b""] * len(pictures)

    def work(rows: slice) -> None:
        files[rows] = map(_png, pictures[rows])

    _share(work, pictures)
    return files


def _share(work: Callable[[slice], None], pictures: Tensor) -> None:
    """Let cores share the rows of ``pictures`` where they are large, as somebody is waiting."""
    n = len(pictures)
    threads = min(cores(None), 1 + pictures.numel() // PIXELS_A_THREAD)
    step = -(-n // threads)
    for_each(work, [slice(start, min(start + step, n)) for start in range(0, n, step)], threads)


def _png(image: Tensor) -> bytes:
    return png(image.numpy())


def _drawn(header: Header, blobs: list[bytes]) -> tuple[Tensor, AugmentConfig, ViewParameters]:
    """The images that are asked for, the photo first, the policy, and what is drawn: an image's views below each other."""
    images = torch.from_numpy(np.frombuffer(blobs[0], dtype=np.uint8).reshape(header["shape"]).copy())
    numbers = list(header["indices"])
    if len(blobs) > 1:
        _, channels, size, _ = images.shape
        square = to_square(decode_image(blobs[1], needed_px=size), channels, size)
        images, numbers = torch.cat((torch.from_numpy(np.array(square))[None], images)), [PHOTO, *numbers]
    config = AugmentConfig.model_validate(header["config"])
    views, seed = header.get("views", 2), header["seed"]
    # Each image's numbers are its own; what they mean is worked out for all at once, as that is hundreds of small steps.
    chances = torch.cat([draw_chances(views, generator_of(seed, number)) for number in numbers])
    return images, config, parameters_from(chances, images.shape[-1], config)


def generator_of(seed: int, index: int) -> torch.Generator:
    """Where the views of an image come from."""
    # Torch's generator reads 32 bits of its seed; this mixes both numbers into them.
    mixed = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
    return torch.Generator().manual_seed(mixed)


def _crops(config: AugmentConfig) -> AugmentConfig:
    """A policy that crops as ``config`` does, and has nothing else of it."""
    return AugmentConfig.model_validate({name: getattr(config, name) for name in CROP.fields})


@lru_cache(maxsize=64)
def _law(crops: AugmentConfig, size: int, seed: int) -> Header:
    """How pairs overlap; kept, as most sliders change none of it."""
    law = drawn_overlaps(crops, size, DRAWS, torch.Generator().manual_seed(seed))
    counts = torch.histc(law, BARS, 0.0, 1.0).int().tolist()
    return {"law": counts, "median": float(law.median()), "apart": float((law == 0).float().mean())}


def _rounded(views: Tensor) -> Tensor:
    return views.mul(255).round_().to(torch.uint8)
