"""An answer as a service that has gone wrong might send it: one to four parts of it changed, removed, doubled."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

#: What stands where something else belongs.
_WRONG = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(),
    st.sampled_from(
        [10**400, -1, 0, 1e308, "", "NaN", "12.5", "1970-01-01T00:00:00Z", "2026-08-22T17:30:00", "x" * 300]
    ),
    st.sampled_from(["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "lbs_co2_per_mwh", "kg_co2_per_mwh", "٣"]),
    st.text(max_size=12),
    st.just([]),
    st.just({}),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=3),
)


@st.composite
def mutated(draw: st.DrawFn, answer: Any) -> Any:
    """Give a changed copy of a JSON document."""
    holder = [copy.deepcopy(answer)]
    for _ in range(draw(st.integers(1, 4))):
        container, key = draw(st.sampled_from(_places(holder)))
        match draw(st.sampled_from(["replace", "remove", "double", "swap", "scale"])):
            case "remove" if container is not holder:
                del container[key]
            case "double" if isinstance(container, list) and container is not holder:
                container.insert(key, copy.deepcopy(container[key]))
            case "swap" if isinstance(container, list) and container is not holder:
                other = draw(st.integers(0, len(container) - 1))
                container[key], container[other] = container[other], container[key]
            case "scale" if type(container[key]) in (int, float) and abs(container[key]) < 1e300:
                container[key] *= draw(st.sampled_from([-1, 0, 0.001, 1000, 1e9]))
            case _:
                container[key] = draw(_WRONG)
    # As it would arrive: through JSON and back.
    return json.loads(json.dumps(holder[0]))


def _places(root: Any) -> list[tuple[Any, Any]]:
    places: list[tuple[Any, Any]] = []
    pending = [root]
    while pending:
        one = pending.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        for key in keys:
            places.append((one, key))
            pending.append(one[key])
    return places
