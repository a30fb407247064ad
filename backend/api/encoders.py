"""Encoders: what pretraining made, baselines to hold against it, and those of other files."""

from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field, TypeAdapter

from backend.adopted import add_checkpoint, add_imagenet, add_upload, list_encoder
from backend.api.fields import Name, RowId
from backend.api.rows import dataset_row, encoder_row, job_row
from backend.baselines import add_pixels, add_untrained
from backend.catalogue import queries
from backend.catalogue.models import EncoderRow
from backend.deps import Lab, LabDep
from backend.errors import ApiError
from backend.jobs.states import Kind
from backend.staging import MIB
from simclr.config import Seed
from simclr.encoder_file import Origin

router = APIRouter(tags=["encoders"])

Published = Literal["resnet18", "resnet34", "resnet50"]  # as in simclr.weights, which holds torch
origin: TypeAdapter[Origin] = TypeAdapter(Origin)


class ArchitectureOut(BaseModel):
    architecture: str
    width: int
    stem: str


class EncoderOut(BaseModel):
    """``architecture`` is null for pixels; ``embedded_dataset_ids`` names the data sets that can be searched with it,
    ``projected_dataset_ids`` those also by z.

    ``job_id`` is the pretraining whose end it is, ``run_id`` one of which it is an earlier state; ``step`` and ``epoch`` say
    after how much training. It ``has_projection`` where z can be had of it. Encoders that a pretraining kept of its epochs are
    ``listed`` only with that job.
    """

    id: str
    name: str
    origin: Origin
    job_id: str | None
    run_id: str | None
    step: int | None
    epoch: int | None
    listed: bool
    dataset_id: str
    created_at: float
    feature_dim: int
    channels: int
    image_size: int
    architecture: ArchitectureOut | None
    has_projection: bool
    embedded_dataset_ids: list[str]
    projected_dataset_ids: list[str]


class EncodersOut(BaseModel):
    items: list[EncoderOut]


class UntrainedIn(BaseModel):
    """The same network as ``like`` with the random weights it would start from."""

    origin: Literal["untrained"]
    like: RowId
    seed: Seed = 0


class PixelsIn(BaseModel):
    """No network: the pixels themselves."""

    origin: Literal["pixels"]
    dataset_id: RowId


class CheckpointIn(BaseModel):
    """The encoder of a pretraining as it was at a kept checkpoint, see GET /api/jobs/{id}/checkpoints, or at a saved epoch."""

    origin: Literal["checkpoint"]
    job_id: RowId
    step: Annotated[int, Field(ge=0, le=2**53)]


class ImageNetIn(BaseModel):
    """Torchvision's network, trained on ImageNet's labels, for the channels of a data set; where its file is on the server."""

    origin: Literal["imagenet"]
    architecture: Published
    dataset_id: RowId
    image_size: Annotated[int, Field(ge=8, le=224, description="Side to which images are brought; trained at 224.")] = (
        224
    )


EncoderIn = Annotated[UntrainedIn | PixelsIn | CheckpointIn | ImageNetIn, Field(discriminator="origin")]


class UploadedOut(EncoderOut):
    """An encoder, and in words what was found in the file."""

    found: str


class UploadEncoderQuery(BaseModel):
    """``dataset_id``: images such as which it is for, of which it takes channels, mean and spread, and the size unless given."""

    dataset_id: RowId
    name: Name = "Uploaded encoder"
    image_size: int | None = Query(None, ge=8, le=224)


class ImageNetFileOut(BaseModel):
    """A file of torchvision's: where it is looked for on the server, and whether it is there."""

    architecture: Published
    path: str
    is_here: bool


class ImageNetOut(BaseModel):
    files: list[ImageNetFileOut]


@router.get("/encoders", response_model=EncodersOut)
def list_encoders(lab: LabDep, job_id: RowId | None = None) -> Response:
    """All encoders, newest first; or every state, by step, of the pretraining ``job_id`` and of what it continues."""

    def find() -> EncodersOut:
        with lab.catalogue.reading() as session:
            embedded = queries.embedded_datasets(session)
            if job_id is None:
                rows = queries.encoders(session)
            else:
                rows = queries.encoders_on_the_way(session, job_row(session, job_id).id)
            return EncodersOut(items=[_encoder_out(row, embedded) for row in rows])

    return lab.remembered.answer(("encoders", job_id), find)


@router.post("/encoders", status_code=201, responses={200: {"model": EncoderOut, "description": "It exists already."}})
def add_encoder(body: EncoderIn, response: Response, lab: LabDep) -> EncoderOut:
    """Make a baseline, or an encoder of a checkpoint or of ImageNet's weights; nothing is downloaded."""
    row, is_new = _make(body, lab)
    response.status_code = 201 if is_new else 200
    with lab.catalogue.reading() as session:
        return _encoder_out(row, queries.embedded_datasets(session))


