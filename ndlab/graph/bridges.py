"""To and from networkx, scipy's sparse matrices, pandas and rustworkx."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest, Unsupported
from ndlab.graph.columns import Columns

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd
    import scipy.sparse as sp

    from ndlab.graph.graph import Graph

__all__ = [
    "adjacency",
    "by_name",
    "from_adjacency",
    "from_networkx",
    "from_pandas",
    "from_rustworkx",
    "records",
    "to_networkx",
    "to_pandas",
    "to_rustworkx",
]


def adjacency(graph: Graph, weight: str | None = None) -> sp.csr_array:
    """Return what `Graph.adjacency` promises."""
    from scipy.sparse import coo_array

    source, target, weights = graph.source, graph.target, graph.weights(weight)
    if not graph.directed:
        back = ~graph.loops
        source, target = np.concatenate([source, target[back]]), np.concatenate([target, source[back]])
        weights = np.concatenate([weights, weights[back]])
    made = coo_array((weights, (source, target)), shape=(graph.n_nodes, graph.n_nodes)).tocsr()
    made.sum_duplicates()
    return made


def from_adjacency(make: type[Graph], matrix: Any, ids: Any, directed: bool | None, weight: str) -> Graph:
    """Return what `Graph.from_adjacency` promises."""
    from scipy.sparse import coo_array, issparse, triu

    if not issparse(matrix):
        matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise BadRequest(f"an adjacency matrix of shape {matrix.shape}", "it has a row and a column for each node")
    if not np.isfinite(matrix.data if issparse(matrix) else matrix).all():
        raise BadRequest("an adjacency matrix with nan or infinite entries", "", "put 0 where there is no edge")
    found = coo_array(matrix)
    if found.data.dtype == bool:
        found = found.astype(np.int64)
    symmetric = not (abs(found - found.T) > 0).nnz if directed is not True else False
    if directed is False and not symmetric:
        raise BadRequest("an undirected graph of a matrix that is not symmetric", "", "pass directed=True, or M + M.T")
    one_way = not symmetric if directed is None else directed
    if not one_way:
        found = coo_array(triu(found))
    found.sum_duplicates()
    there = found.data != 0
    row, column = (index[there] for index in found.coords)
    order = np.lexsort((column, row))
    values = found.data[there][order]
    if values.dtype.kind == "c":
        raise BadRequest("an adjacency matrix of complex numbers", "weights are real", "pass abs(matrix)")
    names = np.arange(matrix.shape[0]) if ids is None else ids
    if len(names) != matrix.shape[0]:
        raise BadRequest(f"{len(names):,} ids", f"the matrix has {matrix.shape[0]:,} rows")
    return make.of_rows(names, row[order], column[order], directed=one_way, edges={weight: values})


def from_networkx(make: type[Graph], graph: nx.Graph) -> Graph:
    """Return what `Graph.from_networkx` promises."""
    names = list(graph.nodes)
    rows = {name: row for row, name in enumerate(names)}
    keyed = graph.is_multigraph() and any(k != i for _, _, k, i in _keys(graph))
    found = list(graph.edges(data=True, keys=True) if graph.is_multigraph() else graph.edges(data=True))
    values = [({"key": one[2]} if keyed else {}) | one[-1] for one in found]
    return make.of_rows(
        names,
        np.fromiter((rows[one[0]] for one in found), np.int64, len(found)),
        np.fromiter((rows[one[1]] for one in found), np.int64, len(found)),
        directed=graph.is_directed(),
        nodes=by_name([graph.nodes[name] for name in names]),
        edges=by_name(values),
    ).with_attributes({str(k): v for k, v in graph.graph.items() if k not in ("node_default", "edge_default")})


def _keys(graph: nx.MultiGraph) -> list[tuple[Any, Any, Any, int]]:
    """List both ends and the key of each edge, and which of its parallel edges it is."""
    seen: dict[Any, int] = {}
    found = []
    for u, v, key in graph.edges(keys=True):
        pair = (u, v) if graph.is_directed() else frozenset((u, v))
        seen[pair] = seen.get(pair, -1) + 1
        found.append((u, v, key, seen[pair]))
    return found


def by_name(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Turn a dict for each node or edge into a list for each property, None where a dict has none."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {str(name): [row.get(name) for row in rows] for name in names}


def records(columns: Columns) -> list[dict[str, Any]]:
    """Return a dict of Python values for each node or edge, without what is missing."""
    found: list[dict[str, Any]] = [{} for _ in range(columns.count)]
    for name, column in columns.columns.items():
        there = np.ones(columns.count, bool) if column.missing is None else ~column.missing
        for row, value in zip(np.flatnonzero(there).tolist(), column.values[there].tolist(), strict=True):
            found[row][name] = value
    return found


def to_networkx(graph: Graph) -> nx.Graph:
    """Return what `Graph.to_networkx` promises."""
    import networkx as nx

    classes = {
        (False, False): nx.Graph, (False, True): nx.DiGraph, (True, False): nx.MultiGraph, (True, True): nx.MultiDiGraph
    }  # fmt: skip
    made = classes[graph.is_multigraph, graph.directed](**graph.attributes)
    ids = graph.ids.tolist()
    made.add_nodes_from(zip(ids, records(graph.nodes), strict=True))
    made.add_edges_from(
        (ids[u], ids[v], data)
        for u, v, data in zip(graph.source.tolist(), graph.target.tolist(), records(graph.edges), strict=True)
    )
    return made


def to_pandas(graph: Graph) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what `Graph.to_pandas` promises; integers and bools of which some are missing are nullable."""
    import pandas as pd

    nodes = pd.DataFrame({"id": graph.ids} | _series(graph.nodes))
    edges = pd.DataFrame({"source": graph.ids[graph.source], "target": graph.ids[graph.target]} | _series(graph.edges))
    return nodes, edges


