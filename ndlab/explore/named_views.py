"""Views under names, and the project file that keeps them with the volumes that they show."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.errors import BadRequest, NotFound
from ndlab.explore.layers import Source
from ndlab.explore.view_state import State
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

__all__ = ["NamedViews", "checked", "loaded", "project", "saved", "sources_of"]

VERSION = 1


class NamedViews(MutableMapping[str, State]):
    """View states by name; each is checked as it comes in and copied as it goes out.

    Parameters
    ----------
    check : callable
        Returns a state whole and right.
    current : callable
        Returns the state now.
    show : callable
        Shows a state.
    changed : callable
        Told of every change.
    """

    def __init__(
        self,
        check: Callable[[Any], State],
        current: Callable[[], State],
        show: Callable[[State], None],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._check, self._current, self._show, self._changed = check, current, show, changed
        self._states: dict[str, State] = {}

    def __getitem__(self, name: str) -> State:
        if name not in self._states:
            raise NotFound(
                f"no view is called {name!r}", f"there are {', '.join(map(repr, self._states)) or 'none'}",
                f"view.views.save({name!r}) keeps what is on screen",
            )  # fmt: skip
        return copy.deepcopy(self._states[name])

    def __contains__(self, name: object) -> bool:
        return name in self._states

    def __setitem__(self, name: str, state: Any) -> None:
        self._states |= checked({name: state}, self._check)
        self._changed()

    def take(self, states: Mapping[str, State]) -> None:
        """Hold these views and no others, without telling anybody."""
        self._states = copy.deepcopy(dict(states))

    def __delitem__(self, name: str) -> None:
        _ = self[name]
        del self._states[name]
        self._changed()

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._states))

    def __len__(self) -> int:
        return len(self._states)

    def __repr__(self) -> str:
        return f"views: {', '.join(self._states) or 'none'}"

    def save(self, name: str) -> None:
        """Keep what is on screen under a name."""
        self[name] = self._current()

    def show(self, name: str) -> None:
        """Show what is kept under a name."""
        self._show(self[name])


def checked(states: Any, check: Callable[[Any], State]) -> dict[str, State]:
    """Return copies of states by name, each made whole by `check`.

    Raises
    ------
    BadRequest
        If a name is empty, or a state does not fit.

    Examples
    --------
    >>> checked({"a": {"t": 1}}, dict)
    {'a': {'t': 1}}
    """
    if not isinstance(states, Mapping):
        raise BadRequest(f"views {states!r}"[:80], "they are states by name")
    if empty := [name for name in states if not str(name).strip()]:
        raise BadRequest(f"a view named {empty[0]!r}", "a name is not empty")
    return {str(name): copy.deepcopy(check(state)) for name, state in states.items()}


# --- projects -------------------------------------------------------------------------------------------------


def project(
    sources: Mapping[str, Source], state: State, views: Mapping[str, State], name: str = "", caption: str = ""
) -> dict[str, Any]:
    """Return layers, state and named views as JSON values; volumes by their addresses, points and boxes in full."""
    return {
        "ndlab": "view", "v": VERSION, "name": name, "caption": caption,
        "layers": {key: _described(one) for key, one in sources.items()},
        "state": copy.deepcopy(state), "views": {key: copy.deepcopy(views[key]) for key in views},
    }  # fmt: skip


def _described(source: Source) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": source.kind}
    if source.volume is not None:
        found["where"] = source.volume.where()
        if source.shown:
            found["shown"] = dict(source.shown)
    if source.shapes is not None and source.ids is not None:
        found |= {"shapes": source.shapes.tolist(), "ids": [str(one) for one in source.ids]}
    return found


def saved(found: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write a project file; it appears whole."""
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    part.write_text(json.dumps(found, indent=1), encoding="utf-8")
    part.replace(target)
    return target


def loaded(given: Any) -> dict[str, Any]:
    """Return a project from a file, JSON text or a mapping.

    Raises
    ------
    NotFound
        If there is no such file.
    BadRequest
        If it is none.
    """
    if isinstance(given, str) and given.lstrip().startswith("{"):
        given = _json(given, "a text")
    elif isinstance(given, str | os.PathLike):
        path = Path(given)
        if not path.is_file():
            raise NotFound(f"the project {path} was asked for", "there is no such file", "view.save(path) makes one")
        given = _json(path.read_text(encoding="utf-8"), str(path))
    good = isinstance(given, Mapping) and given.get("ndlab") == "view" and given.get("v") == VERSION
    if not good or not all(isinstance(given.get(key), Mapping) for key in ("layers", "state", "views")):
        raise BadRequest(
            f"{str(given)[:80]} as a project",
            f"a project is an object of version {VERSION} with layers, state and views", "view.project() makes one",
        )  # fmt: skip
    return dict(given)


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadRequest(f"{what} as a project", f"it is no JSON: {error}", "view.project() makes one") from error


def sources_of(found: Mapping[str, Any], volumes: Mapping[str, Volume]) -> list[Source]:
    """Return the layers of a project.

    Parameters
    ----------
    found : mapping
        As `loaded` returns it.
    volumes : mapping
        Volumes by layer that are to be used instead of what is at the addresses; those in memory have none.
    """
    return [_source(name, one, volumes.get(name)) for name, one in found["layers"].items()]


def _source(name: str, given: Mapping[str, Any], volume: Volume | None) -> Source:
    kind = given.get("kind")
    if kind in ("points", "boxes"):
        width = 3 if kind == "points" else 6
        shapes: Sequence[Any] = given.get("shapes", ())
        ids = np.array([int(one) for one in given.get("ids", ())], np.uint64)
        return Source(name, kind, shapes=np.array(shapes, np.float64).reshape(-1, width), ids=ids)
    if kind not in ("image", "labels") or "where" not in given:
        raise BadRequest(f"layer {name!r} of a project: {str(given)[:80]}", "it has a kind and where its volume is")
    if volume is None:
        volume = _opened(name, kind, given["where"])
    return Source(name, kind, volume, shown=given.get("shown", {}))


def _opened(name: str, kind: Any, where: Mapping[str, Any]) -> Volume:
    if not where.get("url"):
        raise BadRequest(
            f"layer {name!r} of a project", "its volume was in memory", f"pass it: explore.project(path, {name}=volume)"
        )
    whole = open_volume(where["url"], kind=kind).level(where["level"])
    picked = {axis: slice(*where[axis]) for axis in ("t", "c") if isinstance(where.get(axis), list)}
    z, y, x = map(slice, where["start"], where["stop"])
    return whole.isel(**picked)[z, y, x]
