"""The objects of `Rules` in a volume of any size: labelled block by block, dropped by size, labelled again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import ReadOnly
from ndlab.measure import components, regions, unique

if TYPE_CHECKING:
    from ndlab.detect.objects import Rules
    from ndlab.volume import Volume

__all__ = ["KeptArray", "in_memory", "object_labels"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class KeptArray:
    """Where a label volume holds one of the labels that are kept, as an array that is computed where it is read.

    Parameters
    ----------
    labels : Volume
        (z, y, x).
    kept : ndarray of bool, (n,)
        Of each label from 0 on.
    digest : str
        Of both, by which a run that is resumed knows them.
    """

    labels: Volume = field(repr=False)
    kept: Array = field(repr=False)
    digest: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None = None
    codec: str = "computed"

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always bool."""
        return np.dtype(bool)

    def read(self, start: Sequence[int], stop: Sequence[int], out: Array | None = None) -> Array:
        """Whether each voxel of the half-open box is kept."""
        found: Array = self.kept[self.labels[tuple(map(slice, start, stop))].read()]
        if out is None:
            return found
        out[...] = found
        return out

    def write(self, start: Sequence[int], values: Array) -> None:
        """Raise `ReadOnly`: it is computed."""
        raise ReadOnly(f"a write of {values.shape} voxels at {tuple(start)} into kept labels",
                       "they are computed and have no place to be kept", "read them, and write that")  # fmt: skip


def object_labels(
    probability: Volume, rules: Rules, folder: str | None = None, *, overwrite: bool = False, block: Any = None,
    **how: Any,
) -> Volume:  # fmt: skip
    """Label the objects in a volume of probabilities (z, y, x), and return the labels as a `Volume`.

    They are those that `objects` finds in an array, number by number, for any blocks. Each pass labels what the one
    before left, and a pass whose rules drop nothing is left out.

    Parameters
    ----------
    probability : Volume
    rules : Rules
    folder : str, optional
        Where the labels of each pass are kept, so that a call that was stopped goes on; else they are in memory.
    overwrite, block, **how
        As for `ndlab.measure.components`.

    Examples
    --------
    >>> from ndlab.detect.objects import Rules
    >>> from ndlab.volume import Volume
    >>> p = np.zeros((4, 20, 20), "f4")
    >>> p[1:3, 2:8, 2:8] = 0.95; p[0, 15, 15] = 1.0
    >>> object_labels(Volume.from_array(p, (40, 8, 8)), Rules(min_size=10), block=4).provenance["components"]
    1
    """
    passes = {"overwrite": overwrite, "block": block, **how}

    def place(name: str) -> str | None:
        return None if folder is None else f"{folder}/{name}.ome.zarr"

    left, threshold = probability, rules.threshold  # what is kept is 0 or 1, and above 0
    if rules.min_area > 1 or rules.max_area < math.prod(probability.shape[1:]):
        pieces = components(left, threshold=threshold, within="sections", out=place("sections"), **passes)
        table = unique(pieces, block=block, **how)
        left = _kept(pieces, table, (table["size"] >= rules.min_area) & (table["size"] <= rules.max_area))
        threshold = 0
    if rules.min_size > 1 or rules.min_sections > 1:
        pieces = components(left, threshold=threshold, out=place("pieces"), **passes)
        table = regions(pieces, block=block, **how)
        # A piece is in every section from its first to its last.
        sections = table["z1"] - table["z0"]
        left = _kept(pieces, table, (table["size"] >= rules.min_size) & (sections >= rules.min_sections))
        threshold = 0
    return components(left, threshold=threshold, connectivity=2, out=place("objects"), **passes)


def in_memory(volume: Volume) -> Volume:
    """Compute a lazy volume once, into memory."""
    from ndlab.volume import Volume as Made

    return Made.from_array(volume.read(), volume.voxel_size, offset=volume.offset, name=volume.name)


def _kept(labels: Volume, table: Any, good: Array) -> Volume:
    """Return where the good labels of a table are: in memory where the labels are, else computed where it is read."""
    from ndlab.measure.blocks import identity_of
    from ndlab.pipeline import fingerprint
    from ndlab.store.arrays import Level, Stored
    from ndlab.volume import Volume

    kept = np.zeros(labels.provenance["components"] + 1, bool)
    kept[table["id"]] = good
    kept[0] = False
    digest = fingerprint([identity_of(labels), kept]) if labels.url else ""
    array = KeptArray(labels, kept, digest, labels.shape, labels.chunks)
    lazy = Volume(Stored("", "computed", ("z", "y", "x"), (Level(array, labels.calibration),), "image", labels.name))
    return lazy if labels.url else in_memory(lazy)
