"""Table: rows of a measurement with their units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest

if TYPE_CHECKING:
    import pandas

__all__ = ["Table"]

_SHOWN = 10


class Table:
    """A measurement: a structured array, the unit of each column, and a DataFrame when one is asked for.

    Parameters
    ----------
    rows : structured ndarray
        One row for each thing that was measured.
    units : mapping, optional
        Unit of each column that has one, e.g. ``{"area": "nm²"}``.

    Examples
    --------
    >>> table = Table(np.array([(7, 12.0), (9, 30.0)], [("id", "u8"), ("area", "f8")]), {"area": "nm²"})
    >>> table["area"].sum()
    np.float64(42.0)
    >>> table[table["area"] > 20]
    id  area [nm²]
     9          30
    """

    def __init__(self, rows: np.ndarray[Any, Any], units: Mapping[str, str] | None = None) -> None:
        self.rows = rows
        self.units = dict(units or {})

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.rows.dtype.names or ())

    @property
    def pandas(self) -> pandas.DataFrame:
        """The rows as a DataFrame."""
        import pandas as pd

        return pd.DataFrame({name: self.rows[name] for name in self.columns})

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Any:
        """Return a column by its name, one row by a number, or a Table of the rows that a slice or mask picks."""
        if isinstance(key, str):
            if key not in self.columns:
                raise BadRequest(f"column {key!r} was asked for", f"the columns are {', '.join(self.columns)}")
            return self.rows[key]
        found = self.rows[key]
        return found if isinstance(found, np.void) else Table(found, self.units)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.rows, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        cells = [self._heads(), *self._cells()]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in cells]
        return "\n".join([*lines, *self._rest()])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(cell)}</th>" for cell in self._heads())
        body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in self._cells())
        rest = "".join(f"<p>{line}</p>" for line in self._rest())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"

    def _heads(self) -> list[str]:
        return [f"{name} [{self.units[name]}]" if name in self.units else name for name in self.columns]

    def _cells(self) -> list[list[str]]:
        return [[_text(row[name]) for name in self.columns] for row in self.rows[:_SHOWN]]

    def _rest(self) -> list[str]:
        return [f"… {len(self)} rows"] if len(self) > _SHOWN else []


def _text(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, np.floating) else str(value)
