"""What is drawn in an Image Explorer: points, lines and boxes as a list, and brush strokes that can be taken back."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ndlab.errors import BadRequest, TooLarge, Unsupported
from ndlab.explore.view_state import AXES, ids_of, position_of
from ndlab.geometry import Box
from ndlab.volume import Volume

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Brush", "Drawing", "Drawn", "Stroke", "covered", "drawing", "paintable"]

Array = np.ndarray[Any, Any]

_LEAST = {"point": 1, "line": 2, "box": 2}
_MOST_VERTICES = 100_000
MOST_STROKE_VOXELS = 1 << 24
UNDO_BYTES = 64 << 20


@dataclass(frozen=True)
class Drawing:
    """A point, a line or a box, as its vertices (z, y, x) [nm]; of a box, start and stop."""

    kind: str
    points: tuple[tuple[float, float, float], ...]
    id: int = 0

    @property
    def length(self) -> float:
        """Length of a line [nm]; of a box, its diagonal."""
        return float(np.linalg.norm(np.diff(np.array(self.points), axis=0), axis=1).sum())


def drawing(message: Mapping[str, Any], number: int = 0) -> Drawing:
    """Return what a page drew.

    Raises
    ------
    BadRequest
        If it is no point, line or box.

    Examples
    --------
    >>> drawing({"kind": "box", "points": [[9, 0, 8], [0, 4, 0]]}).points
    ((0.0, 0.0, 0.0), (9.0, 4.0, 8.0))
    """
    kind, points = message.get("kind"), message.get("points")
    least = _LEAST.get(str(kind))
    if least is None:
        raise BadRequest(f"a drawing of kind {kind!r}", f"there are {', '.join(_LEAST)} and brush")
    if isinstance(points, str) or not isinstance(points, Sequence) or not least <= len(points) <= _MOST_VERTICES:
        count = len(points) if isinstance(points, Sequence) else 0
        raise BadRequest(f"a {kind} of {count} vertices", f"it has {least} to {_MOST_VERTICES}")
    found = np.array([position_of(one) for one in points], np.float64)
    if kind == "point":
        found = found[:1]
    elif kind == "box":
        found = np.stack([found.min(axis=0), found.max(axis=0)])
    return Drawing(str(kind), tuple((float(z), float(y), float(x)) for z, y, x in found), number)


class Drawn(list[Drawing]):
    """What was drawn, in order."""

    def frame(self) -> DataFrame:
        """Return a table: id, kind, centre z, y, x, box z0 … x1 and length, all in nm, and the vertices of each."""
        import pandas as pd

        corners = [np.array(one.points) for one in self]
        table = pd.DataFrame({"id": [one.id for one in self], "kind": [one.kind for one in self]})
        for i, axis in enumerate("zyx"):
            table[axis] = [float((c[:, i].min() + c[:, i].max()) / 2) for c in corners]
        for end, how in (("0", np.min), ("1", np.max)):
            for i, axis in enumerate("zyx"):
                table[axis + end] = [float(how(c[:, i])) for c in corners]
        table["length"] = [one.length for one in self]
        table["points"] = pd.Series([list(one.points) for one in self], dtype=object)
        return table

    def next_id(self) -> int:
        """Return an id that no drawing has."""
        return max((one.id for one in self), default=0) + 1


# --- brush ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Stroke:
    """Voxels that a stroke changed, and what they were before."""

    volume: Volume
    box: Box
    mask: Array
    before: Array
    t: int
    c: int

    @property
    def nbytes(self) -> int:
        """Bytes that it takes to be undone."""
        return self.mask.nbytes + self.before.nbytes


class Brush:
    """Paints ids into label volumes, and takes the last strokes back to the voxel.

    Examples
    --------
    >>> cells = Volume.from_array(np.zeros((2, 4, 6), "u8"), (40, 4, 4), kind="labels")
    >>> brush = Brush()
    >>> stroke = brush.paint(cells, [(20, 10, 6), (20, 10, 18)], 7, radius=1, plane="xy")
    >>> cells.read()[0, 2].tolist()
    [0, 7, 7, 7, 7, 0]
    >>> brush.undo() is stroke, int(cells.read().max())
    (True, 0)
    """

    def __init__(self, most_bytes: int = UNDO_BYTES) -> None:
        self._most = most_bytes
        self._strokes: deque[Stroke] = deque()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._strokes)

    def paint(
        self,
        volume: Volume,
        points: Sequence[Sequence[float]],
        number: int,
        *,
        radius: float,
        plane: str = "xy",
        t: int = 0,
        c: int = 0,
        calibrated: tuple[Sequence[float], Sequence[float]] | None = None,
    ) -> Stroke:
        """Paint an id along a line, in one plane; id 0 wipes.

        Parameters
        ----------
        volume : Volume
            Labels; written at the volume's own level.
        points : sequence of positions
            Vertices (z, y, x) [nm]; the plane is that of the first.
        number : int
            The id.
        radius : float
            Half the width [nm]; at least half a voxel. The voxels under the vertices are always painted.
        calibrated : (voxel size, offset), optional
            Instead of the volume's own [nm].

        Raises
        ------
        BadRequest
            If the volume holds no labels, or its type cannot hold the id.
        TooLarge
            If the stroke covers too many voxels.
        ReadOnly
            If the volume cannot be written.
        """
        paintable(volume, number)
        size, offset = calibrated or (volume.voxel_size, volume.offset)
        found = covered(volume.box.shape, size, offset, np.array([position_of(p) for p in points]), radius, plane)
        with self._lock:
            stroke = self._write(volume, found, number, t, c)
            self._strokes.append(stroke)
            while sum(one.nbytes for one in self._strokes) > self._most and len(self._strokes) > 1:
                self._strokes.popleft()
        return stroke

    def _write(self, volume: Volume, found: tuple[tuple[int, ...], Array], number: int, t: int, c: int) -> Stroke:
        start, mask = found
        corner = volume.box.start
        first = [a + b for a, b in zip(start, corner, strict=True)]
        box = Box(first, [a + n for a, n in zip(first, mask.shape, strict=True)], volume.level_index)
        view = _picked(volume, t, c)
        before = view.read(box)
        painted = before.dtype.type(number)
        try:
            # What others write beside the stroke at the same time stays theirs.
            view.write(box, np.where(mask, painted, before if not number else 0 * painted), mode=_mode(number))
        except Unsupported:  # Some codecs are written whole only.
            view.write(box, np.where(mask, painted, before))
        return Stroke(volume, box, mask, before[mask], t, c)

    def undo(self) -> Stroke | None:
        """Put back what the last stroke changed, and return the stroke; None if there is none."""
        with self._lock:
            if not self._strokes:
                return None
            stroke = self._strokes[-1]
            view = _picked(stroke.volume, stroke.t, stroke.c)
            values = view.read(stroke.box)
            values[stroke.mask] = stroke.before
            view.write(stroke.box, values)
            self._strokes.pop()
            return stroke


def _mode(number: int) -> Literal["replace", "nonzero"]:
    return "nonzero" if number else "replace"


def _picked(volume: Volume, t: int, c: int) -> Volume:
    return volume.isel(**{axis: index for axis, index in (("t", t), ("c", c)) if axis in volume.axes})


def paintable(volume: Volume, number: int) -> None:
    """Refuse a volume that holds no labels, or cannot hold an id."""
    if volume.kind != "labels" or volume.dtype.kind not in "ui":
        raise BadRequest(
            f"a brush over {volume.name or 'a volume'}, {volume.kind} of {volume.dtype}",
            "a brush paints ids into labels",
            "add labels to the view: explore.image(vol, labels=volume.like(url, kind='labels'))",
        )
    ids_of("id", [number])
    if number > np.iinfo(volume.dtype).max:
        raise BadRequest(f"id {number} in {volume.dtype}", f"the largest is {np.iinfo(volume.dtype).max}")


def covered(
    shape: Sequence[int], size: Sequence[float], offset: Sequence[float], points: Array, radius: float, plane: str
) -> tuple[tuple[int, ...], Array]:
    """Return the first voxel and the mask (z, y, x) of what a stroke covers of a volume.

    Raises
    ------
    BadRequest
        If it is no stroke, or lies beside the volume.
    TooLarge
        If it covers too many voxels.
    """
    if plane not in AXES or not points.size or not np.isfinite(radius) or radius < 0:
        raise BadRequest(f"a stroke of {len(points)} vertices, radius {radius} nm, in plane {plane!r}",
                         f"it has vertices, a radius from 0, and one of the planes {', '.join(AXES)}")  # fmt: skip
    column, row, depth = AXES[plane]
    step = np.array([size[row], size[column]])
    radius = max(radius, float(step.max()) / 2)  # A thinner line would have holes.
    at = (points[:, [row, column]] - (offset[row], offset[column])) / step
    count = np.array([shape[row], shape[column]])
    reach = radius / step
    first = np.maximum(np.floor(at.min(axis=0) - reach), 0).astype(int)
    last = np.minimum(np.floor(at.max(axis=0) + reach) + 1, count).astype(int)
    level = int(np.floor((points[0, depth] - offset[depth]) / size[depth] + 1e-9))
    if (first >= last).any() or not 0 <= level < shape[depth]:
        raise BadRequest("a stroke beside the volume", "nothing of it lies inside")
    nbytes = int(np.prod((last - first).astype(np.int64)))
    if nbytes > MOST_STROKE_VOXELS:
        raise TooLarge(f"a stroke over {nbytes} voxels", f"it may cover {MOST_STROKE_VOXELS}",
                       "zoom in, or paint shorter strokes", nbytes=nbytes, limit=MOST_STROKE_VOXELS)  # fmt: skip
    flat = np.zeros(last - first, bool)
    for a, b in _segments(at):
        _disc_along(flat, a - first, b - first, step, radius)
    inside = np.floor(at + 1e-9).astype(int) - first
    kept = ((inside >= 0) & (inside < flat.shape)).all(axis=1)
    flat[tuple(inside[kept].T)] = True
    start, whole = [0, 0, 0], [1, 1, 1]
    start[depth], start[row], start[column] = level, int(first[0]), int(first[1])
    whole[row], whole[column] = flat.shape
    return tuple(start), (flat if row < column else flat.T).reshape(whole)


def _segments(at: Array) -> Iterator[tuple[Array, Array]]:
    yield from zip(at, at if len(at) == 1 else at[1:], strict=False)


def _disc_along(flat: Array, a: Array, b: Array, step: Array, radius: float) -> None:
    """Mark the pixels whose centres lie within `radius` of a segment; ends in pixels."""
    reach = radius / step
    low = np.maximum(np.floor(np.minimum(a, b) - reach), 0).astype(int)
    high = np.minimum(np.floor(np.maximum(a, b) + reach) + 1, flat.shape).astype(int)
    if (low >= high).any():
        return
    y, x = np.ogrid[low[0] : high[0], low[1] : high[1]]
    (dy, dx), (py, px) = (b - a) * step, ((y + 0.5 - a[0]) * step[0], (x + 0.5 - a[1]) * step[1])
    length = dy * dy + dx * dx
    along = np.clip((py * dy + px * dx) / length, 0, 1) if length else 0.0
    flat[low[0] : high[0], low[1] : high[1]] |= (py - along * dy) ** 2 + (px - along * dx) ** 2 <= radius * radius
