"""The API's description: ``python -m backend.openapi`` writes frontend/openapi.json, ``--print`` prints it instead."""

import json
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from backend.api.events import STREAMED_EVENTS
from backend.api.routes import api_router
from simclr import __version__

TITLE = "SimCLR Lab"
PATH = Path(__file__).parent.parent / "frontend" / "openapi.json"


REF = "#/components/schemas/{model}"


def operation_id(route: APIRoute) -> str:
    """The handler's name, which is unique: it becomes the name of the operation in generated clients."""
    return route.name


def document() -> dict[str, Any]:
    """The OpenAPI document: the same for the same code, whatever the settings."""
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


def as_text() -> str:
    """The document as it is committed."""
    return json.dumps(document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    if "--print" in sys.argv[1:]:
        sys.stdout.write(as_text())
    else:
        PATH.write_text(as_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
