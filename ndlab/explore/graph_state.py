"""What a view of a graph shows, as a few JSON values: a pure function from what was asked to what is in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ndlab.errors import BadRequest
from ndlab.explore.stated import known, listed, number, one_of

__all__ = ["COMMUNITIES", "FIRST", "OFFERS", "State", "checked"]

State = dict[str, Any]

COMMUNITIES = "communities: "
"""How the name of a colouring by communities begins; the method follows."""
OFFERS = (
    "layouts", "colors", "sizes", "labels", "groups", "statistics", "nodes", "edges", "edge_colors",
)  # fmt: skip
"""What a graph offers to be named."""

FIRST: State = {
    "layout": "auto",  # One of `ndlab.analyze.layout`, or "given".
    "dim": 2,
    "seed": 0,
    "centre": [0.0, 0.0],  # What stands in the middle, in units of the positions; x to the right, y down.
    "scale": None,  # Units of the positions for each CSS pixel; None shows all of it.
    "turn": [0.0, 0.0],  # Angles [rad] about the vertical and then the horizontal axis of the page.
    "color": "",
    "size": "",
    "label": "",
    "named": "selected",  # Which nodes have their names beside them; "all" are as many as do not touch.
    "grow": 1.0,  # How large nodes are.
    "edges": 1.0,  # How strong edges are; 0 for none.
    "edge_color": "",
    "edge_width": "",
    "view": "nodes",  # What the picture is: "nodes", "matrix" or "table".
    "panel": "look",  # What stands beside it, one of `PANELS`; what nobody sees is not computed.
    "groups": COMMUNITIES + "multilevel",  # What the matrix is ordered by, and its blocks are.
    "against": "",  # Groups that they are compared with.
    "compared": False,  # Whether all methods are.
    "tree": False,  # Whether groups stand by their tree in the matrix, and not by their sizes.
    "parts": None,  # How many groups a spectral method makes, and in how many dimensions; None has it find both.
    "dims": None,
    "cells": None,  # What of the matrix is seen: first row, first column, how many of each; None is all.
    "plot": ["", ""],  # What is across and up; "" is the first property across, and up how many.
    "statistics": [],  # Of the whole graph, that somebody wants.
    "filters": [],  # {"of": "nodes" or "edges", "by": name, "low": number or None, "high": number or None}
    "selection": [],  # Ids as text.
    "theme": "auto",
}
THEMES = ("auto", "dark", "light")
VIEWS = ("nodes", "matrix", "table")
PANELS = ("look", "groups", "numbers", "graph")


def checked(state: Any, offers: Mapping[str, Sequence[str]]) -> State:
    """Return the state with what it left out, every value of its own type.

    Parameters
    ----------
    state : mapping
        What was asked, any part of `FIRST`.
    offers : mapping
        What can be named: ``layouts``, ``colors``, ``sizes``, ``labels``, ``groups``, ``statistics``, ``nodes`` and
        ``edges`` (columns of numbers), and as ``edge_colors`` columns of edges of any kind.

    Raises
    ------
    BadRequest
        If something is unknown or has another type.

    Examples
    --------
    >>> offers = {"layouts": ["auto"], "colors": ["kind"], "edges": ["weight"]}
    >>> checked({"color": "kind"}, offers)["color"]
    'kind'
    """
    asked = FIRST | dict(known(state, FIRST))
    offers = dict.fromkeys(OFFERS, ()) | dict(offers)
    return {
        "layout": _one_of(asked, "layout", offers["layouts"]),
        "dim": _one_of(asked, "dim", (2, 3)),
        "seed": int(_number(asked, "seed")),
        "centre": _numbers(asked, "centre"),
        "scale": None if asked["scale"] is None else _number(asked, "scale", above=0.0),
        "turn": _numbers(asked, "turn"),
        "color": _one_of(asked, "color", ("", *offers["colors"])),
        "size": _one_of(asked, "size", ("", *offers["sizes"])),
        "label": _one_of(asked, "label", ("", *offers["labels"])),
        "named": _one_of(asked, "named", ("selected", "all")),
        "grow": _number(asked, "grow", above=0.0),
        "edges": min(1.0, max(0.0, _number(asked, "edges"))),
        "edge_color": _one_of(asked, "edge_color", ("", *offers["edge_colors"])),
        "edge_width": _one_of(asked, "edge_width", ("", *offers["edges"])),
        "view": _one_of(asked, "view", VIEWS),
        "panel": _one_of(asked, "panel", PANELS),
        "groups": _one_of(asked, "groups", (FIRST["groups"], *offers["groups"])),
        "against": _one_of(asked, "against", ("", *offers["groups"])),
        "compared": _one_of(asked, "compared", (False, True)),
        "tree": _one_of(asked, "tree", (False, True)),
        "parts": _count(asked, "parts"),
        "dims": _count(asked, "dims"),
        "cells": None if asked["cells"] is None else _numbers(asked, "cells", 3),
        "plot": _each_of("plot", _some(asked, "plot", 2), ("", *offers["colors"], *offers["edges"])),
        "statistics": _each_of("statistics", _list(asked, "statistics"), offers["statistics"]),
        "filters": [_filter(one, offers) for one in _list(asked, "filters")],
        "selection": [str(one) for one in _list(asked, "selection")],
        "theme": _one_of(asked, "theme", THEMES),
    }


def _one_of(state: Mapping[str, Any], name: str, choices: Sequence[Any]) -> Any:
    return one_of(name, state[name], choices)


def _each_of(name: str, values: Sequence[Any], choices: Sequence[Any]) -> list[Any]:
    return [one_of(name, one, choices) for one in values]


def _number(state: Mapping[str, Any], name: str, above: float | None = None) -> float:
    return float(number(name, state[name], above))


def _list(state: Mapping[str, Any], name: str) -> Sequence[Any]:
    return listed(name, state[name])


def _count(state: Mapping[str, Any], name: str) -> int | None:
    return None if state[name] is None else int(_number(state, name, above=0.0))


def _some(state: Mapping[str, Any], name: str, many: int) -> Sequence[Any]:
    values = _list(state, name)
    if len(values) != many:
        raise BadRequest(f"{name} {list(values)!r}", f"it has {many} entries")
    return values


def _numbers(state: Mapping[str, Any], name: str, many: int = 2) -> list[float]:
    return [float(number(name, one)) for one in _some(state, name, many)]


def _filter(one: Any, offers: Mapping[str, Sequence[str]]) -> State:
    if not isinstance(one, Mapping) or set(one) != {"of", "by", "low", "high"}:
        raise BadRequest(f"the filter {one!r}", "it has of, by, low and high",
                         'for instance {"of": "edges", "by": "weight", "low": 2, "high": None}')  # fmt: skip
    of = _one_of(one, "of", ("nodes", "edges"))
    ends = {end: None if one[end] is None else _number(one, end) for end in ("low", "high")}
    return {"of": of, "by": _one_of(one, "by", offers[of])} | ends
