"""What other packages add by their entry points: formats, steps, detectors and layouts, loaded when asked for.

A package names a function or a class of its own in one of four groups of its ``pyproject.toml``; nothing is registered
by hand, and nothing of it is imported before somebody asks for its name::

    [project.entry-points."ndlab.layouts"]
    spiral = "mylab.layouts:spiral"
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

from ndlab.errors import BadRequest, Unsupported

__all__ = ["GROUPS", "load", "names"]

GROUPS = {
    "formats": "a function (path, **options) that returns the `Stored` of a file; its name is the ending of such files",
    "steps": "a function of blocks, which a recipe may name without its module",
    "detectors": "a class with `kind`, its name, and `read(about, arrays)`, which makes a detector of a model file",
    "layouts": "a function (graph, dim, rng, **options) that returns a place for each node, float, shape (n, dim)",
}


def names(group: str) -> list[str]:
    """Return the names that installed packages add to a group, in alphabetical order.

    Parameters
    ----------
    group : {"formats", "steps", "detectors", "layouts"}

    Examples
    --------
    >>> isinstance(names("layouts"), list)
    True
    """
    return sorted(set(_points(group).names))


def load(group: str, name: str) -> Any:
    """Import what a package added under a name; None where none did.

    Parameters
    ----------
    group : {"formats", "steps", "detectors", "layouts"}
    name : str

    Raises
    ------
    BadRequest
        If two packages add the same name.
    Unsupported
        If it cannot be imported.

    Examples
    --------
    >>> load("layouts", "nobody's") is None
    True
    """
    found = {point.value: point for point in _points(group) if point.name == name}
    if not found:
        return None
    if len(found) > 1:
        raise BadRequest(f"{name!r} of {_full(group)}", f"several packages add it: {', '.join(sorted(found))}",
                         "uninstall one of them")  # fmt: skip
    point = next(iter(found.values()))
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise Unsupported(f"{name!r} of {_full(group)}, which is {point.value}", f"{type(error).__name__}: {error}",
                          "install again the package that adds it", feature=name) from error  # fmt: skip


def _points(group: str) -> metadata.EntryPoints:
    return metadata.entry_points(group=_full(group))


def _full(group: str) -> str:
    if group not in GROUPS:
        raise BadRequest(f"plugins of group {group!r}", f"groups are {', '.join(GROUPS)}")
    return f"ndlab.{group}"
