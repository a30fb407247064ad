"""The API as an application: ``create_app`` builds it, ``serve`` runs it, nothing happens at import."""

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from backend import errors, openapi
from backend.api.routes import api_router
from backend.catalogue.engine import open_catalogue
from backend.catalogue.upgrade import upgrade
from backend.deletion import finish_deletions
from backend.deps import Lab
from backend.headers import is_api
from backend.jobs.cells import name_cells
from backend.jobs.imports import STAGING
from backend.jobs.queue import Bell
from backend.leftovers import tidy
from backend.partings import Partings
from backend.pulse import Pulse
from backend.remembered import Remembered
from backend.security import Guard, Keys
from backend.settings import Settings
from backend.staging import Staging
from backend.streams import Streams
from backend.vision import Vision
from simclr import __version__

PAGES = Path(__file__).parent.parent / "frontend" / "dist"
GRACE_S = 5
KEEP_ALIVE_S = 75  # longer than proxies do, by default 60: a request on a connection that we are just closing is lost


def create_app(settings: Settings | None = None, pages: Path = PAGES, vision: Vision | None = None) -> FastAPI:
    """The application for ``settings`` (default: the environment); pages are served where they have been built.

    The catalogue is opened, and ``vision`` started, when the application starts, not before.
    """
    settings = settings or Settings()
    keys = Keys(settings.access_token)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _running(app, settings, keys, vision or Vision()) as lab:
            app.state.lab = lab
            yield

    app = FastAPI(
        title=openapi.TITLE,
        version=__version__,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=openapi.operation_id,
    )
    app.state.is_stopping = lambda: False
    # The routes, not the router: it would be put together anew for every application, at its first request.
    app.router.routes.extend(api_router().routes)
    app.add_api_route("/api/openapi.json", _read_description, include_in_schema=False)
    if pages.is_dir():
        app.include_router(_page_router(pages))
    errors.install(app)
    app.add_middleware(Partings)
    app.add_middleware(Guard, settings=settings, keys=keys)
    return app


@contextlib.asynccontextmanager
async def _running(app: FastAPI, settings: Settings, keys: Keys, vision: Vision) -> AsyncIterator[Lab]:
    catalogue = open_catalogue(settings)
    upgrade(catalogue.engine)
    lab = Lab(
        settings=settings,
        keys=keys,
        catalogue=catalogue,
        vision=vision,
        staging=Staging(settings.data_folder / STAGING),
        streams=Streams(catalogue, lambda: app.state.is_stopping()),
        bell=Bell(settings.redis_url),
        pulse=Pulse(settings.redis_url),
        remembered=Remembered(catalogue),
    )
    finish_deletions(catalogue, settings.data_folder)
    tidy(catalogue, settings.data_folder, lab.staging)
    name_cells(catalogue)
    lab.vision.start()
    looking = [asyncio.create_task(what.run()) for what in (lab.streams, lab.pulse)]
    try:
        yield lab
    finally:
        for look in looking:
            look.cancel()
        await asyncio.to_thread(lab.reports.stop)
        await asyncio.to_thread(lab.engines.stop)
        await asyncio.to_thread(lab.vision.stop)
        await asyncio.to_thread(lab.studies.stop)
        lab.remembered.close()
        catalogue.close()


def _page_router(pages: Path) -> APIRouter:
    router = APIRouter(dependencies=[Depends(_outside_the_api)])
    router.frontend("/", directory=pages, fallback="index.html", check_dir=True)
    return router


def _outside_the_api(request: Request) -> None:
    """An unknown address below /api is an error for a program, not a page for a browser."""
    if is_api(request.url.path):
        raise errors.ApiError(404, "not_found", "There is nothing at this address.")


def _read_description() -> JSONResponse:
    return JSONResponse(openapi.document())


class _Server(uvicorn.Server):
    """Tells the application at once that it is asked to stop: open event streams would otherwise keep it alive."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # Of what is loaded for good nothing is garbage: looking for it would hold up some answers by a tenth of a second.
        gc.freeze()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.config.app.state.is_stopping = lambda: True  # type: ignore[union-attr]
        super().handle_exit(sig, frame)


def serve(settings: Settings | None = None) -> None:
    """Run the API until SIGTERM or SIGINT; streams end, answers in progress get ``GRACE_S`` seconds."""
    settings = settings or Settings()
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        server_header=False,
        access_log=False,
        ws="none",
    )
    _Server(config).run()


if __name__ == "__main__":
    serve()
