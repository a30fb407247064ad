"""Every route of the application, so that a forgotten one cannot slip past a test."""

import re
from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

ID = "0" * 26
JSON_ROUTES = (
    "/api/session",
    "/api/datasets/builtin",
    "/api/augmentations/preview",
    "/api/jobs",
    "/api/encoders",
    "/api/search",
    "/api/grids",
    "/api/grids/plan",
)
# Each parameter by which a request names something.
ID_ROUTES = (
    "/api/datasets/{}",
    "/api/datasets/{}/report",
    "/api/datasets/{}/uses",
    "/api/datasets/{}/skipped.csv",
    "/api/datasets/{}/images",
    "/api/datasets/{}/images/0",
    "/api/datasets/{}/images/0/about",
    "/api/datasets/{}/images/0/original",
    "/api/datasets/{}/tiles/0",
    f"/api/datasets/{ID}/images/{{}}",
    f"/api/datasets/{ID}/tiles/{{}}",
    "/api/jobs/{}",
    "/api/jobs/{}/events",
    "/api/jobs/{}/checkpoints",
    "/api/jobs/{}/verdict",
    "/api/encoders/{}",
    "/api/grids/{}",
    "/api/results/{}",
    "/api/results/{}/mistakes",
)


def all_routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Method and path of every route, pages left out."""
    for route in iter_route_contexts(app.routes):
        for method in route.methods or ():
            yield method, route.path


def filled(path: str) -> str:
    """The path with something in the place of each parameter."""
    return re.sub(r"{\w+}", ID, path)
