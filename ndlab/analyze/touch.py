"""Who touches whom in a label volume: by shared faces, or within a distance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from ndlab.analyze.sites import contact_sites
from ndlab.errors import BadRequest, TooLarge
from ndlab.geometry import Box, NmBox
from ndlab.graph import Graph
from ndlab.measure import contacts
from ndlab.measure.blocks import How, Voxels, gather, part, whole_numbers
from ndlab.measure.interning import interned
from ndlab.measure.keyed import Array, Keyed, merge_keyed
from ndlab.volume import Volume

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["touch", "touches_at"]

_KEY = np.dtype([("a", "u8"), ("b", "u8")])
_MOST_OFFSETS = 1 << 19
# Bits of the place of a voxel, beside those of the offset, in one number.
_PLACE = 44


def touch(
    labels: Voxels,
    *,
    distance: Annotated[float, "nm"] | None = None,
    sites: bool = False,
    box: Box | NmBox | None = None,
    background: int | None = 0,
    block: int | Sequence[int] | None = None,
    workers: int | None = None,
    client: Any = None,
    progress: Any = None,
) -> Graph:
    """Return the graph of labels that touch, undirected, one edge for each pair, or for each place.

    Labels are never dilated: grey-scale dilation changes ids, and the larger id wins where shells overlap.

    Parameters
    ----------
    labels : Volume or DataArray
        Ids, (z, y, x).
    distance : float, optional
        Also pairs of which two voxels' centres are at most this far apart [nm]. By default only labels that share a
        face touch.
    sites : bool
        One edge for each place at which two labels touch, parallel where there are several: a connected patch, in
        which voxels that face the other label share faces. Labels that part for one voxel have two places.
    box : Box or NmBox, optional
        Only this part.
    background : int or None
        The id that touches nothing.
    block, workers, client, progress
        How it is done, as for `ndlab.measure.contacts`; the result does not depend on it.

    Returns
    -------
    Graph
        Nodes are the ids that touch another, ascending; edges ascend, too, places by their first voxel. Edge
        properties: ``area`` of the shared faces [nm²], 0 without one; ``z, y, x`` [nm], the centre of those faces, or
        the middle between the two nearest voxels; with `distance` also ``gap`` [nm], the distance of those voxels'
        centres.

    Raises
    ------
    BadRequest
        If the distance is below the voxel's smallest side, or `sites` are asked for with a distance: what only comes
        near has no patch of contact.
    TooLarge
        If it spans more voxels than can be looked at, or the volume has more than can be numbered.

    Examples
    --------
    >>> from ndlab.samples import toy
    >>> graph = touch(toy().volume("labels"))
    >>> int(graph.edges["area"][graph.rows([11]).tolist()[0]]) > 0
    True
    >>> places = touch(toy().volume("labels"), sites=True)
    >>> bool(places.edges["area"].sum() == graph.edges["area"].sum())
    True
    """
    view = whole_numbers(part(labels, box))
    if sites:
        if distance is not None:
            raise BadRequest(
                f"the places of labels within {distance:g} nm", "a place is a patch of faces that two labels share",
                "leave out distance, or sites",
            )  # fmt: skip
        found = contact_sites(view, background, block, How(workers, client, progress).near(view))
        ends = np.empty(len(found.a), _KEY)
        ends["a"], ends["b"] = found.a, found.b
        return _graph(ends, found.area, found.place, None)
    options = {"background": background, "block": block, "workers": workers, "client": client, "progress": progress}
    faces = contacts(view, **options)
    touching = np.empty(len(faces), _KEY)
    touching["a"], touching["b"] = faces["a"], faces["b"]
    place = np.stack([faces[axis] for axis in "zyx"], axis=1) if len(faces) else np.zeros((0, 3))
    if distance is None:
        return _graph(touching, np.asarray(faces["area"], float), place, None)
    if int(np.prod(view.shape, dtype=object)) > 1 << _PLACE:
        raise TooLarge(
            f"labels within {distance:g} nm in {view.shape} voxels", f"up to {1 << _PLACE:,} can be numbered",
            "pass a box=, or take a coarser level: volume.level(1)",
        )  # fmt: skip
    voxel = np.array(view.voxel_size)
    offsets, gaps = _offsets(voxel, distance)
    params = {"labels": view, "offsets": offsets, "background": background}
    how = How(workers, client, progress).near(view)
    near = gather("near", _near, view, params, block, merge_keyed, _Near(np.empty(0, _KEY), np.empty(0, np.int64)), how)
    return _both(touching, np.asarray(faces["area"], float), place, near, offsets, gaps, view)


def touches_at(touching: Graph, sites: Mapping[int, int], axons: Mapping[int, int] | Iterable[int]) -> pd.DataFrame:
    """Return which axons touch which sites, a row each, as `peters_rule` takes it.

    Parameters
    ----------
    touching : Graph
        As `touch` gives it, of labels in which sites, spines for instance, have ids of their own.
    sites : mapping of int to int
        The target, such as the dendrite, of each id that is a site.
    axons : mapping of int to int, or iterable of int
        The ids that are axons, or the axon that each is a piece of.

    Returns
    -------
    pandas.DataFrame
        ``site, axon, target`` (int64), ``area`` [nm²], summed over pieces, and ``gap`` [nm], the smallest, if
        `touching` has it; by site, then axon.

    Examples
    --------
    >>> from ndlab.samples import toy
    >>> found = touches_at(touch(toy().volume("labels")), {21: 21, 22: 22}, [11, 12])
    >>> found[["site", "axon", "target"]].to_numpy().tolist()
    [[21, 11, 21], [21, 12, 21], [22, 11, 22], [22, 12, 22]]
    """
    import pandas as pd

    pieces = dict(axons) if isinstance(axons, Mapping) else {one: one for one in axons}
    both = sorted(set(pieces) & set(sites))
    if both:
        raise BadRequest(f"{len(both):,} ids that are sites and axons, {both[0]} for instance", "an id is one of them")
    ids = touching.ids[np.stack([touching.source, touching.target], axis=1)]
    known = np.isin(ids, np.array(list(sites), ids.dtype)), np.isin(ids, np.array(list(pieces), ids.dtype))
    ends = known[0] & known[1][:, ::-1]  # The end that is a site, where the other is an axon.
    row = ends.any(axis=1)
    site, piece = ids[ends], ids[ends[:, ::-1]]
    ends_of = {"site": site.astype(np.int64), "axon": [pieces[one] for one in piece.tolist()],
               "target": [sites[one] for one in site.tolist()]}  # fmt: skip
    how = {"area": "sum", "gap": "min"}
    table = pd.DataFrame(ends_of | {name: touching.edges[name][row] for name in how if name in touching.edges})
    grouped = table.astype({"axon": np.int64, "target": np.int64}).groupby(["site", "axon", "target"], as_index=False)
    return grouped.agg({name: how[name] for name in table if name in how})


@dataclass(frozen=True)
class _Near(Keyed):
    low_code: Array


def _offsets(voxel: Array, distance: float) -> tuple[Array, Array]:
    """Return the steps to later voxels that are no longer than `distance`, by length, and their lengths."""
    if distance < voxel.min():
        raise BadRequest(
            f"labels within {distance:g} nm", f"the centres of two voxels are {voxel.min():g} nm apart at least",
            "leave distance out for labels that share a face",
        )  # fmt: skip
    reach = np.maximum(np.floor(distance / voxel * (1 + 1e-12)).astype(int), 1)
    if np.prod(2 * reach + 1.0) > _MOST_OFFSETS:
        raise TooLarge(
            f"labels within {distance:g} nm", f"that is {int(np.prod(2 * reach + 1.0)):,} steps from each voxel",
            "take a coarser level: volume.level(1)",
        )  # fmt: skip
    steps = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    length = np.sqrt(((steps * voxel) ** 2).sum(axis=1))
    later = (steps[:, 0] > 0) | ((steps[:, 0] == 0) & ((steps[:, 1] > 0) | ((steps[:, 1] == 0) & (steps[:, 2] > 0))))
    # Voxels that share a face touch however long they are.
    keep = later & ((length <= distance * (1 + 1e-12)) | (np.abs(steps).sum(axis=1) == 1))
    order = np.lexsort((steps[keep][:, 2], steps[keep][:, 1], steps[keep][:, 0], length[keep]))
    return np.ascontiguousarray(steps[keep][order]), length[keep][order]


def _near(block: Box, labels: Volume, offsets: Array, background: int | None) -> _Near:
    from ndlab.analyze.kernels.near import nearest

    reach = np.maximum(np.abs(offsets).max(axis=0), 1)
    low, high = np.array(labels.box.start), np.array(labels.box.stop)
    start, stop = np.maximum(np.array(block.start) - reach, low), np.minimum(np.array(block.stop) + reach, high)
    values = labels.boxed(Box(start.tolist(), stop.tolist(), block.level)).read()
    local, ids = interned(values)
    blank = [] if background is None else np.flatnonzero(ids == background).tolist()
    pairs, codes = nearest(
        local, np.array(block.start) - start, np.array(block.shape), offsets, np.array(block.start) - low, high - low,
        blank[0] if blank else -1,
    )  # fmt: skip
    one, other = (ids[part_].astype(np.uint64) for part_ in (pairs >> 32, pairs & 0xFFFFFFFF))
    keys = np.empty(len(pairs), _KEY)
    keys["a"], keys["b"] = np.minimum(one, other), np.maximum(one, other)
    order = np.lexsort((keys["b"], keys["a"]))
    return _Near(keys[order], codes[order])


def _both(touching: Array, area: Array, place: Array, near: _Near, offsets: Array, gaps: Array, view: Volume) -> Graph:
    """Join what shares a face with what is near: the first always is the second, too."""
    voxel, shape = np.array(view.voxel_size), np.array(view.shape)
    number, step = near.low_code & ((1 << _PLACE) - 1), near.low_code >> _PLACE
    where = np.stack(np.unravel_index(number, shape), axis=1) + 0.5 + offsets[step] / 2
    corner = np.array(view.calibration.offset)
    middle = corner + (np.array(view.box.start) + where) * voxel
    areas = np.zeros(len(near.keys))
    row = {(int(a), int(b)): i for i, (a, b) in enumerate(near.keys)}
    for key, size, centre in zip(touching, area, place, strict=True):
        i = row[int(key["a"]), int(key["b"])]
        areas[i], middle[i] = size, centre
    return _graph(near.keys, areas, middle, gaps[step])


def _graph(keys: Array, area: Array, place: Array, gap: Array | None) -> Graph:
    edges: dict[str, Array] = {"area": area} | {axis: place[:, i] for i, axis in enumerate("zyx")}
    units = {"area": "nm²", "z": "nm", "y": "nm", "x": "nm"}
    if gap is not None:
        edges["gap"], units["gap"] = gap, "nm"
    ids = np.unique(np.concatenate([keys["a"], keys["b"]]))
    return Graph.from_edges(keys["a"], keys["b"], directed=False, ids=ids, edges=edges, units=units)
