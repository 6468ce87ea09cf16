"""The form of each connection type: declared once, read by the provider metadata and by the hooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from airflow_carbon.hooks.fields import (
    Field,
    address,
    dotted_path,
    duration,
    moment,
    moment_or_now,
    positive_number,
    region_or_postcode,
    timezone_name,
)

#: What every Airflow connection has, and a form shows unless it is hidden.
STANDARD = ("host", "schema", "port", "login", "password", "extra")


@dataclass(frozen=True, slots=True)
class Form:
    """Declare the form of one connection type.

    :param conn_type: its name.
    :param hook: dotted path of its hook.
    :param title: what the list of types shows.
    :param fields: kept in the connection's extra.
    :param standard: Airflow's own fields that are used, by attribute of the connection; all others are hidden.
    """

    conn_type: str
    hook: str
    title: str
    fields: tuple[Field, ...] = ()
    standard: Mapping[str, Field] = field(default_factory=dict)

    def as_connection_type(self) -> dict[str, Any]:
        """Give the entry of ``connection-types`` in the provider metadata."""
        return {
            "connection-type": self.conn_type,
            "hook-class-name": self.hook,
            "hook-name": self.title,
            "ui-field-behaviour": {
                "hidden-fields": [name for name in STANDARD if name not in self.standard],
                "relabeling": {name: one.label for name, one in self.standard.items()},
                "placeholders": {name: one.description for name, one in self.standard.items()},
            },
            "conn-fields": {one.name: one.as_conn_field() for one in self.fields},
        }


def _host(default: str) -> dict[str, Field]:
    return {"host": Field("host", "Address", f"Left empty: {default}", address, default)}


_REFRESH = Field(
    "refresh", "Ask every", "How often new data is asked for: 30m. Left empty, the service's own rhythm.", duration
)
_PER_HOUR = Field(
    "requests_per_hour",
    "Requests per hour",
    "No more are made in any hour, by all processes of a host together.",
    positive_number,
    1000.0,
)
_LIVE = (_REFRESH, _PER_HOUR)
_SIGNALS = ("average", "marginal")
_SPEED = Field("speed", "Speed", "How many times faster than the clock to play, for demos.", positive_number, 1.0)
_ZONE = Field("zone", "Zone", "Grid zone of the series; left empty, it answers for every location.", default="")

TYPICAL = Form(
    "carbon_typical",
    "airflow_carbon.hooks.typical.TypicalHook",
    "Carbon: typical profiles (offline)",
    (
        _SPEED,
        Field("played_since", "Played since", "Moment on the clock at which playing begins (ISO 8601).", moment),
        Field("plays_from", "Plays from", "Moment of the profile that is played first (ISO 8601).", moment),
    ),
)
HISTORY = Form(
    "carbon_history",
    "airflow_carbon.hooks.history.HistoryHook",
    "Carbon: your own series (CSV)",
    (
        Field("path", "Path", "CSV of timestamp, intensity [gCO2eq/kWh]: a file, or s3://bucket/key.", required=True),
        Field("storage_conn_id", "Storage connection", "Airflow connection of an object store.", default=""),
        _ZONE,
        Field("column", "Column", "Name of the intensity column; left empty, the usual names are tried.", default=""),
        Field("timezone", "Timezone", "Timezone of stamps without one: UTC, Europe/Berlin.", timezone_name, ""),
        Field(
            "gaps",
            "Gaps",
            "error: a series with a gap is refused; split: the unbroken stretch that is asked for is used.",
            default="error",
            choices=("error", "split"),
        ),
        Field(
            "replay",
            "Replay",
            "Moment at which the first row is taken to lie (ISO 8601), or: now. Left empty, the stamps hold as they "
            "are.",
            moment_or_now,
        ),
        _SPEED,
    ),
)
CALLABLE = Form(
    "carbon_callable",
    "airflow_carbon.hooks.computed.ComputedHook",
    "Carbon: your own function (Python)",
    (
        Field(
            "callable",
            "Callable",
            "Dotted path of f(location, start, end): my_company.grid.intensity; [carbon] callables must list it.",
            dotted_path,
            required=True,
        ),
        _ZONE,
        Field("signal", "Signal", "What its numbers are.", default="average", choices=_SIGNALS),
        Field(
            "refresh",
            "Ask every",
            "How often a new answer can be expected: 5m. Left empty: 1h.",
            duration,
            timedelta(hours=1),
        ),
    ),
)
ELECTRICITY_MAPS = Form(
    "electricity_maps",
    "airflow_carbon.hooks.electricity_maps.ElectricityMapsHook",
    "Carbon: Electricity Maps",
    (
        Field("version", "API version", "Of the API.", default="v4", choices=("v4", "v3")),
        Field(
            "emission_factor_type",
            "Emission factors",
            "Of past intensities; forecasts are life-cycle.",
            default="lifecycle",
            choices=("lifecycle", "direct"),
        ),
        Field(
            "temporal_granularity",
            "Granularity",
            "Length of a step, where your plan has it.",
            default="hourly",
            choices=("hourly", "15_minutes", "5_minutes"),
        ),
        *_LIVE,
    ),
    {
        "password": Field("token", "API token", "Your auth-token of Electricity Maps.", required=True, secret=True),
        **_host("https://api.electricitymaps.com"),
    },
)
WATTTIME = Form(
    "watttime",
    "airflow_carbon.hooks.watttime.WattTimeHook",
    "Carbon: WattTime (marginal)",
    (
        Field(
            "signal_type",
            "Signal",
            "co2_moer: marginal, with forecasts; co2_aoer: average, past hours alone.",
            default="co2_moer",
            choices=("co2_moer", "co2_aoer"),
        ),
        *_LIVE,
    ),
    {
        "login": Field("user", "User", "Your user name at WattTime.", required=True),
        "password": Field("password", "Password", "Your password at WattTime.", required=True, secret=True),
        **_host("https://api.watttime.org"),
    },
)
CARBON_AWARE_SDK = Form(
    "carbon_aware_sdk",
    "airflow_carbon.hooks.carbon_aware_sdk.CarbonAwareSdkHook",
    "Carbon: Carbon Aware SDK WebApi",
    (
        Field(
            "signal",
            "Signal",
            "What your server's data source gives, as its answers do not say: WattTime is marginal, Electricity Maps "
            "average.",
            required=True,
            choices=_SIGNALS,
        ),
        *_LIVE,
    ),
    {"host": Field("host", "Address", "Of your server: http://carbon.example:8080", address, required=True)},
)
UK_CARBON_INTENSITY = Form(
    "uk_carbon_intensity",
    "airflow_carbon.hooks.uk_carbon_intensity.UkCarbonIntensityHook",
    "Carbon: UK Carbon Intensity (no key)",
    (
        Field(
            "region",
            "Region",
            "Your part of Great Britain: an id of 1 to 17 (13 is London) or a postcode's first half (SE1). Left "
            "empty: all of Great Britain.",
            region_or_postcode,
            "",
        ),
        *_LIVE,
    ),
    _host("https://api.carbonintensity.org.uk"),
)
ENERGY_CHARTS = Form(
    "energy_charts",
    "airflow_carbon.hooks.energy_charts.EnergyChartsHook",
    "Carbon: Energy-Charts (no key)",
    _LIVE,
    _host("https://api.energy-charts.info"),
)

FORMS = (
    TYPICAL,
    HISTORY,
    CALLABLE,
    ELECTRICITY_MAPS,
    WATTTIME,
    CARBON_AWARE_SDK,
    UK_CARBON_INTENSITY,
    ENERGY_CHARTS,
)
