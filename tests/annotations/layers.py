"""An independent look at precomputed annotations: shards through TensorStore, records through `struct`."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts

_CODES = {"uint32": "I", "int32": "i", "float32": "f", "uint16": "H", "int16": "h", "uint8": "B", "int8": "b",
          "rgb": "3B", "rgba": "4B"}  # fmt: skip
_NUMBERS = {"POINT": 3, "LINE": 6, "AXIS_ALIGNED_BOUNDING_BOX": 6, "ELLIPSOID": 6}


class Layer:
    """A layer on disk, read by its specification alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.info: dict[str, Any] = json.loads((folder / "info").read_text())
        self.numbers = _NUMBERS[self.info["annotation_type"]]
        types = [one["type"] for one in self.info["properties"]]
        form = f"<{self.numbers}f" + "".join(_CODES[t] for t in types)
        self.form = struct.Struct(form + "x" * (-struct.calcsize(form) % 4))

    def store(self, index: dict[str, Any]) -> ts.KvStore:
        """Open an index by TensorStore's own reader of its shards."""
        base = {"driver": "file", "path": f"{self.folder / index['key']}/"}
        spec = {"driver": "neuroglancer_uint64_sharded", "base": base, "metadata": index["sharding"]}
        return ts.KvStore.open(spec).result()

    def values(self, index: dict[str, Any]) -> Iterator[tuple[Any, bytes]]:
        """Yield every key (a number; of an unsharded index the file's name) and its bytes."""
        if "sharding" not in index:
            for path in sorted((self.folder / index["key"]).iterdir()):
                yield path.name, path.read_bytes()
            return
        store = self.store(index)
        keys = store.list().result()
        for key, found in [(key, store.read(key)) for key in keys]:
            yield int.from_bytes(key, "big"), bytes(found.result().value)

    def one(self, data: bytes) -> tuple[tuple[Any, ...], list[list[int]]]:
        """Decode an annotation of the index by id: geometry and properties, then the ids of each relationship."""
        at, related = self.form.size, []
        for _ in self.info["relationships"]:
            (count,) = struct.unpack_from("<I", data, at)
            related.append(list(struct.unpack_from(f"<{count}Q", data, at + 4)))
            at += 4 + 8 * count
        assert at == len(data)
        return self.form.unpack_from(data), related

    def many(self, data: bytes) -> dict[int, tuple[Any, ...]]:
        """Decode a list of annotations by id."""
        (count,) = struct.unpack_from("<Q", data)
        size = self.form.size
        assert len(data) == 8 + count * (size + 8)
        ids = struct.unpack_from(f"<{count}Q", data, 8 + count * size)
        assert len(set(ids)) == count
        return {one: self.form.unpack_from(data, 8 + i * size) for i, one in enumerate(ids)}

    @cache  # noqa: B019 - a layer lives as long as its test
    def by_id(self) -> dict[int, tuple[tuple[Any, ...], list[list[int]]]]:
        """Decode every annotation."""
        return {int(key): self.one(data) for key, data in self.values(self.info["by_id"])}

    def related(self, number: int) -> dict[int, dict[int, tuple[Any, ...]]]:
        """Decode the index of a relationship."""
        return {int(key): self.many(data) for key, data in self.values(self.info["relationships"][number])}

    @cache  # noqa: B019
    def level(self, number: int) -> dict[tuple[int, ...], dict[int, tuple[Any, ...]]]:
        """Decode the cells (x, y, z) of a level."""
        index = self.info["spatial"][number]
        found = {}
        for key, data in self.values(index):
            cell = tuple(map(int, key.split("_"))) if isinstance(key, str) else cell_of(key, index["grid_shape"])
            found[cell] = self.many(data)
        return found

    def box(self, number: int, cell: tuple[int, ...]) -> tuple[Any, Any]:
        """Return the corners of a cell."""
        size = np.array(self.info["spatial"][number]["chunk_size"])
        low = np.array(self.info["lower_bound"]) + size * cell
        return low, low + size


def cell_of(code: int, grid: list[int]) -> tuple[int, ...]:
    """Take a compressed Morton code apart bit by bit, as the specification says: an axis has as many as it needs."""
    cell, place = [0, 0, 0], 0
    for bit in range(32):
        for axis in range(3):
            if (1 << bit) < grid[axis]:
                cell[axis] |= (code >> place & 1) << bit
                place += 1
    assert code >> place == 0
    return tuple(cell)
