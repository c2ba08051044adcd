"""Ids of 64 bits without a sign, in databases whose whole numbers have one.

An id is stored as the number of the same 64 bits: ids below 2**63 look the same in the database, larger ones are
negative there. So small ids, which nearly all are, can be read by any tool, and every uint64 fits. Only the order
differs: in the database ids of 2**63 and more sort first, so ordering by id means (negative, id).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ndlab.errors import BadRequest

__all__ = ["LARGEST", "as_id", "as_ids", "signed", "signed_array", "unsigned", "unsigned_array"]

LARGEST = (1 << 64) - 1
_HALF, _WHOLE = 1 << 63, 1 << 64


def signed(number: int) -> int:
    """Return the stored form of an id.

    Examples
    --------
    >>> signed(7), signed(2**63), signed(2**64 - 1)
    (7, -9223372036854775808, -1)
    """
    return number if number < _HALF else number - _WHOLE


def unsigned(number: int) -> int:
    """Return the id of a stored form.

    Examples
    --------
    >>> unsigned(7), unsigned(-1) == 2**64 - 1
    (7, True)
    """
    return number if number >= 0 else number + _WHOLE


def signed_array(ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the stored forms of an array of ids."""
    return ids.astype(np.uint64, copy=False).view(np.int64)


def unsigned_array(stored: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the ids of an array of stored forms."""
    return stored.astype(np.int64, copy=False).view(np.uint64)


def as_id(value: Any, what: str = "id", none: bool = False) -> int:
    """Read a whole number from 1 (0 too, for none) to 2**64 - 1 as an id.

    Raises
    ------
    BadRequest
        If it is anything else.
    """
    if type(value) is not int:
        try:
            whole = int(value)
            if isinstance(value, bool | np.bool_) or whole != value:
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            raise _refusal(value, what, none) from None
        return _within(whole, what, none)
    return _within(value, what, none)


def _within(value: int, what: str, none: bool) -> int:
    if not (0 if none else 1) <= value <= LARGEST:
        raise _refusal(value, what, none)
    return value


def _refusal(value: Any, what: str, none: bool) -> BadRequest:
    least = "0 (none)" if none else "1 (0 is the background)"
    return BadRequest(f"{what} {value!r}"[:200], f"an id is a whole number from {least} to 2**64 - 1")


def as_ids(values: Any, what: str = "id", none: bool = False) -> list[int]:
    """Read one id or many as a list of ids.

    Examples
    --------
    >>> as_ids(5), as_ids(np.array([3, 4], "u8"))
    ([5], [3, 4])
    """
    if isinstance(values, int | np.integer):
        return [as_id(values, what, none)]
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "iu" and values.ndim == 1 and (not values.size or int(values.min()) >= (not none)):
            found: list[int] = values.tolist()
            return found
        values = values.ravel().tolist()
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise _refusal(values, what, none)
    return [as_id(value, what, none) for value in values]
