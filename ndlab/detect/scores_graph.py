"""How far a graph is from the true one: synapses that share a neuron, and neurons that share a synapse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ndlab.detect.watershed import Array
from ndlab.errors import BadRequest

__all__ = ["F1", "GraphScore", "near_pairs", "score_graph"]

_ROWS = 4096  # synapses whose neighbours are held at a time


@dataclass(frozen=True)
class F1:
    """Counts of what was found, wrongly found, and missed.

    Examples
    --------
    >>> F1(8, 2, 2).f1
    0.8
    """

    tp: int
    fp: int
    fn: int

    @property
    def precision(self) -> float:
        """Share of what was found that is true; 1 where nothing was."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else 1.0

    @property
    def recall(self) -> float:
        """Share of what is true that was found; 1 where nothing is."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn) if self.tp + self.fp + self.fn else 1.0


@dataclass(frozen=True)
class GraphScore:
    """Agreement of a graph with the true one.

    Attributes
    ----------
    synapses : F1
        Synapses that were found.
    line_graph : F1
        Pairs of synapses that share a neuron: it judges detection and segmentation at once, needs no ids in common,
        and weighs an error by the synapses that it concerns.
    pairs : F1 or None
        Directed pairs of neurons with at least one synapse, where it is known which neuron a segment is of.
    """

    synapses: F1
    line_graph: F1
    pairs: F1 | None = None

    def to_json(self) -> dict[str, Any]:
        """Return all numbers by name."""
        found = {name: one for name in ("synapses", "line_graph", "pairs") if (one := getattr(self, name)) is not None}
        return {
            name: {**asdict(one), "precision": one.precision, "recall": one.recall, "f1": one.f1}
            for name, one in found.items()
        }

    def __repr__(self) -> str:
        named = (("synapses", self.synapses), ("line_graph", self.line_graph), ("pairs", self.pairs))
        return f"GraphScore({', '.join(f'{name} F1 {one.f1:.4g}' for name, one in named if one is not None)})"


def score_graph(found: Any, truth: Any, matched: Any, *, neurons: Mapping[int, int] | None = None) -> GraphScore:
    """Compare a graph, given by the ends of its synapses, with the true one, and return a `GraphScore`.

    Parameters
    ----------
    found : array, (n, 2)
        Segments before and after each synapse; 0 where none was found.
    truth : array, (m, 2)
        Neurons before and after each true synapse.
    matched : array of int, (k, 2)
        Rows of `found` and of `truth` that are the same synapse, each in one pair at most.
    neurons : mapping of int to int, optional
        The neuron that each segment is of, for the pairs of neurons.

    References
    ----------
    Gray Roncal et al. 2015, "An automated images-to-graphs framework for high resolution connectomics": F1 of the
    line graph. Synapses are its nodes; two are joined where they have a neuron in common, whichever end it is at.

    Examples
    --------
    >>> truth = [(1, 2), (1, 3), (4, 3)]
    >>> score_graph(truth, truth, [(0, 0), (1, 1), (2, 2)]).line_graph.f1
    1.0
    >>> split = [(1, 2), (9, 3), (4, 3)]  # the axon of the second synapse was torn off
    >>> score_graph(split, truth, [(0, 0), (1, 1), (2, 2)]).line_graph
    F1(tp=1, fp=0, fn=1)
    """
    ends, true = (np.asarray(one, np.uint64).reshape(-1, 2) for one in (found, truth))
    pairs = np.asarray(matched, np.int64).reshape(-1, 2)
    for column, rows, what in ((0, ends, "found"), (1, true, "truth")):
        if len(pairs) and (len(np.unique(pairs[:, column])) < len(pairs) or not 0 <= pairs[:, column].min()
                           <= pairs[:, column].max() < len(rows)):  # fmt: skip
            raise BadRequest(f"matches with rows of {what} twice, or beyond its {len(rows)}",
                             "a synapse is matched once at most")  # fmt: skip
    synapses = F1(len(pairs), len(ends) - len(pairs), len(true) - len(pairs))
    mine, theirs = _incidence(ends), _incidence(true)
    both = _joined(mine[pairs[:, 0]], theirs[pairs[:, 1]])
    line = F1(both, _joined(mine) - both, _joined(theirs) - both)
    return GraphScore(synapses, line, None if neurons is None else _neuron_pairs(ends, true, neurons))


def _incidence(ends: Array) -> Any:
    """Which synapse (row) has which neuron (column), sparse; 0 is no neuron."""
    import scipy.sparse as sp

    kept, number = np.unique(ends, return_inverse=True)
    row = np.repeat(np.arange(len(ends)), 2)
    known = ends.reshape(-1) != 0
    shape = (len(ends), max(len(kept), 1))
    return sp.csr_array((np.ones(int(known.sum()), np.int32), (row[known], number.reshape(-1)[known])), shape=shape)


def _joined(one: Any, other: Any = None) -> int:
    """Count pairs of synapses that have a neuron in common, in one graph or in both; some rows at a time."""
    count = 0
    for start in range(0, one.shape[0], _ROWS):
        near = _neighbours(one, start)
        if other is not None:
            near = near.multiply(_neighbours(other, start))
        rows, columns = near.nonzero()
        count += int((columns > rows + start).sum())
    return count


def _neighbours(incidence: Any, start: int) -> Any:
    return (incidence[start : start + _ROWS] @ incidence.T) > 0


def _neuron_pairs(ends: Array, true: Array, neurons: Mapping[int, int]) -> F1:
    named = {(neurons.get(int(a), -int(a)), neurons.get(int(b), -int(b))) for a, b in ends if a and b}
    wanted = {(int(a), int(b)) for a, b in true if a and b}
    both = len(named & wanted)
    return F1(both, len(named) - both, len(wanted) - both)


def near_pairs(found: Any, truth: Any, reach: float) -> Array:
    """Match places one to one, the nearest first, and return the rows (k, 2) of those that belong together.

    Parameters
    ----------
    found, truth : array, (n, 3) and (m, 3)
        Places, e.g. centroids of synapses [nm].
    reach : float
        Places further apart are not the same.

    Examples
    --------
    >>> near_pairs([(0, 0, 0), (0, 0, 30)], [(0, 0, 25), (900, 0, 0)], 100).tolist()
    [[1, 0]]
    """
    from scipy.spatial import cKDTree

    one, other = (np.asarray(places, float).reshape(-1, 3) for places in (found, truth))
    if not len(one) or not len(other):
        return np.empty((0, 2), np.int64)
    near = cKDTree(one).sparse_distance_matrix(cKDTree(other), reach, output_type="coo_matrix")
    mine, theirs = set[int](), set[int]()
    pairs = []
    for i in np.lexsort((near.col, near.row, near.data)):
        a, b = int(near.row[i]), int(near.col[i])
        if a not in mine and b not in theirs:
            mine.add(a)
            theirs.add(b)
            pairs.append((a, b))
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)
