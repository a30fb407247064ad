"""What augmentation does to chosen images, drawn by the code that training uses."""

import base64
from collections.abc import Iterator
from itertools import islice, repeat
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, model_validator

from backend.api.fields import RowId
from backend.api.images import IMAGE_HEADERS, MAX_INDEX
from backend.api.rows import check_index, dataset_row
from backend.api.search import MAX_IMAGE_BYTES
from backend.api.tiles import MEDIA_TYPE
from backend.deps import Lab, LabDep
from backend.errors import ApiError
from backend.staging import read_body
from backend.vision import Answer
from simclr.config import AugmentConfig, Seed
from simclr.datasets import Dataset
from simclr.policy import hardly_any_effect, may_change_the_label, without_effect
from simclr.policy_code import as_json, as_python, as_torchvision
from simclr.policy_parts import PARTS

router = APIRouter(tags=["augmentations"])

MAX_IMAGES, MAX_VIEWS, MAX_PICTURES = 16, 32, 64
Index = Annotated[int, Field(ge=0, le=MAX_INDEX)]
Tab = Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{0,40}$", description="Who asks: tabs take turns.")]


class DrawIn(BaseModel):
    """Images of a set, a photo before them where there is one (a PNG such as ``photo`` gives), and what to draw of them."""

    dataset_id: RowId
    indices: list[Index] = Field(default=[], max_length=MAX_IMAGES)
    photo: Base64Bytes | None = None
    config: AugmentConfig
    seed: Seed = 0
    tab: Tab = ""

    @property
    def images(self) -> int:
        return len(self.indices) + (self.photo is not None)

    @model_validator(mode="after")
    def _something_is_shown(self) -> "DrawIn":
        if self.images == 0:
            raise ValueError("name at least one image in indices, or send a photo")
        return self


PartName = Literal["rotation", "crop", "flip", "vertical_flip", "jitter", "grey", "blur", "solarise", "noise", "erase"]


class PreviewIn(DrawIn):
    """``views`` of every image; ``alone`` asks for the first image under some operations, each by itself."""

    views: int = Field(2, ge=2, le=MAX_VIEWS)
    alone: list[PartName] = Field(default=[], max_length=len(PARTS))

    @model_validator(mode="after")
    def _not_too_many(self) -> "PreviewIn":
        if self.images > MAX_IMAGES or self.images * self.views > MAX_PICTURES:
            raise ValueError(
                f"{self.images} images with {self.views} views each are too many: "
                f"ask for at most {MAX_IMAGES} images and {MAX_PICTURES} views in all"
            )
        return self


class ParametersOut(BaseModel):
    """Everything random about a view, as ``simclr.views.parameters.ViewParameters`` has it; it replays the view exactly."""

    model_config = ConfigDict(extra="forbid")

    rotate: bool
    angle: float
    top: int
    left: int
    height: int
    width: int
    bicubic: bool
    flip: bool
    vertical_flip: bool
    jitter: bool
    brightness: float
    contrast: float
    saturation: float
    hue: float
    order: list[int]
    grey: bool
    blur: bool
    sigma: float
    solarise: bool
    threshold: float
    noise: bool
    noise_std: float
    noise_seed: int
    erase: bool
    erase_top: int
    erase_left: int
    erase_height: int
    erase_width: int


class ViewOut(BaseModel):
    """A view as a ``data:image/png`` address, what was drawn, and the SHA-256 of its float32 numbers before rounding.

    The address is empty where the pixels themselves are sent.
    """

    picture: str
    parameters: ParametersOut
    digest: str


class ShownOut(BaseModel):
    """An image (``index`` is null for the photo), its views, and the overlap (IoU) of the first two views' boxes."""

    index: int | None
    views: list[ViewOut]
    overlap: float


class AloneOut(BaseModel):
    """The first image under one operation by itself, applied whatever the odds."""

    part: str
    picture: str


class OverlapsOut(BaseModel):
    """Overlaps of ``draws`` pairs: counts in equal bars from 0 to 1, the median, and the share that has nothing in common."""

    draws: int
    counts: list[int]
    median: float
    apart: float


class PreviewOut(BaseModel):
    """``in_vain`` names, a sentence each, what is on but changes no view, or hardly; ``doubtful`` what may change labels."""

    images: list[ShownOut]
    alone: list[AloneOut]
    overlaps: OverlapsOut
    in_vain: list[str]
    doubtful: list[str]


class StepOut(BaseModel):
    """One operation of a view, or one of jitter's four: ``said`` tells what was drawn; the picture is the image after it."""

    part: str
    step: str
    applied: bool
    said: str
    picture: str


class StoryOut(BaseModel):
    """Both views of an image step by step; boxes are (top, left, height, width) in pixels of the image after its rotation."""

    index: int | None
    image_size: int
    original: str
    boxes: list[list[int]]
    overlap: float
    views: list[list[StepOut]]


class PhotoOut(BaseModel):
    """The photo as an image of the set would be, as a ``data:image/png`` address. The lab keeps nothing of it."""

    picture: str


class ExportIn(BaseModel):
    """A policy for images such as those of a set."""

    dataset_id: RowId
    config: AugmentConfig


class ExportOut(BaseModel):
    """The policy as JSON, as Python with this lab's library, and as Python with torchvision's transforms v2."""

    json_text: str
    python: str
    torchvision: str


class PhotoQuery(BaseModel):
    dataset_id: RowId


