"""Drawing into a set of annotations: it becomes rows and paint, and a view takes back only what it did itself."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest, ReadOnly
from ndlab.explore.draw import Drawing, covered, paintable
from ndlab.explore.known import is_annotations
from ndlab.geometry import Box, NmBox
from ndlab.volume import Volume

if TYPE_CHECKING:
    from ndlab.annotations import Annotation, Annotations, Transaction

__all__ = ["Annotating"]

Array = np.ndarray[Any, Any]

# The free key by which views find what was drawn among all other rows.
KEY = "drawn"
KINDS = {"point": "seed", "box": "roi"}
# A page draws each of them anew in every picture.
MOST_SHOWN = 10_000
_NOTE = "drawn in a view"


class Annotating:
    """Writes what a view draws into a set of annotations, under the set's author.

    A point becomes a seed, a box a region of interest, or what `kinds` says; a line a skeleton with a node for each
    vertex; a stroke is painted into the label volume of the set that the layer shows. Each is one transaction.

    Parameters
    ----------
    ann : Annotations
    kinds : mapping, optional
        Kinds of annotation of ``"point"`` and ``"box"``.

    Raises
    ------
    BadRequest
        If it is no set, or a kind is unknown or has no place for a point.
    ReadOnly
        If the set cannot be written.

    Examples
    --------
    >>> from ndlab.annotations import Annotations
    >>> ann = Annotations.temporary(voxel_size=(40, 4, 4))
    >>> pen = Annotating(ann, {"point": "synapse"})
    >>> pen.draw(Drawing("point", ((80.0, 8.0, 12.0),)))
    1
    >>> ann.get(1).kind, ann.get(1).centroid, pen.news()
    ('synapse', (80.0, 8.0, 12.0), [Drawing(kind='point', points=((80.0, 8.0, 12.0),), id=1)])
    >>> pen.undo(), ann.count(), pen.news(), pen.undo()
    (True, 0, [], False)
    """

    def __init__(self, ann: Annotations, kinds: Mapping[str, str] | None = None) -> None:
        if not is_annotations(ann):
            raise BadRequest(f"annotations={type(ann).__name__}", "what is drawn goes into a set of annotations",
                             "ndlab.Annotations.create(path, volume) makes one")  # fmt: skip
        if ann.readonly:
            raise ReadOnly(f"drawing into {ann.url}", "it was opened to be read, or as it was earlier",
                           "pass metadata= to have it shown only")  # fmt: skip
        self.ann = ann
        self._kinds = _checked(kinds or {})
        self._lock = threading.Lock()
        # Numbers of the transactions that this view made, to be taken back from the end.
        self._made: list[int] = []
        self._seen = -1

    # --- writing ----------------------------------------------------------------------------------------------

    def draw(self, *drawn: Drawing, note: str = _NOTE) -> int:
        """Write points, lines and boxes as rows, in one transaction, and return its number."""
        ids = self.ann.add([row for one in drawn for row in self._rows(one)], note)
        number = int(self.ann.changes(int(ids[0]))[0].transaction.number)
        self.keep(number)
        return number

    def _rows(self, one: Drawing) -> list[Annotation]:
        keys = {KEY: one.kind}
        if one.kind == "line":
            return _skeleton(one.points, self.ann.reserve(len(one.points) + 1), keys)
        kind = self._kinds[one.kind]
        if one.kind == "box":
            return [kind(bounds=NmBox(one.points[0], one.points[1]), keys=keys)]
        return [kind(**{kind.point(): one.points[0]}, keys=keys)]

    def paint(
        self, volume: Volume, points: Sequence[Sequence[float]], number: int, *, radius: float, plane: str,
        calibrated: tuple[Sequence[float], Sequence[float]],
    ) -> None:  # fmt: skip
        """Paint an id along a line, in one plane; id 0 takes all objects away there. As for `Brush.paint`.

        Raises
        ------
        BadRequest
            If the volume does not belong to the set, or nothing would change.
        """
        paintable(volume, number)
        paint = self._paint_of(volume)
        first, mask = covered(volume.box.shape, *calibrated, np.array(points, np.float64), radius, plane)
        box = Box(first, [a + n for a, n in zip(first, mask.shape, strict=True)]).shift(volume.box.start)
        made = paint.write(number, box=box, mask=mask, note=_NOTE) if number else _wipe(paint, box, mask)
        self.keep(made)
        # It is on disk in the journal by now; pages see what is in the volume.
        paint.flush(levels=False)

    def _paint_of(self, volume: Volume) -> Any:
        if volume.level_index:
            raise BadRequest(f"a brush over level {volume.level_index}", "a set's labels are painted at level 0",
                             "show the volume at level 0: it is drawn at the level that the zoom needs")  # fmt: skip
        paint = self._owned(volume)
        if paint is not None:
            return paint
        raise BadRequest(
            f"a brush over {volume.name or 'labels'} in a view that draws into {self.ann.url}",
            f"label volumes of that set are {', '.join(map(repr, self.ann.paints)) or 'none'}",
            "ann.attach(volume), or leave annotations= out to paint without a history",
        )

    def _owned(self, volume: Volume) -> Any:
        return next((one for one in self.ann.paints.values() if _same(one.volume.url, volume.url)), None)

    def owns(self, volume: Volume) -> bool:
        """Tell whether a volume belongs to the set."""
        return not volume.level_index and self._owned(volume) is not None

    def update_levels(self, volume: Volume) -> None:
        """Bring the coarser levels of a volume of the set up to date."""
        self._paint_of(volume).update_levels()

    def keep(self, number: int) -> None:
        """Note a transaction as one of this view's, which `undo` takes back."""
        with self._lock:
            self._made.append(number)

    def keep_last(self) -> int:
        """Note the last transaction of the set's author as this view's, and return its number."""
        number = next(one.number for one in self.ann.history(limit=100) if one.author == self.ann.author)
        self.keep(number)
        return number

    def undo(self) -> bool:
        """Take back the last change that this view made and nobody has taken back; return whether there was one.

        Raises
        ------
        Conflict
            If later changes stand on it; nothing is taken back then.
        """
        with self._lock:
            while self._made:
                if not self._is_undone(self._made[-1]):
                    self._show(self.ann.undo(self._made[-1], note=_NOTE))
                    self._made.pop()
                    return True
                self._made.pop()
        return False

    def _is_undone(self, number: int) -> bool:
        later = self.ann.version - number
        return later > 0 and any(one.undoes == number for one in self.ann.history(limit=later))

    def _show(self, undone: Transaction | None) -> None:
        for name in undone.volumes if undone else ():
            self.ann.paints[name].flush(levels=False)

    # --- reading ----------------------------------------------------------------------------------------------

    def news(self) -> list[Drawing] | None:
        """Return what is drawn in the set, by whomever, the latest at the end; None if nothing was written since."""
        with self._lock:
            version = self.ann.version
            if version == self._seen:
                return None
            found = _drawn(self.ann)
            self._seen = version
            return found


