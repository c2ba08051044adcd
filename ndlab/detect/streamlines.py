"""The last step from magnetic resonance images to graphs: streamlines that end in regions are edges between them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from ndlab.detect.watershed import Array
from ndlab.errors import BadMetadata, BadRequest, NotFound
from ndlab.graph import Graph
from ndlab.measure.blocks import part, whole_numbers
from ndlab.volume import Volume

__all__ = ["affine_of", "streamlines"]

_MM = 1e6  # nm
_LOT = 10_000  # streamlines whose ends are looked up at a time


def streamlines(
    tracts: str | os.PathLike[str] | Iterable[Any],
    parcellation: Any,
    *,
    affine: Any = None,
    reach: Annotated[float, "nm"] = 0.0,
    loops: bool = False,
    names: Any = None,
) -> Graph:
    """Count the streamlines between each two regions and return the `Graph`, undirected.

    Parameters
    ----------
    tracts : str, path or iterable
        A TRK or TCK file, read streamline by streamline; or streamlines, arrays (n, 3) of RAS+ positions
        (x, y, z) [mm].
    parcellation : Volume
        Ids of regions, (z, y, x); 0 is none.
    affine : array (4, 4), optional
        From voxels (x, y, z), counted at their centres, to RAS+ [mm]. Without it the NIfTI header's that the volume
        came with; else x, y and z are taken to lie along the axes, as voxel size and offset say.
    reach : float
        An end outside of all regions belongs to the nearest one this near [nm].
    loops : bool
        Whether streamlines that end where they began are edges.
    names : mapping of int to str, optional
        Of regions, kept as the node property ``name``.

    Returns
    -------
    Graph
        A node for each region, by id, with its ``size`` [voxels]; edges with the ``count`` of streamlines and their
        mean ``length`` [nm]. ``attributes`` count the ``streamlines``, those with an end ``outside`` of all regions,
        and those ``returning`` to where they began.

    Raises
    ------
    NotFound, BadMetadata
        If there is no such file, or it is none of streamlines.
    BadRequest
        If the parcellation holds no whole numbers, or a streamline is no array (n, 3).

    Examples
    --------
    >>> regions = np.zeros((4, 4, 10), "u2"); regions[..., :3] = 1; regions[..., 7:] = 2
    >>> parcels = Volume.from_array(regions, (1e6, 1e6, 1e6), kind="labels")
    >>> graph = streamlines([[(1.5, 2, 2), (8.5, 2, 2)], [(1.5, 2, 2), (5, 2, 2)]], parcels)
    >>> graph.to_networkx()[1][2]["count"], graph.attributes["outside"]
    (1, 1)
    """
    view = whole_numbers(part(parcellation))
    labels = view.read()
    place = np.linalg.inv(affine_of(view) if affine is None else _affine(affine))
    found = _Pairs()
    for ends, lengths in _lots(_lines(tracts)):
        found.add(_regions(ends, labels, place, view, reach), lengths)
    return _graph(found, labels, loops, names)


def affine_of(volume: Volume) -> Array:
    """Return the matrix (4, 4) from voxels (x, y, z), counted at their centres, to RAS+ [mm].

    That of the NIfTI file that the volume was opened from or ingested from; else along the axes, as voxel size and
    offset say.

    Examples
    --------
    >>> vol = Volume.from_array(np.zeros((4, 4, 4), "u1"), (2e6, 2e6, 2e6), offset=(0, 0, 1e6))
    >>> affine_of(vol)[:3, 3].tolist()
    [2.0, 1.0, 1.0]
    """
    from ndlab.store.files.nifti_header import Kept

    kept = Kept.of(volume._stored.attrs, volume._stored.levels[0].calibration)
    header = None if kept is None else kept.header(_cut(volume), list(volume.shape)[::-1])
    if header is not None:
        return np.asarray(header.get_best_affine(), float)
    size, corner = np.array(volume.voxel_size[::-1]), np.array(volume.offset[::-1])
    out = np.eye(4)
    out[:3, :3] = np.diag(size / _MM)
    out[:3, 3] = (corner + size / 2) / _MM
    return out


def _cut(volume: Volume) -> Any:
    from ndlab.geometry import Calibration

    return Calibration(volume.voxel_size, volume.offset)


def _affine(values: Any) -> Array:
    found = np.asarray(values, float)
    if found.shape != (4, 4) or not np.isfinite(found).all() or abs(np.linalg.det(found)) < 1e-12:
        raise BadRequest(f"an affine of shape {found.shape}", "it is an invertible matrix of 4 x 4 numbers",
                         "leave it out to take the volume's own")  # fmt: skip
    return found


def _lines(tracts: Any) -> Iterator[Array]:
    """Streamlines one by one, RAS+ [mm]."""
    if not isinstance(tracts, str | os.PathLike):
        yield from (np.asarray(one, float) for one in tracts)
        return
    import nibabel.streamlines

    path = Path(tracts)
    if not path.is_file():
        raise NotFound(f"no streamlines at {path}", "", "give a .trk or .tck file")
    try:
        loaded = nibabel.streamlines.load(path, lazy_load=True)
        yield from (np.asarray(one, float) for one in loaded.streamlines)
    except (ValueError, TypeError, EOFError, OSError, nibabel.streamlines.tractogram_file.HeaderError,
            nibabel.streamlines.tractogram_file.DataError) as error:  # fmt: skip
        raise BadMetadata(f"{path} holds no streamlines", str(error), "give a .trk or .tck file") from None


def _lots(lines: Iterator[Array]) -> Iterator[tuple[Array, Array]]:
    """Yield ends (n, 2, 3) and lengths (n,) [mm] of some streamlines at a time; those of no points are left out."""
    ends, lengths = list[Array](), list[float]()
    for line in lines:
        if line.ndim != 2 or line.shape[1] != 3:
            raise BadRequest(f"a streamline of shape {line.shape}", "it is an array (n, 3) of x, y, z [mm]")
        if not len(line):
            continue
        ends.append(line[[0, -1]])
        lengths.append(float(np.sqrt((np.diff(line, axis=0) ** 2).sum(1)).sum()))
        if len(ends) == _LOT:
            yield np.array(ends), np.array(lengths)
            ends, lengths = [], []
    if ends:
        yield np.array(ends), np.array(lengths)


def _regions(ends: Array, labels: Array, place: Array, view: Volume, reach: float) -> Array:
    """Regions (n, 2) that the ends lie in; 0 for none."""
    voxel = ends.reshape(-1, 3) @ place[:3, :3].T + place[:3, 3]
    near = np.rint(voxel).astype(np.int64)[:, ::-1]
    inside = ((near >= 0) & (near < labels.shape)).all(1)
    found = np.zeros(len(near), np.int64)
    found[inside] = labels[tuple(near[inside].T)].astype(np.int64)
    if reach > 0:
        for i in np.flatnonzero(found == 0):
            found[i] = _nearest(voxel[i][::-1], labels, view, reach)
    return found.reshape(-1, 2)


def _nearest(at: Array, labels: Array, view: Volume, reach: float) -> int:
    """Region of the nearest voxel within reach of a place (z, y, x) [voxels]; 0 for none."""
    size = np.array(view.voxel_size)
    low = np.maximum(np.floor(at - reach / size), 0).astype(int)
    high = np.minimum(np.ceil(at + reach / size) + 1, labels.shape).astype(int)
    if (high <= low).any():
        return 0
    here = labels[tuple(map(slice, low, high))]
    voxels = np.argwhere(here != 0)
    if not len(voxels):
        return 0
    far = (((voxels + low - at) * size) ** 2).sum(1)
    return int(here[tuple(voxels[far.argmin()])]) if far.min() <= reach * reach else 0


@dataclass
class _Pairs:
    """Streamlines by the regions at their ends."""

    sums: dict[tuple[int, int], list[float]] = field(default_factory=dict)
    total: int = 0
    outside: int = 0

    def add(self, regions: Array, lengths: Array) -> None:
        self.total += len(regions)
        known = (regions != 0).all(1)
        self.outside += int((~known).sum())
        for (a, b), length in zip(np.sort(regions[known], 1).tolist(), lengths[known].tolist(), strict=True):
            one = self.sums.setdefault((a, b), [0, 0.0])
            one[0] += 1
            one[1] += length


def _graph(found: _Pairs, labels: Array, loops: bool, names: Any) -> Graph:
    ids, sizes = np.unique(labels[labels != 0], return_counts=True)
    pairs = sorted(pair for pair in found.sums if loops or pair[0] != pair[1])
    counts = [int(found.sums[pair][0]) for pair in pairs]
    lengths = [found.sums[pair][1] / found.sums[pair][0] * _MM for pair in pairs]
    nodes: dict[str, Sequence[Any]] = {"size": sizes.tolist()}
    if names is not None:
        nodes["name"] = [str(names.get(int(i), i)) for i in ids]
    returned = sum(int(one[0]) for (a, b), one in found.sums.items() if a == b)
    return Graph.from_edges(
        np.array([a for a, _ in pairs], np.int64), np.array([b for _, b in pairs], np.int64), directed=False,
        edges={"count": counts, "length": lengths}, ids=ids.astype(np.int64), nodes=nodes,
        units={"length": "nm", "size": "voxels"}, streamlines=found.total, outside=found.outside, returning=returned,
    )  # fmt: skip
