"""Refuses at once what a job would only refuse minutes later: configs that do not fit the images or the encoder."""

from sqlalchemy.orm import Session

from backend.api.transfer_checks import check_transfer
from backend.catalogue.models import EncoderRow
from backend.errors import ApiError
from backend.jobs import presence
from backend.jobs.states import Lane
from simclr.config import (
    EmbedConfig,
    FineTuneConfig,
    KnnConfig,
    LinearProbeConfig,
    PretrainConfig,
)
from simclr.datasets import DatasetInfo

JobConfig = PretrainConfig | KnnConfig | LinearProbeConfig | FineTuneConfig | EmbedConfig


def check_job(config: JobConfig, info: DatasetInfo, dataset_name: str, encoder: EncoderRow | None) -> None:
    """Refuse a job that cannot succeed.

    Raises:
        ApiError: 422, with the path of the value that does not fit.
    """
    if isinstance(config, EmbedConfig):
        return
    if isinstance(config, PretrainConfig):
        _check_batch(config.batch_size, info.split_sizes.get("train", 0), "training images", dataset_name)
        return
    labelled = sum(info.counts.get("train", []))
    is_thinned = config.labels.fraction is not None or config.labels.shots is not None
    if isinstance(config, FineTuneConfig) and labelled and not is_thinned:  # of fewer labels all are one batch
        _check_batch(config.batch_size, labelled, "labelled training images", dataset_name)
    if encoder is not None:
        check_transfer(config, info, dataset_name, encoder)


def check_device(session: Session, device: str | None) -> None:
    """Refuse a device that no worker has, unless one may still turn out to have it."""
    if device is None:
        return
    workers = [worker for worker in presence.alive(session) if presence.reach_of(worker).lanes != {Lane.IMPORT}]
    known = {worker.device_name for worker in workers}
    if device in known or None in known or not workers:
        return
    names = ", ".join(sorted(name for name in known if name))
    raise ApiError(
        422, "unknown_device", f"device is {device}, but workers have {names}: choose one of them.", "device"
    )


def _check_batch(batch_size: int, available: int, what: str, dataset_name: str) -> None:
    if batch_size > available:
        message = f"batch_size is {batch_size} but {dataset_name} has {available} {what}: choose {available} or fewer."
        raise ApiError(422, "batch_too_large", message, "config.batch_size")
