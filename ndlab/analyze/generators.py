"""Graphs that are made, not measured: the 21 kinds of the founding graph explorer, each from a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.graph import Graph

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["FAMOUS", "KINDS", "generate"]

Array = np.ndarray[Any, Any]


def generate(kind: str, /, *, seed: int = 0, **parameters: Any) -> Graph:
    """Make a graph of a kind.

    =====================  ==================================================================================
    kind                   parameters
    =====================  ==================================================================================
    erdos_renyi            n, p (of each edge) or m (edges), directed=False
    barabasi               n, m (edges of each new node), power=1 (of the degree)
    random_dot_product     n, dim=2, latent="dirichlet" or "sphere", directed=False
    k_regular              n, k
    ring, star, wheel      n
    complete               n, directed=False
    complete_bipartite     n, m
    random_bipartite       n, m, p
    geometric              n, radius, in the unit square
    watts_strogatz         n, k (nearest neighbours), p (rewired)
    growing_random         n, m
    block_model            sizes, p (matrix of probabilities), directed=False
    atlas                  index, 0 to 1252
    famous                 name, one of `FAMOUS`
    tree                   n, children=2
    forest_fire            n, forward, backward=1
    aging                  n, m=1, power=1, aging=-1 (of a node's age), bins=100
    de_bruijn, kautz       m (letters), n (length of a word); directed
    =====================  ==================================================================================

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    seed : int
        The same gives the same graph.
    **parameters
        Of the kind.

    Returns
    -------
    Graph
        Nodes 0, 1, …; ``attributes`` hold kind, parameters and seed. A block model has the node property ``block``, a
        random dot product graph ``latent_0`` …, a geometric graph ``x`` and ``y``.

    Raises
    ------
    BadRequest
        If the kind or a parameter is unknown, or cannot be.

    Examples
    --------
    >>> generate("ring", n=5).n_edges
    5
    >>> generate("famous", name="petersen").n_nodes
    10
    """
    if kind not in KINDS:
        raise BadRequest(f"a graph of the kind {kind!r}", f"kinds are {', '.join(KINDS)}")
    import networkx as nx

    try:
        made = KINDS[kind](np.random.default_rng(seed), **parameters)
    except (TypeError, nx.NetworkXError, ValueError, KeyError) as error:
        if isinstance(error, BadRequest):
            raise
        given = ", ".join(f"{name}={value!r}" for name, value in parameters.items()) or "no parameters"
        raise BadRequest(f"a {kind} graph of {given}", str(error), "help(ndlab.analyze.generate) lists them") from None
    said = {name: value if isinstance(value, int | float | str) else str(value) for name, value in parameters.items()}
    return made.with_attributes(kind=kind, seed=seed, **said)


def _of(graph: nx.Graph) -> Graph:
    import networkx as nx

    plain = nx.convert_node_labels_to_integers(graph)
    for _, data in plain.nodes(data=True):
        data.clear()
    for *_, data in plain.edges(data=True):
        data.clear()
    plain.graph.clear()
    return Graph.from_networkx(plain)


def _pairs(rng: np.random.Generator, n: int, chance: Callable[[slice], Array], directed: bool, **nodes: Any) -> Graph:
    """Draw each edge by its own chance; `chance` gives some rows (k, n) of their matrix, which is never whole."""
    some = max(1, (1 << 22) // max(n, 1))
    ends = [np.zeros((2, 0), np.int64)]
    for begin in range(0, n, some):
        rows = slice(begin, min(begin + some, n))
        source, target = np.nonzero(rng.random((rows.stop - begin, n)) < chance(rows))
        source += begin
        keep = source != target if directed else source < target
        ends.append(np.stack([source[keep], target[keep]]))
    source, target = np.concatenate(ends, axis=1)
    return Graph.of_rows(np.arange(n), source, target, directed=directed, **nodes)


def _erdos_renyi(
    rng: np.random.Generator, n: int, p: float | None = None, m: int | None = None, directed: bool = False
) -> Graph:
    import networkx as nx

    if (p is None) == (m is None):
        raise BadRequest("an Erdős-Rényi graph", "it takes p, the chance of an edge, or m, their number", "give one")
    seed = int(rng.integers(2**31))
    if m is not None:
        return _of(nx.gnm_random_graph(n, m, seed=seed, directed=directed))
    return _of(nx.fast_gnp_random_graph(n, p, seed=seed, directed=directed))


def _barabasi(rng: np.random.Generator, n: int, m: int, power: float = 1.0) -> Graph:
    """Join each new node to m others, chosen in proportion to their degree to a power."""
    return _attached(rng, n, m, power, 0.0, 1)


def _aging(
    rng: np.random.Generator, n: int, m: int = 1, power: float = 1.0, aging: float = -1.0, bins: int = 100
) -> Graph:
    return _attached(rng, n, m, power, aging, bins)


def _attached(rng: np.random.Generator, n: int, m: int, power: float, aging: float, bins: int) -> Graph:
    if not 1 <= m < n:
        raise BadRequest(f"{m} edges of each of {n} new nodes", "each joins at least one, and fewer than all")
    degree = np.zeros(n)
    source, target = list[int](), list[int]()
    for new in range(1, n):
        weight = (degree[:new] + 1.0) ** power
        if aging:
            age = (new - np.arange(new)) * bins // n + 1.0
            weight = weight * age**aging
        chosen = rng.choice(new, min(m, new), replace=False, p=weight / weight.sum())
        for one in chosen.tolist():
            source.append(new)
            target.append(one)
        degree[chosen] += 1
        degree[new] += len(chosen)
    return Graph.of_rows(np.arange(n), np.array(source), np.array(target), directed=False)


def _random_dot_product(
    rng: np.random.Generator, n: int, dim: int = 2, latent: str = "dirichlet", directed: bool = False
) -> Graph:
    if latent == "dirichlet":
        place = rng.dirichlet(np.ones(dim + 1), n)[:, :dim]
    elif latent == "sphere":
        place = np.abs(rng.normal(size=(n, dim)))
        place = place / np.linalg.norm(place, axis=1, keepdims=True) * rng.random((n, 1)) ** (1 / dim)
    else:
        raise BadRequest(f"latent places of the kind {latent!r}", "kinds are dirichlet and sphere")
    properties = {f"latent_{i}": place[:, i] for i in range(dim)}
    return _pairs(rng, n, lambda rows: place[rows] @ place.T, directed, nodes=properties)


def _block_model(rng: np.random.Generator, sizes: Sequence[int], p: Any, directed: bool = False) -> Graph:
    chance = np.asarray(p, float)
    if chance.shape != (len(sizes), len(sizes)) or (chance < 0).any() or (chance > 1).any():
        raise BadRequest(
            f"probabilities of shape {chance.shape}", f"a matrix of {len(sizes)} blocks in [0, 1] is needed"
        )
    block = np.repeat(np.arange(len(sizes)), sizes)
    return _pairs(rng, len(block), lambda rows: chance[block[rows]][:, block], directed, nodes={"block": block})


def _geometric(rng: np.random.Generator, n: int, radius: float) -> Graph:
    from scipy.spatial import cKDTree

    place = rng.random((n, 2))
    pairs = cKDTree(place).query_pairs(radius, output_type="ndarray")
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return Graph.of_rows(np.arange(n), pairs[:, 0], pairs[:, 1], directed=False,
                         nodes={"x": place[:, 0], "y": place[:, 1]})  # fmt: skip


def _growing_random(rng: np.random.Generator, n: int, m: int = 1) -> Graph:
    source = np.repeat(np.arange(1, n), m)
    return Graph.of_rows(np.arange(n), source, (rng.random(len(source)) * source).astype(int), directed=False)


def _random_bipartite(rng: np.random.Generator, n: int, m: int, p: float) -> Graph:
    source, target = np.nonzero(rng.random((n, m)) < p)
    side = np.repeat([0, 1], [n, m])
    return Graph.of_rows(np.arange(n + m), source, target + n, directed=False, nodes={"side": side})


def _forest_fire(rng: np.random.Generator, n: int, forward: float, backward: float = 1.0) -> Graph:
    """Burn from a random ambassador along edges, and join the new node to all that burnt (Leskovec 2007)."""
    out: list[list[int]] = [[] for _ in range(n)]
    back: list[list[int]] = [[] for _ in range(n)]
    if not 0 <= forward < 1 or not 0 <= forward * backward < 1:
        raise BadRequest(f"a fire of {forward} forward and {forward * backward} back", "both are below 1, or all burns")
    for new in range(1, n):
        burnt = {int(rng.integers(new))}
        spreading = list(burnt)
        while spreading:
            one = spreading.pop()
            for near, share in ((out[one], forward), (back[one], forward * backward)):
                fresh = [v for v in near if v not in burnt]
                count = min(len(fresh), int(rng.geometric(1 - share)) - 1)
                for v in rng.permutation(fresh)[:count].tolist() if count else ():
                    burnt.add(v)
                    spreading.append(v)
        for one in sorted(burnt):
            out[new].append(one)
            back[one].append(new)
    source = [u for u in range(n) for _ in out[u]]
    target = [v for u in range(n) for v in out[u]]
    return Graph.of_rows(np.arange(n), np.array(source, int), np.array(target, int))


def _words(letters: int, length: int, repeats: bool) -> Graph:
    """Return words as nodes, and an edge to each that goes on after the first letter."""
    from itertools import pairwise, product

    words = [w for w in product(range(letters), repeat=length) if repeats or all(a != b for a, b in pairwise(w))]
    row = {word: i for i, word in enumerate(words)}
    follows = [(word, letter) for word in words for letter in range(letters) if repeats or word[-1] != letter]
    ends = np.array([(row[word], row[*word[1:], letter]) for word, letter in follows], int).reshape(-1, 2)
    return Graph.of_rows(np.arange(len(words)), ends[:, 0], ends[:, 1])


def _tree(_: np.random.Generator, n: int, children: int = 2) -> Graph:
    node = np.arange(1, n)
    return Graph.of_rows(np.arange(n), (node - 1) // children, node, directed=False)


def _sized(name: str, less: int = 0) -> Callable[..., Graph]:
    def made(_: np.random.Generator, n: int) -> Graph:
        import networkx as nx

        return _of(getattr(nx, name)(n - less))

    return made


def _seeded(name: str, *order: str) -> Callable[..., Graph]:
    def made(rng: np.random.Generator, **parameters: Any) -> Graph:
        import networkx as nx

        return _of(getattr(nx, name)(*(parameters[one] for one in order), seed=int(rng.integers(2**31))))

    return made


def _complete(_: np.random.Generator, n: int, directed: bool = False) -> Graph:
    import networkx as nx

    return _of(nx.complete_graph(n, nx.DiGraph if directed else nx.Graph))


def _atlas(_: np.random.Generator, index: int) -> Graph:
    import networkx as nx

    return _of(nx.graph_atlas(index))


FAMOUS = (
    "bull", "chvatal", "cubical", "davis_southern_women", "desargues", "diamond", "dodecahedral", "dyck", "f26a",
    "florentine_families", "folkman", "franklin", "frucht", "gray", "heawood", "hoffman_singleton", "house", "house_x",
    "icosahedral", "karate_club", "krackhardt_kite", "mcgee", "moebius_kantor", "nauru", "octahedral", "pappus",
    "petersen", "sedgewick_maze", "tetrahedral", "truncated_cube", "truncated_tetrahedron", "tutte", "tutte_coxeter",
)  # fmt: skip
# Frucht's notation: nodes, jumps, and how often these are repeated round the ring.
_LCF = {
    "dyck": (32, [5, -5, 13, -13], 8), "f26a": (26, [-7, 7], 13), "folkman": (20, [5, -7, -7, 5], 5),
    "franklin": (12, [5, -5], 6), "gray": (54, [-25, 7, -7, 13, -13, 25], 9), "mcgee": (24, [12, 7, -7], 8),
    "nauru": (24, [5, -9, 7, -7, 9, -5], 4), "tutte_coxeter": (30, [-13, -9, 7, -7, 9, 13], 5),
}  # fmt: skip


def _famous(_: np.random.Generator, name: str) -> Graph:
    import networkx as nx

    if name not in FAMOUS:
        raise BadRequest(f"the famous graph {name!r}", f"there are {', '.join(FAMOUS)}")
    return _of(nx.LCF_graph(*_LCF[name]) if name in _LCF else getattr(nx, f"{name}_graph")())


KINDS: dict[str, Callable[..., Graph]] = {
    "erdos_renyi": _erdos_renyi, "barabasi": _barabasi, "random_dot_product": _random_dot_product,
    "k_regular": _seeded("random_regular_graph", "k", "n"), "ring": _sized("cycle_graph"),
    "star": _sized("star_graph", 1), "wheel": _sized("wheel_graph"), "complete": _complete,
    "complete_bipartite": lambda rng, n, m: _random_bipartite(rng, n, m, 2.0), "random_bipartite": _random_bipartite,
    "geometric": _geometric, "watts_strogatz": _seeded("watts_strogatz_graph", "n", "k", "p"),
    "growing_random": _growing_random, "block_model": _block_model, "atlas": _atlas, "famous": _famous, "tree": _tree,
    "forest_fire": _forest_fire, "aging": _aging, "de_bruijn": lambda _, m, n: _words(m, n, True),
    "kautz": lambda _, m, n: _words(m + 1, n + 1, False),
}  # fmt: skip
