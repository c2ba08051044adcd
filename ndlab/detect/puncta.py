"""Synapses in array tomography: what is asked for is a query, and no training is needed.

A query says which proteins lie before and behind the cleft and how large their puncta are at least. The probability of
a synapse is a product: each punctum is there, is large enough, and goes on in the next section; what lies before the
cleft may be a little aside.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from ndlab.errors import BadRequest, ReadOnly
from ndlab.geometry import Calibration, Float3

if TYPE_CHECKING:
    from ndlab.annotations import Annotations
    from ndlab.volume import Volume

__all__ = ["QUERIES", "Punctum", "Query", "QueryArray", "puncta", "query_probability"]

Array = np.ndarray[Any, Any]
_SMALL, _TWO = (70.0, 200.0, 200.0), (140.0, 200.0, 200.0)


@dataclass(frozen=True)
class Punctum:
    """A bright spot of one channel.

    Parameters
    ----------
    channel : str
    size : (z, y, x)
        It is at least so large [nm]; along z this is a number of sections.
    """

    channel: str
    size: Float3 = _TWO

    def window(self, voxel_size: Float3) -> tuple[int, int]:
        """Sections that it appears in at least, and the side of its square in them [voxels]."""
        side = (self.size[1] * self.size[2]) ** 0.5 / (voxel_size[1] * voxel_size[2]) ** 0.5
        return max(1, round(self.size[0] / voxel_size[0])), max(1, round(side))


@dataclass(frozen=True)
class Query:
    """What a synapse is made of: puncta before the cleft, and behind it.

    Examples
    --------
    >>> QUERIES["excitatory 1"].channels
    ('synapsin', 'PSD95')
    """

    pre: tuple[Punctum, ...]
    post: tuple[Punctum, ...]

    def __post_init__(self) -> None:
        if not self.post:
            raise BadRequest("a query without a postsynaptic punctum", "a synapse is where its postsynaptic puncta are",
                             "name one channel as post at least")  # fmt: skip

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of all channels."""
        return tuple(one.channel for one in (*self.pre, *self.post))


def _query(pre: Sequence[tuple[str, Float3]], post: Sequence[tuple[str, Float3]]) -> Query:
    return Query(tuple(Punctum(*one) for one in pre), tuple(Punctum(*one) for one in post))


QUERIES: dict[str, Query] = {
    "excitatory 1": _query([("synapsin", _TWO)], [("PSD95", _TWO)]),
    "excitatory 2": _query([("synapsin", _SMALL)], [("PSD95", _TWO)]),
    "excitatory 3": _query([("synapsin", _TWO), ("VGluT1", _TWO)], [("PSD95", _TWO)]),
    "excitatory 4": _query([("synapsin", _SMALL), ("VGluT1", _SMALL)], [("PSD95", _SMALL)]),
    "excitatory 5": _query([("synapsin", _TWO), ("VGluT2", _TWO)], [("PSD95", _TWO)]),
    "excitatory 6": _query([("VGluT1", _TWO)], [("PSD95", _TWO)]),
    "inhibitory 1": _query([("synapsin", _TWO)], [("gephyrin", _TWO), ("GABAAR", _TWO)]),
    "inhibitory 2": _query([("synapsin", _TWO), ("GAD", _TWO)], [("gephyrin", _TWO)]),
    "inhibitory 3": _query([("synapsin", _TWO), ("VGAT", _TWO)], [("gephyrin", _TWO)]),
}
"""Six excitatory queries and three inhibitory ones.

The first of each kind are the published ones; the others vary its channels and sizes in the same way, for the exact
table of the founding detections is not kept with them.
"""


