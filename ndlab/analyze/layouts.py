"""Places for drawing the nodes of a graph: the sixteen layouts of the founding graph explorer, in 2-D and 3-D."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ndlab.analyze.embedding import adjacency_embedding
from ndlab.analyze.sparse import simple_matrix
from ndlab.errors import BadRequest, TooLarge
from ndlab.graph import Graph
from ndlab.plugins import load, names

__all__ = ["LAYOUTS", "layout"]

Array = np.ndarray[Any, Any]

# Beyond this all pairs of nodes take minutes.
_MOST_PAIRS = 5_000


def layout(graph: Graph, kind: str = "auto", *, dim: int = 2, seed: int = 0, **options: Any) -> Array:
    """Return a place for each node, float64, shape (n, dim), centred, the farthest node 1 from the centre.

    ====================  ==============================================================================
    kind                  what it does
    ====================  ==============================================================================
    auto                  Kamada-Kawai up to 100 nodes, Fruchterman-Reingold up to 1,000, then on a grid
    random                anywhere
    circle, sphere        evenly round; ``circle`` is 2-D, or flat in 3-D, ``sphere`` is 3-D
    fruchterman_reingold  edges pull, all nodes push; up to 5,000 nodes
    fr_grid               the same, only near nodes push
    kamada_kawai          distances as along the edges; up to 1,000 nodes
    spring                networkx's own, with weights: ``weight="name"``; up to 5,000 nodes
    reingold_tilford      a tree by levels, ``root=`` row
    lgl                   a spanning tree first, ring by ring, then forces: for large graphs
    star                  one in the middle, ``center=`` row
    graphopt              charges on springs; up to 5,000 nodes
    rdpg, laplacian       from the spectrum of the adjacency or Laplacian matrix
    tsne                  t-SNE of the adjacency embedding
    own                   node properties: ``columns=("x", "y")``
    ====================  ==============================================================================

    Parameters
    ----------
    graph : Graph
    kind : str
        One of `LAYOUTS`, or a name that an installed package adds (`ndlab.plugins`).
    dim : int
        2 or 3.
    seed : int
    **options
        Of the kind.

    Raises
    ------
    BadRequest
        If there is no such layout or option.
    TooLarge
        If the graph is too large for it.

    Examples
    --------
    >>> ring = Graph.from_edges(range(4), [1, 2, 3, 0], directed=False)
    >>> layout(ring, "circle").round(3).tolist()
    [[1.0, -0.0], [0.0, 1.0], [-1.0, 0.0], [-0.0, -1.0]]
    """
    place = LAYOUTS.get(kind) or load("layouts", kind)
    if place is None:
        raise BadRequest(f"the layout {kind!r}", f"layouts are {', '.join([*LAYOUTS, *names('layouts')])}")
    if dim not in (2, 3):
        raise BadRequest(f"a layout in {dim} dimensions", "it is 2 or 3")
    if not graph.n_nodes:
        return np.zeros((0, dim))
    try:
        places = place(graph, dim, np.random.default_rng(seed), **options)
    except TypeError as error:
        if "keyword argument" not in str(error):
            raise
        raise BadRequest(f"the layout {kind} with {', '.join(options)}", str(error)) from None
    places = np.asarray(places, np.float64)
    if places.shape[1] < dim:
        places = np.hstack([places, np.zeros((len(places), dim - places.shape[1]))])
    places = places - places.mean(axis=0)
    reach = float(np.linalg.norm(places, axis=1).max())
    found: Array = places / reach if reach > 0 else places
    return found


def _auto(graph: Graph, dim: int, rng: np.random.Generator) -> Array:
    if graph.n_nodes <= 100 and graph.components().max() == 0:
        return _kamada_kawai(graph, dim, rng)
    return _forces(graph, dim, rng, near=graph.n_nodes > 1000)


def _random(graph: Graph, dim: int, rng: np.random.Generator) -> Array:
    return rng.uniform(-1, 1, (graph.n_nodes, dim))


def _circle(graph: Graph, _: int, __: np.random.Generator) -> Array:
    angle = 2 * np.pi * np.arange(graph.n_nodes) / graph.n_nodes
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _sphere(graph: Graph, dim: int, _: np.random.Generator) -> Array:
    """Go round a spiral from pole to pole, by golden angles."""
    if dim != 3:
        raise BadRequest("a sphere in 2 dimensions", "it is 3-D", "pass dim=3, or take the circle")
    i = np.arange(graph.n_nodes)
    z = 1 - (2 * i + 1) / graph.n_nodes
    angle = i * np.pi * (3 - np.sqrt(5))
    flat = np.sqrt(1 - z * z)
    return np.stack([flat * np.cos(angle), flat * np.sin(angle), z], axis=1)


def _star(graph: Graph, dim: int, rng: np.random.Generator, center: int | None = None) -> Array:
    middle = int(graph.degrees().argmax()) if center is None else center
    if not 0 <= middle < graph.n_nodes:
        raise BadRequest(f"the centre {center}", f"rows go from 0 to {graph.n_nodes - 1}")
    others = np.delete(np.arange(graph.n_nodes), middle)
    ring = Graph.of_rows(others, np.zeros(0, int), np.zeros(0, int))
    places = np.zeros((graph.n_nodes, dim))
    if len(others):
        round_ = _circle(ring, dim, rng) if dim == 2 else _sphere(ring, dim, rng)
        places[others] = round_
    return places


def _pairs(graph: Graph) -> tuple[Array, Array]:
    matrix = simple_matrix(graph).tocoo()
    row, column = matrix.coords
    once = row < column
    return row[once].astype(np.int64), column[once].astype(np.int64)


def _forces(
    graph: Graph, dim: int, rng: np.random.Generator, steps: int = 300, near: bool = False, start: Array | None = None
) -> Array:
    from ndlab.analyze.kernels.forces import fruchterman_reingold

    n = graph.n_nodes
    if not near and n > _MOST_PAIRS:
        raise TooLarge(f"forces between all of {n:,} nodes", f"up to {_MOST_PAIRS:,} can be done",
                       "use layout='fr_grid' or 'lgl'", nodes=n, limit=_MOST_PAIRS)  # fmt: skip
    size = n ** (1 / dim)
    places = rng.uniform(-size / 2, size / 2, (n, dim)) if start is None else start.copy()
    fruchterman_reingold(places, *_pairs(graph), steps, size / 10 + 0.5, near)
    return places


def _grid(graph: Graph, dim: int, rng: np.random.Generator, steps: int = 200) -> Array:
    return _forces(graph, dim, rng, steps, near=True)


def _kamada_kawai(graph: Graph, dim: int, rng: np.random.Generator) -> Array:
    """Make distances those along the edges; stress is lowered by majorization (Gansner, Koren, North 2004)."""
    from scipy.sparse.csgraph import shortest_path

    n = graph.n_nodes
    if n > 1000:
        raise TooLarge(f"Kamada and Kawai's layout of {n:,} nodes", "up to 1,000 can be done", "use 'fr_grid'", nodes=n)
    distance = shortest_path(simple_matrix(graph), directed=False, unweighted=True)
    finite = distance[np.isfinite(distance)]
    distance = np.where(np.isfinite(distance), distance, finite.max() + 1 if len(finite) else 1)
    np.fill_diagonal(distance, 1)
    weight = distance**-2.0
    np.fill_diagonal(weight, 0)
    laplacian = np.diag(weight.sum(axis=1)) - weight + 1.0 / n
    inverse = np.linalg.pinv(laplacian)
    places = _circle(graph, dim, rng) if dim == 2 else _sphere(graph, dim, rng)
    places = places * finite.max() / 2 + rng.normal(scale=1e-3, size=places.shape)
    for _ in range(200):
        gap = np.linalg.norm(places[:, None] - places, axis=-1)
        np.fill_diagonal(gap, 1)
        pull = weight * distance / np.maximum(gap, 1e-9)
        np.fill_diagonal(pull, 0)
        new = inverse @ (np.diag(pull.sum(axis=1)) @ places - pull @ places)
        done = np.abs(new - places).max() < 1e-5
        places = new
        if done:
            break
    found: Array = places
    return found


def _spring(graph: Graph, dim: int, rng: np.random.Generator, weight: str | None = None) -> Array:
    import networkx as nx

    n = graph.n_nodes
    if n > _MOST_PAIRS:
        raise TooLarge(f"networkx's springs between all of {n:,} nodes", f"up to {_MOST_PAIRS:,} can be done",
                       "use 'fr_grid'", nodes=n, limit=_MOST_PAIRS)  # fmt: skip
    plain = graph.undirected().simple("sum" if weight else {})
    there = plain.to_networkx()
    placed = nx.spring_layout(there, dim=dim, weight=weight, seed=int(rng.integers(2**31)), iterations=100)
    return np.array([placed[one] for one in graph.ids.tolist()])


def _levels(graph: Graph, root: int | None) -> tuple[Array, list[list[int]]]:
    """Return the depth of each node in trees of shortest paths, and its children; row n stands above all roots."""
    matrix = simple_matrix(graph)
    at, to = matrix.indptr, matrix.indices
    n = graph.n_nodes
    depth, children = np.full(n, -1, np.int64), [list[int]() for _ in range(n + 1)]
    order = np.argsort(-np.diff(at), kind="stable").tolist()
    for first in ([root] if root is not None else []) + order:
        if depth[first] >= 0:
            continue
        depth[first] = 0
        children[n].append(first)
        queue = [first]
        for u in queue:
            for v in to[at[u] : at[u + 1]].tolist():
                if depth[v] < 0:
                    depth[v] = depth[u] + 1
                    children[u].append(v)
                    queue.append(v)
    return depth, children


def _tree(graph: Graph, dim: int, _: np.random.Generator, root: int | None = None) -> Array:
    """Give each leaf a place of its own in order, and each parent the middle of its children."""
    if root is not None and not 0 <= root < graph.n_nodes:
        raise BadRequest(f"the root {root}", f"rows go from 0 to {graph.n_nodes - 1}")
    depth, children = _levels(graph, root)
    x = np.zeros(graph.n_nodes + 1)
    leaf = 0
    stack = [(graph.n_nodes, False)]
    while stack:
        u, seen = stack.pop()
        if seen:
            x[u] = np.mean([x[v] for v in children[u]])
        elif children[u]:
            stack.append((u, True))
            stack += [(v, False) for v in reversed(children[u])]
        else:
            x[u] = leaf
            leaf += 1
    width = max(leaf - 1, 1)
    high = max(int(depth.max(initial=0)), 1)
    if dim == 2:
        return np.stack([x[:-1] / width * 2 - 1, -depth / high], axis=1)
    angle = 2 * np.pi * x[:-1] / (width + 1)
    return np.stack([depth / high * np.cos(angle), depth / high * np.sin(angle), -depth / high], axis=1)


def _lgl(graph: Graph, dim: int, rng: np.random.Generator, steps: int = 100) -> Array:
    """Put trees of shortest paths in rings round their roots, then let forces between near nodes do the rest."""
    depth, _ = _levels(graph, None)
    flat = _tree(graph, 3, rng)[:, :2]
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    ring = flat / np.maximum(length, 1e-9) * (depth[:, None] + 0.1) * max(1.0, graph.n_nodes**0.5 / 10)
    start = np.hstack([ring, rng.normal(scale=0.5, size=(graph.n_nodes, dim - 2))]) if dim == 3 else ring
    return _forces(graph, dim, rng, steps, near=True, start=start + rng.normal(scale=0.1, size=start.shape))


def _graphopt(graph: Graph, dim: int, rng: np.random.Generator, steps: int = 500) -> Array:
    from ndlab.analyze.kernels.forces import charges

    n = graph.n_nodes
    if n > _MOST_PAIRS:
        raise TooLarge(f"charges on {n:,} nodes", f"up to {_MOST_PAIRS:,} can be done", "use 'fr_grid'", nodes=n)
    size = n ** (1 / dim)
    places = rng.uniform(-size / 2, size / 2, (n, dim))
    charges(places, *_pairs(graph), steps, 0.1, 0.2)
    return places


def _rdpg(graph: Graph, dim: int, rng: np.random.Generator) -> Array:
    if graph.n_nodes <= dim:
        return _circle(graph, dim, rng)
    return adjacency_embedding(graph.undirected().simple({}), dim)[0]


def _laplacian(graph: Graph, dim: int, rng: np.random.Generator) -> Array:
    """Take the slowest waves on the graph: eigenvectors of the largest eigenvalues, signs and all, after the first."""
    from scipy.sparse import diags_array
    from scipy.sparse.linalg import eigsh

    n = graph.n_nodes
    if n <= dim + 2:
        return _circle(graph, dim, rng)
    matrix = simple_matrix(graph)
    degree = np.maximum(np.diff(matrix.indptr), 1)
    scale = diags_array(1 / np.sqrt(degree))
    scaled = scale @ matrix @ scale
    if n <= 500:
        vectors = np.linalg.eigh(scaled.toarray())[1][:, ::-1]
    else:
        values, vectors = eigsh(scaled, k=dim + 1, which="LA", v0=rng.random(n))
        vectors = vectors[:, np.argsort(-values)]
    found: Array = vectors[:, 1 : dim + 1] / np.sqrt(degree)[:, None]
    return found


def _tsne(graph: Graph, dim: int, rng: np.random.Generator) -> Array:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    n = graph.n_nodes
    if n < 5:
        return _circle(graph, dim, rng)
    places, _ = adjacency_embedding(graph.undirected().simple({}), min(20, n - 1))
    if not places.any():  # Nodes without an edge are all alike.
        return _circle(graph, dim, rng)
    with threadpool_limits(1):  # Sums in the same order each time.
        made = TSNE(
            dim, perplexity=min(30.0, max(1.5, (n - 1) / 4)), random_state=int(rng.integers(2**31)), init="random",
            method="barnes_hut",
        ).fit_transform(places)  # fmt: skip
    return np.asarray(made, float)


def _own(graph: Graph, dim: int, _: np.random.Generator, columns: Sequence[str] = ("x", "y", "z")) -> Array:
    values = np.stack([np.asarray(graph.nodes[name], float) for name in columns[:dim]], axis=1)
    if not np.isfinite(values).all():
        lost = int((~np.isfinite(values)).any(axis=1).sum())
        raise BadRequest(
            f"places of {lost:,} nodes", f"{', '.join(columns[:dim])} are missing there", "fill them first"
        )
    return values


LAYOUTS: dict[str, Callable[..., Array]] = {
    "auto": _auto, "random": _random, "circle": _circle, "sphere": _sphere, "fruchterman_reingold": _forces,
    "fr_grid": _grid, "kamada_kawai": _kamada_kawai, "spring": _spring, "reingold_tilford": _tree, "lgl": _lgl,
    "star": _star, "graphopt": _graphopt, "rdpg": _rdpg,
    "laplacian": _laplacian, "tsne": _tsne, "own": _own,
}  # fmt: skip
