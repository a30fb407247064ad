"""The tables. Times are UTC seconds since 1970 (SQLite keeps no time zone); JSON columns hold dumps of pydantic models."""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, UniqueConstraint, false, true
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backend.catalogue.ids import new_id


class Base(DeclarativeBase):
    # Without none_as_null an absent value would be stored as the JSON text "null", which SQL does not see as NULL.
    type_annotation_map = {dict[str, Any]: JSON(none_as_null=True), list[str]: JSON()}  # noqa: RUF012


class DatasetRow(Base):
    """An imported set; ``key`` is its folder below the data folder, ``info`` a dump of ``simclr.datasets.DatasetInfo``.

    A set whose images were deleted keeps its row, with an empty ``key``, as long as others refer to it (``backend.deletion``).
    """

    __tablename__ = "dataset"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    key: Mapped[str]
    content_hash: Mapped[str] = mapped_column(unique=True)
    info: Mapped[dict[str, Any]]
    created_at: Mapped[float]


class EncoderRow(Base):
    """An encoder file (safetensors) below the data folder, and where it comes from.

    ``job_id`` names the pretraining whose end it is, ``run_id`` one of which it is an earlier state, made of a checkpoint or kept
    at an epoch's end; ``step`` and ``epoch`` say after how much training. Those that were kept are not ``listed`` among all
    encoders until somebody asks for that.
    """

    __tablename__ = "encoder"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    origin: Mapped[str]  # simclr.encoder_file.Origin
    key: Mapped[str]
    sha256: Mapped[str]
    description: Mapped[dict[str, Any]]  # a dump of simclr.encoders' file header
    job_id: Mapped[str | None] = mapped_column(ForeignKey("job.id"))
    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset.id"))
    created_at: Mapped[float]
    run_id: Mapped[str | None] = mapped_column(ForeignKey("job.id"))
    step: Mapped[int | None]
    epoch: Mapped[int | None]  # passes over the training images; None where a checkpoint lies between two
    listed: Mapped[bool] = mapped_column(default=True, server_default=true())


