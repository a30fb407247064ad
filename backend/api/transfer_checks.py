"""Refuses at once a transfer that cannot be computed, as ``simclr.labelled`` and the encoder's file would when its job runs."""

from backend.catalogue.models import EncoderRow
from backend.errors import ApiError
from simclr.architecture import STAGES
from simclr.config import FineTuneConfig, KnnConfig, LinearProbeConfig
from simclr.datasets import DatasetInfo


def check_transfer(
    config: KnnConfig | LinearProbeConfig | FineTuneConfig, info: DatasetInfo, dataset_name: str, encoder: EncoderRow
) -> None:
    """Refuse what the labels of the set or the encoder do not allow.

    Raises:
        ApiError: 422, naming the set or the encoder, the value, and the path of the value that does not fit.
    """
    _check_labels(info, dataset_name)
    _check_shots(config.labels.shots, info, dataset_name)
    if isinstance(config, FineTuneConfig):
        _check_network(config, encoder)
    else:
        _check_features(config, encoder)


def _check_labels(info: DatasetInfo, dataset_name: str) -> None:
    counts = {split: info.counts.get(split, []) for split in ("train", "val", "test")}
    if not any(map(sum, counts.values())):
        message = f"{dataset_name} has no labelled images: transfer needs labels, choose another data set."
        raise ApiError(422, "no_labels", message, "dataset_id")
    if len(info.classes) < 2:
        message = f"{dataset_name} has 1 class, {info.classes[0]}, but a transfer needs two: choose another data set."
        raise ApiError(422, "one_class", message, "dataset_id")
    for split, found in counts.items():
        if sum(found) == 0:
            words = {"train": "training", "val": "validation", "test": "test"}[split]
            message = f"{dataset_name} has no labelled {words} images: label some, or make new splits of it."
            raise ApiError(422, "no_labels", message, "dataset_id")
    missing = [name for name, count in zip(info.classes, counts["train"], strict=True) if count == 0]
    if missing:
        message = (
            f"{dataset_name} has no training image of class {', '.join(missing)}: add some, or make new splits of it."
        )
        raise ApiError(422, "class_missing", message, "dataset_id")


def _check_shots(shots: int | None, info: DatasetInfo, dataset_name: str) -> None:
    if shots is None:
        return
    fewest, name = min(zip(info.counts["train"], info.classes, strict=True))
    if shots > fewest:
        message = (
            f"labels.shots is {shots}, but class {name} of {dataset_name} has {fewest} labelled training images: choose {fewest} "
            "or fewer."
        )
        raise ApiError(422, "too_many_shots", message, "config.labels.shots")


def _check_network(config: FineTuneConfig, encoder: EncoderRow) -> None:
    if encoder.origin == "pixels":
        message = f"{encoder.name} has no network to fine-tune: choose a linear probe, k-NN, or another encoder."
        raise ApiError(422, "no_network", message, "encoder_id")
    _check_depth("unfrozen_blocks", config.unfrozen_blocks, encoder)


def _check_features(config: KnnConfig | LinearProbeConfig, encoder: EncoderRow) -> None:
    if config.features == "z" and encoder.description.get("projection") is None:
        message = f"features is z, but the file of {encoder.name} has no projection head: choose h, or another encoder."
        raise ApiError(422, "no_projection_head", message, "config.features")
    if config.block is not None and encoder.origin == "pixels":
        message = f"block is {config.block}, but {encoder.name} has no stages: leave it out, or choose another encoder."
        raise ApiError(422, "no_network", message, "config.block")
    _check_depth("block", config.block, encoder)


def _check_depth(name: str, depth: int | None, encoder: EncoderRow) -> None:
    architecture = (encoder.description.get("architecture") or {}).get("architecture")
    stages = len(STAGES.get(str(architecture), ())) or None
    if depth is not None and stages is not None and depth > stages:
        message = (
            f"{name} is {depth}, but {encoder.name} ({architecture}) has {stages} stages: choose {stages} or fewer."
        )
        raise ApiError(422, "too_deep", message, f"config.{name}")
