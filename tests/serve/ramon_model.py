"""What a channel of objects has to be after each call: dicts and one numpy array, and nothing of what is tested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tests.serve.ramon_client import OFFSET, SHAPE

__all__ = ["Model", "metadata", "placed"]

Array = np.ndarray[Any, Any]
Voxel = tuple[int, ...]


class Model:
    """Objects by id, the label of every voxel, and who stands behind it."""

    def __init__(self) -> None:
        self.objects: dict[int, dict[str, Any]] = {}
        self.labels = np.zeros(SHAPE, "u4")
        self.behind: dict[Voxel, list[int]] = {}

    def paint(self, one: int, voxels: Iterable[Voxel], mode: str) -> None:
        """Paint voxels (z, y, x) from the array's first."""
        for at in dict.fromkeys(map(tuple, voxels)):
            old = int(self.labels[at])
            waiting = self.behind.setdefault(at, [])
            if mode == "reduce":
                if old == one:
                    self.labels[at] = waiting.pop(0) if waiting else 0
                elif one in waiting:
                    waiting.remove(one)
            elif old in (0, one) or mode == "overwrite":
                self.labels[at] = one
                if one in waiting:
                    waiting.remove(one)
            elif mode == "except" and one not in waiting:
                waiting.append(one)
            if not waiting:
                self.behind.pop(at, None)

    def rename(self, ids: Iterable[int], to: int) -> None:
        """Give every voxel of some objects to another, 0 for nobody."""
        gone = set(ids)
        for at in {*map(tuple, np.argwhere(np.isin(self.labels, list(gone))).tolist()), *list(self.behind)}:
            stack = [int(self.labels[at]), *self.behind.get(at, [])]
            new = list(dict.fromkeys(to if one in gone else one for one in stack))
            new = [one for one in new if one]
            self.labels[at] = new[0] if new else 0
            self.behind.pop(at, None)
            if len(new) > 1:
                self.behind[at] = new[1:]

    def voxels(self, ids: Iterable[int]) -> set[Voxel]:
        """Where objects are, as label or behind one, in voxels of the data set (x, y, z)."""
        wanted = set(ids)
        found = set(map(tuple, np.argwhere(np.isin(self.labels, list(wanted))).tolist()))
        found |= {at for at, waiting in self.behind.items() if wanted.intersection(waiting)}
        return {(x + OFFSET[2], y + OFFSET[1], z + OFFSET[0]) for z, y, x in found}

    def exceptions(self) -> dict[Voxel, list[int]]:
        """Who claims each voxel (x, y, z) of the data set that several do, the one that is shown first."""
        return {
            (x + OFFSET[2], y + OFFSET[1], z + OFFSET[0]): [int(self.labels[z, y, x]), *waiting]
            for (z, y, x), waiting in self.behind.items()
        }


def placed(voxels: Iterable[Voxel]) -> Array:
    """Return voxels (z, y, x) of the array as lines of x, y, z of the data set."""
    return np.array([(x + OFFSET[2], y + OFFSET[1], z + OFFSET[0]) for z, y, x in voxels], "u4").reshape(-1, 3)


def metadata(**fields: Any) -> Mapping[str, Any]:
    """Return the fields of an object as they are posted."""
    return {"METADATA": {name.upper(): value for name, value in fields.items()}}