@dataclass(frozen=True)
class QueryArray:
    """The answer to a query as an array that is computed where it is read.

    Parameters
    ----------
    volume : Volume
        (c, z, y, x).
    query : Query
    ground : tuple
        Mean and deviation of each channel of the query in each section.
    aside : float
        How far a presynaptic punctum may lie aside [nm].
    """

    volume: Volume = field(repr=False)
    query: Query
    ground: tuple[tuple[tuple[float, float], ...], ...]
    aside: float
    shards: tuple[int, ...] | None = None
    codec: str = "computed"

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent along (z, y, x)."""
        return self.volume.shape[-3:]

    @property
    def chunks(self) -> tuple[int, ...]:
        """What is computed at a time."""
        return tuple(min(n, side) for n, side in zip(self.shape, (16, 512, 512), strict=True))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always float32."""
        return np.dtype("f4")

    def write(self, start: Sequence[int], values: Array) -> None:
        """Raise `ReadOnly`: a probability is computed."""
        raise ReadOnly(f"a write of {values.shape} voxels at {tuple(start)} into probabilities",
                       "they are computed and have no place to be kept", "pass out= to keep them")  # fmt: skip

    @property
    def overlap(self) -> tuple[int, int, int]:
        """How far a probability looks [voxels]."""
        size = self.volume.voxel_size
        windows = [one.window(size) for one in (*self.query.pre, *self.query.post)]
        sections, side = (max(one[i] for one in windows) for i in (0, 1))
        across = math.ceil(self.aside / min(size[1:]))
        return sections, side // 2 + 1 + across, side // 2 + 1 + across

    def read(self, start: Sequence[int], stop: Sequence[int], out: Array | None = None) -> Array:
        """Probabilities in the half-open box."""
        low = [max(0, a - m) for a, m in zip(start, self.overlap, strict=True)]
        high = [min(n, b + m) for b, m, n in zip(stop, self.overlap, self.shape, strict=True)]
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        found = self._product(box)
        inner = found[tuple(slice(a - o, b - o) for a, b, o in zip(start, stop, low, strict=True))]
        if out is None:
            return np.ascontiguousarray(inner)
        out[...] = inner
        return out

    def _product(self, box: tuple[slice, ...]) -> Array:
        size = self.volume.voxel_size
        found = np.ones([one.stop - one.start for one in box], "f4")
        for i, one in enumerate((*self.query.pre, *self.query.post)):
            values = self.volume.isel(c=one.channel)[box].read()
            ground = np.array(self.ground[i][box[0]], "f4")
            chance = punctum_probability(values, ground, *one.window(size))
            if i < len(self.query.pre):
                chance = beside(chance, [self.aside / side for side in size])
            found *= chance
        return found


def punctum_probability(values: Array, ground: Array, sections: int, side: int) -> Array:
    """Probability that each voxel (z, y, x) is in a punctum of at least so many sections and so wide, float32.

    Parameters
    ----------
    values : ndarray, (z, y, x)
    ground : ndarray, (z, 2)
        Mean and deviation of each section: nearly all of its voxels are background.
    sections, side : int
    """
    from scipy.ndimage import uniform_filter1d
    from scipy.special import ndtr

    mean, deviation = ground[:, 0, None, None], ground[:, 1, None, None]
    bright = ndtr((values.astype("f4") - mean) / deviation)
    flat = np.log(np.maximum(bright, 1e-2))
    for axis in (1, 2):
        flat = uniform_filter1d(flat, side, axis, mode="nearest")
    chance = np.exp(flat)
    if sections > 1:
        # As like as the more similar of its neighbours: a speck of one section is unlike both.
        apart = np.full((2, *chance.shape), 1.0, chance.dtype)
        apart[0, 1:] = np.maximum(0, chance[1:] - chance[:-1]) ** 2
        apart[1, :-1] = np.maximum(0, chance[:-1] - chance[1:]) ** 2
        chance = chance * np.exp(-4 * (sections - 1) * apart.min(axis=0))
    found: Array = chance.astype("f4")
    return found


def beside(chance: Array, reach: Sequence[float]) -> Array:
    """Highest probability within a reach [voxels] in the section and the next ones."""
    from scipy.ndimage import maximum_filter

    size = [2 * (1 if i == 0 else math.ceil(r)) + 1 for i, r in enumerate(reach)]
    found: Array = maximum_filter(chance, size, mode="nearest")
    return found


