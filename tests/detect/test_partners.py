"""Partners and graphs: the toy brain's by hand, the phantom's as it was made, images to graph whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndlab import detect, measure
from ndlab.annotations import Annotations, Synapse
from ndlab.detect.sides import Rule, around, chosen
from ndlab.errors import BadRequest
from ndlab.geometry import NmBox
from ndlab.samples import phantom, toy
from ndlab.volume import Volume

Array = np.ndarray[Any, Any]
BRAIN = toy()
EXPECTED = [(101, 11, 21), (102, 11, 22), (103, 12, 22)]


def marked(labels: Volume) -> Annotations:
    """The objects of a label volume as synapses with centroid and bounds."""
    made = Annotations.temporary(labels)

    def corner(row: Any, end: int) -> list[float]:
        return [float(row[f"{axis}{end}"] * size) for axis, size in zip("zyx", labels.voxel_size, strict=True)]

    rows = [row for row in measure.regions(labels) if row["id"]]
    made.add([
        Synapse(id=int(row["id"]), centroid=[float(row[a]) for a in "zyx"],
                bounds=NmBox(corner(row, 0), corner(row, 1)))
        for row in rows
    ])  # fmt: skip
    return made


def named(table: Any) -> list[tuple[int, ...]]:
    return [tuple(int(row[name]) for name in ("synapse", "pre_id", "post_id")) for row in table]


def test_the_toy_brains_partners_are_those_worked_out_by_hand() -> None:
    objects, ann = BRAIN.volume("synapse_labels"), marked(BRAIN.volume("synapse_labels"))
    found = detect.partners(ann, BRAIN.volume("labels"), objects=objects, reach=110)
    assert named(found) == EXPECTED
    assert found["size"].tolist() == [6, 9, 12]
    written = [(ann.get(one).presegments, ann.get(one).postsegments) for one, *_ in EXPECTED]
    assert written == [((a,), (b,)) for _, a, b in EXPECTED]
    assert detect.graph_of(found).simple(count="synapses").n_edges == 3
    undone = ann.undo()
    assert undone is not None
    assert ann.get(101).presegments == ()


@given(block=st.tuples(st.integers(1, 10), st.integers(2, 24), st.integers(3, 30)))
@settings(max_examples=8)
def test_partners_are_the_same_for_any_blocks(block: tuple[int, int, int]) -> None:
    objects, ann = BRAIN.volume("synapse_labels"), marked(BRAIN.volume("synapse_labels"))
    found = detect.partners(ann, BRAIN.volume("labels"), objects=objects, reach=110, block=block, write=False)
    assert named(found) == EXPECTED
    assert ann.get(101).presegments == (), "nothing was to be written"


def test_probabilities_stand_for_labels() -> None:
    objects = BRAIN.volume("synapse_labels")
    chance = Volume.from_array((objects.read() > 0).astype("f4") * 0.9, objects.voxel_size)
    found = detect.partners(marked(objects), BRAIN.volume("labels"), objects=chance, reach=110)
    assert named(found) == EXPECTED


def test_kinds_and_vesicles_and_where_it_lies_tell_the_direction() -> None:
    labels = np.zeros((1, 6, 20), "u8")
    labels[0, :, :10], labels[0, :, 10:] = 7, 8
    mask = np.zeros(labels.shape, bool)
    mask[0, 2:4, 8:11] = True  # two thirds of it in 7
    vesicles = np.zeros(labels.shape, "f4")
    vesicles[0, :, 11:] = 1

    def told(lies_in: Any, kinds: dict[int, str] | None = None, seen: Array | None = None) -> tuple[int, int, bool]:
        rule = Rule((10, 10, 10), lies_in, 30, 0.5, kinds or {})
        pre, post, _, directed = chosen(around(mask, labels, rule, seen), rule, seen is not None)
        return pre, post, directed

    assert told("post") == (8, 7, True)
    assert told("pre") == (7, 8, True)
    assert told("cleft")[2] is False
    assert told("cleft", seen=vesicles) == (8, 7, True)
    assert told("post", {7: "axon", 8: "dendrite"}) == (7, 8, True), "what is known of the cells goes before"


def test_an_unknown_direction_is_kept_as_such() -> None:
    objects, ann = BRAIN.volume("synapse_labels"), marked(BRAIN.volume("synapse_labels"))
    found = detect.partners(ann, BRAIN.volume("labels"), objects=objects, reach=110, lies_in="cleft")
    assert not found["directed"].any()
    assert {one for one, _ in ann.get(102).segments} == {11, 22}
    assert ann.get(102).presegments == ()


def test_overlaps_are_assigned_by_the_largest_axon_and_dendrite() -> None:
    rng = np.random.default_rng(0)
    synapse, segment = rng.integers(1, 40, 300), rng.integers(1, 60, 300)
    kind, overlap = np.array(["axon", "dendrite", "glia"])[segment % 3], rng.random(300)
    found = detect.assign(synapse, segment, overlap, kind)
    for row in found:
        for column, wanted in (("pre_id", "axon"), ("post_id", "dendrite")):
            some = (synapse == row["synapse"]) & (kind == wanted)
            assert row[column] == (segment[some][overlap[some].argmax()] if some.any() else 0)


def test_the_phantoms_true_synapses_have_their_true_partners() -> None:
    brain = phantom((96, 220, 220), seed=3)
    psd = brain.volume("psd")
    chance = Volume.from_array((psd.read() > 0).astype("f4"), psd.voxel_size)
    ann, truth = detect.synapses(chance, threshold=0.5, min_volume=0), brain.synapses()
    for cells in (brain.volume("labels"), detect.segments(brain.volume("membranes"))):
        found = detect.partners(ann, cells, objects=chance, write=False)
        at, true = (np.stack([table[axis] for axis in "zyx"], 1) for table in (found, truth))
        pairs = detect.near_pairs(at, true, reach=100)
        assert len(pairs) == len(truth) == 4
        kept = found[pairs[:, 0]]
        score = detect.score_graph(
            np.stack([kept["pre_id"], kept["post_id"]], 1),
            np.stack([truth["pre_id"], truth["post_id"]], 1),
            np.stack([np.arange(4), pairs[:, 1]], 1),
        )
        assert score.line_graph.f1 == 1.0


def test_partners_refuse_other_extents_and_words() -> None:
    ann = marked(BRAIN.volume("synapse_labels"))
    with pytest.raises(BadRequest, match="lies_in='between'"):
        detect.partners(ann, BRAIN.volume("labels"), lies_in="between")  # type: ignore[arg-type]
    with pytest.raises(BadRequest, match="same voxels"):
        detect.partners(ann, BRAIN.volume("labels"), objects=BRAIN.volume("synapse_labels")[1:])


# --- scores of graphs -----------------------------------------------------------------------------------------------


def joined(ends: Array) -> set[tuple[int, int]]:
    """Pairs of synapses with a neuron in common, one by one."""
    sets = [set(map(int, pair)) - {0} for pair in ends]
    return {(i, j) for i in range(len(sets)) for j in range(i + 1, len(sets)) if sets[i] & sets[j]}


@given(seed=st.integers(0, 10_000), n=st.integers(0, 30), m=st.integers(0, 30))
@settings(max_examples=40)
def test_the_line_graph_is_counted_as_one_by_one(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    found, truth = rng.integers(0, 9, (n, 2)), rng.integers(0, 9, (m, 2))
    k = int(rng.integers(0, min(n, m) + 1))
    matched = np.stack([rng.permutation(n)[:k], rng.permutation(m)[:k]], 1)
    score = detect.score_graph(found, truth, matched)
    of = dict(matched.tolist())
    mine = {tuple(sorted((of[a], of[b]))) for a, b in joined(found) if a in of and b in of}
    both = len(mine & joined(truth))
    line = score.line_graph
    assert (line.tp, line.fp, line.fn) == (both, len(joined(found)) - both, len(joined(truth)) - both)
    assert (score.synapses.tp, score.synapses.fp, score.synapses.fn) == (k, n - k, m - k)


def test_matches_are_used_once_and_pairs_of_neurons_are_directed() -> None:
    with pytest.raises(BadRequest, match="matched once"):
        detect.score_graph([(1, 2), (1, 3)], [(1, 2)], [(0, 0), (1, 0)])
    score = detect.score_graph([(5, 6), (6, 5)], [(1, 2)], [(0, 0)], neurons={5: 1, 6: 2})
    assert score.pairs is not None
    assert (score.pairs.tp, score.pairs.fp, score.pairs.fn) == (1, 1, 0)
    assert score.to_json()["line_graph"]["f1"] == 0.0
