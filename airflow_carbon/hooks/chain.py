"""From ``carbon_conn_id``, one id or an ordered list, to one source with fallbacks."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_carbon.core.units import Kind
from airflow_carbon.exceptions import InvalidRequestError, SourceUnavailableError
from airflow_carbon.hooks.carbon import CarbonHook
from airflow_carbon.hooks.forms import FORMS, TYPICAL

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_carbon.core.forecast import Forecast
    from airflow_carbon.core.location import Location
    from airflow_carbon.sources.base import CarbonSource

log = logging.getLogger(__name__)

#: Used where a task names no connection; where it is not defined either, the typical source serves.
DEFAULT_CONN_ID = "carbon_default"

#: This package's own connection types; those of other packages are found through Airflow's providers.
HOOKS = {form.conn_type: form.hook for form in FORMS}


def conn_ids(carbon_conn_id: str | Iterable[str] | None) -> tuple[str, ...]:
    """Read one connection id, an ordered list of them (or its text, with commas), or None for the default.

    :raises InvalidRequestError: if it is neither, or the list is empty or names one twice.
    """
    if carbon_conn_id is None:
        return ()
    # A template gives a chain as one text.
    listed = carbon_conn_id.split(",") if isinstance(carbon_conn_id, str) else carbon_conn_id
    ids = tuple(one.strip() if isinstance(one, str) else one for one in listed)
    if not ids or not all(isinstance(one, str) and one.strip() for one in ids):
        raise InvalidRequestError(f"carbon_conn_id: {carbon_conn_id!r} must be a connection id or a list of them")
    if len(set(ids)) != len(ids):
        raise InvalidRequestError(f"carbon_conn_id: {', '.join(ids)} names a connection twice")
    return ids


def hooks_of(ids: Sequence[str]) -> list[CarbonHook]:
    """Look the connections up, in a task or on the command line.

    :raises InvalidRequestError: if one is not defined or is no carbon source.
    :raises SourceUnavailableError: if Airflow cannot tell now, for example because a secrets backend is down.
    """
    found: list[CarbonHook] = []
    for conn_id in ids or (DEFAULT_CONN_ID,):
        try:
            connection = BaseHook.get_connection(conn_id)
        except AirflowNotFoundException:
            found.append(_missing(conn_id, named=bool(ids)))
        except Exception as error:
            raise _unreadable(conn_id, error) from error
        else:
            found.append(hook_of(connection))
    return found


async def ahooks_of(ids: Sequence[str]) -> list[CarbonHook]:
    """Look the connections up in the triggerer, where nothing may block.

    :raises InvalidRequestError: if one is not defined or is no carbon source.
    :raises SourceUnavailableError: if Airflow cannot tell now, for example because a secrets backend is down.
    """
    found: list[CarbonHook] = []
    for conn_id in ids or (DEFAULT_CONN_ID,):
        try:
            connection = await BaseHook.aget_connection(conn_id)
        except AirflowNotFoundException:
            found.append(_missing(conn_id, named=bool(ids)))
        except Exception as error:
            raise _unreadable(conn_id, error) from error
        else:
            found.append(hook_of(connection))
    return found


def check(ids: Sequence[str]) -> None:
    """Refuse a connection that is missing or misspelt; one that cannot be read now is an outage like any other.

    :raises InvalidRequestError: naming the connection, and the field that is wrong.
    """
    try:
        for hook in hooks_of(ids):
            hook.settings()
    except SourceUnavailableError as error:
        log.warning("%s", error)


def hook_of(connection: Connection) -> CarbonHook:
    """Give the hook of a connection's type.

    :raises InvalidRequestError: if the type is no carbon source.
    """
    kind = connection.conn_type or ""
    path = HOOKS.get(kind) or _hook_of_other_provider(kind)
    hook_class = _imported(path) if path else None
    if not (isinstance(hook_class, type) and issubclass(hook_class, CarbonHook)):
        near = difflib.get_close_matches(kind, HOOKS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"carbon types are {', '.join(HOOKS)}"
        raise InvalidRequestError(
            f"connection {connection.conn_id!r} has type {kind!r}, which is no carbon source; {hint}"
        )
    return hook_class(connection=connection)


def source_of(hooks: Sequence[CarbonHook], *, ranking: bool = False) -> CarbonSource:
    """Compose the hooks' sources: each cached, the next one asked where one is unavailable.

    An issued forecast is blended with an own one for as long as that has helped in its zone.

    Where none answers, the last good forecast does, then an own one from what a source has measured, then a typical
    profile that was calibrated for the zone.

    :param ranking: the answers for different zones are to be ranked against each other; a profile of one zone alone
        does not compare.
    :raises InvalidRequestError: naming the connection and the field that is wrong.
    """
    from airflow_carbon.sources.blended import Blended
    from airflow_carbon.sources.cached import Cached
    from airflow_carbon.sources.fallback import Fallback, LastResort
    from airflow_carbon.sources.host_cache import HostCache
    from airflow_carbon.sources.kept_history import KeptHistory
    from airflow_carbon.sources.last_good import LastGood
    from airflow_carbon.sources.own_forecast import OwnForecast
    from airflow_carbon.sources.typical_day import TypicalDay

    def cached(hook: CarbonHook) -> Cached:
        shelf = hook.shelf()
        source = hook.ranking_source() if ranking else hook.source()
        return Cached(source, host=None if shelf is None else HostCache(shelf))

    sources = [cached(hook) for hook in hooks]
    if all(_is_typical(hook) for hook in hooks):
        return sources[0] if len(sources) == 1 else Fallback(sources)
    answering: list[CarbonSource] = []
    histories = []
    for hook, source in zip(hooks, sources, strict=True):
        shelf = hook.shelf()
        answering.append(source)
        if _is_typical(hook):
            continue
        histories.append(KeptHistory(source.source, shelf))
        # What lies on this host is no service whose forecasts could be mended; ranked zones must stay as issued.
        if shelf is not None and not ranking:
            answering[-1] = Blended(source, histories[-1], shelf)
    last_resorts: list[LastResort] = [LastGood(sources), OwnForecast(histories)]
    if not ranking:
        last_resorts.append(TypicalDay())
    return Fallback(answering, last_resorts=last_resorts)


def stands_in(hooks: Sequence[CarbonHook], answer: Forecast) -> bool:
    """Tell whether an answer is a typical profile in place of what was asked for."""
    return answer.kind is Kind.TYPICAL and not any(_is_typical(hook) for hook in hooks)


def source_url(hooks: Sequence[CarbonHook], location: Location, source: str) -> str:
    """Give the page of the data that an answer came from.

    :param source: the answer's own ``source``, which begins with the name of the source that gave it; an own forecast
        names that of its history.
    """
    own = source.startswith(Kind.OWN)
    for hook in hooks:
        if source.startswith(hook.source_name) or (own and f" of {hook.source_name} history" in source):
            return hook.source_url(location)
    return ""


def _is_typical(hook: CarbonHook) -> bool:
    return hook.conn_type == TYPICAL.conn_type


def _unreadable(conn_id: str, error: Exception) -> SourceUnavailableError:
    # Its type alone: the words of a secrets backend may name what it keeps.
    return SourceUnavailableError(f"connection {conn_id!r} cannot be read now: {type(error).__name__}")


def _missing(conn_id: str, *, named: bool) -> CarbonHook:
    if named:
        raise InvalidRequestError(
            f"carbon_conn_id: connection {conn_id!r} is not defined; add it in Admin > Connections or with "
            f"`airflow connections add {conn_id} --conn-type carbon_history ...`"
        )
    from airflow_carbon.hooks.typical import TypicalHook

    log.info(
        "No carbon_conn_id given and no connection %r defined: using typical profiles, which are no forecast. "
        "Connect a source for real ones.",
        DEFAULT_CONN_ID,
    )
    return TypicalHook()


def _hook_of_other_provider(conn_type: str) -> str | None:
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    hook = ProvidersManagerTaskRuntime().hooks.get(conn_type)
    return None if hook is None else str(hook.hook_class_name)


def _imported(path: str) -> object:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)
