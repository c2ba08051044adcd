"""Node ids: integers of 64 bits or text, each once; from ids to rows and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.errors import BadRequest, NotFound
from ndlab.graph.columns import Array

__all__ = ["Index", "as_ids", "number"]


def as_ids(values: Any) -> Array:
    """Return ids as int64, uint64 (where one needs it) or objects that are `str`.

    Raises
    ------
    BadRequest
        If one is neither an integer nor text, or both occur.
    """
    array = values if isinstance(values, np.ndarray) else np.asarray(_objects(values))
    if array.ndim != 1:
        raise BadRequest(f"ids of shape {array.shape}", "a sequence of ids was expected")
    if array.dtype.kind == "b" or array.dtype.kind == "f":
        raise BadRequest(
            f"ids of type {array.dtype}", "ids are integers or text", "convert them with .astype(int) or .astype(str)"
        )
    if array.dtype.kind == "i":
        return array.astype(np.int64)
    if array.dtype.kind == "u":
        return array.astype(np.uint64 if len(array) and array.max() >= 2**63 else np.int64)
    if array.dtype.kind in "UT":
        return np.array(array.tolist(), object)
    return _of_objects(array)


def _objects(values: Any) -> Array:
    values = list(values)
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _of_objects(array: Array) -> Array:
    plain = [v.item() if isinstance(v, np.generic) else v for v in array]
    types = {type(v) for v in plain}
    if types <= {str}:
        return _objects(plain)
    if types <= {int}:
        low, high = min(plain), max(plain)
        if low < -(2**63) or high >= 2**64 or (low < 0 and high >= 2**63):
            raise BadRequest("an id does not fit 64 bits", f"ids go from {low} to {high}", "make them text")
        return np.asarray(plain, np.uint64 if high >= 2**63 else np.int64)
    raise BadRequest(
        f"ids of type {', '.join(sorted(t.__name__ for t in types))}", "all ids are integers, or all are text",
        "of networkx: networkx.convert_node_labels_to_integers(G, label_attribute='name')",
    )  # fmt: skip


def number(source: Array, target: Array, ids: Array | None) -> tuple[Array, tuple[Array, Array]]:
    """Return all ids and the rows of both ends of each edge.

    Without `ids` nodes stand in the order in which an edge first names them, its source before its target.
    """
    if (source.dtype.kind == "O") != (target.dtype.kind == "O") and len(source):
        raise BadRequest("sources are text and targets numbers, or the other way round", "ids are of one kind")
    if ids is not None:
        index = Index(ids)
        return ids, (index.rows(source), index.rows(target))
    both = np.empty(2 * len(source), object if source.dtype != target.dtype else source.dtype)
    both[0::2], both[1::2] = source, target
    if both.dtype.kind == "O":
        both = as_ids(both)
    if both.dtype.kind == "O":
        rows: dict[str, int] = {}
        numbered = np.fromiter((rows.setdefault(one, len(rows)) for one in both), np.int64, len(both))
        return _objects(rows), (numbered[0::2].copy(), numbered[1::2].copy())
    unique, first, inverse = np.unique(both, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    numbered = rank[inverse]
    return unique[order], (numbered[0::2].copy(), numbered[1::2].copy())


class Index:
    """From ids to rows.

    Parameters
    ----------
    ids : ndarray, shape (n,)
        As `as_ids` gives them.

    Raises
    ------
    BadRequest
        If an id comes twice.
    """

    def __init__(self, ids: Array) -> None:
        self._ids = ids
        self._by_text: dict[str, int] | None = None
        if ids.dtype.kind == "O":
            self._by_text = {one: row for row, one in enumerate(ids)}
            twice = len(self._by_text) < len(ids)
        else:
            self._order = np.argsort(ids, kind="stable")
            self._sorted = ids[self._order]
            twice = bool((self._sorted[1:] == self._sorted[:-1]).any())
        if twice:
            values, counts = np.unique(ids.astype(str) if self._by_text is not None else ids, return_counts=True)
            raise BadRequest(f"the id {values[counts > 1][0]} names two nodes", "each node has an id of its own")

    def __contains__(self, one: object) -> bool:
        if self._by_text is not None:
            return one in self._by_text
        if isinstance(one, bool) or not isinstance(one, int | np.integer):
            return False
        return bool(self._find(np.asarray([one]))[1][0])

    def rows(self, ids: Any) -> Array:
        """Return the row of each id, shape as given in one dimension."""
        asked = as_ids(ids)
        if self._by_text is not None:
            try:
                return np.fromiter((self._by_text[one] for one in asked), np.int64, len(asked))
            except KeyError as error:
                raise self._unknown(error.args[0]) from None
        if asked.dtype.kind == "O":
            if not len(asked):
                return np.zeros(0, np.int64)
            raise self._unknown(asked[0])
        place, found = self._find(asked)
        if not found.all():
            raise self._unknown(asked[~found][0])
        return self._order[place]

    def _find(self, asked: Array) -> tuple[Array, Array]:
        if not len(self._ids):
            return np.zeros(len(asked), np.int64), np.zeros(len(asked), bool)
        if {self._sorted.dtype, asked.dtype} == {np.dtype(np.int64), np.dtype(np.uint64)}:
            # Compared as floats two ids could seem equal; a negative one has no unsigned twin.
            fits = asked >= 0 if asked.dtype.kind == "i" else asked < 2**63
            place, found = self._find(np.where(fits, asked, 0).astype(self._sorted.dtype))
            return place, found & fits
        place = np.minimum(np.searchsorted(self._sorted, asked), len(self._ids) - 1)
        return place, self._sorted[place] == asked

    def _unknown(self, one: Any) -> NotFound:
        one = one.item() if isinstance(one, np.generic) else one
        some = ", ".join(str(v) for v in self._ids[:5])
        kind = "text" if self._by_text is not None else "integers"
        return NotFound(
            f"no node has the id {one!r}",
            f"the {len(self._ids):,} ids are {kind}: {some}{', …' * (len(self._ids) > 5)}",
            "graph.ids lists them all", id=one,
        )  # fmt: skip
