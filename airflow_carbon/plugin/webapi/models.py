"""The schemas of the SDK's WebApi, for the OpenAPI document alone: answers are written without them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from airflow_carbon.plugin.webapi.problem import MEDIA_TYPE
from airflow_carbon.plugin.webapi.question import LARGEST_BODY, LONGEST_WINDOW, MOST_ITEMS, MOST_LOCATIONS

_EXAMPLE = "2026-08-22T17:30:00+00:00"
_WINDOW_MINUTES = int(LONGEST_WINDOW.total_seconds()) // 60


class EmissionsData(BaseModel):
    """One point of the past."""

    location: str = Field(examples=["swedencentral"])
    time: datetime = Field(examples=[_EXAMPLE], description="Begin of the point.")
    rating: float = Field(ge=0, examples=[51.3], description="Mean carbon intensity [gCO2eq/kWh].")
    duration: str = Field(examples=["00:05:00"], description="A .NET TimeSpan: hh:mm:ss, d.hh:mm:ss from a day on.")


class EmissionsDataDTO(BaseModel):
    """One point of a forecast, or one window of a rolling average."""

    location: str = Field(examples=["swedencentral"])
    timestamp: datetime = Field(examples=[_EXAMPLE])
    duration: int = Field(ge=0, examples=[30], description="[min]")
    value: float = Field(ge=0, examples=[359.2], description="Mean carbon intensity [gCO2eq/kWh].")


class EmissionsForecastDTO(BaseModel):
    """One forecast with its optimum."""

    generatedAt: datetime = Field(  # noqa: N815
        description="When the source made the forecast; the begin of its first point where the source does not tell."
    )
    requestedAt: datetime = Field(description="When it was asked for.")  # noqa: N815
    location: str = Field(examples=["swedencentral"])
    dataStartAt: datetime  # noqa: N815
    dataEndAt: datetime = Field(  # noqa: N815
        description="As asked; else the begin of the last point of forecastData."
    )
    windowSize: int = Field(ge=0, description="[min]; 0 where none was asked for.")  # noqa: N815
    optimalDataPoints: list[EmissionsDataDTO] = Field(  # noqa: N815
        description="Every window of the lowest value; with exact=true the one exact optimum. Take the earliest."
    )
    forecastData: list[EmissionsDataDTO] = Field(  # noqa: N815
        description="Rolling averages where windowSize was asked for, the points themselves where not."
    )


class CarbonIntensityDTO(BaseModel):
    """The mean over a past time."""

    location: str = Field(examples=["swedencentral"])
    startTime: datetime  # noqa: N815
    endTime: datetime  # noqa: N815
    carbonIntensity: float = Field(ge=0, examples=[345.434], description="[gCO2eq/kWh]")  # noqa: N815


class LocationDTO(BaseModel):
    """A location that may be asked about."""

    latitude: str = Field(examples=["60.67"], description="Degrees north, as a text.")
    longitude: str = Field(examples=["17.14"], description="Degrees east, as a text.")
    name: str = Field(examples=["swedencentral"])


class ValidationProblemDetails(BaseModel):
    """A refusal."""

    title: str = Field(examples=["ArgumentException"])
    status: int = Field(examples=[400])
    detail: str | None = Field(None, examples=["Invalid parameters"])
    errors: dict[str, list[str]] = Field(examples=[{"location": ["location is not set"]}])
    traceId: str  # noqa: N815


_REFUSALS = {
    400: "A parameter is missing, cannot be read or lies out of bounds, or the location is not known.",
    403: "The service behind this deployment's source refuses the deployment.",
    415: "The body is not declared as JSON.",
    500: "A fault of this API.",
    501: "The source keeps no forecasts that were made earlier.",
    502: "The source gives no usable series.",
    503: "No source has an answer now; try again later.",
}
_NO_DATA: dict[int | str, dict[str, Any]] = {204: {"description": "There is no data of that time."}}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the refusals of a route: those that every one has, and some of its own."""
    schema = ValidationProblemDetails.model_json_schema()
    return {
        status: {"description": _REFUSALS[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in sorted({400, 403, 500, 502, 503, *statuses})
    }


def with_no_data() -> dict[int | str, dict[str, Any]]:
    """Document the refusals and the empty answer of the ``bylocation`` family."""
    return {**_NO_DATA, **refusals()}


def _parameter(name: str, about: str, schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "description": about, "schema": schema}


def _moment(name: str, about: str, *, required: bool = False) -> dict[str, Any]:
    about = f"{about} ISO 8601; without an offset it is UTC. Write + as %2B."
    return _parameter(name, about, {"type": "string", "format": "date-time"}, required=required)


_NAMES = "A cloud's region (swedencentral, azure:swedencentral), a grid zone (zone:DE), or latitude,longitude."
LOCATION = _parameter("location", _NAMES, {"type": "string", "minLength": 1}, required=True)
LOCATIONS = _parameter(
    "location",
    f"{_NAMES} Repeated for several.",
    {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "maxItems": MOST_LOCATIONS},
    required=True,
) | {"explode": True, "style": "form"}
TIMES = [
    _moment("time", "Begin of the time; now where not given."),
    _moment("toTime", "Its end; the begin where not given."),
]
PERIOD = [_moment("startTime", "Begin.", required=True), _moment("endTime", "End, not in the future.", required=True)]
FORECAST = [
    _moment("dataStartAt", "No window begins before; the forecast's begin where not given."),
    _moment("dataEndAt", "No window but the first ends later; the forecast's end where not given."),
    _parameter(
        "windowSize",
        "Length of the run [min]. Without it nothing is averaged, and the best single point is no answer for a longer "
        "run: always send it.",
        {"type": "integer", "minimum": 0, "maximum": _WINDOW_MINUTES},
    ),
    _parameter(
        "exact",
        "Not in the SDK. true: optimalDataPoints holds the one exact optimum, which may begin at any moment from "
        "dataStartAt (else from now) and ends by dataEndAt, in place of the best of the rolling windows.",
        {"type": "boolean"},
    ),
]


def _body(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema = {
        "type": "array",
        "maxItems": MOST_ITEMS,
        "items": {"type": "object", "properties": properties, "required": required},
    }
    about = f"At most {MOST_ITEMS} items and {LARGEST_BODY // 1024} KiB."
    return {"required": True, "description": about, "content": {"application/json": {"schema": schema}}}


_NAME, _TIME = {"type": "string", "minLength": 1}, {"type": "string", "format": "date-time"}
AVERAGE_BATCH = _body({"location": _NAME, "startTime": _TIME, "endTime": _TIME}, ["location", "startTime", "endTime"])
FORECAST_BATCH = _body(
    {
        "requestedAt": _TIME,
        "location": _NAME,
        "dataStartAt": _TIME,
        "dataEndAt": _TIME,
        "windowSize": {"type": "integer", "minimum": 0, "maximum": _WINDOW_MINUTES},
        "exact": {"type": "boolean"},
    },
    ["requestedAt", "location"],
)
