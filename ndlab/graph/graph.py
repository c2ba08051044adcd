"""Graph: the third noun. Nodes, the edges between them and their properties, as arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.graph.columns import Array, Columns
from ndlab.graph.ids import Index, as_ids, number

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd
    import scipy.sparse as sp

__all__ = ["Graph"]


@dataclass(frozen=True, eq=False)
class Graph:
    """A graph of any size that fits memory; it is never changed, each method returns a new one.

    Parallel edges and loops are kept as they are; `simple` merges them. Make one with `from_edges`,
    `from_networkx`, `from_adjacency` or `from_pandas`, or read a file: `ndlab.graph.read`.

    Parameters
    ----------
    ids : ndarray, shape (n,)
        One id for each node: int64, uint64, or objects that are `str`. No id comes twice.
    source, target : ndarray of int64, shape (m,)
        For each edge the *rows* of its ends in `ids`. In an undirected graph which end is the source means nothing.
    directed : bool
        Whether an edge leads from its source to its target only.
    nodes, edges : Columns
        Properties by name, with units.
    attributes : dict
        What holds for the whole graph: name, species, citation.

    Examples
    --------
    >>> G = Graph.from_edges(["AVAL", "AVAR", "AVAL"], ["PVCL", "PVCL", "AVAR"], edges={"weight": [3, 1, 2]})
    >>> G
    <ndlab.Graph: 3 nodes, 3 directed edges; edge properties: weight>
    >>> G.adjacency("weight").toarray()
    array([[0., 3., 2.],
           [0., 0., 0.],
           [0., 1., 0.]])
    >>> G.to_networkx()["AVAL"]["PVCL"]["weight"]
    3
    """

    ids: Array
    source: Array
    target: Array
    directed: bool = True
    nodes: Columns = field(default_factory=lambda: Columns(0))
    edges: Columns = field(default_factory=lambda: Columns(0, {}, "edge"))
    attributes: dict[str, Any] = field(default_factory=dict)

    # ------------------------------------------------------------------------------------------------ made from
    @classmethod
    def from_edges(
        cls,
        source: Any,
        target: Any,
        *,
        directed: bool = True,
        edges: Mapping[str, Any] | None = None,
        ids: Any = None,
        nodes: Mapping[str, Any] | None = None,
        units: Mapping[str, str] | None = None,
        **attributes: Any,
    ) -> Graph:
        """Make a graph of the ids at both ends of each edge.

        Parameters
        ----------
        source, target : sequence of int or str, shape (m,)
            Ids of the ends.
        directed : bool
            Whether an edge leads one way.
        edges : mapping, optional
            Edge properties: for each name m values, None where one is missing.
        ids : sequence, optional
            All nodes in the order they shall have, those without an edge, too. By default the ends of the edges
            in the order of their first appearance.
        nodes : mapping, optional
            Node properties, in the order of `ids`.
        units : mapping, optional
            Unit of node and edge properties by name.
        **attributes
            Of the whole graph.

        Raises
        ------
        BadRequest
            If the lengths differ, an id comes twice, or an edge ends at an id that `ids` lacks.
        """
        source, target = as_ids(source), as_ids(target)
        if len(source) != len(target):
            raise BadRequest(
                f"{len(source):,} sources and {len(target):,} targets", "each edge has one of both",
                "give two sequences of one length",
            )  # fmt: skip
        found, ends = number(source, target, None if ids is None else as_ids(ids))
        if nodes is not None and ids is None:
            raise BadRequest("node properties without ids", "their order is unknown", "pass ids= in the same order")
        return cls.of_rows(found, *ends, directed=directed, nodes=nodes, edges=edges, units=units, **attributes)

    @classmethod
    def of_rows(
        cls,
        ids: Any,
        source: Array,
        target: Array,
        *,
        directed: bool = True,
        nodes: Mapping[str, Any] | None = None,
        edges: Mapping[str, Any] | None = None,
        units: Mapping[str, str] | None = None,
        **attributes: Any,
    ) -> Graph:
        """Make a graph whose edges are pairs of rows of `ids`; as `from_edges` otherwise."""
        ids = as_ids(ids)
        ids.flags.writeable = False
        Index(ids)  # Refuses an id that comes twice.
        source, target = (np.asarray(end, np.int64) for end in (source, target))
        ends = np.concatenate([source, target])
        if len(source) != len(target) or (len(ends) and not 0 <= ends.min() <= ends.max() < len(ids)):
            raise BadRequest(
                f"edges from {len(source):,} to {len(target):,} rows", f"rows go from 0 to {len(ids) - 1:,}",
                "give two rows of ids for each edge, or ids themselves to from_edges",
            )  # fmt: skip
        of_nodes, of_edges = dict(nodes or {}), dict(edges or {})
        strange = sorted(set(units or {}) - set(of_nodes) - set(of_edges))
        if strange:
            there = sorted(set(of_nodes) | set(of_edges))
            raise BadRequest(f"a unit was given for {', '.join(strange)}", f"the properties are {there}")
        named = units or {}
        return cls(
            ids, source, target, directed,
            Columns.of(len(ids), nodes, {n: named[n] for n in of_nodes if n in named}, "node"),
            Columns.of(len(source), edges, {n: named[n] for n in of_edges if n in named}, "edge"),
            attributes,
        )  # fmt: skip

    @classmethod
    def from_networkx(cls, graph: nx.Graph) -> Graph:
        """Make a graph of one of networkx; node ids are ints or strings, edge keys become the property ``key``."""
        from ndlab.graph.bridges import from_networkx

        return from_networkx(cls, graph)

    @classmethod
    def from_rustworkx(cls, graph: Any) -> Graph:
        """Make a graph of a PyGraph or PyDiGraph of rustworkx; parallel edges, loops and their order stay.

        Payloads that are dicts become properties, a number on an edge its ``weight``, on a node its ``value``. A node
        is called by the ``id`` in its payload, by a payload that is a whole number or text and differs for each, or
        else by its index there.
        """
        from ndlab.graph.bridges import from_rustworkx

        return from_rustworkx(cls, graph)

    @classmethod
    def from_adjacency(
        cls, matrix: Any, *, ids: Any = None, directed: bool | None = None, weight: str = "weight"
    ) -> Graph:
        """Make a graph of a dense or sparse matrix of shape (n, n): one edge from row to column for each non-zero.

        `directed` is by default whether the matrix differs from its transpose; of an undirected graph the
        lower triangle is left out.
        """
        from ndlab.graph.bridges import from_adjacency

        return from_adjacency(cls, matrix, ids, directed, weight)

    @classmethod
    def from_pandas(cls, edges: pd.DataFrame, nodes: pd.DataFrame | None = None, **options: Any) -> Graph:
        """Make a graph of a table of edges (``source``, ``target``, …) and one of nodes (``id``, …).

        Options are those of `from_edges`; `source=` and `target=` name other columns.
        """
        from ndlab.graph.bridges import from_pandas

        return from_pandas(cls, edges, nodes, **options)

    # ------------------------------------------------------------------------------------------------ looked at
    @property
    def n_nodes(self) -> int:
        """How many nodes."""
        return len(self.ids)

    @property
    def n_edges(self) -> int:
        """How many edges, parallel ones and loops counted each."""
        return len(self.source)

    def __len__(self) -> int:
        return self.n_nodes

    def __bool__(self) -> bool:
        return True

    def __contains__(self, one: object) -> bool:
        return one in self._index

    @cached_property
    def _index(self) -> Index:
        return Index(self.ids)

    def rows(self, ids: Any) -> Array:
        """Return the row of each id.

        Raises
        ------
        NotFound
            If the graph has no such node.
        """
        return self._index.rows(ids)

    @cached_property
    def loops(self) -> Array:
        """Mask of the edges that end where they begin."""
        found: Array = self.source == self.target
        return found

    @cached_property
    def is_multigraph(self) -> bool:
        """Whether two edges join the same nodes (the same way, where directed)."""
        from ndlab.graph.shape import pair_keys

        return len(np.unique(pair_keys(self))) < self.n_edges

    @property
    def is_simple(self) -> bool:
        """Whether there are neither loops nor parallel edges."""
        return not self.is_multigraph and not self.loops.any()

    def weights(self, name: str | None) -> Array:
        """Return an edge property as float64, ones for None.

        Raises
        ------
        NoSuchProperty
            If there is none of that name.
        BadRequest
            If it is text, or missing on some edges.
        """
        if name is None:
            return np.ones(self.n_edges)
        column = self.edges.column(name)
        if column.kind == "str" or column.missing is not None:
            why = "text" if column.kind == "str" else f"missing on {int(column.missing.sum()):,} edges"  # type: ignore[union-attr]
            raise BadRequest(f"the edge property {name!r} as weight", f"it is {why}", "fill it with with_edges(...)")
        return column.values.astype(np.float64)

    def adjacency(self, weight: str | None = None) -> sp.csr_array:
        """Return the sparse (n, n) float64 matrix whose [i, j] sums the weights of the edges from row i to row j.

        `weight` is an edge property; by default each edge counts 1. Of an undirected graph the matrix is symmetric,
        and a loop counts once, as in networkx.
        """
        from ndlab.graph.bridges import adjacency

        return adjacency(self, weight)

    def degrees(self, mode: str = "total", weight: str | None = None) -> Array:
        """Return for each node how many edges end at it, or the sum of their weights; a loop counts twice.

        `mode` is ``"total"``, or for directed graphs ``"in"`` or ``"out"``.
        """
        from ndlab.graph.shape import degrees

        return degrees(self, mode, weight)

    # ------------------------------------------------------------------------------------------------ made anew
    def with_nodes(self, values: Mapping[str, Any], units: Mapping[str, str] | None = None) -> Graph:
        """Return the graph with more node properties, in the order of `ids`."""
        return replace(self, nodes=self.nodes.with_(values, units))

    def with_edges(self, values: Mapping[str, Any], units: Mapping[str, str] | None = None) -> Graph:
        """Return the graph with more edge properties."""
        return replace(self, edges=self.edges.with_(values, units))

    def with_attributes(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> Graph:
        """Return the graph with more attributes of its own, as a mapping or as keywords."""
        return replace(self, attributes=self.attributes | dict(values or {}) | more)

    def subgraph(self, nodes: Any) -> Graph:
        """Return the nodes of a mask over rows, or of a sequence of ids, each once, and all edges between them."""
        from ndlab.graph.shape import subgraph

        return subgraph(self, nodes)

    def edge_subgraph(self, edges: Any) -> Graph:
        """Return the edges of a mask or of row numbers, and all nodes."""
        rows = np.asarray(edges)
        if rows.dtype != bool:
            rows = rows.astype(np.int64)
        return replace(self, source=self.source[rows], target=self.target[rows], edges=self.edges.take(rows))

    def undirected(self) -> Graph:
        """Return the same edges without direction: two that lead both ways become parallel edges."""
        return replace(self, directed=False)

    def reversed(self) -> Graph:
        """Return the graph with each edge turned round."""
        return replace(self, source=self.target, target=self.source)

    def simple(
        self, combine: Mapping[str, str] | str = "sum", *, count: str | None = None, loops: bool = False
    ) -> Graph:
        """Merge parallel edges, and drop loops unless they are asked for.

        Parameters
        ----------
        combine : str or mapping
            What becomes of a property of merged edges: ``sum``, ``mean``, ``min``, ``max`` (numbers) or ``first``;
            one word for all, or a word for each name, properties without one being dropped. Text takes ``first``.
        count : str, optional
            Name of a property that holds how many edges became one.
        loops : bool
            Keep loops, parallel ones merged.
        """
        from ndlab.graph.shape import simple

        return simple(self, combine, count, loops)

    def components(self, mode: str = "weak") -> Array:
        """Return for each node the number of its component, 0 for the largest; `mode` is ``weak`` or ``strong``."""
        from ndlab.graph.shape import components

        return components(self, mode)

    # ------------------------------------------------------------------------------------------------ handed on
    def to_networkx(self) -> nx.Graph:
        """Return one of networkx: (Multi)(Di)Graph, properties as Python values, missing ones absent."""
        from ndlab.graph.bridges import to_networkx

        return to_networkx(self)

    def to_pandas(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the nodes (``id``, …) and the edges (``source``, ``target``, …) as tables."""
        from ndlab.graph.bridges import to_pandas

        return to_pandas(self)

    def to_rustworkx(self) -> Any:
        """Return one of rustworkx (if installed), of dicts with ``id`` and the properties; attributes are its attrs."""
        from ndlab.graph.bridges import to_rustworkx

        return to_rustworkx(self)

    def write(self, dest: str | os.PathLike[str], **options: Any) -> Path:
        """Write the graph to a file; see `ndlab.graph.write`."""
        from ndlab.graph.writing import write

        return write(self, dest, **options)

    def __eq__(self, other: object) -> bool:
        """Whether both have the same nodes, edges and properties in the same order."""
        if not isinstance(other, Graph):
            return NotImplemented
        same = (self.directed, self.attributes) == (other.directed, other.attributes)
        arrays = ((self.ids, other.ids), (self.source, other.source), (self.target, other.target))
        return same and all(np.array_equal(a, b) for a, b in arrays) and (self.nodes, self.edges) == (
            other.nodes, other.edges)  # fmt: skip

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> dict[str, Any]:
        # What was computed of it stays behind when it is sent to another process.
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def __repr__(self) -> str:
        from ndlab.graph.summary import text

        return text(self)

    def _repr_html_(self) -> str:
        from ndlab.graph.summary import html

        return html(self)
