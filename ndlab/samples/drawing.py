"""The neurites of the Kasthuri table drawn as tubes, for want of their voxels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.samples.tables import kasthuri_spreadsheet, kasthuri_synapses
from ndlab.volume import Volume

__all__ = ["kasthuri_drawing"]

Array = np.ndarray[Any, Any]
_RADIUS = {"post_id": 420.0, "pre_id": 170.0}  # nm; dendrites first, so that an axon shows where it touches one
_AROUND = 600.0  # nm of room
_COARSEST = 400.0
_INSIDE, _OUTSIDE, _BORDER = 150, 118, 48


def kasthuri_drawing(voxel_size: Sequence[float] = (100, 100, 100)) -> dict[str, Volume]:
    """Return a volume made up from the table of Kasthuri et al. (2015): each neurite a tube through its synapses.

    What is true of it is where synapses lie and which two neurites meet at each, so that table, graph and volume belong
    together; the way of a neurite from synapse to synapse is the shortest tree that joins them, and its calibre, like
    the grey around it, is invented. ``"labels"`` (uint32) holds the ids of `kasthuri_spreadsheet`, ``"image"`` (uint8)
    looks faintly like a micrograph. Both lie where the table has its synapses [nm].

    Parameters
    ----------
    voxel_size : sequence of 3 float
        (z, y, x) [nm], at most 400.

    Raises
    ------
    BadRequest
        If voxels are too coarse to show an axon.

    Examples
    --------
    >>> drawing = kasthuri_drawing((200, 200, 200))
    >>> labels = drawing["labels"]
    >>> labels.shape, labels.dtype, len(np.unique(labels.read())) - 1
    ((59, 83, 135), dtype('uint32'), 1029)
    """
    size = np.asarray(voxel_size, float)
    if size.shape != (3,) or not (size > 0).all() or (size > _COARSEST).any():
        raise BadRequest(f"voxels of {tuple(voxel_size)} nm", f"an axon needs three sizes of at most {_COARSEST:g} nm")
    places = kasthuri_synapses()[["z_um", "y_um", "x_um"]].to_numpy() * 1000
    ids = kasthuri_spreadsheet()
    offset = np.floor((places.min(axis=0) - _AROUND) / size) * size
    shape = tuple(np.ceil((places.max(axis=0) + _AROUND - offset) / size).astype(int))
    labels = np.zeros(shape, "u4")
    for column, radius in _RADIUS.items():
        _stamp(labels, _ways(places, ids[column].to_numpy()), radius, size, offset)
    # Where tubes run into each other the last one holds; the end of an axon is never lost.
    _stamp(labels, ((one, at[None]) for one, at in zip(ids.pre_id, places, strict=True)), size.max() / 2, size, offset)
    made = {"image": (_grey(labels), "image"), "labels": (labels, "labels")}
    return {
        name: Volume.from_array(values, tuple(size), offset=tuple(offset), kind=kind, name=name)  # type: ignore[arg-type]
        for name, (values, kind) in made.items()
    }


def _ways(places: Array, ids: Array) -> Iterator[tuple[int, Array]]:
    """Yield each id with points along the shortest tree through its places, 50 nm apart."""
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial.distance import cdist

    for one in np.unique(ids):
        own = places[ids == one]
        tree = minimum_spanning_tree(cdist(own, own)).tocoo()
        for a, b in zip(own[tree.row], own[tree.col], strict=True):
            steps = np.linspace(0, 1, max(2, int(np.linalg.norm(b - a) / 50)))[:, None]
            yield int(one), a + steps * (b - a)
        yield int(one), own


def _stamp(labels: Array, ways: Any, radius: float, size: Array, offset: Array) -> None:
    """Write each id into the voxels whose centres lie within the radius of its points."""
    reach = [np.arange(-int(radius / one), int(radius / one) + 1) for one in size]
    ball = np.stack(np.meshgrid(*reach, indexing="ij"), axis=-1).reshape(-1, 3)
    ball = ball[((ball * size) ** 2).sum(axis=1) <= radius**2]
    last = np.array(labels.shape) - 1
    for one, points in ways:
        at = np.unique(((points - offset) / size).astype(int), axis=0)
        around = np.clip((at[:, None] + ball).reshape(-1, 3), 0, last)
        labels[tuple(around.T)] = one


def _grey(labels: Array) -> Array:
    """Return light tubes with dark rims in grey, all with a little noise."""
    rng = np.random.default_rng(0)
    grey = np.where(labels > 0, _INSIDE, _OUTSIDE).astype("i2")
    for axis in range(3):
        here = [slice(None)] * 3
        here[axis] = slice(1, None)
        there = [slice(None)] * 3
        there[axis] = slice(None, -1)
        differs = labels[tuple(here)] != labels[tuple(there)]
        grey[tuple(here)][differs] = _BORDER
    found: Array = np.clip(grey + rng.integers(-14, 15, labels.shape, "i2"), 0, 255).astype("u1")
    return found
