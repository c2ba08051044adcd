"""A form field for each parameter of a step or a verb, chosen by its type and labelled with its unit."""

from __future__ import annotations

import inspect
import os
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np

from ndlab.errors import BadRequest
from ndlab.pipeline import BlockStep, Step

__all__ = ["Field", "fields_of", "parameter_fields", "parsed"]

_AXES = frozenset({"t", "c"})
_MISSING = inspect.Parameter.empty
_NUMBERS = (int, float)


@dataclass(frozen=True)
class Field:
    """One parameter of a step or a verb.

    Attributes
    ----------
    name : str
    kind : type or tuple
        ``bool``, ``int``, ``float``, ``str``, a tuple of choices, or ``object`` for what no form can hold.
    unit : str
        As ``Annotated[float, "nm"]`` says it.
    value : object
        What the step has now, or what the verb is called with.
    length : int
        Numbers in it: 3 for ``tuple[float, float, float]``, 0 for one value, -1 for any number of them.
    optional : bool
        Whether it may be None: found from the data.
    single : bool
        Whether one number may stand where several can.
    required : bool
        Whether there is neither a value nor a default.
    """

    name: str
    kind: Any
    unit: str = ""
    value: Any = None
    length: int = 0
    optional: bool = False
    single: bool = False
    required: bool = False


def fields_of(step: Step) -> list[Field]:
    """Return a field for each parameter of a step's function, in order, the block or the arrays left out.

    Examples
    --------
    >>> def smooth(block, sigma: Annotated[float, "nm"], mode: Literal["nearest", "mirror"] = "nearest"): ...
    >>> [(f.name, f.kind, f.unit, f.value) for f in fields_of(Step("smooth", smooth, {"sigma": 15.0}))]
    [('sigma', <class 'float'>, 'nm', 15.0), ('mode', ('nearest', 'mirror'), '', 'nearest')]
    """
    found = parameter_fields(step.function, step.params, [p for p in _signature(step) if p.name != "window"])
    known = {field.name for field in found}
    return found + [_field(name, _MISSING, value) for name, value in step.params.items() if name not in known]


def parameter_fields(
    function: Callable[..., Any], values: Mapping[str, Any], parameters: Iterable[inspect.Parameter]
) -> list[Field]:
    """Return a field for each of some parameters of a function, with the values given or their defaults."""
    hints = _hints(function)
    return [
        _field(p.name, hints.get(p.name, p.annotation), values.get(p.name, p.default))
        for p in parameters
        if p.name not in _AXES and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]


