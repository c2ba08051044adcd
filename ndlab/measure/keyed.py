"""Tables of sums kept by key, so that those of two blocks can be merged without loss, in any order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np

__all__ = ["Array", "Keyed", "add_doubled", "exact", "merge_keyed", "split", "structured"]

Array = np.ndarray[Any, Any]
K = TypeVar("K", bound="Keyed")
_MASK = (1 << 32) - 1


@dataclass(frozen=True)
class Keyed:
    """Columns whose first axis goes along sorted, unique `keys`; the name of a column says how it is merged.

    ``low…`` and ``high…`` keep the extreme, ``double…`` are double-doubles in pairs, everything else is added.
    """

    keys: Array


def merge_keyed(a: K, b: K) -> K:
    """Merge two tables: the rows of a key that is in both become one."""
    if not len(a.keys):
        return b
    if not len(b.keys):
        return a
    one_keys, other_keys = _comparable(a.keys, b.keys)
    keys = np.union1d(one_keys, other_keys)
    at_a, at_b = np.searchsorted(keys, one_keys), np.searchsorted(keys, other_keys)
    both = np.zeros(len(keys), bool)
    both[at_a] = True
    common = both[at_b]
    merged: dict[str, Array] = {}
    for field in fields(a):
        one, other = getattr(a, field.name), getattr(b, field.name)
        out = np.empty((len(keys), *one.shape[1:]), one.dtype)
        out[at_a] = one
        out[at_b[~common]] = other[~common]
        if field.name != "keys":
            where = at_b[common]
            out[where] = _combined(field.name, out[where], other[common])
        merged[field.name] = out
    return type(a)(**merged)


def _comparable(a: Array, b: Array) -> tuple[Array, Array]:
    """Plain numbers that are ordered as the keys are; pairs of ids become pairs of their ranks, in 64 bits."""
    names = a.dtype.names
    if names is None:
        return a, b
    ids = np.unique(np.concatenate([keys[name] for keys in (a, b) for name in names]))
    found = [np.searchsorted(ids, keys[names[0]]) << 32 | np.searchsorted(ids, keys[names[1]]) for keys in (a, b)]
    return found[0], found[1]


def _combined(name: str, a: Array, b: Array) -> Array:
    found: Array
    if name.startswith("low"):
        found = np.minimum(a, b)
    elif name.startswith("high"):
        found = np.maximum(a, b)
    elif name.startswith("double"):
        found = add_doubled(a, b)
    else:
        found = a + b
    return found


def add_doubled(a: Array, b: Array) -> Array:
    """Add rows of double-doubles (high, low, high, low, …); an odd last column is added plainly.

    Examples
    --------
    >>> add_doubled(np.array([[2.0**60, 0.0]]), np.array([[1.0, 0.0]])).tolist()
    [[1.152921504606847e+18, 1.0]]
    """
    with np.errstate(invalid="ignore", over="ignore"):
        out: Array = a + b
        for i in range(0, a.shape[-1] - 1, 2):
            high, value = a[..., i], b[..., i]
            total = high + value
            rest = total - high
            low = a[..., i + 1] + b[..., i + 1] + ((high - (total - rest)) + (value - rest))
            out[..., i] = total + low
            out[..., i + 1] = low - (out[..., i] - total)
    return out


def split(values: Array) -> Array:
    """Whole numbers as (upper, lower 32 bits) along a new last axis, so that adding many cannot overflow."""
    return np.stack([values >> 32, values & _MASK], -1)


def exact(values: Array) -> Array:
    """Float64 of whole numbers in halves, as `split` makes them: off by the last bit at most."""
    upper, lower = values[..., 0] + (values[..., 1] >> 32), values[..., 1] & _MASK
    found: Array = upper * 4294967296.0 + lower
    return found


def structured(columns: Mapping[str, Array], dtype: np.dtype[Any]) -> Array:
    """Structured array of columns."""
    rows = np.zeros(len(next(iter(columns.values()))), dtype)
    for name in dtype.names or ():
        rows[name] = columns[name]
    return rows
