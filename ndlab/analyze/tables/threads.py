"""One thread for algebra on small matrices: more would only wait for each other."""

from __future__ import annotations

from typing import Any

__all__ = ["one_thread"]


def one_thread() -> Any:
    """Return a context in which BLAS and OpenMP use one thread."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
