"""All annotations of a layer on disk in the form in which they are written, to be read again for each index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.annotations.exchange.precomputed.encoding import Encoded, encode
from ndlab.annotations.exchange.precomputed.layout import Layout
from ndlab.annotations.exchange.precomputed.source import Source
from ndlab.store.uint64_shards import murmurhash3_x86_128

__all__ = ["Distinct", "Spool", "spool"]

_BATCH = 65_536


class Distinct:
    """Estimates how many different numbers there are from those whose hashes are multiples of a growing number."""

    _MOST = 1 << 16

    def __init__(self) -> None:
        self._every = np.uint64(1)
        self._kept = np.zeros(0, np.uint64)

    def see(self, numbers: np.ndarray[Any, Any]) -> None:
        """Take in more numbers."""
        hashed = murmurhash3_x86_128(np.unique(numbers))
        self._kept = np.union1d(self._kept, hashed[hashed % self._every == 0])
        while len(self._kept) > self._MOST:
            self._every *= np.uint64(2)
            self._kept = self._kept[self._kept % self._every == 0]

    def __int__(self) -> int:
        return len(self._kept) * int(self._every)


class Spool:
    """Ids, records and related ids, each in a file, and what was counted while they were written."""

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.layout, self.count = layout, 0
        self.low, self.high = np.full(3, np.inf), np.full(3, -np.inf)
        self.related = [0 for _ in layout.relationships]
        self.distinct = [Distinct() for _ in layout.relationships]
        names = ["ids", "records", *(f"{what}{i}" for i in range(len(self.related)) for what in ("counts", "related"))]
        self._paths = [folder / name for name in names]
        self._files = [path.open("wb") for path in self._paths]

    def add(self, made: Encoded) -> None:
        """Append annotations."""
        pieces = [made.ids, made.records, *(piece for one in made.related for piece in one)]
        for file, piece in zip(self._files, pieces, strict=True):
            file.write(np.ascontiguousarray(piece).data)
        self.count += len(made.ids)
        if len(made.ids):
            low, high = self.layout.corners(made.records["geometry"])
            self.low, self.high = np.minimum(self.low, low.min(0)), np.maximum(self.high, high.max(0))
        for i, (_, ids) in enumerate(made.related):
            self.related[i] += len(ids)
            self.distinct[i].see(ids)

    def close(self) -> None:
        """End writing; reading begins."""
        for file in self._files:
            file.close()

    def batches(self, related: bool = False) -> Iterator[Encoded]:
        """Yield the annotations in the order in which they came, without related ids unless those are asked for."""
        id_, count_, record = np.dtype("<u8"), np.dtype("<u4"), self.layout.record
        paths = self._paths if related else self._paths[:2]
        files = [path.open("rb") for path in paths]
        try:
            for start in range(0, self.count, _BATCH):
                size = min(_BATCH, self.count - start)
                ids, records = np.fromfile(files[0], id_, size), np.fromfile(files[1], record, size)
                pairs = []
                for counts_file, ids_file in zip(files[2::2], files[3::2], strict=True):
                    counts = np.fromfile(counts_file, count_, size)
                    pairs.append((counts, np.fromfile(ids_file, id_, int(counts.sum()))))
                yield Encoded(ids, records, pairs)
        finally:
            for file in files:
                file.close()

    def one_relationship(self, number: int) -> Iterator[tuple[Encoded, np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        """Yield annotations, and of one relationship the row of each id and the ids."""
        for made in self.batches(related=True):
            counts, ids = made.related[number]
            yield made, np.repeat(np.arange(len(counts)), counts), ids


def spool(source: Source, layout: Layout, folder: Path) -> Spool:
    """Read a source once, checking every value, and keep it as annotations."""
    made = Spool(folder, layout)
    names = [*layout.columns, *(one.column for one in layout.properties + layout.relationships)]
    try:
        for batch in source.batches([*(["id"] if source.known("id") else []), *names]):
            made.add(encode(batch, layout, made.count, source))
    finally:
        made.close()
    return made
