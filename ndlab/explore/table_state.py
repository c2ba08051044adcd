"""What a view of a table shows, as JSON values: a pure function from what was asked to what is in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ndlab.errors import BadRequest
from ndlab.explore.stated import known, listed, number, one_of
from ndlab.explore.table_options import KEPT, TABS, Option

__all__ = ["THEMES", "State", "checked"]

State = dict[str, Any]
THEMES = ("auto", "dark", "light")
_PARTS = ("tab", "classes", "missing", "features", "shown", "sort", "filters", "view", "split", "theme", *TABS)
_FILTER = {"by", "low", "high", "text"}


def checked(
    state: Any, columns: Sequence[str], measures: Sequence[str], features: Sequence[str] | None = None
) -> State:
    """Return the state with what it left out, every value of its own type.

    Parameters
    ----------
    state : mapping
        What was asked, any part of it.
    columns, measures : list of str
        All columns, and those of numbers.
    features : list of str, optional
        What statistics are of where the state does not say; all columns of numbers unless given.

    Raises
    ------
    BadRequest
        If something is unknown or has another type.

    Examples
    --------
    >>> checked({"tab": "heat", "heat": {"scaling": "rank"}}, ["a", "b"], ["a", "b"])["heat"]["scaling"]
    'rank'
    """
    state = known(state, _PARTS)
    first = measures if features is None else features
    found: State = {
        "tab": one_of("tab", state.get("tab", "points"), list(TABS)),
        "classes": one_of("classes", state.get("classes", ""), ["", *columns]),
        "missing": one_of("missing", state.get("missing", "remove"), KEPT),
        "features": [one_of("features", one, measures) for one in listed("features", state.get("features", first))],
        "shown": [one_of("shown", one, columns) for one in listed("shown", state.get("shown", []))],
        "sort": _sort(state.get("sort"), columns),
        "filters": [_filter(one, columns) for one in listed("filters", state.get("filters", []))],
        "view": _view(state.get("view")),
        "split": min(0.8, max(0.0, number("split", state.get("split", 0.36)))),
        "theme": one_of("theme", state.get("theme", "auto"), THEMES),
    }
    for tab, (_, options) in TABS.items():
        found[tab] = _options(tab, state.get(tab, {}), options, columns, measures)
    return found


def _options(
    tab: str, asked: Any, options: tuple[Option, ...], columns: Sequence[str], measures: Sequence[str]
) -> State:
    if not isinstance(asked, Mapping):
        raise BadRequest(f"{tab} {asked!r}", "it is a mapping")
    names = [one.name for one in options]
    if strange := sorted(set(asked) - set(names)):
        raise BadRequest(f"{tab} has {', '.join(map(str, strange))}", f"its parts are {', '.join(names) or 'none'}")
    return {one.name: _value(f"{tab} {one.name}", one, asked, columns, measures) for one in options}


def _value(said: str, option: Option, asked: Mapping[str, Any], columns: Sequence[str], measures: Sequence[str]) -> Any:
    if option.kind == "measure":
        there = measures or [""]
        return one_of(said, asked.get(option.name, there[min(option.first, len(there) - 1)]), there)
    value = asked.get(option.name, option.first)
    if option.kind == "choice":
        return one_of(said, value, [one for one, _ in option.choices])
    if option.kind == "tick":
        return one_of(said, value, (True, False))
    low, high, step = option.span
    within = min(high, max(low, number(said, value)))
    return round(within) if float(step).is_integer() else within


def _sort(value: Any, columns: Sequence[str]) -> State | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or set(value) != {"by", "down"}:
        raise BadRequest(f"sort {value!r}", "it has by and down", 'for instance {"by": "size", "down": True}')
    # The ids can be sorted by, too.
    return {"by": one_of("sort", value["by"], ["", *columns]), "down": bool(value["down"])}


def _filter(one: Any, columns: Sequence[str]) -> State:
    if not isinstance(one, Mapping) or "by" not in one or not set(one) <= _FILTER:
        raise BadRequest(f"the filter {one!r}", "it has by, and low, high or text",
                         'for instance {"by": "size", "low": 2, "high": None}')  # fmt: skip
    ends = {end: None if one.get(end) is None else number(end, one[end]) for end in ("low", "high")}
    return {"by": one_of("by", one["by"], ["", *columns]), **ends, "text": str(one.get("text") or "")}


def _view(value: Any) -> list[float] | None:
    if value is None:
        return None
    ends = [float(number("view", one)) for one in listed("view", value)]
    if len(ends) != 4 or ends[0] >= ends[1] or ends[2] >= ends[3]:
        raise BadRequest(f"view {ends}", "it is left, right, bottom and top", "None shows all of it")
    return ends
