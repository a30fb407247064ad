"""Refuses at once what a job would only refuse minutes later: configs that do not fit the images or the encoder."""

from backend.catalogue.models import EncoderRow
from backend.errors import ApiError
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
    if labelled == 0:
        message = f"{dataset_name} has no labelled training images: transfer needs labels, choose another data set."
        raise ApiError(422, "no_labels", message, "dataset_id")
    if isinstance(config, FineTuneConfig):
        _check_batch(config.batch_size, labelled, "labelled training images", dataset_name)
        if encoder is not None and encoder.origin == "pixels":
            message = f"{encoder.name} has no network to fine-tune: choose a linear probe, k-NN, or another encoder."
            raise ApiError(422, "no_network", message, "encoder_id")


def _check_batch(batch_size: int, available: int, what: str, dataset_name: str) -> None:
    if batch_size > available:
        message = f"batch_size is {batch_size} but {dataset_name} has {available} {what}: choose {available} or fewer."
        raise ApiError(422, "batch_too_large", message, "config.batch_size")
