"""Columns as one matrix of numbers: what is missing left out or filled, and columns made comparable."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.analyze.tables.table import Table
from ndlab.errors import BadRequest

__all__ = ["MISSING", "SCALINGS", "Matrix", "matrix", "scaled"]

Array = np.ndarray[Any, Any]
MISSING = ("remove", "keep", "mean", "median")
"""What is done with missing values."""
SCALINGS = ("raw", "z", "unit", "rank")
"""How columns are made comparable."""


@dataclass(frozen=True, eq=False)
class Matrix:
    """Numbers of some rows and columns of a table.

    Parameters
    ----------
    values : ndarray of float64, shape (m, p)
    rows : ndarray of int64, shape (m,)
        Which rows of the table these are.
    names : list of str
        Of the columns.
    left_out : int
        Rows without some value that were removed.
    filled : int
        Values that were put in.
    """

    values: Array
    rows: Array
    names: list[str]
    left_out: int = 0
    filled: int = 0


def matrix(
    table: Table, names: Sequence[str] | None = None, *, missing: str = "remove", rows: Array | None = None
) -> Matrix:
    """Return columns of numbers as a matrix, without missing values unless they are to be kept.

    Parameters
    ----------
    table : Table
    names : list of str, optional
        Columns; all of numbers unless given.
    missing : {"remove", "keep", "mean", "median"}
        Leave rows out that lack a value, keep nan, or put the column's mean or median in.
    rows : ndarray of int or bool, optional
        Only these.

    Raises
    ------
    BadRequest
        If a column holds no numbers, nothing is left, or a column that is to be filled has no value at all.

    Examples
    --------
    >>> from ndlab.analyze.tables import table_of
    >>> table = table_of({"a": [1.0, None, 3.0], "b": [4.0, 5.0, 6.0]})
    >>> matrix(table).values.tolist(), matrix(table, missing="mean").values.tolist()
    ([[1.0, 4.0], [3.0, 6.0]], [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]])
    """
    if missing not in MISSING:
        raise BadRequest(f"missing={missing!r}", f"there is {', '.join(MISSING)}")
    chosen = table.choose(names)
    which = np.arange(len(table)) if rows is None else np.asarray(rows)
    which = np.flatnonzero(which) if which.dtype.kind == "b" else which.astype(np.int64)
    values = np.empty((len(which), len(chosen)))
    for i, name in enumerate(chosen):
        values[:, i] = table.columns.column(name).plain()[which]
    # An infinite value is none that a mean or a distance could be taken of.
    values[np.isinf(values)] = np.nan
    if missing == "keep":
        return Matrix(values, which, chosen)
    gone = np.isnan(values)
    if missing == "remove":
        whole = ~gone.any(axis=1)
        if not whole.any():
            raise BadRequest(
                f"rows with a value in each of {len(chosen)} columns", f"none of {len(which):,} has",
                'leave columns out, or take missing="median"',
            )  # fmt: skip
        return Matrix(values[whole], which[whole], chosen, int((~whole).sum()))
    empty = [name for name, all_gone in zip(chosen, np.atleast_1d(gone.all(axis=0)), strict=True) if all_gone]
    if empty:
        raise BadRequest(f"the {missing} of {', '.join(empty)}", "these columns have no value at all", "leave them out")
    middle = (np.nanmean if missing == "mean" else np.nanmedian)(values, axis=0)
    return Matrix(np.where(gone, middle, values), which, chosen, 0, int(gone.sum()))


def scaled(values: Any, how: str) -> Array:
    """Return columns made comparable; nan stays.

    Parameters
    ----------
    values : ndarray, shape (m, p)
    how : {"raw", "z", "unit", "rank"}
        As they are; less the mean, over the standard deviation (of a sample, as R has it); from 0 to 1; by the mean
        rank over the number of values. A column of one value becomes 0, or its middle rank.

    Examples
    --------
    >>> scaled([[1.0], [2.0], [4.0]], "rank").ravel().round(2).tolist()
    [0.33, 0.67, 1.0]
    """
    from scipy.stats import rankdata

    array = np.array(values, np.float64)
    if how not in SCALINGS:
        raise BadRequest(f"the scaling {how!r}", f"there is {', '.join(SCALINGS)}")
    if how == "raw" or not len(array):
        return array
    if how == "rank":
        counts = np.maximum(1, (~np.isnan(array)).sum(axis=0))
        return np.asarray(rankdata(array, axis=0, nan_policy="omit") / counts, np.float64)
    # A column without any value has no mean, which numpy warns of.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        if how == "z":
            low = np.nanmean(array, axis=0)
            width = np.nanstd(array, axis=0, ddof=1) if len(array) > 1 else np.zeros(array.shape[1])
        else:
            low = np.nanmin(array, axis=0)
            width = np.nanmax(array, axis=0) - low
    return np.asarray((array - low) / np.where(width > 0, width, 1.0))
