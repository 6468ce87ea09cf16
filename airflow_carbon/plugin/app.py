"""The app behind the pages: every route behind Airflow's login. Imported in the web server alone."""

from __future__ import annotations

import logging
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from airflow_carbon import __version__
from airflow_carbon.exceptions import CarbonError, InvalidRequestError, NotWaitingError, UnknownTaskError, printable
from airflow_carbon.plugin import (
    dag_api,
    grid_api,
    overview_api,
    pages,
    release_api,
    sources_api,
    static_files,
    task_api,
)
from airflow_carbon.plugin.books import Books
from airflow_carbon.plugin.static_files import Files
from airflow_carbon.plugin.webapi import router as webapi
from airflow_carbon.plugin.webapi.grid import Deployment

log = logging.getLogger(__name__)

DESCRIPTION = (
    "What Airflow's carbon-aware tasks wait for, chose and changed; and the Carbon Aware SDK's WebApi, answered from "
    "this deployment's own sources. Log in as to Airflow's own API: a token from POST /auth/token in the header "
    "Authorization: Bearer TOKEN. Airflow's cookie serves for GET alone."
)


def build() -> FastAPI:
    """Make the app, to be served behind a :class:`~airflow_carbon.plugin.guard.Guard`."""
    app = FastAPI(
        title="Airflow Carbon",
        version=__version__,
        description=DESCRIPTION,
        # Airflow checks nothing before a plugin's app: this stands before every route, whatever is added later.
        dependencies=[Depends(requires_authenticated())],
        # Its own route below is behind the login too; its pages would load scripts from elsewhere.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    # Airflow runs the lifespan of an app of FastAPI's own type, which the lazy one is not.
    app.state.auth_manager = get_auth_manager()
    app.state.books, app.state.files, app.state.grid = Books(), Files(), Deployment()
    for module in (pages, static_files, overview_api, grid_api, sources_api, dag_api, task_api, release_api):
        app.include_router(module.router)
    app.include_router(webapi(app.state.grid))
    app.add_api_route("/openapi.json", _openapi, include_in_schema=False, response_model=None)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(CarbonError, _failed)
    app.add_exception_handler(Exception, _broken)
    return app


def _openapi(request: Request) -> JSONResponse:
    """Describe the API."""
    described: dict[str, Any] = {**request.app.openapi()}
    described["servers"] = [{"url": request.scope.get("root_path", "") or "/"}]
    return JSONResponse(described)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Say in one sentence what is wrong with a parameter; what was given is not repeated."""
    assert isinstance(error, RequestValidationError)
    said = "; ".join(f"{'.'.join(str(one) for one in row['loc'][1:])}: {row['msg']}" for row in error.errors()[:5])
    return JSONResponse({"detail": said or "a parameter is wrong"}, 422)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    for kind, status in ((UnknownTaskError, 404), (NotWaitingError, 409), (InvalidRequestError, 422)):
        if isinstance(error, kind):
            return JSONResponse({"detail": str(error)}, status)
    log.warning("%s: %s", printable(request.url.path), error)
    return JSONResponse({"detail": "the ledger or a source does not answer; the log of the api-server says why"}, 503)


async def _broken(request: Request, error: Exception) -> JSONResponse:
    log.error("%s failed", printable(request.url.path), exc_info=error)
    return JSONResponse({"detail": "this failed; the log of the api-server says why"}, 500)
