"""How the kernels of this room and of those above it are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba as nb  # noqa: TID253 - everything in this folder is imported inside functions only

__all__ = ["Array", "jit", "jit_fused"]

F = TypeVar("F", bound=Callable[..., Any])
Array = Any  # numpy arrays whose type numba finds out


def jit(function: F) -> F:
    """Compile without the GIL; keep the machine code on disk where the disk allows it."""
    return _compiled(function)


def jit_fused(function: F) -> F:
    """Compile as `jit` does, and let a product and a sum be one operation."""
    return _compiled(function, fastmath={"contract"})


def _compiled(function: F, **options: Any) -> F:
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        return cast(F, nb.njit(cache=True, **options)(function))
    except RuntimeError:  # no writable cache folder
        return cast(F, nb.njit(**options)(function))
