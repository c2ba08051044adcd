"""A volume in the space of another: rendered when it is read, from the few source voxels that a box needs."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from ndlab.errors import BadRequest, ReadOnly
from ndlab.geometry import Box, Calibration, Int3
from ndlab.preprocess.mapping import Mapping
from ndlab.store.arrays import Level, Stored
from ndlab.volume import Volume

__all__ = ["warped"]

# Source boxes stay tight and memory small where a large box is rendered piece by piece.
_PIECE = 128


class WarpedArray:
    """An array whose voxels are those of `source` at mapped positions; it pickles as an address and a small field.

    Parameters
    ----------
    source : Volume
        With axes (t)(c)zyx; all of them are rendered alike.
    mapping : Mapping
        From positions of this array to positions of the source [nm].
    calibration : Calibration
        Of this array.
    extent : (3,) int
        Of this array (z, y, x).
    order : {0, 1}
        Nearest voxel, or linear between voxels.
    """

    shards: tuple[int, ...] | None = None
    codec = "rendered when read"

    def __init__(self, source: Volume, mapping: Mapping, calibration: Calibration, extent: Int3, order: int) -> None:
        self.source, self.mapping, self.calibration, self.order = source, mapping, calibration, order
        lead = tuple(n for a, n in zip(source.axes, source.shape, strict=True) if a in "tc")
        self.shape: tuple[int, ...] = (*lead, *extent)
        self.chunks: tuple[int, ...] = (*(1 for _ in lead), *(min(n, 64) for n in extent))
        self.dtype = source.dtype

    @cached_property
    def _digest(self) -> str:
        found = hashlib.blake2b(self.mapping.field.values.tobytes(), digest_size=16)
        found.update(repr((self.mapping.before.tolist(), self.mapping.after.tolist())).encode())
        return found.hexdigest()

    def __repr__(self) -> str:
        """Say which voxels these are: equal for arrays that would read the same."""
        from ndlab.pipeline import describe

        grid = (self.mapping.field.calibration, self.calibration, self.shape, self.order)
        return f"WarpedArray({describe(self.source)}, {self._digest}, {grid})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_")}

    @cached_property
    def _maps(self) -> tuple[Any, Any, Any]:
        """Return the field in source voxels, and the affine maps from voxels of this array to field and source."""
        m, own, there = self.mapping, self.calibration, Calibration(self.source.voxel_size, self.source.offset)
        scale = 1 / np.array(there.voxel_size)
        field = (m.field.values.astype(np.float64) @ m.after[:, :3].T * scale).astype(np.float32)
        size, first = np.array(own.voxel_size), np.array(own.centre((0, 0, 0)))
        inner = np.concatenate([m.before[:, :3] * size, (m.before[:, :3] @ first + m.before[:, 3])[:, None]], 1)
        grid = m.field.calibration
        to_field = inner / np.array(grid.voxel_size)[:, None]
        to_field[:, 3] -= np.array(grid.centre((0, 0, 0))) / np.array(grid.voxel_size)
        outer = m.after[:, :3] @ inner
        outer[:, 3] += m.after[:, 3] - np.array(there.centre((0, 0, 0)))
        return np.ascontiguousarray(field), to_field, outer * scale[:, None]

    def read(
        self, start: Sequence[int], stop: Sequence[int], out: np.ndarray[Any, Any] | None = None
    ) -> np.ndarray[Any, Any]:
        """Voxels of the half-open box, into `out` if given."""
        shape = [b - a for a, b in zip(start, stop, strict=True)]
        if out is None:
            out = np.empty(shape, self.dtype)
        lead = len(self.shape) - 3
        for at in itertools.product(*(range(a, b) for a, b in zip(start[:lead], stop[:lead], strict=True))):
            view = self.source.view((*at, slice(None), slice(None), slice(None))) if lead else self.source
            target = out[tuple(i - a for i, a in zip(at, start, strict=False))]
            for piece in _pieces(start[lead:], stop[lead:]):
                self._piece(view, piece, target[piece.shift([-a for a in start[lead:]]).slices])
        return out

    def _piece(self, view: Volume, piece: Box, target: Any) -> None:
        from ndlab.preprocess.kernels.warping import gather

        field, to_field, to_source = self._maps
        box = self._needed(piece, view.shape)
        if box.size == 0:
            target[...] = 0
            return
        values = view.read(box.shift(view.box.start) if box.level == view.level_index else box)
        part = np.empty(piece.shape, self.dtype)
        gather(
            values, np.array(box.start), np.array(view.shape), field, to_field, to_source, np.array(piece.start),
            self.order, self.dtype.kind in "bui", part,
        )  # fmt: skip
        target[...] = part

    def _needed(self, piece: Box, extent: Sequence[int]) -> Box:
        """Find the source voxels, in the view, that a piece may need: where its corners go, and the field's range."""
        field, to_field, to_source = self._maps
        corners = np.array(list(itertools.product(*((a, b - 1) for a, b in zip(piece.start, piece.stop, strict=True)))))
        inside = corners @ to_field[:, :3].T + to_field[:, 3]
        last = np.array(field.shape[:3]) - 1
        low = np.clip(np.floor(inside.min(0)), 0, last).astype(int)
        high = np.clip(np.floor(inside.max(0)) + 1, 0, last).astype(int)
        part = field[tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))].reshape(-1, 3)
        reached = corners @ to_source[:, :3].T + to_source[:, 3]
        first = np.floor(reached.min(0) + part.min(0) - 0.01).astype(int) - 1
        end = np.floor(reached.max(0) + part.max(0) + 0.01).astype(int) + 3
        n = np.array(extent)
        if (end <= 0).any() or (first >= n).any():
            return Box((0, 0, 0), (0, 0, 0), self.source.level_index)
        return Box(np.clip(first, 0, n), np.clip(end, 0, n), self.source.level_index)

    def write(self, start: Sequence[int], values: np.ndarray[Any, Any]) -> None:
        """Refuse: the voxels are another volume's."""
        raise ReadOnly("a write into a volume that is rendered from another", "it has no voxels of its own",
                       "store it with registration.apply(volume, out=...), and write into that")  # fmt: skip


def _pieces(start: Sequence[int], stop: Sequence[int]) -> Any:
    cuts = [sorted({a, b, *range(math.ceil(a / _PIECE) * _PIECE, b, _PIECE)}) for a, b in zip(start, stop, strict=True)]
    spans = [list(itertools.pairwise(c)) for c in cuts]
    for chosen in itertools.product(*spans):
        yield Box([a for a, _ in chosen], [b for _, b in chosen])


def warped(
    source: Volume, mapping: Mapping, calibration: Calibration, extent: Int3, *, order: int, name: str = ""
) -> Volume:
    """Return a lazy volume of `extent` voxels whose voxels are those of `source` at mapped positions.

    Voxels that come from outside the source are 0.
    """
    if order not in (0, 1):
        raise BadRequest(f"order={order!r}", "voxels are the nearest (0) or interpolated linearly (1)")
    if source.dtype.kind not in "buif":
        raise BadRequest(f"a volume of {source.dtype}", "voxels are whole or floating-point numbers")
    array = WarpedArray(source, mapping, calibration, extent, order)
    axes = (*(a for a in source.axes if a in "tc"), "z", "y", "x")
    kept = replace(source._stored, channels=source.channels if "c" in axes else ())
    return Volume(
        Stored("", "rendered", axes, (Level(array, calibration),), kept.kind, name or source.name, kept.channels)
    )
