"""The graph of synapses: by hand, against brute force, restricted, and Kasthuri's from the table through objects."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ndlab import samples
from ndlab.analyze.connectivity import connectome
from ndlab.annotations import Annotations, Neuron, Segment, Synapse
from ndlab.errors import BadRequest
from ndlab.geometry import NmBox
from ndlab.graph import FORMATS, read


@pytest.fixture
def ann() -> Annotations:
    made = Annotations.temporary(voxel_size=(40, 4, 4))
    made.add([Neuron(id=n) for n in (1, 2)])
    made.add([Segment(id=11, neuron=1), Segment(id=12, neuron=1), Segment(id=21, neuron=2), Segment(id=31)])
    made.add([
        Synapse(id=101, presegments=[11], postsegments=[21], weight=2, confidence=0.9, centroid=(0, 0, 0)),
        Synapse(id=102, segments=[(12, "pre"), (21, "post"), (31, "post")], weight=3, confidence=0.5,
                centroid=(1000, 0, 0)),
        Synapse(id=103, presegments=[11], postsegments=[21], weight=1, confidence=0.8, centroid=(2000, 0, 0)),
        Synapse(id=104, segments=[(11, "bidirectional"), (21, "bidirectional")], centroid=(3000, 0, 0)),
        Synapse(id=105, presegments=[11], centroid=(0, 5000, 0)),
    ])  # fmt: skip
    return made


def pairs(graph: object) -> Counter[tuple[int, int]]:
    ids = graph.ids.tolist()  # type: ignore[attr-defined]
    ends = zip(graph.source.tolist(), graph.target.tolist(), strict=True)  # type: ignore[attr-defined]
    return Counter((ids[a], ids[b]) for a, b in ends)


def test_directions_and_parallel_edges(ann: Annotations) -> None:
    graph = connectome(ann)
    assert graph.directed
    # A gap junction leads both ways, and from each of its cells to itself, too: those are loops.
    assert pairs(graph) == {(11, 21): 3, (12, 21): 1, (12, 31): 1, (21, 11): 1, (11, 11): 1, (21, 21): 1}
    assert graph.edges["synapse"][:1].tolist() == [101]
    assert graph.edges.units["z"] == "nm"
    assert graph.attributes["left_out"] == 1
    weighted = connectome(ann, multiple=False)
    row = list(pairs(weighted)).index((11, 21))
    assert weighted.edges["synapses"][row] == 3
    assert weighted.edges["weight"][row] == 3
    assert Counter(dict(zip(pairs(weighted), weighted.edges["synapses"].tolist(), strict=True))) == pairs(graph)


def test_undirected_graphs_join_each_pair_once_a_synapse(ann: Annotations) -> None:
    graph = connectome(ann, directed=False)
    assert not graph.directed
    found = Counter(tuple(sorted(p)) for p in pairs(graph).elements())
    assert found == {(11, 21): 3, (12, 21): 1, (12, 31): 1, (11, 11): 1, (21, 21): 1}


def test_neurons_stand_for_their_segments(ann: Annotations) -> None:
    graph = connectome(ann, ends="neuron")
    assert pairs(graph) == {(1, 2): 4, (2, 1): 1, (1, 1): 1, (2, 2): 1}
    assert graph.nodes["kind"].tolist() == ["neuron", "neuron"]
    kept = connectome(ann, ends="neuron", orphans=True)
    assert pairs(kept)[(1, 31)] == 1
    assert dict(zip(kept.ids.tolist(), kept.nodes["kind"].tolist(), strict=True))[31] == "segment"


def test_conditions_and_boxes_restrict_the_graph(ann: Annotations) -> None:
    sure = connectome(ann.where(kind="synapse", confidence__gt=0.7))
    assert sure.edges["synapse"].tolist() == [101, 103]
    boxed = connectome(ann.within(NmBox((500, -1, -1), (2500, 1, 1))), ends="neuron")
    assert sorted(boxed.edges["synapse"].tolist()) == [102, 103]


def test_synapses_without_direction_are_told(ann: Annotations) -> None:
    ann.add([Synapse(segments=[(11, "unknown"), (12, "unknown")])])
    with pytest.raises(BadRequest, match=r"1 synapses whose direction is not known.*directed=False"):
        connectome(ann)
    graph = connectome(ann, unknown="skip")
    assert graph.attributes["synapses_without_direction"] == 1
    assert pairs(connectome(ann, directed=False))[(11, 12)] == 1
    with pytest.raises(BadRequest, match="one of segment, neuron"):
        connectome(ann, ends="cell")
    empty = connectome(Annotations.temporary(voxel_size=(1, 1, 1)))
    assert (empty.n_nodes, empty.n_edges) == (0, 0)


@pytest.mark.parametrize("format", ["graphml", "gml", "gexf", "json", "parquet", "geff"])
def test_r58_the_sheet_of_kasthuri_through_objects_and_files(tmp_path: Path, format: str) -> None:  # noqa: A002
    table = samples.kasthuri_synapses()
    made = Annotations.temporary(voxel_size=(30, 6, 6))
    made.add([Segment(id=int(a)) for a in np.unique(table.axon_id)])
    made.add([Segment(id=100_000 + int(d)) for d in np.unique(table.dendrite_id)])
    made.add([
        Synapse(presegments=[int(a)], postsegments=[100_000 + int(d)], centroid=tuple(1000 * np.array(place)))
        for a, d, *place in table[["axon_id", "dendrite_id", "z_um", "y_um", "x_um"]].itertuples(index=False)
    ])  # fmt: skip
    graph = connectome(made, multiple=False)
    assert (graph.n_nodes, graph.n_edges) == (1029, 1559)
    counts = np.bincount(graph.edges["synapses"])[1:]
    assert counts.tolist() == [1437, 107, 12, 2, 1]
    assert connectome(made).n_edges == 1700
    assert connectome(made, directed=False, multiple=False).n_edges == 1559
    graph = graph.with_attributes(name="kasthuri")
    assert read(graph.write(tmp_path / f"g{FORMATS[format].suffixes[0]}")) == graph
