"""Make the index of painted objects from the labels themselves, and say where it differs from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ndlab.annotations.applying import Exceptions
from ndlab.annotations.chunking import Chunking
from ndlab.annotations.index import Place, Row, place_of, rows
from ndlab.annotations.journal import locked
from ndlab.annotations.merging import Merger

__all__ = ["chunk_rows", "differences", "reindex"]

_TOLD = 20


def reindex(merger: Merger, facts: Mapping[str, str]) -> None:
    """Scan the labels and replace all places; set `facts` with them."""
    with locked(merger.folder / "merge.lock"):
        found = [row for _, several in _scan(merger) for row in several]
        with merger.index.change():
            merger.index.clear()
            merger.index.put_places(found, [])
            for name, value in facts.items():
                merger.index.set_fact(name, value)


def differences(merger: Merger) -> list[str]:
    """Say where the index and the labels differ."""
    with locked(merger.folder / "merge.lock"):
        known: dict[int, dict[int, Place]] = {}
        for place in merger.index.all_places():
            known.setdefault(place.chunk, {})[place.id] = place
        told = []
        for number, several in _scan(merger):
            mine = known.pop(number, {})
            there = {row[0]: place_of(row) for row in several}
            told += [
                f"object {one} in chunk {number}: the index says {mine.get(one)}, the labels {there.get(one)}"
                for one in sorted(mine.keys() | there.keys())
                if mine.get(one) != there.get(one)
            ]
        told += [f"object {one} in chunk {number}: no labels are there" for number in known for one in known[number]]
        return told if len(told) <= _TOLD else [*told[:_TOLD], f"and {len(told) - _TOLD} more"]


def _scan(merger: Merger) -> Iterator[tuple[int, list[Row]]]:
    """Yield each chunk that has labels, and the places of objects in it."""
    chunking, index = merger.chunking, merger.index
    excepted = set(index.exception_chunks())
    for unit in merger.units.present():
        start = [i * u for i, u in zip(chunking.unit_index(unit), chunking.unit, strict=True)]
        stop = [min(a + u, n) for a, u, n in zip(start, chunking.unit, chunking.shape, strict=True)]
        for number in chunking.touching(start, stop):
            labels = merger.units.read(number)
            if labels.any():
                yield (
                    number,
                    chunk_rows(labels, index.exceptions(number) if number in excepted else {}, number, chunking),
                )


def chunk_rows(labels: np.ndarray[Any, Any], exceptions: Exceptions, number: int, chunking: Chunking) -> list[Row]:
    """Return the rows of all objects in a chunk.

    Examples
    --------
    >>> chunking = Chunking((1, 2, 2), (1, 2, 2), (1, 2, 2))
    >>> [row[:3] for row in chunk_rows(np.array([5, 5, 0, 7]), {0: [7]}, 0, chunking)]
    [(5, 0, 2), (7, 0, 2)]
    """
    at = np.flatnonzero(labels)
    values = labels[at].astype("u8")
    more = [(inside, one) for inside, ids in exceptions.items() for one in ids]
    if more:
        at = np.concatenate([at, np.array([inside for inside, _ in more], "i8")])
        values = np.concatenate([values, np.array([one for _, one in more], "u8")])
    order = np.argsort(values, kind="stable")
    ids, firsts = np.unique(values[order], return_index=True)
    parts = np.split(at[order], firsts[1:])
    return rows([(one, number) for one in ids.tolist()], parts, chunking.chunk)
