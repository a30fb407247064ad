"""All routes below /api; each noun has its module."""

from functools import cache

from fastapi import APIRouter

from backend.api import (
    alike,
    augmentations,
    builtin,
    configs,
    dataset_deletion,
    datasets,
    encoders,
    events,
    grids,
    health,
    images,
    imports,
    jobs,
    map_colours,
    maps,
    predictions,
    pretrainings,
    reports,
    results,
    retrieval,
    search,
    session,
    studies,
    system,
    tiles,
    variants,
)
from backend.errors import ErrorOut

NOUNS = (
    health, session, system, configs, imports, builtin, datasets, dataset_deletion, variants, images, tiles, reports,
    augmentations, studies, jobs, pretrainings, events, encoders, search, retrieval, alike, predictions, results, grids,
    maps, map_colours,
)  # fmt: skip


@cache
def api_router() -> APIRouter:
    """A router with every noun; refusals of every route are described once.

    FastAPI puts a noun's routes together when a request first looks for its own among them. Here that is done at once, or the
    first answers of a process would come a tenth of a second later.
    """
    router = APIRouter(prefix="/api", responses={"4XX": {"model": ErrorOut}, "5XX": {"model": ErrorOut}})
    for noun in NOUNS:
        router.include_router(noun.router)
    for route in router.routes:
        route.matches({"type": "http", "method": "GET", "path": "/"})
    return router
