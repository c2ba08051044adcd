"""Painted: what can be asked of the voxels of objects, now or as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from ndlab.annotations.applying import Exceptions
from ndlab.annotations.chunking import Chunking
from ndlab.annotations.drawing import paint_id
from ndlab.annotations.index import Place
from ndlab.annotations.overlay import Moment, Overlay, Voxels
from ndlab.annotations.past import Past
from ndlab.errors import BadRequest, NotFound, TooLarge
from ndlab.geometry import Box, Int3

__all__ = ["CUTOUT_VOXELS", "Moments", "Painted", "PastPaint"]

T = TypeVar("T")
# What one cut-out may hold, as in the founding system.
CUTOUT_VOXELS = 256 << 20


class Moments(Protocol):
    """Gives consistent states to look at."""

    def at_once(self, how: Callable[[Moment], T]) -> T:
        """Return ``how(moment)``."""


class Painted:
    """The labels of a volume with everything that was written to it up to a moment, found by object or by box."""

    def __init__(self, moments: Moments, chunking: Chunking, dtype: np.dtype[Any], where: str) -> None:
        self._moments = moments
        self.chunking = chunking
        self.dtype = dtype
        self._where = where

    def read(self, box: Box | None = None) -> Voxels:
        """Return the labels of a box of level 0, every acknowledged write included."""
        whole = Box((0, 0, 0), self.chunking.shape)
        found = whole if box is None else box
        if found.level:
            raise BadRequest(f"a box of level {found.level}", "what is pending or past is of level 0",
                             "call .flush(), then read the coarser level of .volume")  # fmt: skip
        found.check(self.chunking.shape)
        return self._moments.at_once(lambda moment: moment.read(found))

    def places(self, id: Any) -> list[Place]:  # noqa: A002
        """Return in which chunks an object is, with the number of its voxels and their box in each."""
        one = paint_id(id, self.dtype)
        return self._moments.at_once(lambda moment: moment.places(one))

    def chunks(self, id: Any) -> list[Box]:  # noqa: A002
        """Return the boxes of the chunks that hold an object."""
        return [self.chunking.box(place.chunk) for place in self.places(id)]

    def bounding_box(self, id: Any) -> Box:  # noqa: A002
        """Return the smallest box that holds an object.

        Raises
        ------
        NotFound
            If it has no voxels.
        """
        found = [_placed(place, self.chunking) for place in self.places(id)]
        if not found:
            raise NotFound(f"object {id} has no voxels", f"{self._where} knows none", "write some with .write(id, ...)")
        return _hull(found)

    def size(self, id: Any) -> int:  # noqa: A002
        """Return the number of voxels of an object."""
        return sum(place.count for place in self.places(id))

    def voxels(self, id: Any) -> Voxels:  # noqa: A002
        """Return the voxels (n, 3) of an object, in C order; those where it is an exception are among them."""
        one = paint_id(id, self.dtype)

        def found(moment: Moment) -> list[Voxels]:
            return [_voxels(moment, place, one) for place in moment.places(one)]

        parts = self._moments.at_once(found)
        if not parts:
            return np.empty((0, 3), "i8")
        flat = np.concatenate(parts)
        return flat[np.lexsort(flat.T[::-1])]

    def cutout(self, id: Any, box: Box | None = None) -> tuple[Box, Voxels]:  # noqa: A002
        """Return a box and the object in it, its id where it is and 0 elsewhere; without `box` the smallest one."""
        return self.union([id], id, box)

    def union(self, ids: Iterable[Any], as_id: Any, box: Box | None = None) -> tuple[Box, Voxels]:
        """Return a box and several objects in it as one: a neuron from its segments.

        Raises
        ------
        NotFound
            If none has voxels and no box is given.
        TooLarge
            If the box holds more than 256 * 1024 * 1024 voxels.
        """
        wanted, one = [paint_id(i, self.dtype) for i in ids], paint_id(as_id, self.dtype)

        def found(moment: Moment) -> tuple[Box, Voxels]:
            placed = [(i, place) for i in wanted for place in moment.places(i)]
            if box is None and not placed:
                raise NotFound(f"objects {wanted[:5]} have no voxels", f"{self._where} knows none")
            where = box if box is not None else _hull([_placed(place, self.chunking) for _, place in placed])
            if where.size > CUTOUT_VOXELS:
                raise TooLarge(f"a cut-out of {where.shape}", "it may hold 256 * 1024 * 1024 voxels",
                               "pass a box, or read .voxels(id)", nbytes=where.size, limit=CUTOUT_VOXELS)  # fmt: skip
            out = np.zeros(where.shape, self.dtype)
            for i, place in placed:
                if (self.chunking.box(place.chunk) & where).size:
                    at = _voxels(moment, place, i) - np.array(where.start)
                    at = at[((at >= 0) & (at < where.shape)).all(1)]
                    out[tuple(at.T)] = one
            return where, out

        if box is not None:
            box.check(self.chunking.shape)
        return self._moments.at_once(found)

    def ids(self, box: Box | None = None) -> list[int]:
        """Return the objects that have voxels in a box, as label or as exception; without it, in all of the volume."""
        if box is None:

            def everywhere(moment: Moment) -> list[int]:
                overlaid, index = moment.overlaid(), moment.merger.index
                found: set[int] = set()
                for number in sorted(overlaid):
                    labels, exceptions, _ = moment.chunk(number)
                    found.update(np.unique(labels).tolist(), *exceptions.values())
                # The others are where the index says, unless all of it lies under what is not in it.
                others = (one for one in index.ids() if one not in found)
                found.update(one for one in others if any(place.chunk not in overlaid for place in index.of(one)))
                return sorted(found - {0})

            return self._moments.at_once(everywhere)
        inside = set(np.unique(self.read(box)).tolist())
        inside.update(one for _, behind in self.exceptions(box) for one in behind)
        return sorted(inside - {0})

    def exceptions(self, box: Box | None = None) -> list[tuple[Int3, tuple[int, ...]]]:
        """Return voxels (z, y, x) with more than one label, and the ids that stand behind the first."""
        where = Box((0, 0, 0), self.chunking.shape) if box is None else box
        where.check(self.chunking.shape)

        def found(moment: Moment) -> dict[int, Exceptions]:
            numbers = {*moment.merger.index.exception_chunks(), *moment.touched(where)}
            numbers = {number for number in numbers if (self.chunking.box(number) & where).size}
            overlaid, index = moment.overlaid(where), moment.merger.index
            return {n: moment.chunk(n)[1] if n in overlaid else index.exceptions(n) for n in sorted(numbers)}

        listed = []
        for number, exceptions in self._moments.at_once(found).items():
            at = self.chunking.coordinates(number, np.array(list(exceptions), "i8")).tolist() if exceptions else []
            for (z, y, x), ids in zip(at, exceptions.values(), strict=True):
                if Box((z, y, x), (z + 1, y + 1, x + 1)) in where:
                    listed.append(((z, y, x), tuple(ids)))
        return sorted(listed)


class PastPaint(Painted):
    """The labels of a volume as they were after one of its writes, to be read; see `Annotations.as_of`."""

    def __init__(self, overlay: Overlay, painted: Painted, upto: int, said: str) -> None:
        super().__init__(Past(overlay, upto, said), painted.chunking, painted.dtype, said)

    def __repr__(self) -> str:
        return f"<PastPaint {self._where}: {self.chunking.shape} {self.dtype}>"


def _voxels(moment: Moment, place: Place, one: int) -> Voxels:
    labels, exceptions, _ = moment.chunk(place.chunk)
    at = np.flatnonzero(labels == one)
    more = [inside for inside, ids in exceptions.items() if one in ids]
    found: Voxels = moment.merger.chunking.coordinates(place.chunk, np.concatenate([at, np.array(more, "i8")]))
    return found


def _placed(place: Place, chunking: Chunking) -> Box:
    corner = chunking.corner(place.chunk)
    return Box(place.low, place.high).shift(corner)


def _hull(boxes: Sequence[Box]) -> Box:
    found = boxes[0]
    for box in boxes[1:]:
        found = found | box
    return found
