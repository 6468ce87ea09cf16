"""What a DAG author writes for ``prices=``, made into a source."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from airflow_carbon.core.literal import literal
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.prices.base import PriceSource
from airflow_carbon.prices.table import Table

AZURE_RETAIL = "azure_retail"
#: Far more than any ranking needs: one request for each region in six hours [1/h].
REQUESTS_PER_HOUR = 600
_FORMS = "write 'azure_retail', the path of a CSV, or a list of dicts with region, sku, purchase and per_hour"


def chosen(given: Any, *, folder: Path | None = None, address: str = "", field: str = "prices") -> PriceSource | None:
    """Make the source of prices that is asked for; None where none is.

    :param given: ``azure_retail``, a CSV's path (absolute, or relative to where the process runs), rows as
        :class:`~airflow_carbon.prices.table.Table` takes them, a source itself, or None.
    :param folder: where this host keeps what a service told; None keeps it in this process alone.
    :param address: of the service, in place of its public one.
    :param field: what to name in errors.
    :raises InvalidRequestError: if it is none of these, or a row is wrong.
    """
    if given is None or (isinstance(given, str) and not given.strip()):
        return None
    if isinstance(given, PriceSource):
        return given
    if isinstance(given, Path):
        return Table(given)
    if isinstance(given, str):
        named = given.strip()
        if named[:1] in ("[", "{"):
            # Rows from a DAG Param, as a template prints them.
            return Table(literal(named, field), field)
        return _azure_retail(folder, address) if named.lower() == AZURE_RETAIL else Table(_path(named, field))
    if isinstance(given, Iterable) and not isinstance(given, bytes):
        return Table(given, field)
    raise InvalidRequestError(f"{field}: a {type(given).__name__} names no prices; {_FORMS}")


def _azure_retail(folder: Path | None, address: str) -> PriceSource:
    from airflow_carbon.prices.azure_retail import ADDRESS, AzureRetail
    from airflow_carbon.prices.kept_prices import KeptPrices
    from airflow_carbon.web.http import Http
    from airflow_carbon.web.quota import Quota
    from airflow_carbon.web.shelf import Shelf

    shelf = None if folder is None else Shelf(folder)
    quota = Quota(REQUESTS_PER_HOUR, shelf)
    return AzureRetail(Http(AZURE_RETAIL, address or ADDRESS, quota=quota), KeptPrices(shelf))


def _path(text: str, field: str) -> Path:
    if "://" in text or not text.lower().endswith(".csv"):
        # What stands before an @ may be a password.
        raise InvalidRequestError(f"{field}: {text.rpartition('@')[2][:60]!r} names no prices; {_FORMS}")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise InvalidRequestError(f"{field}: no home is known for {text[:60]!r}; write the whole path") from None
