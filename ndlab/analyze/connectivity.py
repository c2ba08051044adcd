"""From synapses to a graph of who is connected with whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.graph import Graph

if TYPE_CHECKING:
    import pandas as pd

    from ndlab.annotations import Annotations, Query

__all__ = ["connectome"]

Array = np.ndarray[Any, Any]

_PLAIN = ["id", "weight", "confidence", "z", "y", "x"]
_PRE, _POST = {"pre", "bidirectional"}, {"post", "bidirectional"}


def connectome(
    synapses: Annotations | Query, *, ends: str = "segment", directed: bool = True, multiple: bool = True,
    unknown: str = "error", orphans: bool = False,
) -> Graph:  # fmt: skip
    """Return the graph whose nodes are segments or neurons, and whose edges are synapses.

    An edge leads from each segment that a synapse names as presynaptic, in `presegments` or in `segments` with flow
    ``pre`` or ``bidirectional``, to each that it names as postsynaptic. Of an undirected graph the edges are between
    the same two sides, or between all that are named where sides are not known.

    Parameters
    ----------
    synapses : Annotations or Query
        Those of kind synapse are taken, so ``ann.where(kind="synapse", confidence__gt=0.9).within(box)`` restricts the
        graph to a box and to conditions.
    ends : str
        ``"segment"``, or ``"neuron"``: each segment stands for its neuron.
    directed : bool
    multiple : bool
        One edge for each synapse, with its ``synapse`` id, ``weight``, ``confidence`` and place ``z, y, x`` [nm];
        else one edge for each pair, with the number of ``synapses`` and the sum of their ``weight``; a cell that has
        synapses with itself is a pair, too.
    unknown : str
        What becomes of synapses without a known direction in a directed graph: ``"error"``, or ``"skip"``, which counts
        them in ``graph.attributes["synapses_without_direction"]``.
    orphans : bool
        With ``ends="neuron"``, whether segments without a neuron are nodes of their own; otherwise their synapses are
        left out. The node property ``kind`` says which is which.

    Returns
    -------
    Graph
        Nodes in ascending order of id. ``attributes`` count the synapses that were ``left_out``, for they have fewer
        than two ends.

    Raises
    ------
    BadRequest
        If a synapse has no direction, or a word is unknown.

    Examples
    --------
    >>> from ndlab.annotations import Annotations, Neuron, Segment, Synapse
    >>> ann = Annotations.temporary(voxel_size=(40, 4, 4))
    >>> _ = ann.add([Neuron(id=1), Neuron(id=2), Segment(id=3, neuron=1), Segment(id=4, neuron=2)])
    >>> _ = ann.add([Synapse(presegments=[3], postsegments=[4]), Synapse(segments=[(3, "pre"), (4, "post")])])
    >>> connectome(ann, multiple=False).to_networkx()[3][4]["synapses"]
    2
    >>> connectome(ann, ends="neuron").ids.tolist()
    [1, 2]
    """
    for value, name, known in ((ends, "ends", ("segment", "neuron")), (unknown, "unknown", ("error", "skip"))):
        if value not in known:
            raise BadRequest(f"{name}={value!r}", f"it is one of {', '.join(known)}")
    query: Any = synapses.where(kind="synapse")
    table = query.columns(*_PLAIN, "segments", "presegments", "postsegments").to_pandas()
    source, target, row, strange = _ends(table, directed)
    if strange and unknown == "error":
        raise BadRequest(
            f"a directed graph of {strange:,} synapses whose direction is not known", f"of {len(table):,} in all",
            "pass directed=False, or unknown='skip' to leave them out", synapses=strange,
        )  # fmt: skip
    kinds: dict[int, str] = {}
    if ends == "neuron":
        source, target, row, kinds = _neurons(query, source, target, row, orphans)
    elif len(source):
        kinds = dict.fromkeys(np.unique(np.concatenate([source, target])).tolist(), "segment")
    graph = _graph(table, source, target, row, kinds, directed)
    graph = graph.with_attributes(left_out=len(table) - strange - len(np.unique(row)))
    if strange:
        graph = graph.with_attributes(synapses_without_direction=strange)
    return graph if multiple else graph.simple({"weight": "sum"}, count="synapses", loops=True)


def _ends(table: pd.DataFrame, directed: bool) -> tuple[Array, Array, Array, int]:
    """Return both ends and the row of the synapse of each edge, and how many synapses have no direction."""
    source, target, row = list[int](), list[int](), list[int]()
    strange = 0
    for i, (named, pre, post) in enumerate(
        zip(table["segments"], table["presegments"], table["postsegments"], strict=True)
    ):
        before = dict.fromkeys([*pre, *(one["id"] for one in named if one["flow"] in _PRE)])
        after = dict.fromkeys([*post, *(one["id"] for one in named if one["flow"] in _POST)])
        if before and after:
            pairs = [(a, b) for a in before for b in after]
            if not directed:
                pairs = list({tuple(sorted(p)): p for p in pairs}.values())
        else:
            every = list(dict.fromkeys([*before, *after, *(one["id"] for one in named)]))
            pairs = [(a, b) for k, a in enumerate(every) for b in every[k + 1 :]]
            if directed:
                strange += bool(pairs)
                continue
        for a, b in pairs:
            source.append(int(a))
            target.append(int(b))
            row.append(i)
    return np.array(source, np.uint64), np.array(target, np.uint64), np.array(row, np.int64), strange


def _neurons(
    query: Any, source: Array, target: Array, row: Array, orphans: bool
) -> tuple[Array, Array, Array, dict[int, str]]:
    """Put each segment's neuron in its place."""
    whole = query.home if query.home is not None else query
    known = whole.where(kind="segment").columns("id", "neuron").to_pandas()
    of = dict(zip(known["id"].tolist(), known["neuron"].tolist(), strict=True))
    kinds: dict[int, str] = {}

    def stand(one: int) -> int:
        neuron = of.get(one, 0)
        if neuron:
            kinds[neuron] = "neuron"
        elif orphans:
            kinds[one] = "segment"
        return neuron or (one if orphans else 0)

    ends = [np.array([stand(int(one)) for one in side], np.uint64) for side in (source, target)]
    keep = (ends[0] != 0) & (ends[1] != 0)
    return ends[0][keep], ends[1][keep], row[keep], kinds


def _graph(
    table: pd.DataFrame, source: Array, target: Array, row: Array, kinds: dict[int, str], directed: bool
) -> Graph:
    some = table.iloc[row]
    edges = {"synapse": some["id"].to_numpy(np.uint64)} | {
        name: some[name].to_numpy(float) for name in ("weight", "confidence", "z", "y", "x")
    }
    used = np.unique(np.concatenate([source, target])) if len(source) else np.zeros(0, np.uint64)
    return Graph.from_edges(
        source, target, directed=directed, ids=used, edges=edges, units=dict.fromkeys("zyx", "nm"),
        nodes={"kind": [kinds[one] for one in used.tolist()]},
    )  # fmt: skip
