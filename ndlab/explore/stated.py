"""What states of several widgets hold: a choice, a number, a list, known parts; refused by name otherwise."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ndlab.errors import BadRequest

__all__ = ["known", "listed", "number", "one_of"]

_MOST_SAID = 40


def known(state: Any, parts: Collection[str]) -> Mapping[str, Any]:
    """Return a state that is a mapping and has no other parts."""
    if not isinstance(state, Mapping):
        raise BadRequest(f"the state {state!r}", "it is a mapping, as view.state is")
    if strange := sorted(set(map(str, state)) - set(parts)):
        raise BadRequest(f"the state has {', '.join(strange)}", f"its parts are {', '.join(parts)}")
    return state


def one_of(name: str, value: Any, choices: Sequence[Any]) -> Any:
    """Return a value that is among the choices."""
    if value not in choices:
        there = ", ".join(str(one) for one in choices[:_MOST_SAID] if one != "")
        raise BadRequest(f"{name} {value!r}", f"there is {there or 'none'}", f'"{name}" takes one of these')
    return value


def number(name: str, value: Any, above: float | None = None) -> Any:
    """Return a finite number as it was given; a whole one may be an id, which a float would change."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadRequest(f"{name} {value!r}", "it is a number")
    if above is not None and value <= above:
        raise BadRequest(f"{name} {value!r}", f"it is more than {above:g}")
    return value


def listed(name: str, value: Any) -> Sequence[Any]:
    """Return a value that is a list or a tuple."""
    if not isinstance(value, list | tuple):
        raise BadRequest(f"{name} {value!r}", "it is a list")
    return value