class JobRow(Base):
    """A job: what was asked, who runs it, how far it is, how it ended. Changed only by ``backend.jobs.store``."""

    __tablename__ = "job"
    __table_args__ = (
        Index("job_by_state", "state", "created_at"),
        Index("job_by_cell", "cell"),
        Index("job_by_turn", "submitter", "lane", "grid_id", "state", "started_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    name: Mapped[str]
    state: Mapped[str]
    desired: Mapped[str]
    config: Mapped[dict[str, Any]]
    # What it works on; of an import what it made, None until then, or when that was deleted.
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("dataset.id"))
    # The two tables name each other: a job may use an encoder, an encoder may come from a job.
    encoder_id: Mapped[str | None] = mapped_column(ForeignKey("encoder.id", use_alter=True, name="job_encoder_fk"))
    idempotency_key: Mapped[str | None] = mapped_column(unique=True)
    epoch: Mapped[int] = mapped_column(default=0)  # of the lease, not of training: +1 at every claim
    owner: Mapped[str | None]
    lease_until: Mapped[float | None]
    not_before: Mapped[float] = mapped_column(default=0.0)
    crashes: Mapped[int] = mapped_column(default=0)  # since the last checkpoint
    progress: Mapped[dict[str, Any] | None]  # the latest simclr.events.Progress
    result: Mapped[dict[str, Any] | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]
    lane: Mapped[str] = mapped_column(server_default="long")
    priority: Mapped[int] = mapped_column(default=0, server_default="0")
    submitter: Mapped[str] = mapped_column(default="", server_default="")
    predicted_s: Mapped[float | None]
    spent_s: Mapped[float] = mapped_column(default=0.0, server_default="0")  # of all attempts that are over
    peak_bytes: Mapped[int | None] = mapped_column(BigInteger)
    # The job from whose last checkpoint this one goes on.
    continues: Mapped[str | None] = mapped_column(ForeignKey("job.id"))
    pinned_to: Mapped[str | None]  # the device it was asked to run on, such as "cuda:1"
    device: Mapped[str | None]  # of the last worker that ran it, in words
    predicted_peak_bytes: Mapped[int | None] = mapped_column(BigInteger)
    dry_run_s: Mapped[float | None]  # what a dry run alone foretold, before anything was learned from jobs
    grid_id: Mapped[str | None] = mapped_column(ForeignKey("grid.id"))  # the one that submitted it
    cell: Mapped[str | None]  # of a transfer or a map what it computes, see backend.jobs.cells and maps


class CheckpointRow(Base):
    """A state of a training that another attempt can go on from; a file counts as one only through this row."""

    __tablename__ = "checkpoint"

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    epoch: Mapped[int]  # of the lease that wrote it
    passes: Mapped[int]  # passes over the training images that are complete
    key: Mapped[str]
    sha256: Mapped[str]
    knn_accuracy: Mapped[float | None]
    at: Mapped[float]


class EventRow(Base):
    """One numbered event of a job; ``seq`` starts at 1 without gaps and is the id of the stream."""

    __tablename__ = "event"

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    epoch: Mapped[int]
    kind: Mapped[str]  # state | log | progress | evaluation
    data: Mapped[dict[str, Any]]
    at: Mapped[float]


class BankRow(Base):
    """The embeddings of a data set under an encoder: one row an image, in the set's order.

    ``key`` is the path below the data folder of h; beside it lies z of ``projection_dim`` dimensions, where that is not None.
    """

    __tablename__ = "bank"
    __table_args__ = (UniqueConstraint("encoder_id", "dataset_id"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    encoder_id: Mapped[str] = mapped_column(ForeignKey("encoder.id"))
    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset.id"))
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"))
    key: Mapped[str]
    feature_dim: Mapped[int]
    created_at: Mapped[float]
    projection_dim: Mapped[int | None]


class MapRow(Base):
    """A map of a data set's embeddings under one or several encoders; ``result`` is a dump of ``simclr.results.MapResult``.

    ``content`` names what it computes (``backend.jobs.maps``); of a map that was made at once ``job_id`` is None.
    """

    __tablename__ = "map"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    encoder_ids: Mapped[list[str]]  # in the order of the maps in the file; encoders of epochs may be gone by now
    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset.id"))
    job_id: Mapped[str | None] = mapped_column(ForeignKey("job.id"))
    content: Mapped[str] = mapped_column(unique=True)
    config: Mapped[dict[str, Any]]
    key: Mapped[str]
    result: Mapped[dict[str, Any]]
    created_at: Mapped[float]


class ResultRow(Base):
    """What a transfer job found; ``content`` is a dump of ``simclr.results.TransferResult``.

    ``summary`` is as much of it as a list of thousands needs (``backend.jobs.made``). ``predictions`` is the path below the data
    folder of what was answered to every image; results of before have none. ``name``, ``tags`` and ``pinned`` are people's.
    """

    __tablename__ = "result"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), unique=True)
    encoder_id: Mapped[str] = mapped_column(ForeignKey("encoder.id"))
    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset.id"))
    strategy: Mapped[str]
    created_at: Mapped[float]
    summary: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    predictions: Mapped[str | None]
    name: Mapped[str] = mapped_column(default="", server_default="")
    tags: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    pinned: Mapped[bool] = mapped_column(default=False, server_default=false())
    # The last: to read what stands behind something long, SQLite reads through it.
    content: Mapped[dict[str, Any]]


class GridRow(Base):
    """Transfers that were asked for together: encoders times strategies, depths, amounts of labels and seeds on one data set.

    ``asked`` is the request; ``desired`` is what people want of the whole, as of a job.
    """

    __tablename__ = "grid"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    submitter: Mapped[str]
    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset.id"))
    asked: Mapped[dict[str, Any]]
    desired: Mapped[str]
    idempotency_key: Mapped[str | None] = mapped_column(unique=True)
    created_at: Mapped[float]


class GridCellRow(Base):
    """One transfer of a grid. Jobs that compute it name the same ``cell``, whoever submitted them."""

    __tablename__ = "grid_cell"
    __table_args__ = (Index("grid_cell_by_cell", "cell"),)

    grid_id: Mapped[str] = mapped_column(ForeignKey("grid.id"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    cell: Mapped[str]
    encoder_id: Mapped[str] = mapped_column(ForeignKey("encoder.id"))
    config: Mapped[dict[str, Any]]


class DryRunRow(Base):
    """A few steps of a training that somebody thinks of submitting: asked for, taken by an idle worker, answered.

    ``key`` stands for all that the costs depend on, so one answer serves many lengths of the same training.
    """

    __tablename__ = "dry_run"

    key: Mapped[str] = mapped_column(primary_key=True)
    config: Mapped[dict[str, Any]]
    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset.id"))
    pinned_to: Mapped[str | None]
    asked_at: Mapped[float]
    taken_at: Mapped[float | None]
    found: Mapped[dict[str, Any] | None]  # a dump of simclr.dry_run.Costs


class WorkerRow(Base):
    """A worker process that is, or was a moment ago, alive."""

    __tablename__ = "worker"

    id: Mapped[str] = mapped_column(primary_key=True)  # the owner that its jobs name
    host: Mapped[str]
    pid: Mapped[int]
    device: Mapped[str | None]  # in words; None until its runner has looked
    seen_at: Mapped[float]
    device_name: Mapped[str | None]  # such as "cuda:1", by which a job is pinned to it
    lanes: Mapped[str] = mapped_column(server_default="long,short")  # backend.jobs.states.Lane, comma-separated


# Statements on a table take half as long as those on its class, of which only who reads whole rows has need.
JOBS, EVENTS, WORKERS = (Base.metadata.tables[row.__tablename__] for row in (JobRow, EventRow, WorkerRow))
