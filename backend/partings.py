"""Lets clients leave a stream at any moment: that is no failure, and belongs in no log of failures."""

import logging

from anyio import BrokenResourceError
from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger(__name__)


class Partings:
    """Ends a request quietly whose client was gone when FastAPI had the next event of a stream ready; it raises then."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except* BrokenResourceError:
            log.debug("A client left %s before its end.", scope.get("path"))
