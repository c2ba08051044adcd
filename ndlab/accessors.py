"""Methods of nouns that stand on higher floors: known here by their address alone, and loaded when first called.

A volume draws itself with ``vol[25].plot()``, but no noun reaches for a viewer: who draws registers itself from above.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from ndlab.errors import Unsupported

__all__ = ["accessor", "register"]

_addresses: dict[str, str] = {}


def register(name: str, address: str) -> None:
    """Have a method of nouns found at an address, ``"package.module:function"``; nothing is loaded yet."""
    _addresses[name] = address


def accessor(name: str) -> Callable[..., Any]:
    """Return the function that is registered under a name, loaded if it was not.

    Raises
    ------
    Unsupported
        If none is.
    """
    if name not in _addresses:
        raise Unsupported(f".{name}() of a volume", "nothing that does it is registered", "import ndlab", feature=name)
    module, _, function = _addresses[name].partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
