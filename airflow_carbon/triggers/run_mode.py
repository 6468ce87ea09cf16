"""Which mode holds for one task of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_carbon.core.moment import stated
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.hooks.settings import Mode, mode, parse_mode

if TYPE_CHECKING:
    from airflow.sdk import Context


def run_mode(context: Context, carbon_mode: str | None) -> Mode:
    """Find the mode that holds: the run's word, ``conf["carbon"]``, then the task's, then the deployment's.

    :param carbon_mode: the task's own field, rendered.
    :raises InvalidRequestError: naming where the word stands that is no mode.
    """
    asked = (context["dag_run"].conf or {}).get("carbon")
    if isinstance(asked, dict):
        unknown = sorted(set(asked) - {"mode"})
        if unknown:
            raise InvalidRequestError(f"conf['carbon']: unknown key {unknown[0]!r}; it takes 'mode'")
        asked = asked.get("mode")
    if asked is not None:
        return parse_mode(asked, "conf['carbon']")
    own = stated(carbon_mode)
    return mode() if own is None else parse_mode(own, "carbon_mode")
