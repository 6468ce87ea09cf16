"""What a chart shows is what the record holds, read from the chart's own data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from browser import page_states
from browser.page_states import DAG_PAGE, TASK_API, TASK_PAGE

from airflow_carbon.plugin import models

if TYPE_CHECKING:
    from browser.page_server import PageServer
    from playwright.sync_api import Page


def drawn(page: Page, chart: str) -> dict[str, Any]:
    """Read the data and the layout that a chart was drawn of."""
    told: dict[str, Any] = page.evaluate(
        "(id) => { const one = document.getElementById(id); return JSON.parse(JSON.stringify({"
        "data: one.data.map(({x, y, type}) => ({x, y, type})), layout: {shapes: one.layout.shapes ?? []}})) }",
        chart,
    )
    return told


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def bands(chart: dict[str, Any], kind: str) -> list[tuple[datetime, datetime]]:
    return [(moment(one["x0"]), moment(one["x1"])) for one in chart["layout"]["shapes"] if one["name"] == kind]


def test_the_window_on_the_chart_is_the_one_of_the_record(opened: Callable[..., Page], server: PageServer) -> None:
    server.answers = page_states.waiting()
    told = server.answers[TASK_API]
    assert isinstance(told, models.TaskPage)
    assert told.record is not None
    assert told.baseline is not None
    chart = drawn(opened(TASK_PAGE), "decision")
    assert bands(chart, "chosen") == [(moment(told.record["start"]), moment(told.record["end"]))]
    assert bands(chart, "baseline") == [(told.baseline.start, told.baseline.end)]
    assert [one[0] for one in bands(chart, "limit")] == [told.latest_start]


def test_the_line_is_the_forecast_and_its_last_step_is_whole(opened: Callable[..., Page], server: PageServer) -> None:
    server.answers = page_states.waiting()
    told = server.answers[TASK_API]
    assert isinstance(told, models.TaskPage)
    assert told.series is not None
    [line] = drawn(opened(TASK_PAGE), "decision")["data"]
    steps = len(told.series.intensity_g_per_kwh)
    edges = [told.series.start + index * timedelta(seconds=told.series.step_seconds) for index in range(steps + 1)]
    assert [moment(one) for one in line["x"]] == edges
    assert line["y"] == [*told.series.intensity_g_per_kwh, told.series.intensity_g_per_kwh[-1]]


def test_the_overview_draws_every_chosen_window_on_its_own_zone(
    opened: Callable[..., Page], server: PageServer
) -> None:
    server.answers = page_states.waiting()
    page = opened("/")
    for location in ("azure:germanywestcentral", "zone:FR", "zone:GB"):
        told = server.answers[f"/api/forecast?{location}"]
        assert isinstance(told, models.LocationForecast)
        chart = drawn(page, f"forecast-{location}")
        assert bands(chart, "chosen") == [(one.window.start, one.window.end) for one in told.windows]
    assert bands(drawn(page, "forecast-azure:germanywestcentral"), "chosen")


@pytest.mark.parametrize("path", [TASK_PAGE, "/"])
def test_a_wait_that_plans_anew_moves_on_the_chart_and_is_told(
    opened: Callable[..., Page], server: PageServer, path: str
) -> None:
    server.answers = page_states.waiting()
    page = opened(path, before=lambda page: page.clock.install())
    chart = "decision" if path == TASK_PAGE else "forecast-azure:germanywestcentral"
    before = bands(drawn(page, chart), "chosen")
    server.answers = page_states.replanned()
    told = server.answers[TASK_API]
    assert isinstance(told, models.TaskPage)
    page.clock.fast_forward(61_000)
    page.wait_for_function(
        "([id, before]) => new Date(document.getElementById(id).layout.shapes.find((one) => one.name === 'chosen').x0)"
        ".getTime() !== before",
        arg=[chart, before[0][0].timestamp() * 1000],
    )
    after = bands(drawn(page, chart), "chosen")
    assert after[0] == (told.chosen[0].start, told.chosen[0].end)
    page.wait_for_function("document.getElementById('voice').textContent.includes('starts')")


def test_average_and_marginal_figures_share_no_chart_and_no_sum(
    opened: Callable[..., Page], server: PageServer
) -> None:
    server.answers = page_states.waiting()
    told = server.answers["/api/overview"]
    assert isinstance(told, models.Overview)
    page = opened("/")
    ids = page.evaluate("[...document.querySelectorAll('#weeks .drawn')].map((one) => one.id)")
    assert len(ids) == 2
    for chart, signal in zip(ids, ("average", "marginal"), strict=True):
        [bars] = drawn(page, chart)["data"]
        kilograms = [
            one.reduction_g / 1000 for one in told.weeks if one.signal == signal and one.reduction_g is not None
        ]
        assert bars["y"] == pytest.approx(kilograms)
    whole = sum(one.reduction_g or 0.0 for one in told.periods[2].reductions)
    assert f"{whole / 1000:.0f} kg" not in page.inner_text("main")
    assert page.locator("#weeks figure h3").all_inner_texts() == [
        "Attributed reduction (average)", "Avoided (estimate), marginal signal",
    ]  # fmt: skip


def test_each_chart_is_told_in_words_and_as_a_table_of_the_same_numbers(
    opened: Callable[..., Page], server: PageServer
) -> None:
    server.answers = page_states.waiting()
    for path in ("/", DAG_PAGE, TASK_PAGE):
        page = opened(path)
        for chart in page.evaluate("[...document.querySelectorAll('.drawn')].map((one) => one.id)"):
            words = page.locator(f"[id='{chart}']").get_attribute("aria-label")
            assert words is not None
            assert len(words) > 40
            rows = page.locator(f"[id='{chart}-table'] tbody tr").count()
            points = [len([y for y in one["y"] if y is not None]) for one in drawn(page, chart)["data"]]
            # A step function repeats its last value at its end.
            steps = chart == "decision" or chart.startswith("forecast-")
            assert rows == points[-1] - (1 if steps else 0)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe", "UTC"])
@pytest.mark.parametrize(
    ("start", "hours"),
    [("2026-03-28T20:00:00+00:00", 30), ("2026-10-24T20:00:00+00:00", 48), ("2026-11-22T09:17:00+00:00", 6),
     ("2026-06-01T00:00:00+00:00", 24 * 20)],
)  # fmt: skip
def test_the_marks_of_an_axis_stand_at_whole_hours_of_the_viewer_and_say_both_times(
    opened: Callable[..., Page], server: PageServer, zone: str, start: str, hours: int
) -> None:
    server.answers = page_states.empty()
    page = opened("/", zone=zone, charts=False)
    begin = moment(start)
    end = begin + timedelta(hours=hours)
    marks = page.evaluate(
        "async ([from, to]) => (await import(document.baseURI + 'static/1/time.js')).marks(from, to, 800)",
        [begin.timestamp() * 1000, end.timestamp() * 1000],
    )
    assert 3 <= len(marks["at"]) <= 12
    for at, text in zip(marks["at"], marks["text"], strict=True):
        there = moment(at).astimezone(ZoneInfo(zone))
        assert begin <= there <= end
        assert there.minute == 0
        local, _, utc = text.partition("<br>")
        clock = f"{there:%a} {there.day} {there:%b}".replace("Sep", "Sept") if there.hour == 0 else f"{there:%H:%M}"
        assert local.replace(",", "") == clock
        if utc:
            assert f"{moment(at).astimezone(UTC):%H:%M} UTC" in utc
        else:
            assert zone == "UTC" or there.hour == 0
