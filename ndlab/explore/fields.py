"""A form field for each parameter of a step, chosen by its type and labelled with its unit."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from ndlab.errors import BadRequest
from ndlab.pipeline import BlockStep, Step

__all__ = ["Field", "code_of", "fields_of", "parsed"]

_AXES = frozenset({"t", "c"})
_MISSING = inspect.Parameter.empty


@dataclass(frozen=True)
class Field:
    """One parameter of a step.

    Attributes
    ----------
    name : str
    kind : type or tuple
        ``bool``, ``int``, ``float``, ``str``, a tuple of choices, or ``object`` for what no form can hold.
    unit : str
        As ``Annotated[float, "nm"]`` says it.
    value : object
        What the step has now.
    length : int
        Numbers in it: 3 for ``tuple[float, float, float]``, 0 for one value.
    optional : bool
        Whether it may be None.
    """

    name: str
    kind: Any
    unit: str = ""
    value: Any = None
    length: int = 0
    optional: bool = False


def fields_of(step: Step) -> list[Field]:
    """Return a field for each parameter of a step's function, in order, the block or the arrays left out.

    Examples
    --------
    >>> def smooth(block, sigma: Annotated[float, "nm"], mode: Literal["nearest", "mirror"] = "nearest"): ...
    >>> [(f.name, f.kind, f.unit, f.value) for f in fields_of(Step("smooth", smooth, {"sigma": 15.0}))]
    [('sigma', <class 'float'>, 'nm', 15.0), ('mode', ('nearest', 'mirror'), '', 'nearest')]
    """
    hints = _hints(step.function)
    named = [p for p in _signature(step) if p.name != "window"]
    found = [
        _field(p.name, hints.get(p.name, p.annotation), step.params.get(p.name, p.default))
        for p in named
        if p.name not in _AXES and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    known = {field.name for field in found}
    return found + [_field(name, _MISSING, value) for name, value in step.params.items() if name not in known]


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
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError):  # A type that only a type checker can see.
        return {}


def _field(name: str, hint: Any, value: Any) -> Field:
    value = None if value is _MISSING else value
    unit = ""
    if get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
        unit = next((note for note in notes if isinstance(note, str)), "")
    if optional := get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint):
        rest = [part for part in get_args(hint) if part is not type(None)]
        hint = rest[0] if len(rest) == 1 else object
    if hint is _MISSING or isinstance(hint, str):
        hint = type(value)
    kind, length = _kind(hint, value)
    return Field(name, kind, unit, value, length, optional)


def _kind(hint: Any, value: Any) -> tuple[Any, int]:
    if get_origin(hint) is Literal:
        return get_args(hint), 0
    if isinstance(hint, type) and issubclass(hint, Enum):
        return tuple(hint), 0
    if hint in (bool, int, float, str):
        return hint, 0
    parts = [part for part in get_args(hint) if part is not ...]
    if hint in (tuple, list) and isinstance(value, tuple | list) and value:
        parts = [type(one) for one in value]
    if (get_origin(hint) in (tuple, list) or hint in (tuple, list)) and parts and set(parts) <= {int, float}:
        length = len(value) if isinstance(value, tuple | list) else len(parts)
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
    """
    if field.kind is object or field.kind is bool or isinstance(field.kind, tuple):
        return text
    if field.optional and not str(text).strip():
        return None
    try:
        if field.length:
            values = tuple(field.kind(part) for part in str(text).strip("()[] ").split(","))
            if len(values) != field.length:
                raise ValueError
            return values
        return field.kind(text)
    except ValueError:
        number = {int: "whole number", float: "number", str: "text"}[field.kind]
        wanted = f"{field.length} {number}s with commas between" if field.length else f"a {number}"
        unit = f" [{field.unit}]" if field.unit else ""
        raise BadRequest(f"{field.name} was {str(text)!r}", f"it is {wanted}{unit}") from None


def code_of(name: str, values: dict[str, Any], run: str) -> str:
    """Return Python code that runs a step with other values.

    Parameters
    ----------
    name : str
        What the step is called where the code will stand.
    values : dict
        Parameters that differ from those of the step.
    run : str
        Code that makes the Run.
    """
    lines = ["from ndlab import explore"]
    if run.startswith("Run("):
        lines.append("from ndlab.pipeline import Run")
    lines.append("")
    if values:
        shown = ", ".join(f"{key!r}: {value!r}" for key, value in values.items())
        lines = ["from dataclasses import replace", "", *lines]
        lines.append(f"{name} = replace({name}, params={{**{name}.params, {shown}}})")
    lines.append(f"explore.run({run})")
    return "\n".join(lines)
