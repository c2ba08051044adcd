"""What was edited in napari, found by comparing layers with what they showed, and written into a set of annotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.explore.annotating import Annotating
from ndlab.explore.desktop_layers import Frame
from ndlab.explore.draw import Drawing
from ndlab.geometry import Box, NmBox

if TYPE_CHECKING:
    from ndlab.annotations import Annotations

__all__ = ["LabelEdits", "PointEdits", "ShapeEdits"]

Array = np.ndarray[Any, Any]
_NOTE = "edited in napari"


class PointEdits:
    """Points of a layer as objects: new ones are added, moved ones updated, those that are gone deleted.

    `layer` is one of napari, or anything with its ``data`` and ``features``.
    """

    def __init__(self, layer: Any, frame: Frame, pen: Annotating) -> None:
        self.layer, self._frame, self._pen = layer, frame, pen
        self.seen()

    def seen(self) -> None:
        """Take what the layer shows now for what the set holds."""
        self._before = dict(zip(_ids(self.layer), np.array(self.layer.data, np.float64), strict=True))

    def save(self, note: str) -> list[int]:
        """Write what differs; return the numbers of the transactions."""
        ids, data = _ids(self.layer), np.array(self.layer.data, np.float64).reshape(-1, 3)
        moved = {one: at for one, at in zip(ids, data, strict=True) if one in self._before}
        moved = {one: at for one, at in moved.items() if not np.array_equal(at, self._before[one])}
        new = [at for one, at in zip(ids, data, strict=True) if one not in self._before]
        gone = sorted(set(self._before) - set(ids))
        made = _deleted(self._pen, gone, note) + self._moved(moved, note)
        if new:
            drawings = [Drawing("point", (_place(self._frame.nm(at)),)) for at in new]
            made.append(self._pen.draw(*drawings, note=note))
        return made

    def _moved(self, moved: dict[int, Array], note: str) -> list[int]:
        from dataclasses import replace

        if not moved:
            return []
        rows = {one: self._pen.ann.get(one) for one in moved}
        objects = [
            replace(row, **{str(type(row).point()): _place(self._frame.nm(moved[one]))}) for one, row in rows.items()
        ]
        self._pen.ann.update(objects, note=note)
        return [self._pen.keep_last()]


class ShapeEdits:
    """Rectangles as regions of interest, one voxel deep where they were drawn; lines and paths as skeletons."""

    def __init__(self, layer: Any, frame: Frame, pen: Annotating) -> None:
        self.layer, self._frame, self._pen = layer, frame, pen
        self.seen()

    def seen(self) -> None:
        """Take what the layer shows now for what the set holds."""
        self._before = dict(zip(_ids(self.layer), map(np.array, self.layer.data), strict=True))

    def save(self, note: str) -> list[int]:
        """Write what differs; return the numbers of the transactions.

        Raises
        ------
        BadRequest
            If a shape is none that a set of annotations has, or a path that was there was changed.
        """
        ids, shapes, kinds = _ids(self.layer), list(map(np.array, self.layer.data)), list(self.layer.shape_type)
        there = list(zip(ids, shapes, kinds, strict=True))
        new = [self._drawing(shape, kind) for one, shape, kind in there if one not in self._before]
        changed = {one: shape for one, shape, _ in there if one in self._before and not _same(shape, self._before[one])}
        moved = [self._region(one, shape) for one, shape in changed.items()]
        gone = sorted(set(self._before) - set(ids))
        made = _deleted(self._pen, gone, note)
        if moved:
            self._pen.ann.update(moved, note=note)
            made.append(self._pen.keep_last())
        if new:
            made.append(self._pen.draw(*new, note=note))
        return made

    def _drawing(self, shape: Array, kind: str) -> Drawing:
        if kind in ("line", "path"):
            return Drawing("line", tuple(_place(one) for one in self._frame.nm(shape)))
        if kind not in ("rectangle", "polygon", "ellipse"):
            raise BadRequest(f"a shape of kind {kind}", "rectangles become regions of interest, paths skeletons")
        low, high = self._box(shape)
        return Drawing("box", (_place(low), _place(high)))

    def _box(self, shape: Array) -> tuple[Array, Array]:
        """Return start and stop [nm] of what a shape encloses: its corners in the plane, the voxel across it."""
        low, high = shape.min(axis=0), shape.max(axis=0)
        half = np.array([0.5, 0.0, 0.0])
        return self._frame.nm(np.round(low * [1, 0, 0]) + low * [0, 1, 1] - half), self._frame.nm(
            np.round(high * [1, 0, 0]) + high * [0, 1, 1] + half
        )

    def _region(self, one: int, shape: Array) -> Any:
        from dataclasses import replace

        row = self._pen.ann.get(one)
        if row.kind != "roi" or row.bounds is None:
            raise BadRequest(f"a change of {row.kind} {one} in napari", "only new lines are taken, and deletions",
                             "delete it, and draw it again")  # fmt: skip
        low, high = self._box(shape)
        (z0, *_), (z1, *_) = row.bounds.start, row.bounds.stop
        return replace(row, bounds=NmBox((z0, *_place(low)[1:]), (z1, *_place(high)[1:])))


class LabelEdits:
    """Painted voxels of a layer that holds them in memory, written as strokes of each id."""

    def __init__(self, layer: Any, paint: Any, box: Box, pen: Annotating) -> None:
        self.layer, self._paint, self._box, self._pen = layer, paint, box, pen
        self.seen()

    def seen(self) -> None:
        """Take what the layer shows now for what the set holds."""
        self._before = np.array(self.layer.data)

    def refresh(self) -> None:
        """Show what the set holds now."""
        self.layer.data = self._paint.read(self._box)
        self.seen()

    def save(self, note: str) -> list[int]:
        """Write what differs; return the numbers of the transactions."""
        now = np.asarray(self.layer.data)
        where = np.argwhere(now != self._before)
        if not len(where):
            return []
        made, at = [], tuple(where.T)
        after, before = now[at], self._before[at]
        voxels = where + np.array(self._box.start)
        # What was wiped first, so that an id whose last voxels moved is not in both.
        for values, mode in ((np.where(after == 0, before, 0), "reduce"), (after, "overwrite")):
            ids = [int(one) for one in np.unique(values) if one]
            if ids:
                made.append(int(self._paint.write_many(ids, [voxels[values == i] for i in ids], mode=mode, note=note)))
                self._pen.keep(made[-1])
        self._paint.flush(levels=False)
        return made


def _deleted(pen: Annotating, ids: Sequence[int], note: str) -> list[int]:
    if not ids:
        return []
    ann = pen.ann
    # A skeleton goes with its nodes.
    nodes = [int(one) for row in map(ann.get, ids) if row.kind == "skeleton" for one in _nodes(ann, row.id)]
    ann.delete([*ids, *nodes], note=note)
    return [pen.keep_last()]


def _nodes(ann: Annotations, skeleton: int) -> Sequence[Any]:
    found: Sequence[Any] = ann.where(kind="node", skeleton=skeleton).ids().tolist()
    return found


def _ids(layer: Any) -> list[int]:
    """Return the ids of what a layer shows; each new thing has one that no object has, below 0."""
    found = [int(one) for one in np.asarray(layer.features["id"], object)] if "id" in layer.features else []
    found += [0] * (len(layer.data) - len(found))
    seen: set[int] = set()
    ids = []
    for number, one in enumerate(found):
        # A copy that was pasted has the id of what was copied.
        ids.append(one if one and one not in seen else -1 - number)
        seen.add(one)
    return ids


def _same(one: Array, other: Array) -> bool:
    return one.shape == other.shape and bool(np.array_equal(one, other))


def _place(at: Any) -> tuple[float, float, float]:
    z, y, x = map(float, at)
    return z, y, x