def _signature(step: Step) -> list[inspect.Parameter]:
    """Return the parameters of the function that no block fills."""
    try:
        found = list(inspect.signature(step.function).parameters.values())
    except ValueError:  # Of functions written in C there is nothing to see.
        return []
    if not isinstance(step, BlockStep):
        return found[1:]
    named = isinstance(step.inputs, Mapping)
    return [p for p in found if p.name not in step.inputs] if named else found[len(step.volumes) :]


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of the parameters, those left out that only a type checker can see."""
    plain = inspect.unwrap(function)
    try:
        return typing.get_type_hints(plain, include_extras=True)
    except (NameError, TypeError, AttributeError):
        found: dict[str, Any] = {}
        for name, hint in getattr(plain, "__annotations__", {}).items():
            alone = types.SimpleNamespace(__annotations__={name: hint})
            try:
                found |= typing.get_type_hints(alone, getattr(plain, "__globals__", {}), include_extras=True)
            except (NameError, TypeError, AttributeError):
                continue
        return found


def _field(name: str, hint: Any, value: Any) -> Field:
    required, value = value is _MISSING, None if value is _MISSING else value
    parts, unit, optional = _parts(hint)
    if not parts or isinstance(hint, str) or hint is _MISSING:
        parts = [type(value)]
    kind, length, single = _kind(parts, value)
    if not _holds(kind, value):
        kind, length = object, 0
    return Field(name, kind, unit, value, length, optional, single, required)


def _holds(kind: Any, value: Any) -> bool:
    """Whether a field of a kind can show a value: what may be text or a model may have been given the model."""
    if kind is str:
        return value is None or isinstance(value, str | os.PathLike)
    if kind in _NUMBERS:
        found = value if isinstance(value, tuple | list) else [value]
        return all(one is None or isinstance(one, int | float | np.number) for one in found)
    return True


def _parts(hint: Any) -> tuple[list[Any], str, bool]:
    """Take a type apart: what it may be besides None, its unit, and whether None is one of it."""
    if get_origin(hint) is Annotated:
        inside, *notes = get_args(hint)
        parts, unit, optional = _parts(inside)
        return parts, next((note for note in notes if isinstance(note, str)), unit), optional
    if get_origin(hint) in (Union, types.UnionType):
        found = [_parts(part) for part in get_args(hint) if part is not type(None)]
        unit = next((unit for _, unit, _ in found if unit), "")
        return [part for parts, _, _ in found for part in parts], unit, type(None) in get_args(hint)
    return [hint], "", False


def _kind(parts: list[Any], value: Any) -> tuple[Any, int, bool]:
    if len(parts) == 1:
        return (*_kind_of(parts[0], value), False)
    if str in parts and not set(parts) & {int, float, bool}:  # Text or a path.
        return str, 0, False
    kinds = [_kind_of(part, value) for part in parts]
    if not all(kind in _NUMBERS for kind, _ in kinds):
        return object, 0, False
    lengths = {length for _, length in kinds}
    return (float if float in [kind for kind, _ in kinds] else int), max(lengths - {0}, default=0), 0 in lengths


def _kind_of(hint: Any, value: Any) -> tuple[Any, int]:
    origin = get_origin(hint)
    if origin is Literal:
        return get_args(hint), 0
    if isinstance(hint, type) and issubclass(hint, Enum):
        return tuple(hint), 0
    if hint in (bool, int, float, str):
        return hint, 0
    inside = get_args(hint)
    parts = [part for part in inside if part is not ...]
    if hint in (tuple, list) and isinstance(value, tuple | list) and value:
        parts = [type(one) for one in value]
    if (origin in (tuple, list, Sequence) or hint in (tuple, list)) and parts and set(parts) <= {int, float}:
        open_ended = ... in inside or origin in (list, Sequence)
        length = -1 if open_ended else len(value) if isinstance(value, tuple | list) else len(parts)
        return (float if float in parts else int), length
    return object, 0


def parsed(field: Field, text: Any) -> Any:
    """Return what was entered as the field's type.

    Raises
    ------
    BadRequest
        If it is none.

    Examples
    --------
    >>> parsed(Field("size", float, "nm", (40.0, 8.0, 8.0), 3), "40, 4, 4")
    (40.0, 4.0, 4.0)
    >>> parsed(Field("block", int, length=-1, single=True), "64")
    64
    """
    if field.kind is object or field.kind is bool or isinstance(field.kind, tuple):
        return text
    if field.optional and not str(text).strip():
        return None
    try:
        if field.length:
            values = tuple(field.kind(part) for part in str(text).strip("()[] ").split(","))
            if field.single and len(values) == 1:
                return values[0]
            if field.length > 0 and len(values) != field.length:
                raise ValueError
            return values
        if field.kind is str and field.required and not str(text):
            raise ValueError
        return field.kind(text)
    except ValueError:
        unit = f" [{field.unit}]" if field.unit else ""
        raise BadRequest(f"{field.name} was {str(text)!r}", f"it is {_wanted(field)}{unit}") from None


def _wanted(field: Field) -> str:
    number = {int: "whole number", float: "number", str: "text"}[field.kind]
    if not field.length:
        return "text" if field.kind is str else f"a {number}"
    count = "" if field.length < 0 else f"{field.length} "
    return (f"a {number}, or " if field.single else "") + f"{count}{number}s with commas between"
