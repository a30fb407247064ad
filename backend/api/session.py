"""Signing in: the token from the printed link is exchanged for a cookie that scripts cannot read."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from backend.deps import LabDep
from backend.errors import ApiError
from backend.security import COOKIE, COOKIE_AGE_S, address_of

router = APIRouter(tags=["session"])


class TokenIn(BaseModel):
    token: str = Field(max_length=1000)


class SessionOut(BaseModel):
    signed_in: Literal[True]


@router.get("/session")
def read_session() -> SessionOut:
    """Tell that the cookie still holds; 401 otherwise."""
    return SessionOut(signed_in=True)


@router.post("/session", status_code=204)
def sign_in(body: TokenIn, request: Request, response: Response, lab: LabDep) -> None:
    """Exchange the token for a session cookie."""
    if not lab.keys.accepts_token(body.token, address_of(request.scope)):
        raise ApiError(
            401, "wrong_token", "This is not the lab's token: open the link that it printed when it started."
        )
    response.set_cookie(
        COOKIE,
        lab.keys.new_cookie(),
        max_age=COOKIE_AGE_S,
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


@router.delete("/session", status_code=204)
def sign_out(response: Response) -> None:
    """Forget the session in this browser."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
