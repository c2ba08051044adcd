"""Typed columns of nodes and edges: values, unit, and which are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ndlab.errors import BadRequest, NoSuchProperty

__all__ = ["Array", "Column", "Columns"]

Array = np.ndarray[Any, Any]
_KINDS = "bool, integers of at most 64 bits, floats and text"


@dataclass(frozen=True, eq=False)
class Column:
    """One property of all nodes or of all edges.

    Parameters
    ----------
    values : ndarray, shape (n,)
        bool, int64, uint64, float64, or objects that are `str`. What stands where a value is missing means nothing.
    unit : str
        As it is printed, ``"nm"`` or ``"µm²"``; empty for a pure number.
    missing : ndarray of bool, shape (n,), or None
        Where there is no value, as where a float is nan; None where each has one.
    """

    values: Array
    unit: str = ""
    missing: Array | None = None

    @classmethod
    def of(cls, values: Any, unit: str = "") -> Column:
        """Make a column of any sequence, in which None (and pandas' NA) is a missing value.

        Raises
        ------
        BadRequest
            If the values are neither numbers nor text.
        """
        if isinstance(values, Column):
            return cls(values.values, unit or values.unit, values.missing)
        array = np.asarray(values) if isinstance(values, np.ndarray) else _from_sequence(list(values))
        if array.dtype.kind == "O":
            return _of_objects(array, unit)._with_nan_missing()
        return cls(_frozen(_typed(array)), unit)._with_nan_missing()

    def _with_nan_missing(self) -> Column:
        # nan and missing are one: no table format keeps them apart.
        if self.values.dtype.kind != "f" or not (missing := np.isnan(self.values)).any():
            return self
        return Column(self.values, self.unit, missing)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def kind(self) -> str:
        """One of ``bool``, ``int``, ``float`` and ``str``."""
        return {"b": "bool", "i": "int", "u": "int", "f": "float"}.get(self.values.dtype.kind, "str")

    def plain(self) -> Array:
        """Return the values as one array: missing numbers as nan, missing text as None.

        Integers and bools of which some are missing become floats and objects, for they have no nan.
        """
        if self.missing is None:
            return self.values
        if self.kind in ("int", "float"):
            return np.where(self.missing, np.nan, self.values.astype(np.float64))
        found = self.values.astype(object)
        found[self.missing] = None
        return found

    def take(self, rows: Array) -> Column:
        """Return the column at `rows`, an index or a mask."""
        missing = None if self.missing is None else self.missing[rows]
        if missing is not None and not missing.any():
            missing = None
        return Column(_frozen(self.values[rows]), self.unit, missing)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Column):
            return NotImplemented
        mine, its = self._missing_at(), other._missing_at()
        if self.unit != other.unit or self.kind != other.kind or not np.array_equal(mine, its):
            return False
        left, right = self.values[~mine], other.values[~mine]
        return bool(np.array_equal(left, right, equal_nan=self.kind == "float"))

    __hash__ = None  # type: ignore[assignment]

    def _missing_at(self) -> Array:
        return np.zeros(len(self), bool) if self.missing is None else self.missing


@dataclass(frozen=True, eq=False)
class Columns(Mapping[str, Array]):
    """The properties of all nodes or of all edges, by name: ``graph.edges["weight"]``.

    Parameters
    ----------
    count : int
        How many nodes or edges there are.
    columns : dict
        `Column` by name, each of `count` values.
    what : str
        ``"node"`` or ``"edge"``, for messages.
    """

    count: int
    columns: dict[str, Column] = field(default_factory=dict)
    what: str = "node"

    @classmethod
    def of(cls, count: int, values: Mapping[str, Any] | None, units: Mapping[str, str] | None, what: str) -> Columns:
        """Make columns of anything that `Column.of` takes.

        Raises
        ------
        BadRequest
            If a column has another length, or a unit names no column.
        """
        if isinstance(values, Columns):
            values = values.columns
        made = {str(name): Column.of(column, (units or {}).get(name, "")) for name, column in (values or {}).items()}
        for name, column in made.items():
            if len(column) != count:
                raise BadRequest(
                    f"the {what} property {name!r} has {len(column):,} values", f"there are {count:,} {what}s",
                    f"give one value for each {what}, None where there is none", name=name,
                )  # fmt: skip
        strange = sorted(set(units or {}) - set(made))
        if strange:
            raise BadRequest(f"units of {strange} were given", f"the {what} properties are {sorted(made)}")
        return cls(count, made, what)

    def __getitem__(self, name: str) -> Array:
        return self.column(name).plain()

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def column(self, name: str) -> Column:
        """Return a property with its unit and its missing values.

        Raises
        ------
        NoSuchProperty
            If there is none of that name.
        """
        try:
            return self.columns[name]
        except KeyError:
            there = list(self.columns)
            raise NoSuchProperty(
                f"there is no {self.what} property {name!r}", f"there are: {', '.join(there) or 'none'}",
                "pick one of those, or None for no property", name=name, there=there,
            ) from None  # fmt: skip

    @property
    def units(self) -> dict[str, str]:
        """Unit by name, of those that have one."""
        return {name: column.unit for name, column in self.columns.items() if column.unit}

    def take(self, rows: Array) -> Columns:
        """Return the properties of some rows, an index or a mask."""
        count = int(np.count_nonzero(rows)) if rows.dtype == bool else len(rows)
        return Columns(count, {name: column.take(rows) for name, column in self.columns.items()}, self.what)

    def with_(self, values: Mapping[str, Any], units: Mapping[str, str] | None = None) -> Columns:
        """Return these and `values`, which replace those of the same name."""
        new = Columns.of(self.count, values, units, self.what)
        return Columns(self.count, self.columns | new.columns, self.what)

    def without(self, names: Sequence[str]) -> Columns:
        """Return these without `names`."""
        return Columns(self.count, {n: c for n, c in self.columns.items() if n not in names}, self.what)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Columns):
            return NotImplemented
        return self.count == other.count and self.columns == other.columns

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        parts = (f"{n} ({c.kind}{f', {c.unit}' if c.unit else ''})" for n, c in self.columns.items())
        return f"<{self.count:,} {self.what}s: {', '.join(parts) or 'no properties'}>"


def _from_sequence(values: list[Any]) -> Array:
    """Make an array that doesn't turn numbers beside text into text, or integers beside None into floats."""
    if any(isinstance(v, str) or v is None for v in values) or len({type(v) is bool for v in values}) > 1:
        array = np.empty(len(values), object)
        array[:] = values
        return array
    array = np.asarray(values) if values else np.zeros(0)
    # 64-bit ids beside small ones: numpy would go through floats and lose their last digits.
    if values and array.dtype.kind in "fO" and all(isinstance(v, int | np.integer) for v in values):
        array = np.asarray(values, object)
    return array


def _typed(array: Array) -> Array:
    if array.ndim != 1:
        raise BadRequest(f"a property has the shape {array.shape}", "one value for each node or edge was expected")
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind == "i":
        return array.astype(np.int64, copy=False)
    if array.dtype.kind == "u":
        return array.astype(np.uint64 if array.dtype.itemsize == 8 else np.int64, copy=False)
    if array.dtype.kind == "f":
        return array.astype(np.float64, copy=False)
    if array.dtype.kind == "U":
        return array.astype(object)
    if array.dtype.kind == "T":
        return np.array(list(map(str, array)), object)
    raise BadRequest(f"a property has the type {array.dtype}", f"properties are {_KINDS}")


def _of_objects(array: Array, unit: str) -> Column:
    """Find the one type that all values of an object array have."""
    missing = np.fromiter((_is_missing(v) for v in array), bool, len(array))
    there = [v.item() if isinstance(v, np.generic) else v for v in array[~missing]]
    types = {type(v) for v in there}
    if types <= {bool}:
        values: Array = np.zeros(len(array), bool)
    elif types <= {int}:
        low, high = min(there), max(there)
        if low < -(2**63) or high >= 2**64 or (low < 0 and high >= 2**63):
            raise BadRequest("an integer property does not fit 64 bits", f"it goes from {low} to {high}")
        values = np.zeros(len(array), np.uint64 if high >= 2**63 else np.int64)
    elif types <= {int, float}:
        values = np.full(len(array), np.nan)
    elif types <= {str}:
        values = np.full(len(array), "", object)
    else:
        raise BadRequest(
            f"a property mixes {', '.join(sorted(t.__name__ for t in types))}", f"a property is one of {_KINDS}",
            "make it text with map(str, values)",
        )  # fmt: skip
    values[~missing] = there
    if not there:  # Nothing is known of the type; text says least.
        values = np.full(len(array), "", object)
    return Column(_frozen(values), unit, missing if missing.any() else None)


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _frozen(array: Array) -> Array:
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array
