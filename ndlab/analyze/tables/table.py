"""A table: rows with exact ids, and typed columns with units and missing values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.graph.columns import Column, Columns

__all__ = ["Table"]

Array = np.ndarray[Any, Any]
_NONE = -1


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of typed columns; `table_of` makes one of nearly anything.

    Parameters
    ----------
    ids : ndarray, shape (n,)
        What each row is called: int64, uint64 or text. Several rows may have the same.
    columns : Columns
    name : str
        What it is called in headings.
    id_name : str
        The column that the ids are; empty where they are numbers of rows.
    """

    ids: Array
    columns: Columns
    name: str = ""
    id_name: str = ""
    _codes: dict[str, tuple[Array, list[str]]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        called = f" {self.name}" if self.name else ""
        return f"Table{called} of {len(self):,} rows, {len(self.columns)} columns, {len(self.numbers)} of numbers"

    def with_columns(self, values: Mapping[str, Any]) -> Table:
        """Return the table with these columns beside its own, instead of those of the same name."""
        more = Columns.of(len(self), values, None, "row").columns
        codes = {name: found for name, found in self._codes.items() if name not in more}
        kept = Columns(len(self), self.columns.columns | more, "row")
        return Table(self.ids, kept, self.name, self.id_name, codes)

    @property
    def numbers(self) -> list[str]:
        """Names of the columns of numbers, the ids left out: those that can be measured and compared."""
        there = self.columns.columns.items()
        return [name for name, one in there if one.kind in ("int", "float") and name != self.id_name]

    @property
    def words(self) -> list[str]:
        """Names of the other columns: text and truth values."""
        return [name for name in self.columns if name not in self.numbers]

    def codes(self, name: str) -> tuple[Array, list[str]]:
        """Return the class of each row by a column, int64 with -1 for a missing value, and the names of the classes.

        Classes of text come with the most frequent first, those of numbers in their order.

        Examples
        --------
        >>> from ndlab.analyze.tables import table_of
        >>> table_of({"kind": ["b", "a", None, "b"]}).codes("kind")
        (array([ 0,  1, -1,  0]), ['b', 'a'])
        """
        if name not in self._codes:
            self._codes[name] = _coded(self.columns.column(name))
        return self._codes[name]

    def choose(self, names: Any) -> list[str]:
        """Return the names as a list of columns of numbers; all of those where `names` is None.

        Raises
        ------
        BadRequest
            If one is no column of numbers, or there is none.
        """
        wanted = self.numbers if names is None else [names] if isinstance(names, str) else [str(one) for one in names]
        there = {name for name, one in self.columns.columns.items() if one.kind in ("int", "float")}
        wrong = [one for one in wanted if one not in there]
        if wrong or not wanted:
            raise BadRequest(
                f"the columns {', '.join(wrong) or 'none'} as numbers",
                f"the columns of numbers are {', '.join(self.numbers) or 'none'}", "choose among these",
            )  # fmt: skip
        return wanted


def _coded(column: Column) -> tuple[Array, list[str]]:
    missing = np.zeros(len(column), bool) if column.missing is None else column.missing
    if column.kind == "str":
        import pandas as pd

        words = column.values.copy()
        words[missing] = None
        codes, there = pd.factorize(words)
        counts = np.bincount(codes[codes >= 0], minlength=len(there))
        order = np.lexsort((np.asarray(there, str), -counts))
        names = [str(there[i]) for i in order]
    else:
        values = column.values
        there, codes = np.unique(values, return_inverse=True)
        codes = np.where(missing, _NONE, codes)
        order = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(there)))
        names = [_said(one) for one in there[order].tolist()]
    rank = np.full(len(there) + 1, _NONE, np.int64)
    rank[order] = np.arange(len(order))
    return rank[codes], names


def _said(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