def _make(body: EncoderIn, lab: Lab) -> tuple[EncoderRow, bool]:
    if isinstance(body, PixelsIn):
        with lab.catalogue.reading() as session:
            dataset = dataset_row(session, body.dataset_id)
        return add_pixels(lab, dataset)
    if isinstance(body, ImageNetIn):
        with lab.catalogue.reading() as session:
            dataset = dataset_row(session, body.dataset_id)
        return add_imagenet(lab, body.architecture, dataset, body.image_size)
    if isinstance(body, CheckpointIn):
        return _of_checkpoint(body, lab)
    with lab.catalogue.reading() as session:
        like = encoder_row(session, body.like)
    return add_untrained(lab, like, body.seed)


def _of_checkpoint(body: CheckpointIn, lab: Lab) -> tuple[EncoderRow, bool]:
    with lab.catalogue.reading() as session:
        job = job_row(session, body.job_id)
        if job.kind != Kind.PRETRAIN:
            raise ApiError(422, "no_pretraining", f"{job.name} is no pretraining: only those leave encoders.", "job_id")
        kept = {row.step: row for row in queries.checkpoints(session, job.id)}
        states = queries.encoders_on_the_way(session, job.id)
        saved = {row.step: row.id for row in states if row.run_id == job.id and row.step is not None}
        if body.step not in kept and body.step not in saved:
            steps = ", ".join(map(str, sorted({*kept, *saved}))) or "none"
            raise ApiError(
                404,
                "unknown_checkpoint",
                f"{job.name} keeps no checkpoint of step {body.step}: it has {steps}.",
                "step",
            )
        if body.step in saved:
            return list_encoder(lab, saved[body.step])
        made = queries.encoders_made_by(session, [job.id]).get(job.id)
        finished = encoder_row(session, made) if made is not None else None
        dataset = dataset_row(session, str(job.dataset_id)) if finished is None else None
    return add_checkpoint(lab, job, kept[body.step], dataset, finished)


@router.post(
    "/encoders/upload",
    status_code=201,
    responses={200: {"model": UploadedOut, "description": "It exists already."}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload_encoder(
    query: Annotated[UploadEncoderQuery, Query()], request: Request, response: Response, lab: LabDep
) -> UploadedOut:
    """An encoder of the file that is the body: one of the lab's, a safetensors file of weights, or a state_dict of torch.save.

    Only weights are read: a file that holds objects, whose code would run, is refused.
    """

    def adopt(received: Path) -> UploadedOut:
        with lab.catalogue.reading() as session:
            dataset = dataset_row(session, query.dataset_id)
        row, is_new, found = add_upload(lab, received, query.name, dataset, query.image_size)
        response.status_code = 201 if is_new else 200
        with lab.catalogue.reading() as session:
            told = _encoder_out(row, queries.embedded_datasets(session))
        return UploadedOut(**told.model_dump(), found=found)

    async with lab.staging.receiving(request, lab.settings.max_upload_mib * MIB) as received:
        return await run_in_threadpool(adopt, received)


@router.get("/encoders/imagenet")
def list_imagenet(lab: LabDep) -> ImageNetOut:
    """Torchvision's weights of ImageNet that can be used, and where the others would have to be put."""
    return ImageNetOut.model_validate(lab.study({"do": "imagenet_files"}, (), "").header)


@router.get("/encoders/{encoder_id}")
def read_encoder(encoder_id: RowId, lab: LabDep) -> EncoderOut:
    """One encoder."""
    with lab.catalogue.reading() as session:
        return _encoder_out(encoder_row(session, encoder_id), queries.embedded_datasets(session))


def _encoder_out(row: EncoderRow, embedded: dict[str, dict[str, bool]]) -> EncoderOut:
    return EncoderOut(
        id=row.id,
        name=row.name,
        origin=origin.validate_python(row.origin),
        job_id=row.job_id,
        run_id=row.run_id,
        step=row.step,
        epoch=row.epoch,
        listed=row.listed,
        dataset_id=row.dataset_id,
        has_projection=row.description.get("projection") is not None,
        created_at=row.created_at,
        embedded_dataset_ids=list(embedded.get(row.id, {})),
        projected_dataset_ids=[dataset_id for dataset_id, has_z in embedded.get(row.id, {}).items() if has_z],
        **{name: row.description[name] for name in ("feature_dim", "channels", "image_size", "architecture")},
    )
