"""Is the API up? Open to anybody, and tells nothing else."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from simclr import __version__

router = APIRouter(tags=["health"])


class HealthOut(BaseModel):
    status: Literal["ok"]
    version: str


@router.get("/health")
def read_health() -> HealthOut:
    """The API answers."""
    return HealthOut(status="ok", version=__version__)