def _checked(kinds: Mapping[str, str]) -> dict[str, Any]:
    from ndlab.annotations.kinds import KINDS as ALL
    from ndlab.annotations.kinds import kind_of

    if strange := sorted(set(kinds) - set(KINDS)):
        raise BadRequest(f"kinds of {', '.join(strange)}", "points and boxes have kinds; a line is a skeleton's nodes",
                         'kinds={"point": "synapse"}')  # fmt: skip
    found = {shape: kind_of(kind) for shape, kind in (KINDS | dict(kinds)).items()}
    if found["point"].point() is None:
        placed = [kind.kind for kind in map(kind_of, ALL) if kind.point()]
        raise BadRequest(f"points as {found['point'].kind}", f"of the kinds {', '.join(placed)} have a place",
                         'kinds={"point": "synapse"}')  # fmt: skip
    return found


def _same(one: str, other: str) -> bool:
    local = bool(one and other) and "://" not in one + other
    return one == other or (local and os.path.realpath(one) == os.path.realpath(other))


def _skeleton(points: Iterable[Sequence[float]], ids: Sequence[int], keys: Mapping[str, str]) -> list[Annotation]:
    from ndlab.annotations import Node, Skeleton

    root, *nodes = ids
    line = zip(nodes, points, [0, *nodes], strict=False)
    return [
        Skeleton(id=root, rootnode=nodes[0], keys=keys),
        *(Node(id=one, skeleton=root, location=at, parent=before) for one, at, before in line),
    ]


def _wipe(paint: Any, box: Box, mask: Array) -> int:
    """Take all objects away under a mask, those behind others too, and return the number of the write."""
    labels = paint.read(box)
    under = np.argwhere(mask & (labels != 0)) + box.start
    which = labels[mask & (labels != 0)]
    pairs = [(int(one), under[which == one]) for one in np.unique(which)]
    pairs += [(one, np.array([at])) for at, ids in paint.exceptions(box) for one in ids
              if mask[tuple(np.subtract(at, box.start))]]  # fmt: skip
    if not pairs:
        raise BadRequest("a stroke that wipes", "there is nothing under it")
    ids, voxels = zip(*pairs, strict=True)
    return int(paint.write_many(ids, voxels, mode="reduce", note=_NOTE))


def _drawn(ann: Annotations) -> list[Drawing]:
    rows = list(ann.where(keys={f"{KEY}__in": ["point", "line", "box"]}).sort("-id").limit(MOST_SHOWN))[::-1]
    lines = _lines(ann, [row for row in rows if row.keys[KEY] == "line"])
    found = [(row, lines.get(row.id) if row.keys[KEY] == "line" else _corners(row)) for row in rows]
    return [Drawing(str(row.keys[KEY]), points, row.id) for row, points in found if points]


def _corners(row: Annotation) -> tuple[Any, ...] | None:
    """Return where a point or a box is now; None if somebody took that from the row."""
    if row.keys[KEY] == "point":
        return None if row.position is None else (tuple(row.position),)
    return None if row.bounds is None else (row.bounds.start, row.bounds.stop)


def _lines(ann: Annotations, skeletons: Sequence[Any]) -> dict[int, tuple[Any, ...]]:
    """Return the vertices of skeletons from the root on, along the first branch."""
    if not skeletons:
        return {}
    nodes: dict[int, Any] = {}
    after: dict[int, int] = {}
    nearby: Iterable[Any] = ann.where(kind="node", skeleton__in=[one.id for one in skeletons]).sort("-id")
    for node in nearby:
        nodes[node.id], after[node.parent] = node, node.id
    found = {one.id: tuple(_along(one.rootnode, nodes, after)) for one in skeletons}
    return {one: points for one, points in found.items() if len(points) > 1}


def _along(one: int, nodes: Mapping[int, Any], after: Mapping[int, int]) -> Iterable[tuple[float, ...]]:
    seen: set[int] = set()
    while one in nodes and one not in seen and nodes[one].location is not None:
        seen.add(one)
        yield tuple(nodes[one].location)
        one = after.get(one, 0)
