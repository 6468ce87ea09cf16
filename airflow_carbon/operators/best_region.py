"""Operators that choose the cleanest region, and follow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseBranchOperator, BaseOperator

from airflow_carbon.core.location import Location
from airflow_carbon.core.moment import in_words, parse_duration, parse_moment_after, stated
from airflow_carbon.exceptions import InvalidRequestError, NoFeasibleWindowError, SourceUnavailableError
from airflow_carbon.hooks.source_link import CarbonSourceLink

# Each parse of a DAG pays for what stands above: what is needed later is imported later.
if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_carbon.hooks.carbon import CarbonHook


class BestRegionOperator(BaseOperator):
    """Choose the region, and with a deadline the time too, where a run is cleanest: least intensity x PUE.

    Returns the region as the user wrote it. The XCom ``ranking`` holds every candidate with its intensity, and each
    rejected one with the reason; ``carbon_decision`` holds the record of the choice. All fields but ``allow_mixed`` are
    templated. An outage does not fail the task: all regions are then ranked by annual averages.

    :param regions: candidates, for example ``["azure:swedencentral", "aws:eu-west-2"]``.
    :param duration: how long the run takes, a timedelta or a text like ``1h30m``.
    :param deadline: latest finish; with it region and time are chosen together. A moment, or a duration counted from
        ``run_after``.
    :param allowed_countries: ISO 3166 codes of the countries where the data may go; None allows all.
    :param carbon_conn_id: one connection, or an ordered list of them; None uses ``carbon_default``, or the typical
        profiles where that is not defined.
    :param allow_mixed: rank intensities of different signal or accounting against each other.
    """

    template_fields: Sequence[str] = (
        "regions", "duration", "deadline", "allowed_countries", "carbon_conn_id",
    )  # fmt: skip
    operator_extra_links = (CarbonSourceLink(),)
    ui_color: str = "#d5f0dc"
    source_url: str = ""

    def __init__(
        self,
        *,
        regions: Sequence[str] | str,
        duration: timedelta | str,
        deadline: datetime | timedelta | str | None = None,
        allowed_countries: Sequence[str] | str | None = None,
        carbon_conn_id: str | Sequence[str] | None = None,
        allow_mixed: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.regions = regions
        self.duration = duration
        self.deadline = deadline
        self.allowed_countries = allowed_countries
        self.carbon_conn_id = carbon_conn_id
        self.allow_mixed = allow_mixed

    def execute(self, context: Context) -> Any:
        """Rank the regions, keep the ranking, and give the best one."""
        return self.choose(context)

    def choose(self, context: Context) -> str:
        """Rank the regions and push what was found.

        :raises InvalidRequestError: naming the field that is wrong.
        :raises UnknownZoneError: if a region is in no table, with the nearest names.
        :raises NoFeasibleWindowError: if no candidate is left, with the reason of each.
        """
        from airflow_carbon.core.placement import Ranking, of_one_sort, rank_placements
        from airflow_carbon.hooks import chain
        from airflow_carbon.hooks.asking import asked_in_time
        from airflow_carbon.hooks.typical import TypicalHook
        from airflow_carbon.sources.candidates import candidates

        now = datetime.now(UTC)
        names = _names(self.regions, "regions")
        duration = parse_duration(self.duration, "duration")
        deadline = self._deadline(context, now, duration)
        allowed = stated(self.allowed_countries)
        countries = None if allowed is None else _names(allowed, "allowed_countries")

        def ranked(hooks: Sequence[CarbonHook]) -> Ranking:
            source = chain.source_of(hooks, ranking=True)
            found = asked_in_time(candidates(source, names, now=now, until=deadline or now + duration))
            return rank_placements(
                found if self.allow_mixed else of_one_sort(found, allowed_countries=countries),
                duration=duration,
                earliest_start=now,
                deadline=deadline,
                allowed_countries=countries,
                allow_mixed=self.allow_mixed,
            )

        try:
            hooks = chain.hooks_of(chain.conn_ids(stated(self.carbon_conn_id)))
            ranking = ranked(hooks)
            outage = "no source answered for any region that is allowed" if ranking.out_of_data else ""
        except SourceUnavailableError as error:
            outage = str(error)
        if outage:
            # An outage must not fail the DAG; all from one source, or unlike numbers would be ranked.
            self.log.warning("%s; ranking by annual averages instead", outage)
            hooks = [TypicalHook()]
            ranking = ranked(hooks)
        ti, records = context["ti"], ranking.records()
        ti.xcom_push(key="ranking", value=records)
        for record in records:
            self.log.info("%s", _sentence(record))
        best = ranking.best
        chosen = next(record for record in records if record["region"] == best.name)
        ti.xcom_push(key="carbon_decision", value={"chosen": best.name, "decided_at": now.isoformat(), **chosen})
        self.source_url = chain.source_url(hooks, Location.parse(best.name), chosen["source"])
        return best.name

    def _deadline(self, context: Context, now: datetime, duration: timedelta) -> datetime | None:
        if (asked := stated(self.deadline)) is None:
            return None
        run_after = context["dag_run"].run_after
        deadline = parse_moment_after(asked, run_after, "deadline")
        if deadline - duration < run_after:
            raise NoFeasibleWindowError(
                f"deadline {deadline.isoformat()} cannot be met: a run of {in_words(duration)} from run_after on "
                f"ends at {(run_after + duration).isoformat()}; allow a later deadline or a shorter duration"
            )
        if deadline - duration < now:
            self.log.warning("Airflow came to this task too late for its deadline; choosing the region for a run now")
            return None
        return deadline


class BestRegionBranchOperator(BaseBranchOperator, BestRegionOperator):
    """Choose the cleanest region and follow its branch; takes all that :class:`BestRegionOperator` does.

    Returns the chosen region as the user wrote it.

    :param branches: region as in ``regions`` -> task id (or task group id) to follow; gives ``regions`` too where they
        are not named apart.
    """

    template_fields: Sequence[str] = (*BestRegionOperator.template_fields, "branches")

    def __init__(self, *, branches: Mapping[str, str], regions: Sequence[str] | str = "", **kwargs: Any) -> None:
        super().__init__(regions=regions, **kwargs)
        self.branches = branches

    def execute(self, context: Context) -> str:
        """Choose the region, skip every branch but its own, and give the region."""
        region = self.chosen(context)
        # Skipping leaves this method by an exception, and what it would have returned is lost.
        context["ti"].xcom_push(key="return_value", value=region)
        self.do_branch(context, self.branches[region])
        return region

    def choose_branch(self, context: Context) -> str:
        """Give the task id that stands beside the chosen region."""
        return self.branches[self.chosen(context)]

    def chosen(self, context: Context) -> str:
        """Choose the region.

        :raises InvalidRequestError: if a region has no branch; found before anything is asked.
        """
        if not isinstance(self.branches, Mapping) or not self.branches:
            raise InvalidRequestError(f"branches: {self.branches!r} must map each region to a task id")
        # Only now are templates rendered and the branches known.
        self.regions = names = _names(stated(self.regions) or list(self.branches), "regions")
        missing = [name for name in names if name not in self.branches]
        if missing:
            raise InvalidRequestError(
                f"branches: region {missing[0]!r} has no task to follow; there are {', '.join(self.branches) or 'none'}"
            )
        return self.choose(context)


def _names(value: Sequence[str] | str, field: str) -> list[str]:
    names = [one.strip() for one in value.split(",")] if isinstance(value, str) else list(value)
    if not names or not all(isinstance(one, str) and one for one in names):
        raise InvalidRequestError(f"{field}: {value!r} must be a list of at least one name")
    if len(set(names)) != len(names):
        raise InvalidRequestError(f"{field}: {', '.join(names)} names one twice")
    return names


def _sentence(record: Mapping[str, Any]) -> str:
    if record["rejected"]:
        return f"{record['region']}: rejected, {record['rejected']}"
    return (
        f"{record['rank']}. {record['region']}: {record['intensity_g_per_kwh']:.0f} g/kWh x PUE {record['pue']}"
        f"{' (assumed)' if record['pue_assumed'] else ''} "
        f"= {record['effective_g_per_kwh']:.0f} g/kWh ({record['kind']})"
    )
