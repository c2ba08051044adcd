"""What is behind a channel of ids: its annotations, the labels that they are painted into, and how both are counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.annotations import Annotation, Annotations
from ndlab.annotations.owned import OwnedPaint
from ndlab.errors import BadRequest, NotFound, ReadOnly, TooLarge
from ndlab.geometry import Box
from ndlab.serve.ramon.frame import Frame

__all__ = ["UNPAINTED", "Behind"]

# Kinds that have no voxels of their own: a neuron's are its segments', a seed is a point.
UNPAINTED = ("seed", "neuron")


@dataclass(frozen=True)
class Behind:
    """One channel's annotations; `labels` is None where none are attached."""

    annotations: Annotations
    labels: OwnedPaint | None
    frame: Frame

    @property
    def title(self) -> str:
        """The channel as its paths name it."""
        return f"{self.frame.channel.token}/{self.frame.channel.name}"

    @property
    def paint(self) -> OwnedPaint:
        """The labels that objects are painted into.

        Raises
        ------
        NotFound
            If there are none.
        """
        if self.labels is None:
            raise NotFound(f"voxels of the objects of {self.title}", "no labels belong to them",
                           "attach some: ann.attach(labels)")  # fmt: skip
        return self.labels

    @property
    def volume(self) -> str:
        """What the annotations call the labels."""
        return self.paint.name

    def writable(self) -> Behind:
        """Return this, or raise `ReadOnly`."""
        if self.frame.channel.readonly:
            raise ReadOnly(f"objects for channel {self.frame.channel.name!r}", "it is read-only",
                           "start the server with --writable, or write to another channel")  # fmt: skip
        return self

    def get(self, ids: Sequence[int]) -> list[Annotation]:
        """Return objects by id, in the order asked, once each."""
        found: list[Annotation] = self.annotations.get(list(dict.fromkeys(ids)))
        return found

    def fits(self, ids: Iterable[int]) -> list[int]:
        """Return the ids that a label can have; no other has a voxel."""
        most = np.iinfo(self.paint.dtype).max
        return [one for one in ids if one <= most]

    def settle(self) -> None:
        """Bring what was painted into the volume and its coarser levels, for who reads those."""
        if self.labels is not None and not self.frame.channel.readonly:
            self.labels.flush()

    def around(self, one: Any, ids: Sequence[int]) -> Box:
        """Return the smallest box of painted voxels around the voxels of an object."""
        boxes = [self.paint.bounding_box(i) for i in ids if self.paint.places(i)]
        if not boxes:
            raise NotFound(f"the voxels of {one.kind} {one.id}", "it has none", "paint some")
        start = np.min([box.start for box in boxes], 0).tolist()
        return Box(start, np.max([box.stop for box in boxes], 0).tolist())

    def clipped(self, box: Box) -> Box:
        """Return the part of a box of painted voxels that is there."""
        return box & Box((0, 0, 0), self.paint.chunking.shape)

    def check_bytes(self, nbytes: int, most: int) -> None:
        """Raise `TooLarge` for more bytes of voxels than one request reads."""
        if nbytes > most:
            raise TooLarge(f"{nbytes} bytes of {self.title}", f"{most} are read at once", "ask for smaller boxes",
                           nbytes=nbytes, limit=most)  # fmt: skip

    def refuse_paint(self, one: Any) -> None:
        """Refuse voxels for a kind that has none of its own."""
        if one.kind in UNPAINTED:
            raise BadRequest(f"voxels of {one.kind} {one.id}",
                             "a seed is a point, and a neuron's voxels are its segments'",
                             "post them with a segment")  # fmt: skip
