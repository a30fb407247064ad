"""Images from outside: what can be imported, and the jobs that import it."""

import contextlib
import logging
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, BackgroundTasks, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field, model_validator
from sqlalchemy.exc import SQLAlchemyError

from backend.api.fields import Name, clean_name
from backend.api.job_answers import IdempotencyKey, JobOut, answered, submitted
from backend.catalogue.ids import new_id
from backend.deps import Lab, LabDep
from backend.errors import ApiError
from backend.jobs.imports import DOWNLOADS, ImportOrder, awaited_uploads, upload_path
from backend.jobs.states import Kind
from backend.jobs.store import Submission
from backend.settings import PREFIX
from backend.staging import MIB
from simclr.config import ImportConfig
from simclr.datasets.download import missing_files
from simclr.datasets.errors import DatasetError
from simclr.datasets.folders import folder_below, list_folders
from simclr.datasets.sources import SOURCES

log = logging.getLogger(__name__)
router = APIRouter(tags=["datasets"])

KNOWN: dict[int | str, dict[str, Any]] = {200: {"model": JobOut, "description": "This key was used: its job."}}


class PublishedOut(BaseModel):
    """A published set; ``is_here`` where its files were downloaded before, ``bytes`` to download where that is known."""

    name: str
    title: str
    about: str
    licence: str
    reference: str
    image_size: int
    bytes: int | None
    is_here: bool


class SourcesOut(BaseModel):
    """``folders`` lie below the configured root, null where none is configured; deeper ones can be named by hand.

    ``choices`` is the JSON schema of what can be chosen for every import, as the other configs have it.
    """

    published: list[PublishedOut]
    folders: list[str] | None
    max_upload_bytes: int
    choices: dict[str, Any]


class _Asked(ImportConfig):
    name: Name = ""
    submitter: Name = ""


class UploadQuery(_Asked):
    format: Literal["zip", "tar", "npz"]


class ImportIn(_Asked):
    """Either the ``source``, a published set, or a ``folder``, by its path below the configured root."""

    source: Annotated[str, Field(max_length=100)] | None = None
    folder: Annotated[str, Field(max_length=4096)] | None = None

    @model_validator(mode="after")
    def _from_one_place(self) -> Self:
        if (self.source is None) == (self.folder is None):
            raise ValueError("give either source, the name of a published set, or folder")
        return self


@router.get("/datasets/sources")
def list_sources(lab: LabDep) -> SourcesOut:
    """What can be imported without an upload, and how large an upload may be."""
    return SourcesOut(
        published=[
            PublishedOut(
                name=source.name, title=source.title, about=source.about, licence=source.licence,
                reference=source.reference, image_size=source.image_size, bytes=source.about_bytes,
                is_here=not missing_files(source, lab.folder / DOWNLOADS / source.name),
            )
            for source in SOURCES.values()
        ],
        folders=_folders_offered(lab),
        max_upload_bytes=lab.settings.max_upload_mib * MIB,
        choices=ImportConfig.model_json_schema(),
    )  # fmt: skip


@router.post(
    "/datasets/upload",
    status_code=202,
    responses=KNOWN,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def upload(
    query: Annotated[UploadQuery, Query()],
    request: Request,
    response: Response,
    after: BackgroundTasks,
    lab: LabDep,
    idempotency_key: IdempotencyKey = None,
) -> JobOut:
    """Queue the import of the archive that is the body of the request."""
    asked = _submission(query, "upload", query.format, f"{query.format} archive", idempotency_key)
    async with lab.staging.receiving(request, lab.settings.max_upload_mib * MIB) as received:
        submission = await run_in_threadpool(_queue_upload, lab, received, asked)
    return answered(lab, submission, after, response)


@router.post("/datasets/import", status_code=202, responses=KNOWN)
def import_source(
    body: ImportIn, response: Response, after: BackgroundTasks, lab: LabDep, idempotency_key: IdempotencyKey = None
) -> JobOut:
    """Queue the import of a published set, which is downloaded, or of a folder on the server."""
    if body.source is not None:
        if body.source not in SOURCES:
            message = f"source is {body.source}, which is no published set: GET /api/datasets/sources lists them."
            raise ApiError(422, "unknown_source", message, "source")
        asked = _submission(body, "published", body.source, SOURCES[body.source].title, idempotency_key)
    else:
        folder = _checked_folder(lab, body.folder or "")
        asked = _submission(body, "folder", folder, clean_name(folder.rpartition("/")[2]), idempotency_key)
    return answered(lab, submitted(lab, idempotency_key, lambda _: asked), after, response)


def _submission(
    asked: _Asked, origin: Literal["upload", "folder", "published"], source: str, name: str, key: str | None
) -> Submission:
    """The job for a request; ``name`` is for those who gave none."""
    choices = {field: getattr(asked, field) for field in ImportConfig.model_fields}
    order = ImportOrder(origin=origin, source=source, **choices)
    return Submission(
        Kind.IMPORT, None, order.kept(), id=new_id(), name=asked.name or name, idempotency_key=key,
        submitter=asked.submitter,
    )  # fmt: skip


def _queue_upload(lab: Lab, received: Path, asked: Submission) -> tuple[JobOut, bool]:
    """Keep the file under the name by which its job finds it, and submit that; also whether the job is new."""
    waiting = upload_path(lab.folder, str(asked.id))
    received.rename(waiting)
    is_new = False
    try:
        job, is_new = submitted(lab, asked.idempotency_key, lambda _: asked)
    finally:
        # The job may have been accepted although it can't be told of; should that not be known either, the next start knows.
        with contextlib.suppress(SQLAlchemyError):
            if not is_new and not _is_awaited(lab, waiting):
                waiting.unlink(missing_ok=True)
    return job, is_new


def _is_awaited(lab: Lab, upload: Path) -> bool:
    with lab.catalogue.reading() as session:
        return upload in awaited_uploads(session, lab.folder)


def _checked_folder(lab: Lab, name: str) -> str:
    if lab.settings.folders is None:
        message = (
            f"folder is {name!r}, but this lab imports no folders: set {PREFIX}FOLDERS to the one that holds them."
        )
        raise ApiError(422, "no_folders", message, "folder")
    try:
        folder_below(lab.settings.folders, name)
    except (DatasetError, OSError) as refusal:
        code = refusal.code if isinstance(refusal, DatasetError) else "no_folder"
        raise ApiError(422, code, f"{refusal}.", "folder") from None
    return name


def _folders_offered(lab: Lab) -> list[str] | None:
    if lab.settings.folders is None:
        return None
    try:
        return list_folders(lab.settings.folders)
    except (DatasetError, OSError) as reason:
        log.warning("%sFOLDERS offers nothing: %s", PREFIX, reason)
        return []
