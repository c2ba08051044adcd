"""Which synapses join which neurons, and where: what follows in one view from what is selected in another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ndlab.errors import BadRequest, NotFound

__all__ = ["NOUNS", "LinkTables", "is_whole", "rows_of", "texts"]

Array = np.ndarray[Any, Any]
NOUNS = ("synapses", "neurons")
_NONE = 0xFFFFFFFF
_MOST_ID = (1 << 64) - 1


@dataclass(frozen=True, eq=False)
class LinkTables:
    """The ids of synapses and neurons, and who is at both ends of each synapse.

    widgets/src/link/mapping.ts is the other half.

    Parameters
    ----------
    synapses, neurons : list of str
        Ids as text, each once.
    pre, post : ndarray of uint32, shape (n,)
        The neuron at each end of a synapse, by its place in `neurons`; 2^32 - 1 where there is none.
    at : ndarray of float32, shape (n, 3) or (0, 3)
        Where each synapse lies, z, y, x [nm].
    count : int or None
        Where rows of the table are neurons, how many there are: they are the first of `neurons`. None where they are
        synapses.

    Examples
    --------
    >>> tables = LinkTables.of([7, 8], [1, 1], [2, 3], np.zeros((2, 3)))
    >>> tables.follows("neurons", ["2"])["synapses"], tables.follows("synapses", ["8"])["edges"]
    (['7'], [('1', '3')])
    """

    synapses: list[str]
    neurons: list[str]
    pre: Array
    post: Array
    at: Array
    count: int | None = None

    @classmethod
    def of(
        cls, synapses: Any, pre: Any, post: Any, at: Any = None, neurons: Any = (), count: int | None = None
    ) -> LinkTables:
        """Make tables of ids of any kind; neurons are those at the ends, and those that are named besides.

        Raises
        ------
        BadRequest
            If an id of a row stands twice.
        """
        names, own = texts(synapses), texts(neurons)
        _once(names if count is None else own[:count])
        ends = [texts(pre), texts(post)]
        cells = list(dict.fromkeys([*own, *(one for end in ends for one in end if one)]))
        place = {name: row for row, name in enumerate(cells)}
        before, after = (np.array([place.get(one, _NONE) for one in end], np.uint32) for end in ends)
        where = np.zeros((0, 3)) if at is None else at
        return cls(names, cells, before, after, np.asarray(where, np.float32).reshape(-1, 3), count)

    @property
    def rows(self) -> str:
        """What a row of the table is, "synapses" or "neurons"."""
        return "synapses" if self.count is None else "neurons"

    def wire(self) -> dict[str, Any]:
        """Return it as the page takes it: flat arrays, little-endian."""
        synapses, whole_synapses = _packed(self.synapses)
        neurons, whole_neurons = _packed(self.neurons)
        return {
            "synapses": synapses, "neurons": neurons, "rows": self.rows, "count": self.count or 0,
            "pre": self.pre.astype("<u4").tobytes(), "post": self.post.astype("<u4").tobytes(),
            "at": self.at.astype("<f4").tobytes(),
            "whole": {"synapses": whole_synapses, "neurons": whole_neurons},
        }  # fmt: skip

    def checked(self, noun: str, ids: Any) -> list[str]:
        """Return ids as text.

        Raises
        ------
        BadRequest
            If there is no such noun.
        NotFound
            If an id is not known.
        """
        if noun not in NOUNS:
            raise BadRequest(f"a selection of {noun!r}", f"there are {' and '.join(NOUNS)}")
        names, known = list(dict.fromkeys(texts(ids))), self._places(noun)
        unknown = [one for one in names if one not in known]
        if unknown:
            some = ", ".join(list(known)[:5]) or "none"
            raise NotFound(
                f"the {noun} {', '.join(unknown[:5])}{', …' if len(unknown) > 5 else ''}",
                f"there are {len(known):,}: {some}{', …' if len(known) > 5 else ''}",
                f"ids are those of the {'table' if noun == self.rows else 'graph'}",
            )
        return names

    def follows(self, noun: str, ids: Sequence[str]) -> dict[str, Any]:
        """Return what each view shows of a selection: ``rows``, ``synapses``, ``neurons``, and ``edges`` as pairs."""
        if noun == "synapses":
            synapses, neurons = list(ids), []
            edges = list(dict.fromkeys(self._edge(row) for row in sorted(self.places("synapses", ids))))
        else:
            neurons, edges = list(ids), []
            wanted = self.places("neurons", ids)
            hit = np.isin(self.pre, wanted) | np.isin(self.post, wanted)
            synapses = [self.synapses[row] for row in np.flatnonzero(hit)]
        rows = synapses if self.count is None else [one for one in neurons if self._neuron_of[one] < self.count]
        return {"rows": rows, "synapses": synapses, "neurons": neurons, "edges": [one for one in edges if all(one)]}

    def places(self, noun: str, ids: Sequence[str]) -> list[int]:
        """Return where ids stand in the table of a noun."""
        known = self._places(noun)
        return [known[one] for one in ids if one in known]

    def _places(self, noun: str) -> dict[str, int]:
        return self._synapse_of if noun == "synapses" else self._neuron_of

    @cached_property
    def _synapse_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.synapses)}

    @cached_property
    def _neuron_of(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.neurons)}

    def _edge(self, row: int) -> tuple[str, str]:
        pre, post = (self.neurons[end] if end != _NONE else "" for end in (self.pre[row], self.post[row]))
        return pre, post


def texts(ids: Any) -> list[str]:
    """Return ids as text, exact; what is missing as empty text.

    Examples
    --------
    >>> texts(np.array([2**63, 5], "u8")), texts(["a", None, 2.0])
    (['9223372036854775808', '5'], ['a', '', '2'])
    """
    return [_text(one) for one in (ids.tolist() if hasattr(ids, "tolist") else list(ids))]


def _text(one: Any) -> str:
    if one is None or one != one or type(one).__name__ == "NAType":
        return ""
    # Columns of whole numbers of which some are missing are floats in pandas.
    return str(int(one)) if isinstance(one, float) and one.is_integer() else str(one)


def is_whole(one: str) -> bool:
    """Return whether text is a whole number of at most 64 bits, as Python prints it."""
    return one.isascii() and one.isdigit() and (one == "0" or one[0] != "0") and int(one) <= _MOST_ID


def _once(names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(one for one in names if one in seen or seen.add(one))  # type: ignore[func-returns-value]
        raise BadRequest(
            f"{len(names):,} rows by their ids", f"{twice!r} stands there twice", "on= names the column of ids"
        )


def _packed(names: Sequence[str]) -> tuple[bytes, bool]:
    """Return ids as uint64 where all are whole numbers, else as JSON text; and whether they are whole."""
    import json

    if all(map(is_whole, names)):
        return np.array([int(one) for one in names], "<u8").tobytes(), True
    return json.dumps(list(names), ensure_ascii=False).encode(), False


def rows_of(table: Any, on: str) -> tuple[Mapping[str, Any], Any]:
    """Return the columns of a table by name, and the ids of its rows.

    It is a DataFrame, a structured array, or a view that has a ``table`` with ``columns`` and ``ids``. Ids are the
    column `on`; where there is none of that name, what the table itself calls its rows.

    Raises
    ------
    BadRequest
        If it is no table, or has no such column.
    """
    inner = getattr(table, "table", None)
    if inner is not None and hasattr(inner, "ids"):
        columns = {name: inner.columns.column(name).plain() for name in inner.columns}
        return columns, _named(columns, on, inner.ids)
    if hasattr(table, "columns") and hasattr(table, "index"):
        columns = {str(name): table[name].to_numpy() for name in table.columns}
        return columns, _named(columns, on, table.index.to_numpy() if table.index.name == on else None)
    if isinstance(table, np.ndarray) and table.dtype.names:
        columns = {name: table[name] for name in table.dtype.names}
        return columns, _named(columns, on, None)
    raise BadRequest(
        f"a {type(table).__name__} was to be linked", "the table is a DataFrame, a structured array or explore.table(…)"
    )


def _named(columns: Mapping[str, Any], on: str, own: Any) -> Any:
    if on in columns:
        return columns[on]
    if own is not None:
        return own
    raise BadRequest(f"rows by {on!r}", f"the columns are {', '.join(columns)}"[:300], "on= names the column of ids")
