"""Values: what ``dataclass(frozen=True, slots=True)`` makes, without compiling anything.

A dataclass compiles its methods anew in each process, 1 to 4 ms for a class, and a task's process lives for one task.
So the classes that every waiting task meets are made here, of methods that go through the fields by name. To all others
they are dataclasses: a type checker reads them as such, and ``fields``, ``replace`` and ``asdict`` take them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, FrozenInstanceError, dataclass, field
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform, overload

_Kind = TypeVar("_Kind")


@overload
def value(kind: type[_Kind], /) -> type[_Kind]: ...
@overload
def value(*, kw_only: bool = False) -> Callable[[type[_Kind]], type[_Kind]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(kind: Any = None, /, *, kw_only: bool = False) -> Any:
    """Make a class of immutable values of its annotated fields.

    :param kw_only: whether its fields can only be given by name.
    """
    return _made(kind, kw_only) if kind is not None else lambda kind: _made(kind, kw_only)


def _made(kind: Any, kw_only: bool) -> Any:
    names = tuple(kind.__annotations__)
    own = {name: one for name, one in vars(kind).items() if name not in ("__dict__", "__weakref__")}
    defaults = {name: own.pop(name) for name in names if name in own}
    own["__slots__"] = names
    own["__match_args__"] = () if kw_only else names
    own["__dataclass_fields__"] = _Fields(kind.__annotations__, defaults, kw_only)
    made: Any = type(kind)(kind.__name__, kind.__bases__, own)
    made.__init__ = _init(made, names, defaults, kw_only)
    parts = attrgetter(*names) if len(names) > 1 else lambda one: (getattr(one, names[0]),)
    for method in _methods(names, parts):
        # What a class says of itself stands.
        if method.__name__ not in own:
            setattr(made, method.__name__, method)
    return made


def _init(made: Any, names: tuple[str, ...], defaults: Mapping[str, Any], kw_only: bool) -> Callable[..., None]:
    most = 0 if kw_only else len(names)
    plain = {name: one for name, one in defaults.items() if not isinstance(one, Field)}
    fresh: dict[str, Any] = {name: one.default_factory for name, one in defaults.items() if isinstance(one, Field)}
    slots = [(name, getattr(made, name).__set__) for name in names]
    then = getattr(made, "__post_init__", None)

    def __init__(self: Any, /, *values: Any, **named: Any) -> None:  # noqa: N807
        if values:
            if len(values) > most:
                raise TypeError(f"{made.__name__} takes {most} fields by place, and {len(values)} were given")
            for name, one in zip(names, values, strict=False):
                if name in named:
                    raise TypeError(f"{made.__name__} got {name!r} twice")
                named[name] = one
        missing = []
        for name, put in slots:
            if name in named:
                put(self, named.pop(name))
            elif name in plain:
                put(self, plain[name])
            elif name in fresh:
                put(self, fresh[name]())
            else:
                missing.append(name)
        if named or missing:
            wrong = f"knows no {', '.join(map(repr, named))}" if named else f"lacks {', '.join(map(repr, missing))}"
            raise TypeError(f"{made.__name__} {wrong}")
        if then is not None:
            then(self)

    return __init__


def _methods(names: tuple[str, ...], parts: Callable[[Any], tuple[Any, ...]]) -> list[Callable[..., Any]]:
    def __repr__(self: Any) -> str:  # noqa: N807
        told = ", ".join(f"{name}={one!r}" for name, one in zip(names, parts(self), strict=True))
        return f"{type(self).__qualname__}({told})"

    def __eq__(self: Any, other: object) -> Any:  # noqa: N807
        return parts(self) == parts(other) if type(other) is type(self) else NotImplemented

    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(parts(self))

    def __setattr__(self: Any, name: str, value: Any) -> None:  # noqa: N807
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self: Any, name: str) -> None:  # noqa: N807
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __getstate__(self: Any) -> tuple[Any, ...]:  # noqa: N807
        return parts(self)

    def __setstate__(self: Any, state: tuple[Any, ...]) -> None:  # noqa: N807
        for name, one in zip(names, state, strict=True):
            object.__setattr__(self, name, one)

    return [__repr__, __eq__, __hash__, __setattr__, __delattr__, __getstate__, __setstate__]


class _Fields:
    """Tell the standard library of the fields, by its own means, once it asks."""

    def __init__(self, annotations: Mapping[str, Any], defaults: Mapping[str, Any], kw_only: bool) -> None:
        self._told = annotations, defaults, kw_only
        self._fields: dict[str, Field[Any]] | None = None

    def __get__(self, instance: Any, owner: type[Any]) -> dict[str, Field[Any]]:
        if self._fields is None:
            annotations, defaults, kw_only = self._told
            twin: Any = type(owner.__name__, (), {"__annotations__": annotations, **defaults})
            made: Any = dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(twin)
            self._fields = made.__dataclass_fields__
        return self._fields
