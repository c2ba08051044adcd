"""Neuropil that does not exist, of any size, with all the truth about it known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ndlab.errors import BadRequest, ReadOnly, TooLarge
from ndlab.geometry import Box, Calibration

if TYPE_CHECKING:
    from ndlab.volume import Volume

__all__ = ["EDGE", "SYNAPSE", "Phantom", "PhantomArray", "phantom"]

Array = np.ndarray[Any, Any]
What = Literal["image", "labels", "membranes", "mitochondria", "vesicles", "psd"]

SYNAPSE = np.dtype(
    [("id", "u8"), ("pre_id", "u8"), ("post_id", "u8"), ("z", "f8"), ("y", "f8"), ("x", "f8"), ("size", "i8")]
)
EDGE = np.dtype([("pre_id", "u8"), ("post_id", "u8"), ("synapses", "i8"), ("size", "i8")])
_DTYPES: dict[str, np.dtype[Any]] = {
    "image": np.dtype("u1"),
    "labels": np.dtype("u8"),
    "membranes": np.dtype(bool),
    "mitochondria": np.dtype(bool),
    "vesicles": np.dtype(bool),
    "psd": np.dtype("u8"),
}
_LIMIT = 32000  # cells from the origin that an id has room for


@dataclass(frozen=True)
class Phantom:
    """A block of made-up neuropil: image, segmentation, synapses and graph, all computed when asked for.

    Every voxel is a function of the seed and of its own position [nm], so any box, read in any pieces by any
    number of threads, gives the same values, and the shape may be as large as you like: nothing is stored.

    Parameters
    ----------
    shape : sequence of 3 int
        Extent in voxels (z, y, x).
    voxel_size : sequence of 3 float
        Voxel size [nm], (z, y, x).
    seed : int
        Another seed is another brain.
    cell : float
        Spacing of the neurites [nm]; an axon is about half as thick.
    synapse_chance : float
        Probability that a place where an axon crosses a dendrite is a synapse.

    Raises
    ------
    BadRequest
        If a parameter makes no sense, if voxels are too coarse to show a neurite, or if the volume is so large that
        the ids would run out (about 11 mm a side at the default `cell`).

    Examples
    --------
    >>> block = phantom((100_000, 1_000_000, 1_000_000), voxel_size=(40, 4, 4))
    >>> start, stop = (50_000, 500_000, 500_000), (50_002, 500_064, 500_064)
    >>> image, labels = block.image(start, stop), block.labels(start, stop)
    >>> image.shape, image.dtype, labels.dtype
    ((2, 64, 64), dtype('uint8'), dtype('uint64'))
    """

    shape: tuple[int, int, int]
    voxel_size: tuple[float, float, float]
    seed: int
    cell: float
    synapse_chance: float

    def __init__(
        self,
        shape: Sequence[int],
        voxel_size: Sequence[float] = (8, 8, 8),
        seed: int = 0,
        *,
        cell: float = 600.0,
        synapse_chance: float = 0.3,
    ) -> None:
        extent, size = Box((0, 0, 0), shape).stop, Calibration(voxel_size).voxel_size
        values = (extent, size, int(seed), float(cell), float(synapse_chance))
        for name, value in zip(self.__dataclass_fields__, values, strict=True):
            object.__setattr__(self, name, value)
        self._check()

    def _check(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise BadRequest(f"seed was {self.seed}", "a seed is a whole number from 0 to 2**63 - 1")
        if not 0 <= self.synapse_chance <= 1:
            raise BadRequest(f"synapse_chance was {self.synapse_chance}", "it is a probability, 0 to 1")
        if not max(self.voxel_size) <= self.cell:
            raise BadRequest(
                f"voxels of {self.voxel_size} nm with neurites {self.cell} nm apart",
                "a voxel must not be larger than the spacing of the neurites",
                f"pass a smaller voxel_size, or cell={3 * max(self.voxel_size):g} or more",
            )
        reach = sum((n * v) ** 2 for n, v in zip(self.shape, self.voxel_size, strict=True)) ** 0.5
        if reach > _LIMIT * self.cell:
            raise BadRequest(
                f"a phantom of {self.shape} voxels of {self.voxel_size} nm",
                f"its diagonal is {reach / 1e6:.1f} mm and ids last for {_LIMIT * self.cell / 1e6:.1f} mm",
                "make it smaller, or pass a larger cell=",
            )

    @property
    def calibration(self) -> Calibration:
        """Voxel size [nm]; the corner of voxel 0 is at 0 nm."""
        return Calibration(self.voxel_size)

    @property
    def _recipe(self) -> tuple[tuple[float, float, float], int, float, float]:
        return self.voxel_size, self.seed, self.cell, self.synapse_chance

    def image(self, start: Sequence[int] | None = None, stop: Sequence[int] | None = None) -> Array:
        """Grey values (uint8, membranes dark) of the half-open voxel box, (z, y, x); all of it by default."""
        return self.read("image", start, stop)

    def labels(self, start: Sequence[int] | None = None, stop: Sequence[int] | None = None) -> Array:
        """Return the id (uint64, below 2**52, never 0) of the neurite that owns each voxel of the box."""
        return self.read("labels", start, stop)

    def membranes(self, start: Sequence[int] | None = None, stop: Sequence[int] | None = None) -> Array:
        """Return True within 10 nm of the border between two neurites."""
        return self.read("membranes", start, stop)

    def psd(self, start: Sequence[int] | None = None, stop: Sequence[int] | None = None) -> Array:
        """Synapse id (uint64) in each voxel of a postsynaptic density, which lies in the dendrite; 0 elsewhere."""
        return self.read("psd", start, stop)

    def read(
        self,
        what: What,
        start: Sequence[int] | None = None,
        stop: Sequence[int] | None = None,
        out: Array | None = None,
    ) -> Array:
        """One quantity in the half-open voxel box, (z, y, x).

        Parameters
        ----------
        what : {"image", "labels", "membranes", "mitochondria", "vesicles", "psd"}
            What to compute; the middle three are boolean truth.
        start, stop : sequence of 3 int, optional
            The box; the whole phantom if left out.
        out : ndarray, optional
            Where to put it, of the box's shape and the right dtype.

        Raises
        ------
        OutOfBounds
            If the box leaves the phantom.
        TooLarge
            If no box was given and the whole is larger than 4 GiB.
        """
        return self.read_many((what,), start, stop, {what: out} if out is not None else None)[what]

    def read_many(
        self,
        what: Sequence[What],
        start: Sequence[int] | None = None,
        stop: Sequence[int] | None = None,
        out: dict[str, Array] | None = None,
    ) -> dict[str, Array]:
        """Several quantities of one box in one pass, which costs little more than the dearest of them."""
        for name in what:
            if name not in _DTYPES:
                raise BadRequest(f"a phantom has no {name!r}", f"it has {', '.join(_DTYPES)}")
        box = self._box(start, stop, sum(_DTYPES[name].itemsize for name in what))
        from ndlab.samples.neuropil.rendering import render

        arrays: dict[str, Array] = {name: _target(name, box, (out or {}).get(name)) for name in what}
        render(self._recipe, box, arrays)
        return arrays

    def _box(self, start: Sequence[int] | None, stop: Sequence[int] | None, itemsize: int) -> Box:
        box = Box((0, 0, 0) if start is None else start, self.shape if stop is None else stop)
        if start is None and stop is None and box.size * itemsize > 1 << 32:
            raise TooLarge(
                f"the whole phantom of {self.shape} voxels was asked for",
                f"that is {box.size * itemsize / 2**30:.1f} GiB and the limit is 4 GiB",
                "pass start= and stop=, or use as_array() to read it lazily",
                nbytes=box.size * itemsize,
                limit=1 << 32,
            )
        return box.check(self.shape, "phantom")

    def synapses(self, start: Sequence[int] | None = None, stop: Sequence[int] | None = None) -> Array:
        """Table of the synapses anchored in a voxel box: disjoint boxes share none, and together list all.

        Returns
        -------
        ndarray of `SYNAPSE`
            `id`, `pre_id` (an axon in `labels`), `post_id` (a dendrite), `z`, `y`, `x` (centroid of the density
            [nm]) and `size` (its voxels inside the phantom), by id. A density that the face of the phantom cuts may
            be anchored outside; it is then in `psd` but in no table.
        """
        from ndlab.samples.neuropil.rendering import synapse_rows

        return np.array(synapse_rows(self._recipe, self.shape, self._box(start, stop, 0)), SYNAPSE)

    def graph(self, start: Sequence[int] | None = None, stop: Sequence[int] | None = None) -> Array:
        """Directed edges of the synapses anchored in a box (`EDGE`): ends, number of synapses, summed size."""
        table = self.synapses(start, stop)
        pairs, which = np.unique(np.stack([table["pre_id"], table["post_id"]], 1), axis=0, return_inverse=True)
        edges = np.zeros(len(pairs), EDGE)
        edges["pre_id"], edges["post_id"] = pairs[:, 0], pairs[:, 1]
        np.add.at(edges["synapses"], which.ravel(), 1)
        np.add.at(edges["size"], which.ravel(), table["size"])
        return edges

    def kinds(self, ids: Sequence[int] | Array) -> list[str]:
        """``"axon"`` or ``"dendrite"`` for each neurite id, worked out from the id alone."""
        from ndlab.samples.neuropil.rendering import kinds

        return kinds(self._recipe, ids)

    def as_array(self, what: What = "image", chunks: Sequence[int] = (64, 64, 64)) -> PhantomArray:
        """Put the phantom behind the interface of an array on disk: lazy, read-only, picklable, of any size."""
        if what not in _DTYPES:
            raise BadRequest(f"a phantom has no {what!r}", f"it has {', '.join(_DTYPES)}")
        sides = tuple(max(1, min(int(c), n)) for c, n in zip(chunks, self.shape, strict=True))
        return PhantomArray(self, what, sides)

    def volume(self, what: What = "image") -> Volume:
        """Open one quantity as a lazy, calibrated `Volume`, of one level.

        Examples
        --------
        >>> vol = phantom((100_000, 1_000_000, 1_000_000), voxel_size=(40, 4, 4)).volume("labels")
        >>> vol.nm[2e6:2.00012e6, 1e6:1.0002e6, 3e6:3.0002e6].read().shape
        (3, 50, 50)
        """
        from ndlab.store.arrays import Level, Stored
        from ndlab.volume import Volume

        level = Level(self.as_array(what), self.calibration)
        kind: Literal["image", "labels"] = "labels" if what in ("labels", "psd") else "image"
        return Volume(Stored("", "phantom", ("z", "y", "x"), (level,), kind, f"phantom {self.seed} {what}"))


def _target(what: str, box: Box, out: Array | None) -> Array:
    if out is None:
        return np.empty(box.shape, _DTYPES[what])
    if out.shape != box.shape or out.dtype != _DTYPES[what]:
        raise BadRequest(
            f"{what} was to go into an array of {out.shape} {out.dtype}",
            f"the box holds {box.shape} {_DTYPES[what]}",
        )
    return out


@dataclass(frozen=True)
class PhantomArray:
    """One quantity of a phantom as an array: what a store would give, without a store."""

    phantom: Phantom
    what: What
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None = None
    codec: str = "computed"

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent in voxels (z, y, x)."""
        return self.phantom.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8 for the image, uint64 for ids, bool for the rest."""
        return _DTYPES[self.what]

    def read(self, start: Sequence[int], stop: Sequence[int], out: Array | None = None) -> Array:
        """Voxels of the half-open box."""
        return self.phantom.read(self.what, start, stop, out)

    def write(self, start: Sequence[int], values: Array) -> None:
        """Raise `ReadOnly`: a phantom cannot be written."""
        raise ReadOnly(
            f"a write of {values.shape} voxels at {tuple(start)} into a phantom",
            "a phantom is computed and has no place to keep them",
            "ingest it into a store first and write there",
        )


def phantom(
    shape: Sequence[int] = (64, 256, 256), voxel_size: Sequence[float] = (8, 8, 8), seed: int = 0, **options: float
) -> Phantom:
    """Make a `Phantom`: neuropil with known truth, of `shape` voxels (z, y, x) of `voxel_size` [nm]; `options` too.

    Examples
    --------
    >>> block = phantom((16, 64, 64), seed=3)
    >>> table = block.synapses()
    >>> set(block.kinds(table["pre_id"])) <= {"axon"}, set(block.kinds(table["post_id"])) <= {"dendrite"}
    (True, True)
    """
    return Phantom(shape, voxel_size, seed, **options)
