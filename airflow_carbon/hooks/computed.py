"""The hook of a user's own function."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import TYPE_CHECKING

from airflow_carbon.core.units import Signal
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.hooks.carbon import CarbonHook
from airflow_carbon.hooks.forms import CALLABLE
from airflow_carbon.hooks.settings import callables

if TYPE_CHECKING:
    from airflow_carbon.sources.base import CarbonSource
    from airflow_carbon.sources.computed import Function


class ComputedHook(CarbonHook):
    """Serve what a Python function of the deployment computes."""

    conn_type = "carbon_callable"
    source_name = "callable"
    hook_name = CALLABLE.title
    fields = CALLABLE.fields

    def source(self) -> CarbonSource:
        """Import the function and build the source over it; it is not called yet.

        :raises InvalidRequestError: if ``[carbon] callables`` does not list the function, or it cannot be imported.
        """
        from airflow_carbon.sources.computed import Computed

        settings = self.settings()
        return Computed(
            self._function(settings["callable"]),
            zone=settings["zone"],
            signal=Signal(settings["signal"]),
            refresh=settings["refresh"],
        )

    def _function(self, path: str) -> Function:
        """Import a function, and nothing that the deployment's configuration does not list.

        Whoever may edit a connection must not thereby be able to run anything that is installed.
        """
        where = f"connection {self.carbon_conn_id!r}: field 'callable': {path!r}"
        listed = callables()
        module_name, _, name = path.rpartition(".")
        if not _lists(listed, path):
            raise InvalidRequestError(
                f"{where} is not allowed; add {module_name} to the option callables in section [carbon] of Airflow's "
                f"configuration (AIRFLOW__CARBON__CALLABLES) where tasks and the triggerer run"
            )
        try:
            module = import_module(module_name)
        except ModuleNotFoundError as error:
            raise InvalidRequestError(
                f"{where}: no module {error.name!r} here; install it where tasks and the triggerer run"
            ) from None
        except Exception as error:
            # Its type alone: a module that reads its configuration as it is imported may name a secret.
            raise InvalidRequestError(f"{where}: importing {module_name} failed with {type(error).__name__}") from None
        found: Function | None = getattr(module, name, None)
        if found is None:
            near = difflib.get_close_matches(name, dir(module), n=1)
            hint = f"; did you mean {module_name}.{near[0]}?" if near else ""
            raise InvalidRequestError(f"{where}: {module_name} has no {name!r}{hint}")
        if not callable(found):
            kind = type(found).__name__
            raise InvalidRequestError(f"{where} is of type {kind}, not a function f(location, start, end)")
        # What a listed module imports for itself, subprocess.run for one, is not meant with it.
        home = str(getattr(found, "__module__", None) or "")
        if path not in listed and not _lists(listed, home):
            raise InvalidRequestError(
                f"{where} comes from {home or 'no module'}, which is not listed; to allow it all the same, "
                f"add {path} itself to [carbon] callables"
            )
        return found


def _lists(listed: tuple[str, ...], path: str) -> bool:
    return any(path == one or path.startswith(f"{one}.") for one in listed)
