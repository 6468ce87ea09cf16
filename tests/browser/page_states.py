"""What the data API answers in each state of the pages, made of its own models, so that a field cannot drift."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from airflow_carbon.core.equivalents import equivalents
from airflow_carbon.core.forecast import Forecast
from airflow_carbon.core.window import best_window
from airflow_carbon.plugin import hints, models

HOUR = timedelta(hours=1)
DAG, RUN, TASK = "nightly_training", "scheduled__2026-11-22T13:00:00+00:00", "train_model"
TASK_API = f"/api/dags/{DAG}/runs/{RUN}/tasks/{TASK}"
TASK_PAGE = f"/task/{DAG}/{RUN.replace('+', '%2B').replace(':', '%3A')}/{TASK}/-1"
DAG_PAGE = f"/dag/{DAG}"
#: What a DAG or a task may be called by who wants a script to run.
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
HOME = "azure:germanywestcentral"
LIFE_CYCLE = "life-cycle, consumption, CO2e"
Answers = dict[str, models._Answer | tuple[int, str]]


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def link(dag: str = DAG, run: str = RUN, task: str = TASK, index: int = -1) -> models.Link:
    return models.Link(
        dag_id=dag, run_id=run, task_id=task, map_index=index, page=TASK_PAGE[1:], airflow=f"dags/{dag}/runs/x/tasks/y"
    )


def band(start: datetime, end: datetime, intensity: float | None) -> models.Band:
    return models.Band(start=start, end=end, intensity_g_per_kwh=intensity)


def series(zone: str = "DE", *, hours: int = 48, begin: datetime | None = None, low: float = 0.0) -> models.Series:
    begin = begin or now().replace(minute=0, second=0)
    values = []
    for step in range(hours * 2):
        of_day = (begin + step * HOUR / 2).hour + (step % 2) / 2
        daily = 110 * math.cos(2 * math.pi * (of_day - 20) / 24) - 70 * math.exp(-(((of_day - 13) / 3) ** 2))
        values.append(round(310 - low + daily + 25 * math.sin(step / 11), 1))
    return models.Series(
        zone=zone, start=begin, step_seconds=1800, intensity_g_per_kwh=values, signal="average",
        accounting=LIFE_CYCLE, kind="forecast", source="energy_charts", issued_at=begin,
    )  # fmt: skip


def mean(start: datetime, end: datetime) -> float:
    """Give the mean intensity of the zone that tasks wait for."""
    return known().mean(start, end)


def known() -> Forecast:
    told = series("DE", begin=(now() - HOUR).replace(minute=0, second=0))
    return Forecast("DE", told.start, timedelta(seconds=told.step_seconds), told.intensity_g_per_kwh)


def waiting_task(number: int = 0, *, moved: bool = False, task: str = TASK, dag: str = DAG) -> models.WaitingTask:
    ready = now() - HOUR / 3
    best = best_window(known(), duration=2 * HOUR, earliest_start=ready + HOUR, deadline=ready + 28 * HOUR)
    start = best.start + (number % 24) * HOUR / 4 - (3 if moved else 0) * HOUR / 2
    promised, at_once = mean(start, start + 2 * HOUR), mean(ready, ready + 2 * HOUR)
    return models.WaitingTask(
        task=link(dag=dag, task=task), decision_id=f"0000-{number}", state="deferred", location=HOME,
        zone="DE", ready_at=ready, planned_start=start, planned_end=start + 2 * HOUR, latest_start=ready + 26 * HOUR,
        duration_seconds=7200, intensity_g_per_kwh=promised, baseline_intensity_g_per_kwh=at_once,
        promised_saving_percent=100 * (1 - promised / at_once), signal="average", accounting=LIFE_CYCLE,
        source="energy_charts",
        reason=f"waits for the cleanest two hours before its latest start: {promised:.0f} and not {at_once:.0f} g/kWh",
        replans=2 if moved else 0, can_release=True,
    )  # fmt: skip


def reduction(signal: str, grams: float | None, decisions: int, accounting: str = LIFE_CYCLE) -> models.Reduction:
    return models.Reduction(
        signal=signal, accounting=accounting,
        reduction_label="avoided (estimate)" if signal == "marginal" else "attributed reduction", decisions=decisions,
        measured=decisions - decisions // 9, without_grams=decisions // 7, reduction_g=grams,
        equivalents=[models.Equivalent(**one.record()) for one in equivalents(grams)] if grams else [],
    )  # fmt: skip


def periods(scale: float = 1.0) -> list[models.Period]:
    made = []
    for name, hours, share in (("hour", 1, 0.001), ("day", 24, 0.03), ("month", 720, 1.0), ("all_time", None, 7.3)):
        since = None if hours is None else now() - hours * HOUR
        made.append(
            models.Period(
                period=name, since=since, until=now(), tasks_shifted=int(412 * share * scale) + 1,
                owners_shifted=1 + int(6 * min(1.0, share)),
                reductions=[reduction("average", 184_300.0 * share, 380), reduction("marginal", 96_210.0 * share, 61)],
            )
        )  # fmt: skip
    return made


def weeks() -> list[models.Week]:
    monday = (now() - timedelta(days=now().weekday())).date()
    rows = []
    for back in range(17, -1, -1):
        grams = 42_000 + 17_000 * math.sin(back) - (61_000 if back == 6 else 0)
        for signal, share in (("average", 1.0), ("marginal", 0.4)):
            if signal == "marginal" and back > 9:
                continue
            rows.append(
                models.Week(
                    week=monday - timedelta(weeks=back), signal=signal, accounting=LIFE_CYCLE,
                    reduction_label="avoided (estimate)" if signal == "marginal" else "attributed reduction",
                    decisions=40 + back, reduction_g=grams * share,
                )
            )  # fmt: skip
    return rows


def overview(*, waiting: list[models.WaitingTask]) -> models.Overview:
    done = [("wait", "taken", 371), ("wait", "overridden", 6), ("region", "taken", 44), ("wait", "open", 9)]
    return models.Overview(
        now=now(), periods=periods(), weeks=weeks(), waiting=waiting[:100], waiting_total=len(waiting),
        done=[models.Done(sort=sort, action=action, decisions=count) for sort, action, count in done],
        locations=["azure:germanywestcentral", "zone:FR", "zone:GB"], all_dags=True, hints=[],
    )  # fmt: skip


def regions() -> models.Regions:
    rows = []
    named = [("azure:swedencentral", "SE-SE3", "Sweden", 21), ("gcp:europe-west9", "FR", "France", 43),
             ("aws:eu-north-1", "SE-SE3", "Sweden", 21), ("azure:uksouth", "GB", "United Kingdom", 142),
             ("azure:germanywestcentral", "DE", "Germany", 402), ("aws:eu-south-1", "IT-NO", "Italy", 331)]  # fmt: skip
    for rank, (name, zone, country, grams) in enumerate(sorted(named, key=lambda one: one[3]), start=1):
        rows.append(
            models.Region(
                rank=rank, region=name, zone=zone, country=country, intensity_g_per_kwh=grams, pue=1.18,
                pue_assumed=rank % 2 == 0, effective_g_per_kwh=grams * 1.18, kind="measured", signal="average",
                accounting=LIFE_CYCLE, source="energy_charts", rejected=None,
            )
        )  # fmt: skip
    rows.append(
        models.Region(
            rank=None, region="aws:us-east-1", zone="US-MIDA-PJM", country="United States", intensity_g_per_kwh=None,
            pue=1.15, pue_assumed=False, effective_g_per_kwh=None, kind=None, signal=None, accounting=None, source=None,
            rejected="no source of this deployment covers zone US-MIDA-PJM",
        )
    )  # fmt: skip
    return models.Regions(now=now(), regions=rows, given=False, hints=[])


def sources(*, down: bool = False) -> models.Sources:
    failure = models.Failure(
        error="SourceUnavailableError", said="api.electricitymaps.com answered 503", asked_at=now() - HOUR / 6,
        until=now() + HOUR / 12,
    )  # fmt: skip
    well = models.Source(
        conn_id="carbon_default", conn_type="carbon_energy_charts", title="Energy-Charts", state="ok", said="",
        last_answer_at=now() - HOUR / 20, zones=["DE", "FR", "GB", "SE-SE3"], failures=[],
        quota=models.SourceQuota(per_hour=3600, used=212, closed_until=None),
    )  # fmt: skip
    ill = models.Source(
        conn_id="carbon_maps", conn_type="carbon_electricity_maps", title="Electricity Maps", state="failing",
        said="no answer: api.electricitymaps.com answered 503", last_answer_at=now() - 7 * HOUR, zones=["DE"],
        failures=[failure], quota=models.SourceQuota(per_hour=50, used=49, closed_until=now() + HOUR),
    )  # fmt: skip
    return models.Sources(now=now(), sources=[ill if down else well, *([] if down else [ill])], hints=[])


def forecast(location: str, waiting: list[models.WaitingTask]) -> models.LocationForecast:
    here = [one for one in waiting if one.location == location and one.planned_start and one.planned_end]
    return models.LocationForecast(
        now=now(), location=location, series=series(location, low=0.0 if "german" in location else 140.0),
        windows=[
            models.ChosenWindow(
                task=one.task,
                window=band(one.planned_start, one.planned_end, one.intensity_g_per_kwh),
                latest_start=one.latest_start,
            )
            for one in here[:20]
        ],
        hints=[],
    )  # fmt: skip


def dag_page(count: int, *, waiting: list[models.WaitingTask], task: str = TASK) -> models.DagPage:
    rows = []
    for back in range(min(count, 50)):
        promised = 38 + 14 * math.sin(back / 3)
        became = promised - 9 + 11 * math.sin(back * 1.7)
        at = now() - (back + 1) * 24 * HOUR
        rows.append(
            models.DecisionRow(
                task=link(task=task), decision_id=f"{back}", sort="wait", decided_at=at,
                action="overridden" if back == 4 else "taken", why="needed for the board meeting" if back == 4 else "",
                location="azure:germanywestcentral", zone="DE", ready_at=at, start=at + 5 * HOUR, signal="average",
                accounting=LIFE_CYCLE, promised_saving_percent=promised, saving_percent=became if back else None,
                reduction_g=became * 42 if back else None, reduction_label="attributed reduction",
                measured=back > 1,
            )
        )  # fmt: skip
    runs = [
        models.SciRun(
            run_id=f"scheduled__{back}", started_at=now() - back * 24 * HOUR, total_g=1900 + 400 * math.sin(back),
            functional_units=120, sci_g_per_unit=(1900 + 400 * math.sin(back)) / 120,
        )
        for back in range(min(count, 30), 0, -1)
    ]  # fmt: skip
    delays = [(1, 6.1), (3, 14.8), (6, 27.2), (12, 41.0), (24, 46.5), (48, 48.9)]
    return models.DagPage(
        now=now(), dag_id=DAG, reductions=[reduction("average", 61_400.0, count)] if count else [], decisions=rows,
        total=count, offset=0, limit=50,
        done=[models.Done(sort="wait", action="taken", decisions=count)] if count else [],
        promises=[
            models.PromiseKept(
                signal="average", accounting=LIFE_CYCLE, decisions=count, promised_saving_percent=39.4,
                saving_percent=31.2,
            )
        ] if count else [],
        trends=[
            models.SciTrend(
                functional_unit="model", signal="average", accounting=LIFE_CYCLE, total_over_total_g_per_unit=15.8,
                mean_of_ratios_g_per_unit=15.9, runs=runs, left_out=3,
            )
        ] if count else [],
        flexibility=[
            models.Flexibility(
                max_delay_seconds=hours * 3600, signal="average", accounting=LIFE_CYCLE, decisions=min(count, 30),
                saving_percent=percent,
            )
            for hours, percent in delays
        ] if count else [],
        flexibility_method="Each of the last 30 decisions is placed again, in the intensities that were measured.",
        waiting=waiting,
        hints=[] if count else [hints.NO_DECISION],
    )  # fmt: skip


def task_page(*, waiting: bool, moved: bool = False, task: str = TASK) -> models.TaskPage:
    row = waiting_task(moved=moved, task=task)
    assert row.ready_at is not None
    assert row.planned_start is not None
    assert row.planned_end is not None
    choices = [("azure:swedencentral", "SE-SE3", 21.0, "egress to it costs more than max_transfer_gb"),
               ("azure:norwayeast", "NO-NO1", 18.0, "not in allowed_regions")]  # fmt: skip
    replans = [
        models.Replan(
            at=row.ready_at + minutes * HOUR / 60,
            said=f"moved by {minutes} minutes: the newer forecast is 9 % cleaner there, and a change needs 4 %",
        )
        for minutes in ((6, 14) if moved else ())
    ]
    return models.TaskPage(
        now=now(), task=link(task=task), state="deferred" if waiting else "success", waiting=waiting,
        decision_id="0000-0", sort="wait", reason=row.reason,
        series=series("DE", begin=row.ready_at.replace(minute=0, second=0), hours=36),
        baseline=band(row.ready_at, row.ready_at + 2 * HOUR, row.baseline_intensity_g_per_kwh),
        chosen=[band(row.planned_start, row.planned_end, row.intensity_g_per_kwh)],
        ready_at=row.ready_at, planned_start=row.planned_start, latest_start=row.latest_start,
        started_at=None if waiting else row.planned_start, deadline=row.ready_at + 28 * HOUR, location=row.location,
        zone="DE", signal="average", accounting=LIFE_CYCLE, source="energy_charts",
        promised_saving_percent=row.promised_saving_percent,
        saving_percent=None if waiting else 47.9, reduction_g=None if waiting else 512.0,
        reduction_label="attributed reduction", replans=replans,
        regions=[
            models.RegionChoice(
                region="azure:germanywestcentral", zone="DE", rank=1, intensity_g_per_kwh=188.4,
                effective_g_per_kwh=222.3, rejected="",
            ),
            *(
                models.RegionChoice(
                    region=region, zone=zone, rank=None, intensity_g_per_kwh=grams, effective_g_per_kwh=grams * 1.2,
                    rejected=why,
                )
                for region, zone, grams, why in choices
            ),
        ],
        record={"start": row.planned_start.isoformat(), "end": row.planned_end.isoformat(), "reason": row.reason},
        can_release=waiting, hints=[],
    )  # fmt: skip


def _of(waiting: list[models.WaitingTask], *, moved: bool = False, decisions: int = 42, task: str = TASK) -> Answers:
    whole = overview(waiting=waiting)
    return {
        "/api/overview": whole,
        **{f"/api/forecast?{location}": forecast(location, waiting) for location in whole.locations},
        "/api/regions": regions(),
        "/api/sources": sources(),
        f"/api/dags/{DAG}": dag_page(decisions, waiting=waiting, task=task),
        TASK_API: task_page(waiting=bool(waiting), moved=moved, task=task),
        "/api/token": models.Token(token="a-token", expires_at=now() + HOUR),
        "/api/release": models.Released(task=link(), released=True, said="It starts within a minute."),
    }


def waiting() -> Answers:
    return _of([waiting_task(number) for number in range(3)])


def replanned() -> Answers:
    return _of([waiting_task(moved=True), waiting_task(1), waiting_task(2)], moved=True)


def thousand() -> Answers:
    many = _of([waiting_task(number) for number in range(200)], decisions=1000)
    shown = many["/api/overview"]
    assert isinstance(shown, models.Overview)
    rest = [waiting_task(number) for number in range(100, 200)]
    many["/api/waiting"] = models.Waiting(now=now(), total=200, offset=100, limit=100, waiting=rest, hints=[])
    return many


def hostile() -> Answers:
    return _of([waiting_task(task=HOSTILE, dag=HOSTILE)], task=HOSTILE)


def empty() -> Answers:
    nothing = models.Overview(
        now=now(), periods=[models.Period(period="all_time", since=None, until=now(), tasks_shifted=0, owners_shifted=0,
                                          reductions=[])],
        weeks=[], waiting=[], waiting_total=0, done=[], locations=[], all_dags=True,
        hints=[hints.NO_DECISION],
    )  # fmt: skip
    blank = dict.fromkeys(models.TaskPage.model_fields)
    texts = dict.fromkeys(("decision_id", "sort", "reason", "location", "zone", "signal", "accounting", "source",
                           "reduction_label"), "")  # fmt: skip
    lists = {name: [] for name in ("chosen", "replans", "regions")}
    page = models.TaskPage(
        **{**blank, **texts, **lists, "now": now(), "task": link(), "waiting": False, "can_release": False,
           "hints": [hints.NOT_A_CARBON_TASK]}
    )  # fmt: skip
    return {
        "/api/overview": nothing,
        "/api/regions": models.Regions(now=now(), regions=[], given=False, hints=[hints.NO_SOURCE]),
        "/api/sources": models.Sources(now=now(), sources=[], hints=[hints.NO_SOURCE]),
        f"/api/dags/{DAG}": dag_page(0, waiting=[]),
        TASK_API: page,
    }


def silent(answer: models._Answer | tuple[int, str]) -> models._Answer:
    """Give an answer as it is while the ledger does not answer: nothing known, and the reason."""
    assert isinstance(answer, models.Overview | models.DagPage | models.TaskPage)
    return answer.model_copy(update={"hints": [hints.DOWN]})


def ledger_down() -> Answers:
    known = empty()
    return {**waiting(), **{path: silent(known[path]) for path in ("/api/overview", f"/api/dags/{DAG}", TASK_API)}}


def broken() -> Answers:
    down = 503, "the metadata database does not answer"
    return {**waiting(), "/api/overview": down, f"/api/dags/{DAG}": down, TASK_API: down}


def source_down() -> Answers:
    answers = {**waiting(), "/api/sources": sources(down=True)}
    for path in [one for one in answers if one.startswith("/api/forecast")]:
        answers[path] = models.LocationForecast(
            now=now(), location=path.partition("?")[2], series=None, windows=[], hints=[hints.NO_ANSWER]
        )
    answers["/api/regions"] = models.Regions(now=now(), regions=[], given=False, hints=[hints.NO_ANSWER])
    return answers


def session_ended() -> Answers:
    return dict.fromkeys(waiting(), (401, "Not authenticated"))


STATES: dict[str, Callable[[], Answers]] = {
    one.__name__: one
    for one in (empty, waiting, replanned, thousand, hostile, ledger_down, broken, source_down, session_ended)
}
