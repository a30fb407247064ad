"""The choices of an experiment as JSON schemas, from which forms are drawn."""

from functools import cache
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from simclr.config import (
    AugmentConfig,
    EmbedConfig,
    FineTuneConfig,
    KnnConfig,
    LinearProbeConfig,
    PretrainConfig,
)
from simclr.map_config import MapConfig
from simclr.policy_parts import PARTS
from simclr.presets import AUGMENT_PRESETS, PRETRAIN_PRESETS

router = APIRouter(tags=["configs"])

Schema = dict[str, Any]


class TransferSchemas(BaseModel):
    knn: Schema
    linear_probe: Schema
    fine_tune: Schema


class PresetOut(BaseModel):
    """A whole config to start from, why one would, and where its values come from."""

    name: str
    why: str
    source: str
    config: dict[str, Any]


class PresetsOut(BaseModel):
    augment: list[PresetOut]
    pretrain: list[PresetOut]


class PartOut(BaseModel):
    """An operation of a policy: the fields that it reads, and what switches it on and off."""

    name: str
    title: str
    fields: list[str]
    on: dict[str, float]
    off: dict[str, float]


class ConfigsOut(BaseModel):
    """JSON schemas; a property carries its description, default, limits, ``unit``, ``source`` and ``basic``.

    ``parts`` are the operations of ``augment`` in the order in which they are applied.
    """

    augment: Schema
    pretrain: Schema
    transfer: TransferSchemas
    embed: Schema
    map: Schema
    presets: PresetsOut
    parts: list[PartOut]


@router.get("/configs")
def read_configs() -> ConfigsOut:
    """Describe every choice of every kind of job."""
    return _schemas()


@cache
def _schemas() -> ConfigsOut:
    return ConfigsOut(
        augment=AugmentConfig.model_json_schema(),
        pretrain=PretrainConfig.model_json_schema(),
        transfer=TransferSchemas(
            knn=KnnConfig.model_json_schema(),
            linear_probe=LinearProbeConfig.model_json_schema(),
            fine_tune=FineTuneConfig.model_json_schema(),
        ),
        embed=EmbedConfig.model_json_schema(),
        map=MapConfig.model_json_schema(),
        presets=PresetsOut(
            augment=[PresetOut.model_validate(preset.model_dump()) for preset in AUGMENT_PRESETS],
            pretrain=[PresetOut.model_validate(preset.model_dump()) for preset in PRETRAIN_PRESETS],
        ),
        parts=[PartOut.model_validate(part.model_dump()) for part in PARTS],
    )