def _ground(volume: Volume, channels: Sequence[str]) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Mean and deviation of each section of some channels."""
    found = []
    for name in channels:
        channel, rows = volume.isel(c=name), []
        for z in range(channel.shape[0]):
            section = channel[z].read().astype("f8")
            rows.append((float(section.mean()), float(max(section.std(), 1e-6))))
        found.append(tuple(rows))
    return tuple(found)


def query_probability(
    volume: Volume,
    query: Query | str,
    *,
    aside: Annotated[float, "nm"] = 200.0,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    client: Any = None,
    progress: Any = None,
) -> Volume:
    """Return the probability that each voxel is a synapse of a query's kind, as a `Volume` of float32.

    Parameters
    ----------
    volume : Volume
        (c, z, y, x) with named channels, calibrated.
    query : Query or str
        Or the name of one of `QUERIES`.
    aside : float
        How far a presynaptic punctum may lie from the postsynaptic ones [nm].
    out : str or path, optional
        Where to keep it; without it the volume is lazy.
    overwrite, workers, client, progress
        As for `ndlab.detect.probability`.

    Examples
    --------
    >>> from ndlab.samples import array_tomography
    >>> found = query_probability(array_tomography((6, 60, 60), pairs=5).volume(), "excitatory 1")
    >>> found.shape, bool(found.read().max() > 0.8)
    ((6, 60, 60), True)

    References
    ----------
    Simhal AK et al. (2017), Probabilistic fluorescence-based synapse detection, PLoS Computational Biology 13:e1005493.
    Two things differ: a punctum goes on in the section that is more like it, so that the last section of one counts;
    and the presynaptic punctum is looked for at every shift of at most `aside`.
    """
    from ndlab.metadata import Channel
    from ndlab.store.arrays import Level, Stored
    from ndlab.volume import Volume as Made

    asked = named(query)
    if "c" not in volume.axes:
        raise BadRequest(f"a query on a volume with axes {volume.axes}", "it asks for channels by name",
                         "stack the channels: ndlab.ingest(..., channels=[...])")  # fmt: skip
    array = QueryArray(volume, asked, _ground(volume, asked.channels), aside)
    made = {"query": [list(asked.channels), len(asked.pre)], "aside": aside}
    level = Level(array, Calibration(volume.voxel_size, volume.offset))
    shown = (Channel(name="synapse", window=(0.0, 1.0)),)
    attrs = {"ndlab": {"probability": made}}
    lazy = Made(Stored("", "computed", ("z", "y", "x"), (level,), "image", "synapse", shown, attrs=attrs))
    if out is None:
        return lazy
    from ndlab.detect.probability import stored

    return stored(lazy, made, out, {"block": None, "overwrite": overwrite, "workers": workers, "client": client,
                                    "progress": progress})  # fmt: skip


def named(query: Query | str) -> Query:
    """Return a query, or the one of that name."""
    if isinstance(query, Query):
        return query
    if query not in QUERIES:
        raise BadRequest(f"query {query!r}", f"there are {', '.join(QUERIES)}", "or make one: Query(pre=…, post=…)")
    return QUERIES[query]


def puncta(
    volume: Volume,
    query: Query | str,
    *,
    out: str | os.PathLike[str] | None = None,
    threshold: float = 0.85,
    aside: Annotated[float, "nm"] = 200.0,
    min_voxels: int = 2,
    overwrite: bool = False,
    **how: Any,
) -> Annotations:
    """Find the synapses of a query's kind and return them as `Annotations`.

    Parameters
    ----------
    volume, query, aside
        As for `query_probability`.
    out : str or path, optional
        Where the annotations are made.
    threshold : float
        Voxels with a probability above it belong to a synapse.
    min_voxels : int
        Smaller detections are dropped.
    overwrite, **how
        As for `ndlab.detect.synapses`.

    Examples
    --------
    >>> from ndlab.samples import array_tomography
    >>> made = array_tomography((10, 120, 120), pairs=12)
    >>> found = puncta(made.volume(), "excitatory 1", progress=False)
    >>> abs(found.count() - 12) <= 3
    True
    """
    from ndlab.detect.synapses import synapses

    chance = query_probability(volume, query, aside=aside)
    size = min_voxels * float(np.prod(volume.voxel_size))
    return synapses(chance, out=out, threshold=threshold, min_volume=size, overwrite=overwrite, **how)
