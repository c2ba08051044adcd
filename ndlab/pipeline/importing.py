"""Functions by name, so that a recipe can say which one is meant."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.plugins import load

__all__ = ["import_name", "named"]


def import_name(function: Any) -> str:
    """Return the name by which a function is imported.

    Raises
    ------
    BadRequest
        If there is none: it was defined in a notebook, or inside another function.

    Examples
    --------
    >>> import math, numpy
    >>> import_name(math.floor), import_name(numpy.invert)
    ('math:floor', 'numpy:invert')
    """
    module = "numpy" if isinstance(function, np.ufunc) else getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", None)
    try:
        if module in (None, "__main__") or named(f"{module}:{name}") is not function:
            raise BadRequest("")
    except BadRequest:
        raise BadRequest(
            f"{module or ''}.{name or function!r} cannot be imported",
            "a recipe names functions of modules, so that another program finds them",
            "put it into a file, e.g. steps.py, and import it from there",
        ) from None
    return f"{module}:{name}"


def named(name: str) -> Callable[..., Any]:
    """Import ``"package.module:function"``, or the step that an installed package adds under a name (`ndlab.plugins`).

    Raises
    ------
    BadRequest
        If it is not there.
    """
    module, colon, path = name.partition(":")
    found: Any = None if colon else load("steps", name)
    try:
        if found is not None:
            return _callable(name, found)
        if not colon:
            raise ImportError("there is no colon")
        found = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise BadRequest(
            f"function {name!r}", str(error), 'write "package.module:function", and check that the module is installed'
        ) from None
    return _callable(name, found)


def _callable(name: str, found: Any) -> Callable[..., Any]:
    if not callable(found):
        raise BadRequest(f"function {name!r}", f"it is a {type(found).__name__}")
    checked: Callable[..., Any] = found
    return checked
