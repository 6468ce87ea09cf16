"""The plugins that a manifest may name, and how their parameters are aggregated unless the manifest says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_carbon.core.aggregate import Method, Methods
from airflow_carbon.core.manifest import arithmetic, carbon

if TYPE_CHECKING:
    from airflow_carbon.core.manifest.arithmetic import Config
    from airflow_carbon.core.manifest.place import Place
    from airflow_carbon.core.manifest.row import Step

_SUM = Methods(Method.SUM, Method.SUM)
_COPY = Methods(Method.COPY, Method.COPY)


@dataclass(frozen=True, slots=True)
class Plugin:
    """Describe a plugin.

    :param read: makes a step of a configuration, for each row.
    :param inputs: methods of its inputs, by name.
    :param outputs: methods of its outputs, by name; the manifest's own replace them all.
    """

    read: Callable[[Config, Place], Step]
    inputs: Mapping[str, Methods] = field(default_factory=dict)
    outputs: Mapping[str, Methods] = field(default_factory=dict)


PLUGINS: Mapping[str, Plugin] = {
    "Sum": Plugin(arithmetic.read_sum),
    "Multiply": Plugin(arithmetic.read_multiply),
    "Divide": Plugin(arithmetic.read_divide),
    "Subtract": Plugin(arithmetic.read_subtract),
    "Coefficient": Plugin(arithmetic.read_coefficient),
    "Copy": Plugin(arithmetic.read_copy),
    "SciEmbodied": Plugin(
        carbon.read_sci_embodied,
        inputs=dict.fromkeys((*carbon.EMBODIED_INPUTS, "time"), _COPY),
        outputs={"embodied-carbon": _SUM},
    ),
    "Sci": Plugin(
        carbon.read_sci,
        # The count itself has a name of its own, so its methods must be written in the manifest.
        inputs={"carbon": _SUM, "functional-unit": _SUM},
        outputs={"sci": Methods(Method.AVG, Method.SUM)},
    ),
}