def _series(columns: Columns) -> dict[str, Any]:
    import pandas as pd

    found: dict[str, Any] = {}
    for name, column in columns.columns.items():
        if column.missing is not None and column.kind in ("int", "bool"):
            dtype = {"b": "boolean", "i": "Int64", "u": "UInt64"}[column.values.dtype.kind]
            found[name] = pd.Series(column.values, dtype=dtype).mask(column.missing)
        else:
            found[name] = column.plain()
    return found


def from_pandas(
    make: type[Graph],
    edges: pd.DataFrame,
    nodes: pd.DataFrame | None = None,
    *,
    source: str = "source",
    target: str = "target",
    id: str = "id",  # noqa: A002
    directed: bool = True,
    units: Mapping[str, str] | None = None,
    **attributes: Any,
) -> Graph:
    """Return what `Graph.from_pandas` promises."""
    _check_columns(edges, (source, target), "edges")
    if nodes is not None:
        _check_columns(nodes, (id,), "nodes")
    return make.from_edges(
        _values(edges[source]), _values(edges[target]), directed=directed, units=units,
        edges={str(n): _values(edges[n]) for n in edges if n not in (source, target)},
        ids=None if nodes is None else _values(nodes[id]),
        nodes=None if nodes is None else {str(n): _values(nodes[n]) for n in nodes if n != id},
        **attributes,
    )  # fmt: skip


def _check_columns(table: pd.DataFrame, names: tuple[str, ...], what: str) -> None:
    lacking = [name for name in names if name not in table]
    if lacking:
        there = ", ".join(map(str, table))
        raise BadRequest(
            f"the table of {what} has no column {', '.join(lacking)}", f"its columns are {there}",
            "name yours with source=, target= and id=",
        )  # fmt: skip


def _values(series: pd.Series[Any]) -> Any:
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
        return series.to_numpy()
    plain = series.astype(object)
    return list(plain.where(series.notna(), None))


def to_rustworkx(graph: Graph) -> Any:
    """Return what `Graph.to_rustworkx` promises."""
    try:
        import rustworkx as rx
    except ImportError:
        raise Unsupported("a graph of rustworkx", "rustworkx is not installed", "pip install rustworkx") from None
    made = (rx.PyDiGraph if graph.directed else rx.PyGraph)(multigraph=True, attrs=dict(graph.attributes))
    made.add_nodes_from([{"id": one} | row for one, row in zip(graph.ids.tolist(), records(graph.nodes), strict=True)])
    made.add_edges_from(list(zip(graph.source.tolist(), graph.target.tolist(), records(graph.edges), strict=True)))
    return made


def from_rustworkx(make: type[Graph], graph: Any) -> Graph:
    """Return what `Graph.from_rustworkx` promises."""
    kind = type(graph).__name__
    if kind not in ("PyGraph", "PyDiGraph"):
        raise BadRequest(f"a graph of rustworkx from a {kind}", "PyGraph and PyDiGraph are the ones there are")
    index = np.fromiter(graph.node_indices(), np.int64, graph.num_nodes())
    ids, nodes = _named(index, graph.nodes())
    found = graph.weighted_edge_list()
    ends = np.array([one[:2] for one in found], np.int64).reshape(-1, 2)
    # Where nodes were removed, their numbers are left out: rows have no such gaps.
    source, target = np.searchsorted(index, ends).T
    payloads = [_properties(one[2], "weight", f"of the edge from {one[0]} to {one[1]}") for one in found]
    made = make.of_rows(
        ids, source, target, directed=kind == "PyDiGraph", nodes=by_name(nodes), edges=by_name(payloads)
    )
    given = graph.attrs if isinstance(graph.attrs, Mapping) else {}
    return made.with_attributes({str(name): value for name, value in given.items()})


def _named(index: np.ndarray[Any, Any], payloads: Sequence[Any]) -> tuple[Any, list[Mapping[str, Any]]]:
    """Return ids and properties: an ``id`` in every payload, payloads that name a node each, or else the index."""
    plain = [one.item() if isinstance(one, np.generic) else one for one in payloads]
    for kind in (int, str):
        if plain and all(type(one) is kind for one in plain) and len(set(plain)) == len(plain):
            return plain, [{} for _ in plain]
    rows = [_properties(one, "value", f"of the node {i}") for i, one in zip(index.tolist(), plain, strict=True)]
    if rows and all("id" in row for row in rows):
        return [row["id"] for row in rows], [{k: v for k, v in row.items() if k != "id"} for row in rows]
    return index, rows


def _properties(payload: Any, name: str, where: str) -> Mapping[str, Any]:
    if payload is None or isinstance(payload, Mapping):
        return payload or {}
    if isinstance(payload, bool | int | float | str | np.generic):
        return {name: payload}
    raise BadRequest(
        f"the payload {where} is a {type(payload).__name__}", "a dict of properties, a number, text and None can be",
        "put dicts there: graph.update_node(i, {...}) or update_edge(u, v, {...})",
    )  # fmt: skip
