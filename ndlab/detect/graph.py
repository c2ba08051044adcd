"""From a picture to the graph of who drives whom: membranes, segments, synapses, partners, in one call."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.detect.membranes import MEMBRANES, membranes
from ndlab.detect.model import Model
from ndlab.detect.partners import partners
from ndlab.detect.probability import probability
from ndlab.detect.segments import segments
from ndlab.detect.sides import LiesIn
from ndlab.detect.synapses import synapses, tuned
from ndlab.detect.working import flat_view
from ndlab.errors import Conflict, NotFound
from ndlab.graph import Graph
from ndlab.measure.blocks import identity_of
from ndlab.pipeline import fingerprint
from ndlab.store.kv import Kv, normal_url
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

if TYPE_CHECKING:
    from ndlab.annotations import Annotations
    from ndlab.measure import Table

__all__ = ["Reading", "graph", "graph_of"]

_NOTES = "reading.json"


@dataclass(frozen=True, eq=False)
class Reading:
    """What was read out of a picture.

    Attributes
    ----------
    membranes, segments, probability : Volume
        Probability of membranes, cells, probability of synapses.
    synapses : Annotations
        With their partners.
    partners : Table
    graph : Graph
        Segments, and an edge for each synapse from the segment before it to the one after it.
    """

    membranes: Volume
    segments: Volume
    probability: Volume
    synapses: Annotations
    partners: Table
    graph: Graph

    def __repr__(self) -> str:
        count = self.segments.provenance.get("segments", "?")
        return f"Reading: {count} segments, {len(self.partners)} synapses, {self.graph.n_edges} with both partners"


def graph(
    volume: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    membrane_model: Model | str | os.PathLike[str] | None = None,
    synapse_model: Model | str | os.PathLike[str] | None = None,
    segment: Mapping[str, Any] | None = None,
    synapse: Mapping[str, Any] | None = None,
    vesicles: Any = None,
    lies_in: LiesIn = "post",
    block: int | Sequence[int] | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    client: Any = None,
    progress: Any = None,
) -> Reading:
    """Read the graph out of a picture and return it with everything on the way, as a `Reading`.

    Parameters
    ----------
    volume : Volume
        Grey values (z, y, x).
    out : str or path, optional
        A folder for ``membranes.ome.zarr``, ``segments.ome.zarr``, ``synapses.ome.zarr`` (their probability),
        ``synapses`` (annotations) and ``graph.graphml``; a call that was stopped goes on. Without it all is in memory.
    membrane_model, synapse_model : Model or path, optional
        As for `membranes` and `synapses`; without them the shipped ones, which have not seen your tissue.
    segment, synapse : mapping, optional
        Further keywords of `segments` and of `synapses`.
    vesicles : Volume, optional
    lies_in : {"post", "pre", "cleft"}
        As for `partners`.
    block, overwrite, workers, client, progress
        As for `segments`.

    Raises
    ------
    RunFailed
        If blocks of a step failed; the same call resumes.

    Examples
    --------
    >>> from ndlab.samples import phantom
    >>> brain = phantom((16, 64, 64), seed=3)
    >>> graph(brain.volume("image")).graph.directed
    True
    """
    view = flat_view(volume)
    folder = None if out is None else os.fspath(out).rstrip("/")
    how = {"overwrite": overwrite, "workers": workers, "client": client, "progress": progress, "block": block}
    where = {n: None if folder is None else f"{folder}/{n}.ome.zarr" for n in ("membranes", "segments", "synapses")}
    models = [Model.of(MEMBRANES if membrane_model is None else membrane_model), Model.of(synapse_model)]
    about = [identity_of(view), *(one.digest for one in models)]
    notes = None if folder is None else _Notes.open(folder, about, overwrite)
    walls = _once(notes, "membranes", lambda: membranes(view, model=membrane_model, out=where["membranes"], **how))
    cells = segments(walls, out=where["segments"], **{**how, **(segment or {})})
    chance = _once(notes, "synapses", lambda: probability(view, model=synapse_model, out=where["synapses"], **how))
    threshold = {"threshold": 0.5, **tuned(models[1]), **(synapse or {})}["threshold"]
    found = _synapses(chance, folder, {**how, "model": models[1], **(synapse or {})})
    table = partners(found, cells, objects=chance, threshold=threshold, vesicles=vesicles, lies_in=lies_in,
                     block=block, workers=workers, client=client, progress=progress)  # fmt: skip
    made = graph_of(table)
    if folder is not None:
        made.write(f"{folder}/graph.graphml", overwrite=True)
    return Reading(walls, cells, chance, found, table, made)


def _synapses(chance: Volume, folder: str | None, how: dict[str, Any]) -> Annotations:
    """Find synapses, or open those that an earlier call found; what somebody changed in them is kept."""
    from ndlab.annotations import Annotations

    if folder is None:
        return synapses(chance, **how)
    place = f"{folder}/synapses"
    try:
        earlier = Annotations.open(place)
    except NotFound:
        return synapses(chance, out=place, **how)
    if earlier.count() and not how["overwrite"]:
        return earlier
    earlier.close()
    return synapses(chance, out=place, **{**how, "overwrite": True})


def graph_of(table: Any) -> Graph:
    """Return the graph of synapses with their partners, as `partners` gives them: an edge for each with both ends.

    Examples
    --------
    >>> from ndlab.detect.partners import PARTNERS
    >>> from ndlab.measure import Table
    >>> rows = np.zeros(2, PARTNERS); rows["pre_id"] = 7, 8; rows["post_id"] = 9, 0
    >>> graph_of(Table(rows))
    <ndlab.Graph: 2 nodes, 1 directed edges; edge properties: synapse, size [voxels], margin, z [nm], y [nm], x [nm]>
    """
    rows = table.rows[(table["pre_id"] != 0) & (table["post_id"] != 0)]
    named = ("synapse", "size", "margin", "z", "y", "x")
    ids = np.unique(np.concatenate([rows["pre_id"], rows["post_id"]])) if len(rows) else np.empty(0, np.uint64)
    return Graph.from_edges(
        rows["pre_id"], rows["post_id"], ids=ids, edges={name: rows[name] for name in named},
        units={"size": "voxels", "z": "nm", "y": "nm", "x": "nm"},
    )  # fmt: skip


@dataclass(frozen=True)
class _Notes:
    """Which probabilities a folder holds whole, so that a call that goes on opens them as they are."""

    folder: str
    identity: str

    @classmethod
    def open(cls, folder: str, about: Any, overwrite: bool) -> _Notes:
        """Check that the folder is of the same picture and models, or empty."""
        found = cls(folder, fingerprint(about))
        earlier = found.kv.read_json(_NOTES)
        if overwrite or earlier is None:
            found.kv.write_json(_NOTES, {"identity": found.identity, "done": []})
        elif earlier["identity"] != found.identity:
            raise Conflict(f"{folder} holds what was read from another picture, or by other models", "",
                           "choose another out=, or pass overwrite=True")  # fmt: skip
        return found

    @property
    def kv(self) -> Kv:
        """Files of the folder."""
        return Kv(normal_url(self.folder))

    def done(self) -> list[str]:
        """Return what is whole."""
        return list((self.kv.read_json(_NOTES) or {"done": []})["done"])

    def add(self, name: str) -> None:
        """Note that something is whole."""
        self.kv.write_json(_NOTES, {"identity": self.identity, "done": [*self.done(), name]})


def _once(notes: _Notes | None, name: str, make: Callable[[], Volume]) -> Volume:
    """Make probabilities, in memory where there is no folder; or open those that an earlier call made whole."""
    if notes is None:
        lazy = make()
        return Volume.from_array(lazy.read(), lazy.voxel_size, offset=lazy.offset, name=lazy.name)
    if name in notes.done():
        return open_volume(f"{notes.folder}/{name}.ome.zarr")
    found = make()
    notes.add(name)
    return found
