"""Lengths and times as the programs that write single files spell them."""

from __future__ import annotations

from ndlab.errors import BadRequest
from ndlab.metadata.units import to_nm, to_seconds

__all__ = ["nm_per", "round_float32", "seconds_per"]

_TIMES = {"msec": 1e-3, "usec": 1e-6}


def nm_per(unit: str | None) -> float | None:
    r"""Look up how many nanometres one `unit` is, None for what is no length ("pixel", "unknown").

    Examples
    --------
    >>> nm_per("micron"), nm_per("\\u00B5m"), nm_per("pixel")
    (1000.0, 1000.0, None)
    """
    try:
        return to_nm((unit or "").strip().replace("\\u00B5", "µ"))  # ImageJ writes the micro sign escaped.
    except BadRequest:
        return None


def seconds_per(unit: str | None) -> float | None:
    """Look up how many seconds one `unit` is, None for what is no time."""
    try:
        return _TIMES.get((unit or "").strip()) or to_seconds(unit or "")
    except BadRequest:
        return None


def round_float32(value: float) -> float:
    """Keep of a number that went through 32-bit floating point the digits that survived it.

    Examples
    --------
    >>> round_float32(39.99999898951501)
    40.0
    """
    return float(f"{value:.7g}")
