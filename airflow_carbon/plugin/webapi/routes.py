"""The routes of the SDK's WebApi, by its own paths."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace

from fastapi import APIRouter, Request, Response

from airflow_carbon.core.moment import microseconds
from airflow_carbon.plugin.webapi import models
from airflow_carbon.plugin.webapi.emissions import averages, emissions
from airflow_carbon.plugin.webapi.forecasts import Parts, answered, asked, first_edge
from airflow_carbon.plugin.webapi.grid import Deployment, Grid
from airflow_carbon.plugin.webapi.kept import KeptAnswers
from airflow_carbon.plugin.webapi.place import listed
from airflow_carbon.plugin.webapi.problem import SdkRoute
from airflow_carbon.plugin.webapi.question import Fields, items_of
from airflow_carbon.plugin.webapi.wire import stamp
from airflow_carbon.plugin.webapi.written import Written

TAG = "Carbon Aware SDK WebApi"
JSON = "application/json"
PACKED = {"content-encoding": "gzip", "vary": "Accept-Encoding"}


def router(grid: Grid | None = None) -> APIRouter:
    """Make the routes, to be included where their paths are to begin; they check nobody's login themselves.

    :param grid: what is asked; None for the sources of this deployment.
    """
    asked_grid: Grid = Deployment() if grid is None else grid
    made = APIRouter(route_class=SdkRoute, tags=[TAG], default_response_class=Response)
    _add_emissions(made, asked_grid)
    _add_averages(made, asked_grid)
    _add_forecasts(made, asked_grid, KeptAnswers())
    _add_locations(made)
    return made


def _add_emissions(made: APIRouter, grid: Grid) -> None:
    async def by_location(request: Request) -> Response:
        """Tell the points of a location that touch a past time; of now, where no time is given."""
        question = _fields(request).emissions(now=grid.now())
        return _rows(await emissions(grid, replace(question, places=question.places[:1])))

    async def by_locations(request: Request) -> Response:
        """Tell the points of several locations that touch a past time; of now, where no time is given."""
        return _rows(await emissions(grid, _fields(request).emissions(now=grid.now())))

    async def best_by_locations(request: Request) -> Response:
        """Tell all points of the lowest rating over all locations and the time."""
        return _rows(await emissions(grid, _fields(request).emissions(now=grid.now()), best=True))

    for path, handler, location in (
        ("/emissions/bylocation", by_location, models.LOCATION),
        ("/emissions/bylocations", by_locations, models.LOCATIONS),
        ("/emissions/bylocations/best", best_by_locations, models.LOCATIONS),
    ):
        made.add_api_route(
            path,
            handler,
            responses={**_answer(list[models.EmissionsData]), **models.with_no_data()},
            openapi_extra={"parameters": [location, *models.TIMES]},
        )


def _add_averages(made: APIRouter, grid: Grid) -> None:
    async def average(request: Request) -> Response:
        """Tell the mean over a past time of a location, which must be known from its begin to its end."""
        [answer] = await averages(grid, [_fields(request).average(now=grid.now())])
        return Response(answer, media_type=JSON)

    async def average_batch(request: Request) -> Response:
        """Tell the means over several past times."""
        questions = [fields.average(now=grid.now()) for fields in await items_of(request)]
        return Response(f"[{','.join(await averages(grid, questions))}]", media_type=JSON)

    made.add_api_route(
        "/emissions/average-carbon-intensity",
        average,
        responses={**_answer(models.CarbonIntensityDTO), **models.refusals()},
        openapi_extra={"parameters": [models.LOCATION, *models.PERIOD]},
    )
    made.add_api_route(
        "/emissions/average-carbon-intensity/batch",
        average_batch,
        methods=["POST"],
        responses={**_answer(list[models.CarbonIntensityDTO]), **models.refusals(415)},
        openapi_extra={"requestBody": models.AVERAGE_BATCH},
    )


def _add_forecasts(made: APIRouter, grid: Grid, kept: KeptAnswers) -> None:
    async def current(request: Request) -> Response:
        """Give the newest forecast of each location, averaged over windows, and every window of the lowest value."""
        query: bytes = request.scope["query_string"]
        now = grid.now()
        answer = kept.get(query)
        if answer is None:
            questions = Fields.of_query(query).forecasts(now=now)
            found = await asked(grid, questions)
            answer = await asyncio.to_thread(lambda: Written.of(_joined(answered(questions, found, now))))
            # The exact optimum begins no earlier than now, which is another moment for each who asks.
            lasting = not any(question.exact and question.start is None for question in questions)
            kept.keep(query, answer, (first_edge(found) - now).total_seconds() if lasting else 0.0)
        at = stamp(microseconds(now)).encode()
        # Packed here, where most of it is kept: Airflow's web app would pack the whole answer anew for each request.
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(answer.packed(at), headers=PACKED, media_type=JSON)
        return Response(answer.plain(at), media_type=JSON)

    async def batch(request: Request) -> Response:
        """Give, for each item, the forecast that was the newest one at a moment.

        A live service tells its present forecast alone: an earlier moment is then answered with 501.
        """
        now = grid.now()
        questions = [fields.earlier_forecast(now=now) for fields in await items_of(request)]
        answers = await asyncio.to_thread(answered, questions, await asked(grid, questions), now)
        stamps = [stamp(microseconds(question.requested_at or now)) for question in questions]
        written = [at.join(parts) for at, parts in zip(stamps, answers, strict=True)]
        return Response(f"[{','.join(written)}]", media_type=JSON)

    made.add_api_route(
        "/emissions/forecasts/current",
        current,
        responses={**_answer(list[models.EmissionsForecastDTO]), **models.refusals(501)},
        openapi_extra={"parameters": [models.LOCATIONS, *models.FORECAST]},
    )
    made.add_api_route(
        "/emissions/forecasts/batch",
        batch,
        methods=["POST"],
        responses={**_answer(list[models.EmissionsForecastDTO]), **models.refusals(415, 501)},
        openapi_extra={"requestBody": models.FORECAST_BATCH},
    )


def _add_locations(made: APIRouter) -> None:
    body = json.dumps(listed())

    async def locations(request: Request) -> Response:
        """List every cloud region by the name to ask for it; grid zones and coordinates may be asked for as well."""
        return Response(body, media_type=JSON)

    made.add_api_route(
        "/locations",
        locations,
        responses={**_answer(dict[str, models.LocationDTO]), 500: models.refusals()[500]},
    )


def _fields(request: Request) -> Fields:
    return Fields.of_query(request.scope["query_string"])


def _answer(schema: object) -> dict[int | str, dict[str, object]]:
    return {200: {"model": schema, "description": "As the SDK answers."}}


def _rows(rows: str) -> Response:
    return Response(rows, media_type=JSON) if rows else Response(status_code=204)


def _joined(answers: Sequence[Parts]) -> list[bytes]:
    """Make one body of several answers, cut where the moment of the request is to stand."""
    parts, rest = [], "["
    for row, (before, after) in enumerate(answers):
        parts.append(f"{rest}{',' if row else ''}{before}".encode())
        rest = after
    return [*parts, f"{rest}]".encode()]
