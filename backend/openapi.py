"""What the frontend knows of the API, written by ``python -m backend.openapi``: openapi.json and the configs its tests use."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from backend.api.configs import read_configs
from backend.api.events import STREAMED_EVENTS
from backend.api.routes import api_router
from simclr import __version__

TITLE = "SimCLR Lab"
FRONTEND = Path(__file__).parent.parent / "frontend"
REF = "#/components/schemas/{model}"


def operation_id(route: APIRoute) -> str:
    """The handler's name, which is unique: it becomes the name of the operation in generated clients."""
    return route.name


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document: the same for the same code, whatever the settings. It takes a second, once; nobody changes it."""
    app = FastAPI(title=TITLE, version=__version__, generate_unique_id_function=operation_id)
    app.include_router(api_router())
    document = app.openapi()
    for operation in (o for methods in document["paths"].values() for o in methods.values()):
        for status in ("4XX", "5XX"):
            # FastAPI files errors under the media type of the success; ours are JSON, beside a PNG or a stream as well.
            (content,) = operation["responses"][status]["content"].values()
            operation["responses"][status]["content"] = {"application/json": content}
    # The lines of a stream are described nowhere else.
    _, events = models_json_schema([(m, "serialization") for m in STREAMED_EVENTS], ref_template=REF)
    document["components"]["schemas"].update(events["$defs"])
    return document


def generated() -> dict[Path, str]:
    """Every file made from the API, and its text as it is committed."""
    return {
        FRONTEND / "openapi.json": _as_text(document(), sort_keys=True),
        # A form shows its fields in the order of the schema, so that order stays.
        FRONTEND / "tests" / "fixtures" / "configs.json": _as_text(read_configs().model_dump(), sort_keys=False),
    }


def _as_text(content: dict[str, Any], *, sort_keys: bool) -> str:
    return json.dumps(content, indent=2, sort_keys=sort_keys, ensure_ascii=False) + "\n"


def main() -> None:
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
