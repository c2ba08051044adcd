"""What an Image Explorer shows, as JSON that is checked and completed; knows nothing of widgets or voxels.

widgets/src/image/state.ts is the other half.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ndlab.errors import BadRequest

__all__ = [
    "AXES",
    "State",
    "checked",
    "extent",
    "fitting",
    "ids_of",
    "main_plane",
    "new_layer",
    "planes_of",
    "position_of",
    "reference",
    "voxel_at",
    "with_layer",
]

State = dict[str, Any]
Infos = Mapping[str, Mapping[str, Any]]

# Where columns, rows and depth of a plane stand in (z, y, x).
AXES: dict[str, tuple[int, int, int]] = {"xy": (2, 1, 0), "xz": (2, 0, 1), "yz": (1, 0, 2), "zy": (0, 1, 2)}
LAYOUTS = ("xy", "xz", "yz", "three")
BLENDS = ("normal", "additive", "subtractive", "multiply")
STYLES = ("fill", "outline", "both")
TOOLS = ("pan", "pick", "point", "line", "box", "brush")
THEMES = ("auto", "dark", "light")
KINDS = ("image", "labels", "points", "boxes")

_Check = Callable[[str, Any], Any]
_MOST_ID = (1 << 64) - 1


def _refuse(path: str, value: Any, wanted: str) -> BadRequest:
    return BadRequest(f"{path} = {value!r}"[:200], f"it is {wanted}", "view.state holds one that is complete")


def _number(wanted: str, fits: Callable[[float], bool]) -> _Check:
    def check(path: str, value: Any) -> float:
        number = not isinstance(value, bool | str) and hasattr(value, "__float__")
        if not number or not math.isfinite(value) or not fits(value):
            raise _refuse(path, value, wanted)
        # Numbers of numpy become Python's; a whole one stays whole, so that JSON gives back the same text.
        return int(value) if hasattr(value, "__index__") else float(value)

    return check


def _whole(wanted: str, fits: Callable[[int], bool]) -> _Check:
    def check(path: str, value: Any) -> int:
        if isinstance(value, bool | str) or not hasattr(value, "__float__") or value != value // 1 or not fits(value):
            raise _refuse(path, value, wanted)
        return int(value)

    return check


def _one_of(choices: Sequence[str]) -> _Check:
    def check(path: str, value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise _refuse(path, value, f"one of {', '.join(choices)}")
        return value

    return check


def _flag(path: str, value: Any) -> bool:
    if not isinstance(value, bool) and type(value).__name__ != "bool":  # numpy's bool is called bool, too.
        raise _refuse(path, value, "true or false")
    return bool(value)


def _numbers(count: int, wanted: str) -> _Check:
    one = _number(wanted, lambda value: True)

    def check(path: str, value: Any) -> list[float]:
        if isinstance(value, str | Mapping) or not hasattr(value, "__len__") or len(value) != count:
            raise _refuse(path, value, wanted)
        return [one(path, part) for part in value]

    return check


def _window(path: str, value: Any) -> list[float]:
    low, high = _numbers(2, "two numbers, the first below the second")(path, value)
    if low >= high:
        raise _refuse(path, value, "two numbers, the first below the second")
    return [low, high]


def _color(path: str, value: Any) -> str:
    found = value.removeprefix("#") if isinstance(value, str) else ""
    if not re.fullmatch("[0-9A-Fa-f]{6}", found):
        raise _refuse(path, value, "a colour as RRGGBB, or null")
    return found.upper()


def _or_none(check: _Check) -> _Check:
    return lambda path, value: None if value is None else check(path, value)


def ids_of(path: str, value: Any) -> list[str]:
    """Return ids as decimal strings, which JSON carries whole, each once, in their order.

    Examples
    --------
    >>> ids_of("selection", [7, "720575996132767246", 7])
    ['7', '720575996132767246']
    """
    if isinstance(value, str | Mapping) or not hasattr(value, "__iter__"):
        raise _refuse(path, value, "a list of ids")
    return list(dict.fromkeys(_id(path, one) for one in value))


def _id(path: str, value: Any) -> str:
    whole = hasattr(value, "__index__") and not isinstance(value, bool)
    text = str(int(value)) if whole else value
    if not isinstance(text, str) or not re.fullmatch("[0-9]{1,20}", text) or int(text) > _MOST_ID:
        raise _refuse(path, value, "a list of ids from 0 to 2**64 - 1, whole numbers or decimal strings")
    return str(int(text))


_POSITION = _numbers(3, "three numbers, z, y, x in nm")
_COUNT = _whole("a whole number from 0", lambda value: value >= 0)
_TOP: dict[str, tuple[Any, _Check]] = {
    "v": (1, _whole("1, the only version there is", lambda value: value == 1)),
    "position": ([0.0, 0.0, 0.0], _POSITION),
    "t": (0, _COUNT),
    "scale": (1.0, _number("a number of nm per pixel above 0", lambda value: value > 0)),
    "layout": ("xy", _one_of(LAYOUTS)),
    "marker": (None, _or_none(_POSITION)),
    "tool": ("pan", _one_of(TOOLS)),
    "theme": ("auto", _one_of(THEMES)),
}
_COMMON: dict[str, tuple[Any, _Check]] = {
    "visible": (True, _flag),
    "opacity": (1.0, _number("a number from 0 to 1", lambda value: 0 <= value <= 1)),
    "blend": ("normal", _one_of(BLENDS)),
    "channel": (0, _COUNT),
    "z_offset": (0, _whole("a whole number of planes", lambda value: True)),
}
_COLOR: tuple[Any, _Check] = (None, _or_none(_color))
_BY_KIND: dict[str, dict[str, tuple[Any, _Check]]] = {
    "image": {
        "window": (None, _or_none(_window)),
        "gamma": (1.0, _number("a number above 0", lambda value: value > 0)),
        "invert": (False, _flag),
        "color": _COLOR,
    },
    "labels": {
        "opacity": (0.5, _COMMON["opacity"][1]),
        "style": ("fill", _one_of(STYLES)),
        "hidden": ([], ids_of),
        "isolated": (False, _flag),
    },
    "points": {"color": _COLOR},
    "boxes": {"color": _COLOR},
}


def new_layer(name: str, kind: str, **given: Any) -> State:
    """Return a layer as it is shown where nobody said how.

    Examples
    --------
    >>> new_layer("cells", "labels")["opacity"]
    0.5
    """
    return _layer(f"layer {name!r}", {"id": name, "kind": kind, **given})


def _filled(path: str, given: Mapping[str, Any], fields: Mapping[str, tuple[Any, _Check]], also: set[str]) -> State:
    if unknown := set(given) - set(fields) - also:
        raise BadRequest(
            f"{path} has {', '.join(map(repr, sorted(map(str, unknown))))}",
            f"there are {', '.join(sorted(also | set(fields)))}",
        )
    return {
        name: check(f"{path}.{name}", given.get(name, default[:] if isinstance(default, list) else default))
        for name, (default, check) in fields.items()
    }


def _layer(path: str, given: Any) -> State:
    if not isinstance(given, Mapping) or not isinstance(given.get("id"), str):
        raise _refuse(path, given, "an object with an id")
    kind = _one_of(KINDS)(f"{path}.kind", given.get("kind"))
    return {"id": given["id"], "kind": kind, **_filled(path, given, _COMMON | _BY_KIND[kind], {"id", "kind"})}


def checked(state: Any, kinds: Mapping[str, str], infos: Infos | None = None) -> State:
    """Return a state that is whole and right: what was left out as it is by default, ids as strings.

    Parameters
    ----------
    state : mapping
        Layers that it leaves out are added on top.
    kinds : mapping
        The kind of each layer that exists, by id.
    infos : mapping, optional
        What is known of the volumes, to check channels and time points with.

    Raises
    ------
    BadRequest
        With the place of the first mistake and what would fit.

    Examples
    --------
    >>> checked({"scale": 4}, {"em": "image"})["layers"][0]["blend"]
    'normal'
    >>> checked({"layers": [{"id": "em", "kind": "image", "opacity": 2}]}, {"em": "image"})
    Traceback (most recent call last):
    ndlab.errors.BadRequest: state.layers[0].opacity = 2. it is a number from 0 to 1. ...
    """
    if not isinstance(state, Mapping):
        raise _refuse("state", state, "an object")
    found = _filled("state", state, _TOP, {"layers", "selection"})
    found["layers"] = _layers(state.get("layers", []), kinds)
    found["selection"] = selected(state.get("selection", {}), kinds)
    if infos is not None:
        _exist(found, infos)
    return found


def _layers(given: Any, kinds: Mapping[str, str]) -> list[State]:
    if isinstance(given, str | Mapping) or not isinstance(given, Sequence):
        raise _refuse("state.layers", given, "a list of layers, bottom to top")
    found = [_layer(f"state.layers[{i}]", one) for i, one in enumerate(given)]
    names = [one["id"] for one in found]
    for i, one in enumerate(found):
        if kinds.get(one["id"]) != one["kind"] or one["id"] in names[:i]:
            there = ", ".join(f"{kind} {name!r}" for name, kind in kinds.items()) or "no layers"
            raise BadRequest(
                f"state.layers[{i}] is {one['kind']} {one['id']!r}",
                f"the view has {there}, each once",
                "make the view of the volumes that the state was made with",
            )
    return found + [new_layer(name, kind) for name, kind in kinds.items() if name not in names]


def selected(given: Any, kinds: Mapping[str, str]) -> dict[str, list[str]]:
    """Return a selection, ids by layer, as decimal strings."""
    if not isinstance(given, Mapping):
        raise _refuse("selection", given, "an object of ids by layer")
    if unknown := [name for name in given if name not in kinds]:
        raise BadRequest(f"selection in layer {unknown[0]!r}", f"the layers are {', '.join(kinds) or 'none'}")
    return {name: ids_of(f"selection.{name}", ids) for name, ids in given.items()}


def position_of(given: Any) -> list[float]:
    """Return a position [nm], (z, y, x), as floats."""
    found: list[float] = _POSITION("position", given)
    return found


def _exist(state: State, infos: Infos) -> None:
    times = max((info["times"] for info in infos.values()), default=1)
    if state["t"] >= times:
        raise _refuse("state.t", state["t"], f"a time point from 0 to {times - 1}")
    for i, layer in enumerate(state["layers"]):
        channels = len(infos[layer["id"]]["channels"]) or 1 if layer["id"] in infos else math.inf
        if layer["channel"] >= channels:
            raise _refuse(f"state.layers[{i}].channel", layer["channel"], f"a channel from 0 to {channels - 1}")


def with_layer(state: State, name: str, **values: Any) -> State:
    """Return a state in which a layer has other values; not yet checked."""
    layers = [layer | values if layer["id"] == name else layer for layer in state["layers"]]
    return state | {"layers": layers}


# --- where things are -----------------------------------------------------------------------------------------


def main_plane(layout: str) -> str:
    """Return the plane that keys and wheel step through."""
    return "xy" if layout == "three" else layout


def planes_of(layout: str) -> tuple[str, ...]:
    """Return the planes that a layout shows, the main one first."""
    return ("xy", "zy", "xz") if layout == "three" else (layout,)


def reference(state: State, infos: Infos) -> Mapping[str, Any] | None:
    """Return the volume that voxels are counted in: the first image, else the first of any kind."""
    known = [infos[layer["id"]] for layer in state["layers"] if layer["id"] in infos]
    return next((info for info in known if info["kind"] == "image"), known[0] if known else None)


def _size(level: Mapping[str, Any]) -> Sequence[float]:
    return level["voxel_size"] or (1.0, 1.0, 1.0)


def extent(info: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """Return where a volume begins and ends [nm]."""
    level = info["levels"][0]
    corner = list(level["offset"])
    return corner, [o + n * s for o, n, s in zip(corner, level["shape"], _size(level), strict=True)]


def voxel_at(info: Mapping[str, Any], position: Sequence[float], level: int = 0) -> list[int]:
    """Return the voxel of a level that holds a position [nm]; not clamped."""
    at = info["levels"][level]
    return [math.floor((p - o) / s + 1e-9) for p, o, s in zip(position, at["offset"], _size(at), strict=True)]


def fitting(state: State, infos: Infos, width: int, height: int) -> State:
    """Return a state that shows all of the reference volume in so many pixels, at the centre of its middle plane."""
    info = reference(state, infos)
    if info is None:
        return state
    start, stop = extent(info)
    column, row, depth = AXES[main_plane(state["layout"])]
    scale = max((stop[column] - start[column]) / width, (stop[row] - start[row]) / height)
    position = [(a + b) / 2 for a, b in zip(start, stop, strict=True)]
    # The middle of an even number of planes is a border between two; that of a plane is one.
    level = info["levels"][0]
    position[depth] = start[depth] + (level["shape"][depth] // 2 + 0.5) * _size(level)[depth]
    return state | {"scale": scale, "position": position}
