"""The plain model that paint is held to: one array, a dict of exceptions, a list of what was before each write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ndlab.annotations.paint import Paint
from ndlab.geometry import Box, Calibration
from ndlab.metadata import Multiscale, Scale
from ndlab.store.create import create
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

Voxel = tuple[int, int, int]
SHAPE, CHUNK, SHARD = (20, 40, 36), (8, 8, 16), (16, 16, 32)


def new_labels(
    path: Path, shape: Any = SHAPE, chunk: Any = CHUNK, shard: Any = SHARD, dtype: str = "uint64", codec: Any = "zstd",
    levels: int = 2,
) -> Volume:  # fmt: skip
    """An empty label volume with two levels."""
    sizes = [(40, 4, 4), (40, 8, 8), (40, 16, 16)][:levels]
    scales = tuple(Scale(str(i), Calibration(size)) for i, size in enumerate(sizes))
    shapes = [(shape[0], -(-shape[1] // (1 << i)), -(-shape[2] // (1 << i))) for i in range(levels)]
    about = Multiscale(("z", "y", "x"), scales, name="labels", kind="labels")
    create(str(path), about, shapes, dtype, chunks=[chunk] * levels, shards=[shard] * levels, codec=codec)
    return open_volume(path)


class Model:
    """What the voxels and their exceptions are after each write, voxel by voxel, the slow and plain way."""

    def __init__(self, shape: Any = SHAPE) -> None:
        self.labels = np.zeros(shape, "u8")
        self.exceptions: dict[Voxel, list[int]] = {}
        self.states: list[tuple[np.ndarray[Any, Any], dict[Voxel, list[int]]]] = []

    def _keep(self) -> None:
        self.states.append((self.labels.copy(), {v: list(ids) for v, ids in self.exceptions.items()}))

    def write(self, pairs: list[tuple[int, list[Voxel]]], mode: str) -> None:
        self._keep()
        for one, voxels in pairs:
            for v in dict.fromkeys(voxels):
                self._one(one, v, mode)

    def _one(self, one: int, v: Voxel, mode: str) -> None:
        label, behind = int(self.labels[v]), self.exceptions.get(v, [])
        if mode == "overwrite":
            self._set(v, one, [])
        elif mode == "preserve" or (mode == "except" and label == 0):
            if label == 0:
                self._set(v, one, behind)
        elif mode == "except":
            if one != label and one not in behind:
                self._set(v, label, [*behind, one])
        elif label == one:
            self._set(v, behind[0] if behind else 0, behind[1:])
        else:
            self._set(v, label, [other for other in behind if other != one])

    def _set(self, v: Voxel, label: int, behind: list[int]) -> None:
        self.labels[v] = label
        self.exceptions.pop(v, None)
        if behind:
            self.exceptions[v] = behind

    def delete(self, ids: list[int]) -> None:
        self._keep()
        for v in [*_places(np.isin(self.labels, ids)), *list(self.exceptions)]:
            every = [one for one in (int(self.labels[v]), *self.exceptions.get(v, [])) if one not in ids]
            self._set(v, every[0] if every else 0, every[1:])

    def merge(self, ids: list[int]) -> None:
        self._keep()
        for v in [*_places(np.isin(self.labels, ids)), *list(self.exceptions)]:
            every = [ids[0] if one in ids else one for one in (int(self.labels[v]), *self.exceptions.get(v, []))]
            every = list(dict.fromkeys(every))
            self._set(v, every[0], every[1:])

    def undo(self, count: int) -> None:
        for _ in range(count):
            self.labels, self.exceptions = self.states.pop()

    def voxels(self, one: int) -> list[Voxel]:
        found = set(_places(self.labels == one))
        return sorted(found | {v for v, ids in self.exceptions.items() if one in ids})

    def ids(self) -> list[int]:
        found = set(np.unique(self.labels).tolist()) | {i for ids in self.exceptions.values() for i in ids}
        return sorted(found - {0})


def _places(where: np.ndarray[Any, Any]) -> list[Voxel]:
    return [(z, y, x) for z, y, x in np.argwhere(where).tolist()]


def sphere(centre: Any, radius: float, shape: Any = SHAPE) -> np.ndarray[Any, Any]:
    """Voxels (n, 3) of a ball, cut at the volume's edges."""
    grid = np.argwhere(np.ones([int(2 * radius) + 1] * 3)) - int(radius)
    found: np.ndarray[Any, Any] = grid[(grid**2).sum(1) <= radius**2] + np.asarray(centre)
    inside: np.ndarray[Any, Any] = found[((found >= 0) & (found < shape)).all(1)]
    return inside


def same(paint: Paint, model: Model) -> None:
    """Everything that can be asked agrees with the model."""
    assert np.array_equal(paint.read(), model.labels)
    assert paint.exceptions() == sorted((v, tuple(ids)) for v, ids in model.exceptions.items())
    assert paint.ids() == model.ids()
    for one in model.ids():
        voxels = model.voxels(one)
        assert [tuple(v) for v in paint.voxels(one).tolist()] == voxels
        assert paint.size(one) == len(voxels)
        low, high = np.min(voxels, 0), np.max(voxels, 0) + 1
        assert paint.bounding_box(one) == Box(low.tolist(), high.tolist())
        assert {box.start for box in paint.chunks(one)} == {
            tuple(a // c * c for a, c in zip(v, CHUNK, strict=True)) for v in voxels
        }
