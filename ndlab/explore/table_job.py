"""What a plot is made from: the table, the state, the rows that count, and what was computed before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ndlab.analyze.tables import Matrix, Table, matrix
from ndlab.explore.table_data import passing

__all__ = ["MOST_CLASSES", "Job", "Kept", "Superseded"]

Array = np.ndarray[Any, Any]
MOST_CLASSES = 7
"""Classes with a colour of their own; the others share grey."""
_REMEMBERED = 12


class Superseded(Exception):
    """Something else was asked for meanwhile."""


class Kept:
    """The last few results, so that a change of theme or of a colour computes nothing anew."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, Any] = OrderedDict()

    def get(self, key: str, make: Callable[[], Any]) -> Any:
        """Return what was made under the key, or make it."""
        if key in self._found:
            self._found.move_to_end(key)
            return self._found[key]
        found = make()
        self._found[key] = found
        while len(self._found) > _REMEMBERED:
            self._found.popitem(last=False)
        return found


@dataclass(eq=False)
class Job:
    """One plot to make.

    Parameters
    ----------
    table : Table
    own : list of str
        Its columns without those that were computed.
    state : dict
    dark : bool
    kept : Kept
    tell : callable
        Given what is being done; raises `Superseded` where that is not wanted any more.
    """

    table: Table
    own: list[str]
    state: dict[str, Any]
    dark: bool = False
    kept: Kept = field(default_factory=Kept)
    tell: Callable[[str], None] = lambda words: None

    @property
    def features(self) -> list[str]:
        """Columns that statistics are of."""
        found: list[str] = self.state["features"]
        return found

    @cached_property
    def rows(self) -> Array:
        """Which rows pass the filters."""
        return np.flatnonzero(passing(self.table, self.state["filters"]))

    @cached_property
    def matrix(self) -> Matrix:
        """The features of those rows, without missing values unless these are kept."""
        return matrix(self.table, self.features, missing=self.state["missing"], rows=self.rows)

    @cached_property
    def whole(self) -> Matrix:
        """The same for methods that take no missing value: where those are kept, rows with one are left out."""
        missing = self.state["missing"]
        return self.matrix if missing != "keep" else matrix(self.table, self.features, missing="remove", rows=self.rows)

    @cached_property
    def classes(self) -> tuple[Array, list[str]]:
        """The class of each row, at most `MOST_CLASSES` and "other", and their names; one where none is asked."""
        name = self.state["classes"]
        if not name:
            return np.zeros(len(self.table), np.int64), ["all rows"]
        codes, names = self.table.codes(name)
        counts = np.bincount(codes[codes >= 0], minlength=len(names))
        kept = np.sort(np.argsort(-counts, kind="stable")[:MOST_CLASSES])
        rest = len(kept) < len(names) or bool((codes < 0).any())
        rank = np.full(len(names) + 1, len(kept), np.int64)
        rank[kept] = np.arange(len(kept))
        return rank[codes], [names[i] for i in kept] + (["other"] if rest else [])

    def options(self, tab: str) -> dict[str, Any]:
        """Return what the tab was asked for."""
        found: dict[str, Any] = self.state[tab]
        return found

    def once(self, what: str, make: Callable[[], Any], *parameters: Any) -> Any:
        """Return a result that depends on the features, the rows and these parameters alone."""
        basis = (what, self.features, self.state["filters"], self.state["missing"], parameters)
        return self.kept.get(repr(basis), make)

    def label(self, name: str) -> str:
        """Return the name of a column with its unit."""
        unit = self.table.columns.column(name).unit
        return f"{name} [{unit}]" if unit else name
