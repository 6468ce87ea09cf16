"""Refusals as the SDK words them: ValidationProblemDetails, and nothing in them that a source said."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from airflow_carbon.exceptions import (
    CarbonError,
    InvalidForecastError,
    InvalidRequestError,
    SourceAuthError,
    SourceResponseError,
    SourceUnavailableError,
    UnknownZoneError,
    printable,
)

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
#: What ASP.NET says of a parameter that it cannot read, before the SDK sees it.
UNREADABLE = "One or more validation errors occurred."
#: An answer never repeats more of what was asked [characters].
_LONGEST_ECHO = 60


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """Refuse a question, with a status and words that are safe to show.

    :param status: of HTTP.
    :param title: the name of the SDK's exception.
    :param detail: what is wrong, and what would be right.
    :param errors: the same by the parameter that is at fault.
    """

    def __init__(
        self, status: int, title: str, detail: str | None = None, errors: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        super().__init__(detail or title)
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = {name: list(said) for name, said in (errors or {}).items()}

    def response(self) -> Response:
        """Give it as ``application/problem+json``."""
        body: dict[str, Any] = {"title": self.title, "status": self.status}
        if self.detail is not None:
            body["detail"] = self.detail
        body["errors"] = self.errors
        body["traceId"] = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
        return Response(json.dumps(body), self.status, media_type=MEDIA_TYPE)


def refused(errors: Mapping[str, Sequence[str]], detail: str = "Invalid parameters") -> Problem:
    """Refuse parameters that contradict each other or lie outside their bounds."""
    return Problem(400, "ArgumentException", detail, errors)


def unreadable(name: str, text: object, hint: str = "") -> Problem:
    """Refuse a parameter that cannot be read."""
    return Problem(400, UNREADABLE, None, {name: [f"The value '{shown(text)}' is not valid.{hint}"]})


def unknown_location(name: str, hint: str = "") -> Problem:
    """Refuse a location that is in no table, or that no source knows."""
    return Problem(400, "ArgumentException", f"Unknown Location: '{shown(name)}' not found{hint}")


def not_kept() -> Problem:
    """Refuse a forecast of an earlier day where the source keeps none."""
    return Problem(
        501,
        "NotImplementedException",
        "the source of this deployment keeps no forecasts that were made earlier; requestedAt of now is answered",
    )


def shown(text: object) -> str:
    """Cut what is repeated."""
    words = str(text)
    return words if len(words) <= _LONGEST_ECHO else f"{words[:_LONGEST_ECHO]}..."


def problem_of(error: CarbonError, name: str = "") -> Problem:
    """Translate what a source raised; its words go to the log, since a service may repeat what it was sent.

    :param name: the location that was asked about.
    """
    if isinstance(error, UnknownZoneError):
        return unknown_location(name, "; no source of this deployment knows it")
    log.warning("%s: %s: %s", printable(name) or "webapi", type(error).__name__, error)
    said = "the log of the api-server says why"
    if isinstance(error, SourceAuthError):
        # As its upstream's own status, but never 401: that would tell a client to log in to Airflow again.
        return Problem(403, type(error).__name__, f"the source of this deployment is refused by its service; {said}")
    if isinstance(error, SourceUnavailableError):
        return Problem(503, type(error).__name__, f"no source of this deployment has an answer now; {said}")
    if isinstance(error, (SourceResponseError, InvalidForecastError)):
        return Problem(502, type(error).__name__, f"the source of this deployment gives no usable series; {said}")
    if isinstance(error, InvalidRequestError):
        return Problem(400, "InvalidOperationException", f"ForecastDataSource is not configured; {said}")
    return Problem(503, type(error).__name__, f"no answer now; {said}")


class SdkRoute(APIRoute):
    """Answer every failure in the SDK's form; what Airflow's login refuses goes its own way."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler."""
        handler = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handler(request)
            except (HTTPException, RequestValidationError):
                raise
            except Problem as problem:
                return problem.response()
            except CarbonError as error:
                return problem_of(error).response()
            except Exception:
                log.exception("The Carbon Aware SDK's WebApi failed at %s", printable(request.url.path))
                return Problem(500, "InternalServerError").response()

        return handled
