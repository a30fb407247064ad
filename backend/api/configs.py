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

router = APIRouter(tags=["configs"])

Schema = dict[str, Any]


class TransferSchemas(BaseModel):
    knn: Schema
    linear_probe: Schema
    fine_tune: Schema


class ConfigsOut(BaseModel):
    """JSON schemas; a property carries its description, default, limits, ``unit``, ``source`` and ``basic``."""

    augment: Schema
    pretrain: Schema
    transfer: TransferSchemas
    embed: Schema


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
    )