@router.post(
    "/augmentations/preview",
    response_model=PreviewOut,
    responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}},
)
def preview(
    body: PreviewIn, lab: LabDep, accept: Annotated[str, Header(include_in_schema=False)] = ""
) -> PreviewOut | Response:
    """Draw views of each image; the same seed draws the same views. Of one tab's previews that wait only the newest is drawn.

    Whoever accepts ``application/octet-stream`` is sent pixels in place of PNGs, as ``as_bytes`` has them, and sooner.
    """
    raw = accept == MEDIA_TYPE
    asked = {"views": body.views, "alone": body.alone, "raw": raw}
    dataset, answer = _ask(lab, body, "preview", asked, replaces="preview")
    drawn = _drawn(body, dataset, answer.header, repeat("") if raw else map(data_address, answer.blobs))
    if not raw:
        return drawn
    shape = (body.images * body.views + len(body.alone), dataset.channels, dataset.image_size)
    return Response(as_bytes(drawn, shape, answer.blobs[0]), media_type=MEDIA_TYPE)


@router.post("/augmentations/story")
def tell(body: DrawIn, lab: LabDep) -> StoryOut:
    """Both views of one image step by step, as the preview with this seed draws them."""
    if body.images != 1:
        message = f"A story is of one image, not of {body.images}: name one in indices, or send a photo alone."
        raise ApiError(422, "one_image", message, "indices")
    dataset, answer = _ask(lab, body, "story", {}, replaces="story")
    original, *rest = map(data_address, answer.blobs)
    pictures = iter(rest)
    views = [[StepOut(**step, picture=next(pictures)) for step in steps] for steps in answer.header["steps"]]
    return StoryOut(
        index=_indices(body)[0],
        image_size=dataset.image_size,
        original=original,
        boxes=answer.header["boxes"],
        overlap=answer.header["overlap"],
        views=views,
    )


@router.post(
    "/augmentations/sheet",
    response_class=Response,
    responses={200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}},
)
def draw_sheet(body: PreviewIn, lab: LabDep) -> Response:
    """The images and views of a preview as one PNG, a row for each image."""
    _, answer = _ask(lab, body, "sheet", {"views": body.views}, replaces="")
    return Response(answer.blobs[0], media_type="image/png", headers=IMAGE_HEADERS)


@router.post("/augmentations/export")
def export(body: ExportIn, lab: LabDep) -> ExportOut:
    """The policy in words of elsewhere."""
    with lab.catalogue.reading() as session:
        size = lab.dataset(dataset_row(session, body.dataset_id).key).image_size
    return ExportOut(
        json_text=as_json(body.config), python=as_python(body.config), torchvision=as_torchvision(body.config, size)
    )


@router.post(
    "/augmentations/photo",
    openapi_extra={
        "requestBody": {"required": True, "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}
    },
)
async def take_photo(query: Annotated[PhotoQuery, Query()], request: Request, lab: LabDep) -> PhotoOut:
    """The picture that is the body of the request, made such as the images of a set are."""
    picture = await read_body(request, MAX_IMAGE_BYTES)
    return await run_in_threadpool(_as_of, query.dataset_id, picture, lab)


def _as_of(dataset_id: str, picture: bytes, lab: Lab) -> PhotoOut:
    with lab.catalogue.reading() as session:
        dataset = lab.dataset(dataset_row(session, dataset_id).key)
    request = {"do": "photo", "channels": dataset.channels, "image_size": dataset.image_size}
    return PhotoOut(picture=data_address(lab.ask(request, [picture]).blobs[0]))


def as_bytes(drawn: PreviewOut, shape: tuple[int, int, int], pixels: bytes) -> bytes:
    """A preview whose pictures are pixels, little-endian.

    Four uint32: the length of the JSON, and of the pictures their number n, channels and side in pixels. Then ``drawn`` without
    pictures as JSON, and the pixels of every image's views in turn and of those alone: uint8 of shape (n, channels, side, side).
    """
    told = drawn.model_dump_json().encode()
    return b"".join((np.array((len(told), *shape), "<u4").tobytes(), told, pixels))


def _drawn(body: PreviewIn, dataset: Dataset, header: dict[str, Any], pictures: Iterator[str]) -> PreviewOut:
    views = zip(header["parameters"], header["digests"], strict=True)
    shown = []
    for index, overlap in zip(_indices(body), header["overlaps"], strict=True):
        own = [
            ViewOut(picture=next(pictures), parameters=ParametersOut(**parameters), digest=digest)
            for parameters, digest in islice(views, body.views)
        ]
        shown.append(ShownOut(index=index, views=own, overlap=overlap))
    law = header["law"]
    return PreviewOut(
        images=shown,
        alone=[AloneOut(part=part, picture=next(pictures)) for part in header["alone"]],
        overlaps=OverlapsOut(draws=sum(law), counts=law, median=header["median"], apart=header["apart"]),
        in_vain=[
            *without_effect(body.config, dataset.channels, dataset.image_size),
            *hardly_any_effect(body.config, dataset.image_size),
        ],
        doubtful=may_change_the_label(body.config, dataset.classes),
    )


def _ask(lab: Lab, body: DrawIn, what: str, more: dict[str, Any], replaces: str) -> tuple[Dataset, Answer]:
    with lab.catalogue.reading() as session:
        row = dataset_row(session, body.dataset_id)
    dataset = lab.dataset(row.key)
    for position, index in enumerate(body.indices):
        check_index(dataset, row, index, 422, f"indices.{position}")
    images = np.ascontiguousarray(dataset.images[body.indices])
    request = {"do": what, "indices": body.indices, "shape": images.shape, "seed": body.seed, **more}
    # A memoryview of nothing cannot be cast.
    blobs: list[bytes | memoryview] = [images.data.cast("B") if images.size else b""]
    if body.photo is not None:
        blobs.append(body.photo)
    return dataset, lab.ask({**request, "config": body.config.model_dump()}, blobs, body.tab, body.tab and replaces)


def _indices(body: DrawIn) -> list[int | None]:
    return [*([None] if body.photo is not None else []), *body.indices]


def data_address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
