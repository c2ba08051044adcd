"""Connectomes that can be chosen by name: those that are shipped, and those in a folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ndlab.samples.tables import kasthuri_synapses, kasthuri_touches

if TYPE_CHECKING:
    from ndlab.explore.graph_files import Kept
    from ndlab.graph import Graph

__all__ = ["connectomes"]


def connectomes(folder: str | os.PathLike[str] | None = None) -> dict[str, Kept]:
    """Return connectomes by name, unread; what stands before the slash is the species. Nothing is downloaded.

    `ndlab.explore.graph` takes it as its `catalog`.

    Parameters
    ----------
    folder : path, optional
        Where more graph files lie; those in a folder of it go by that folder's name.

    Returns
    -------
    dict
        Functions that make a graph, and paths for `ndlab.graph.read`.

    Raises
    ------
    NotFound
        If there is no such folder.

    References
    ----------
    Kasthuri N, Hayworth KJ, Berger DR, et al. (2015). Saturated reconstruction of a volume of neocortex. Cell
    162:648-661.

    Examples
    --------
    >>> known = connectomes()
    >>> list(known)
    ['mouse/synapses of Kasthuri et al. 2015', 'mouse/touches of Kasthuri et al. 2015']
    >>> known["mouse/synapses of Kasthuri et al. 2015"]().n_edges
    1559
    """
    from ndlab.explore.graph_files import catalog_of

    shipped: dict[str, Kept] = {
        "mouse/synapses of Kasthuri et al. 2015": _synapses,
        "mouse/touches of Kasthuri et al. 2015": _touches,
    }
    return shipped | catalog_of(folder)


def _synapses() -> Graph:
    """Join each axon with the dendrites that it has synapses on; the weight is their number."""
    pairs = kasthuri_synapses().groupby(["axon_id", "dendrite_id"]).size()
    axons, dendrites = (pairs.index.get_level_values(name) for name in ("axon_id", "dendrite_id"))
    return _between(
        [f"axon {one}" for one in axons], [f"dendrite {one}" for one in dendrites], {"weight": pairs.to_numpy()},
        "synapses of Kasthuri et al. 2015",
    )  # fmt: skip


def _touches() -> Graph:
    """Join each axon with the spines that it touches."""
    table = kasthuri_touches()
    return _between(
        [f"axon {one}" for one in table["axon_id"]], [f"spine {one}" for one in table["spine_id"]], {},
        "touches of Kasthuri et al. 2015",
    )  # fmt: skip


def _between(source: list[str], target: list[str], edges: dict[str, Any], name: str) -> Graph:
    from ndlab.graph import Graph

    made = Graph.from_edges(source, target, edges=edges, name=name)
    return made.with_nodes({"kind": [one.split()[0] for one in made.ids]})
