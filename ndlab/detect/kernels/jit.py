"""How the kernels of `detect` are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba as nb  # noqa: TID253 - everything in this folder is imported inside functions only

__all__ = ["Array", "jit", "jit_fused"]

F = TypeVar("F", bound=Callable[..., Any])
Array = Any  # numpy arrays whose type numba finds out


def jit(function: F) -> F:
    """Compile without the GIL; keep the machine code on disk where the disk allows it."""
    try:
        return cast(F, nb.njit(nogil=True, cache=True, error_model="numpy")(function))
    except RuntimeError:  # no writable cache folder
        return cast(F, nb.njit(nogil=True, error_model="numpy")(function))


def jit_fused(function: F) -> F:
    """Compile as `jit` does, and let a product and a sum be one operation."""
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    try:
        return cast(F, nb.njit(cache=True, **options)(function))
    except RuntimeError:  # no writable cache folder
        return cast(F, nb.njit(**options)(function))
