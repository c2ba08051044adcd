"""R96: from a picture to the graph that it was made with, and the same wherever it is cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ndlab import detect
from ndlab.detect.graph import Reading
from ndlab.samples import phantom
from ndlab.samples.phantom import Phantom

Array = np.ndarray[Any, Any]
EDGE, REACH = 150, 200  # nm


def places(table: Any) -> Array:
    return np.stack([table[axis] for axis in "zyx"], 1)


def ends(table: Any) -> Array:
    return np.stack([table["pre_id"], table["post_id"]], 1)


def neurons(segments: Array, truth: Array) -> dict[int, int]:
    """The neuron that each segment shares most voxels with."""
    pairs, counts = np.unique(np.stack([segments.ravel(), truth.ravel()]), axis=1, return_counts=True)
    order = np.argsort(counts)
    return dict(zip(pairs[0, order].tolist(), pairs[1, order].tolist(), strict=True))


def scored(found: Reading, brain: Phantom) -> detect.GraphScore:
    """Score synapses that the faces of the volume do not cut, and those that both sides have nevertheless."""
    truth, size = brain.synapses(), np.array(brain.shape) * brain.voxel_size
    pairs = detect.near_pairs(places(found.partners), places(truth), reach=REACH)
    kept = [
        ((places(table) > EDGE) & (places(table) < size - EDGE)).all(1) | np.isin(np.arange(len(table)), matched)
        for table, matched in ((found.partners, pairs[:, 0]), (truth, pairs[:, 1]))
    ]
    rows = [np.cumsum(mask) - 1 for mask in kept]
    matched = np.stack([rows[0][pairs[:, 0]], rows[1][pairs[:, 1]]], 1)
    named = neurons(found.segments.read(), brain.labels())
    return detect.score_graph(ends(found.partners)[kept[0]], ends(truth)[kept[1]], matched, neurons=named)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [8, 11, 12])
def test_the_phantoms_graph_is_read_out_of_its_picture(seed: int) -> None:
    brain = phantom((64, 240, 240), seed=seed)
    score = scored(detect.graph(brain.volume("image"), synapse={"threshold": 0.7}), brain)
    assert score.synapses.tp >= 3
    assert score.synapses.f1 == 1
    assert score.line_graph.f1 == 1
    assert score.pairs is not None
    assert score.pairs.f1 == 1


def test_a_reading_is_the_same_wherever_the_picture_is_cut() -> None:
    image = phantom((10, 72, 80), seed=8).volume("image")
    whole, cut = (detect.graph(image, block=block) for block in ((10, 72, 80), (6, 40, 33)))
    assert np.array_equal(whole.segments.read(), cut.segments.read())
    assert whole.partners.rows.tolist() == cut.partners.rows.tolist()
    assert np.array_equal(whole.graph.ids, cut.graph.ids)
