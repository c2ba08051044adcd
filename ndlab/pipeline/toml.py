"""Write TOML; Python only reads it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ndlab.errors import BadRequest

__all__ = ["dumps", "simple"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def simple(value: Any, what: str = "value") -> Any:
    """`value` as TOML can hold it.

    Raises
    ------
    BadRequest
        For anything but text, numbers, True, False, and lists and tables of these.
    """
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return simple(value.item(), what)
    if isinstance(value, Mapping):
        return {str(k): simple(v, f"{what}.{k}") for k, v in value.items()}
    if isinstance(value, list | tuple | range):
        return [simple(v, what) for v in value]
    raise BadRequest(
        f"{what} is a {type(value).__name__}",
        "a recipe holds text, numbers, True, False, and lists and tables of these",
        "pass the address of what holds it, and open it in the function",
    )


def dumps(table: Mapping[str, Any]) -> str:
    """Return a table of simple values as TOML.

    Examples
    --------
    >>> print(dumps({"step": {"name": "smooth", "params": {"sigma": 2.0}}, "blocks": [1, 2]}).strip())
    blocks = [1, 2]
    <BLANKLINE>
    [step]
    name = "smooth"
    <BLANKLINE>
    [step.params]
    sigma = 2.0
    """
    return "\n".join(_lines(table, ())).lstrip("\n") + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    values = {k: v for k, v in table.items() if not isinstance(v, Mapping)}
    tables = {k: v for k, v in table.items() if isinstance(v, Mapping)}
    lines = ["", f"[{'.'.join(map(_key, path))}]"] if path and (values or not tables) else []
    lines += [f"{_key(k)} = {_value(v)}" for k, v in values.items()]
    for key, inside in tables.items():
        lines += _lines(inside, (*path, key))
    return lines


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
    return "[" + ", ".join(map(_value, value)) + "]"


def _text(value: str) -> str:
    """Quote text: as in JSON, but that TOML knows no halves of a character and does not allow DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
