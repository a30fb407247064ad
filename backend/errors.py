"""One shape for every refusal, ``{"error": {"code", "message", "fields"}}``: the message names the thing, the value, the fix."""

import json
import logging
import secrets
import sqlite3
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from backend.headers import protect

log = logging.getLogger(__name__)

MAX_FIELDS = 50
MAX_PATH_CHARACTERS = 200
RETRY_AFTER_S = 2
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)  # the low byte of its error codes


class FieldError(BaseModel):
    """What is wrong with one value; ``path`` reads like ``config.augment.flip_p``."""

    path: str
    message: str


class ErrorDetail(BaseModel):
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    code: str
    message: str
    fields: list[FieldError] = []


class ErrorOut(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorDetail


class ApiError(Exception):
    """A refusal on purpose; ``code`` is for programs, ``message`` for people."""

    def __init__(self, status: int, code: str, message: str, path: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.detail = ErrorDetail(code=code, message=message)
        if path is not None:
            self.detail.fields.append(FieldError(path=path, message=message))


def not_found(thing: str, name: str, fix: str) -> ApiError:
    """404: ``thing`` called ``name`` does not exist, and where to look instead."""
    return ApiError(404, f"unknown_{thing.replace(' ', '_')}", f"There is no {thing} {name}: {fix}.")


def error_response(status: int, detail: ErrorDetail, headers: dict[str, str] | None = None) -> Response:
    """The answer for ``detail``; text that no encoding can carry (lone surrogates) is replaced, never a reason to fail."""
    body = json.dumps({"error": detail.model_dump(mode="python")}).encode("ascii")
    return Response(body, status, headers=headers, media_type="application/json")


def install(app: FastAPI) -> None:
    """Answer every failure of ``app`` in the one shape."""
    app.add_exception_handler(ApiError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OperationalError, _out_of_reach)
    app.add_exception_handler(Exception, _crashed)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101  # narrows the type; the registration guarantees it
    return error_response(error.status, error.detail)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    return error_response(422, invalid_detail(error.errors()))


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if isinstance(error.__cause__, ApiError):  # FastAPI wraps whatever is raised while it reads a body
        return error_response(error.__cause__.status, error.__cause__.detail)
    if error.status_code == 400 and isinstance(error.__cause__, ValueError | RecursionError):
        # FastAPI could not read the body at all: invalid UTF-8, nested too deep, a number of 5 000 digits.
        message = "The body is not readable JSON: send UTF-8 text, nested a few levels deep."
        return error_response(422, ErrorDetail(code="invalid_json", message=message))
    status = HTTPStatus(error.status_code)
    message = _HTTP_MESSAGES.get(status, f"{status.phrase}.")
    return error_response(status, ErrorDetail(code=status.name.lower(), message=message), dict(error.headers or {}))


_HTTP_MESSAGES = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not answer to this method.",
}


async def _out_of_reach(request: Request, error: Exception) -> Response:
    """The catalogue is locked for longer than a writer waits, or cannot be reached: nothing of the request was kept."""
    reason = error.orig if isinstance(error, OperationalError) else None
    if isinstance(reason, sqlite3.Error) and reason.sqlite_errorcode & 0xFF not in BUSY:
        raise error  # SQLite calls mistakes in a statement operational too
    log.warning("%s %s was put off: %s", request.method, request.url.path, error)
    message = "The catalogue cannot be used just now, and nothing has been changed: try again in a few seconds."
    return error_response(503, ErrorDetail(code="catalogue_busy", message=message), {"Retry-After": str(RETRY_AFTER_S)})


async def _crashed(request: Request, error: Exception) -> Response:
    number = secrets.token_hex(6)
    log.error("failure %s", number, exc_info=error)
    message = f"The lab failed on this request. The log of the server tells why, under the number {number}."
    response = error_response(500, ErrorDetail(code="internal", message=message))
    protect(response.headers, request.url.path)  # this handler runs outside the guard, which does it for all others
    return response


def invalid_detail(errors: Sequence[dict[str, Any]]) -> ErrorDetail:
    """Validation errors as a person reads them, without repeating what was sent."""
    fields = [FieldError(path=_path(e["loc"]), message=_sentence(e)) for e in errors[:MAX_FIELDS]]
    if errors and errors[0]["type"] == "json_invalid":
        return ErrorDetail(code="invalid_json", message="The body is not JSON.", fields=fields)
    summary = "; ".join(f"{field.path}: {field.message}" for field in fields[:3])
    return ErrorDetail(code="invalid", message=f"The request is not valid: {summary}", fields=fields)


# Parts of pydantic's location that say where a value was or which model of a union was tried, not how it is called.
_NOT_NAMES = {"body", "query", "path", "header", "pretrain", "transfer", "embed", "knn", "linear_probe", "fine_tune",
              "untrained", "pixels"}  # fmt: skip


def _path(location: Sequence[int | str]) -> str:
    parts = [str(part) for part in location if part not in _NOT_NAMES]
    return ".".join(parts)[:MAX_PATH_CHARACTERS] or "body"


def _sentence(error: dict[str, Any]) -> str:
    context = error.get("ctx", {})
    if error["type"] == "union_tag_invalid":
        return f"{context['discriminator']} must be one of {context['expected_tags']}"
    if error["type"] == "value_error":
        return str(context.get("error", error["msg"]))
    return str(error["msg"])
