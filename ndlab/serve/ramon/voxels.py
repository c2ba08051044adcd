"""The voxels of objects in the forms that the founding store answered: lists, cut-outs, boxes, cuboids."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.annotations import Annotation
from ndlab.describe import si_bytes
from ndlab.errors import BadRequest, NotFound, TooLarge
from ndlab.geometry import Box
from ndlab.serve import cutouts
from ndlab.serve.grammar import Cut
from ndlab.serve.ramon.behind import Behind
from ndlab.serve.ramon.files import packed_ids
from ndlab.serve.ramon.frame import Grid
from ndlab.serve.space import Level

__all__ = ["Looking", "bounds"]

Array = np.ndarray[Any, Any]
# What one tight cut-out may hold, as in the founding store.
CUTOUT_VOXELS = 256 << 20


@dataclass
class Looking:
    """Looks at voxels for one request, which may read so many bytes altogether.

    Parameters
    ----------
    behind : Behind
    left : int
        Bytes that may still be read.
    """

    behind: Behind
    left: int

    def __post_init__(self) -> None:
        self._most = self.left
        self._settled = False

    def form(
        self, one: Annotation, parts: Sequence[int], form: str, level: int | None, cut: Cut | None
    ) -> dict[str, Any]:
        """Return what stands beside the fields of an object in its file.

        Parameters
        ----------
        one : Annotation
        parts : sequence of int
            The objects whose voxels it has: its segments', for a neuron; else its own.
        form : {"voxels", "cutout", "boundingbox", "cuboids"}
        level : int, optional
            Level of the paths.
        cut : Cut, optional
            Box of a cut-out, instead of the smallest one.
        """
        if one.kind == "seed":
            raise BadRequest(f"{form} of seed {one.id}", "a seed is a point and has no voxels", "ask for nodata")
        if cut is not None:
            at, box = self.behind.frame.box(cut)
        else:
            at, box = self.behind.frame.level(level or 0), None
        ids = self.behind.fits(parts)
        values = _FORMS[form](self, one, ids, at, box)
        return {"RESOLUTION": np.array([at.number], np.uint32), **values}

    # --- forms ------------------------------------------------------------------------------------------------------

    def voxels(self, one: Annotation, ids: Sequence[int], level: Level, box: Box | None) -> dict[str, Any]:
        """Return where an object is: lines of x, y and z."""
        found = self._listed(ids, level)
        return {"VOXELS": packed_ids(found[:, ::-1] + np.array(level.offset)[::-1])} if len(found) else {}

    def cutout(self, one: Annotation, ids: Sequence[int], level: Level, box: Box | None) -> dict[str, Any]:
        """Return a box with the object's id where it is; nothing where it has no voxels and no box is given."""
        found = self._masked(one, ids, level, box)
        return {} if found is None else _corner(found[0], level) | {"CUTOUT": _labelled(found[1], one.id)}

    def boundingbox(self, one: Annotation, ids: Sequence[int], level: Level, box: Box | None) -> dict[str, Any]:
        """Return the smallest box around an object."""
        found = self._tight(ids, level)
        if found is None:
            raise NotFound(f"the bounding box of {one.kind} {one.id}", "it has no voxels", "ask for nodata")
        size = [b - a for a, b in zip(found.start, found.stop, strict=True)]
        return _corner(found, level) | {"XYZDIMENSION": packed_ids(size[::-1])}

    def cuboids(self, one: Annotation, ids: Sequence[int], level: Level, box: Box | None) -> dict[str, Any]:
        """Return the chunks in which an object is."""
        groups = {}
        for place in self._chunks(ids, level):
            _, mask = self._mask(ids, level, place)
            if mask.any():
                corner = _corner(place, level)
                name = str(corner["XYZOFFSET"].tolist())
                groups[name] = corner | {"CUBOID": _labelled(mask, one.id)}
        return {"CUBOIDS": groups}

    # --- what they are made of ----------------------------------------------------------------------------------------

    def box(self, ids: Sequence[int], level: Level) -> Box | None:
        """Return a box around objects in voxels of a level, the smallest one where those are painted ones."""
        boxes = [_hull([Box(p.low, p.high).shift(self.behind.paint.chunking.corner(p.chunk)) for p in places])
                 for one in ids if (places := self.behind.paint.places(one))]  # fmt: skip
        if not boxes:
            return None
        return self._in_level(_hull(boxes), level)

    def _in_level(self, painted: Box, level: Level) -> Box | None:
        """Turn a box of painted voxels into the voxels of a level that it touches."""
        grid = self.behind.frame.grid(level)
        numbered = grid.numbered(painted) if grid is not None else self.behind.frame.numbered(painted, level)
        inside = numbered.shift([-o for o in level.offset]) & Box((0, 0, 0), level.shape)
        return inside if inside.size else None

    def _same(self, level: Level) -> Grid | None:
        grid = self.behind.frame.grid(level)
        return grid if grid is not None and grid.same else None

    def _tight(self, ids: Sequence[int], level: Level) -> Box | None:
        """Return the smallest box of a level around objects."""
        if self._same(level) is not None:
            return self.box(ids, level)
        found = self._listed(ids, level)
        return Box(found.min(0).tolist(), (found.max(0) + 1).tolist()) if len(found) else None

    def _masked(self, one: Annotation, ids: Sequence[int], level: Level, box: Box | None) -> tuple[Box, Array] | None:
        where = box if box is not None else self._tight(ids, level)
        if where is None:
            return None
        if where.size > CUTOUT_VOXELS:
            raise TooLarge(f"a cut-out of {where.size} voxels of {one.kind} {one.id}",
                           "one holds 256 * 1024 * 1024 voxels", "ask for a box, cuboids, or a coarser level",
                           nbytes=where.size, limit=CUTOUT_VOXELS)  # fmt: skip
        return self._mask(ids, level, where)

    def _listed(self, ids: Sequence[int], level: Level) -> Array:
        """Return the voxels (n, 3) of objects in a level, in C order, once each."""
        grid = self._same(level)
        if grid is None:
            box = self.box(ids, level)
            if box is None:
                return np.empty((0, 3), np.int64)
            where, mask = self._mask(ids, level, box)
            found: Array = np.argwhere(mask) + np.array(where.start)
            return found
        self._spend(24 * sum(self.behind.paint.size(one) for one in ids))
        parts = [self.behind.paint.voxels(one) for one in ids]
        whole = np.concatenate(parts) if parts else np.empty((0, 3), np.int64)
        whole = np.unique(whole, axis=0) if len(parts) > 1 else whole
        whole = whole - np.array(grid.shift)
        inside: Array = whole[((whole >= 0) & (whole < np.array(level.shape))).all(1)]
        return inside

    def _mask(self, ids: Sequence[int], level: Level, box: Box) -> tuple[Box, Array]:
        """Return a box of a level, and where objects are in it."""
        self._spend(box.size * self.behind.paint.dtype.itemsize)
        grid = self._same(level)
        if grid is None:
            return box, self._read(ids, level, box)
        out = np.zeros(box.shape, bool)
        inside = grid.painted(box) & Box((0, 0, 0), self.behind.paint.chunking.shape)
        if ids and inside.size:
            _, values = self.behind.paint.union(ids, ids[0], inside)
            at = inside.shift([-a for a in grid.painted(box).start])
            out[at.slices] = values != 0
        return box, out

    def _read(self, ids: Sequence[int], level: Level, box: Box) -> Array:
        """Read a level that is made of the painted one, once what is painted has come there."""
        if not self._settled:
            self.behind.settle()
            self._settled = True
        channel = self.behind.frame.channel
        limits = cutouts.Limits(self._most)
        values = cutouts.read_box(channel, level, Box(box.start, box.stop, level.stored), (0, 1), limits)[0]
        return np.isin(values, np.array(ids, values.dtype))

    def _chunks(self, ids: Sequence[int], level: Level) -> list[Box]:
        """Return the boxes of a level under the chunks that hold objects."""
        whole = Box((0, 0, 0), self.behind.paint.chunking.shape)
        chunks = {box.start: box & whole for one in ids for box in self.behind.paint.chunks(one)}
        found = [self._in_level(chunks[start], level) for start in sorted(chunks)]
        return list(dict.fromkeys(one for one in found if one is not None))

    def _spend(self, nbytes: int) -> None:
        self.left -= nbytes
        if self.left < 0:
            raise TooLarge(f"{si_bytes(self._most - self.left)} or more of {self.behind.title} would be read",
                           f"a request may read {si_bytes(self._most)}", "ask for fewer objects, or smaller boxes",
                           nbytes=self._most - self.left, limit=self._most)  # fmt: skip


_FORMS: Mapping[str, Callable[[Looking, Annotation, Sequence[int], Level, Box | None], dict[str, Any]]] = {
    "voxels": Looking.voxels,
    "cutout": Looking.cutout,
    "boundingbox": Looking.boundingbox,
    "cuboids": Looking.cuboids,
}


def bounds(looking: Looking, parts: Sequence[int], number: int) -> tuple[list[int], list[int]] | None:
    """Return corner and size (x, y, z) of the smallest box around objects at a level, None without voxels."""
    level = looking.behind.frame.level(number)
    found = looking._tight(looking.behind.fits(parts), level)
    if found is None:
        return None
    return _corner(found, level)["XYZOFFSET"].tolist(), list(found.shape[::-1])


def _corner(box: Box, level: Level) -> dict[str, Any]:
    return {"XYZOFFSET": packed_ids([a + o for a, o in zip(box.start, level.offset, strict=True)][::-1])}


def _labelled(mask: Array, one: int) -> Array:
    label = packed_ids([one])
    found: Array = mask.astype(label.dtype) * label[0]
    return found


def _hull(boxes: Sequence[Box]) -> Box:
    found = boxes[0]
    for box in boxes[1:]:
        found = found | box
    return found
