"""Analysis: touch graphs, permutations, K of points, and statistics of graphs, against what people use.

`make bench ONLY=analyze` runs it; NDLAB_TEST_DATA gives it a real segmentation (`pinky_segmentation`) and the
connectome of the larva's brain. Contenders are checked to agree before they are timed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from harness import Bench, arguments, labels
from scipy.spatial import cKDTree
from skimage.graph import RAG

from ndlab import samples
from ndlab.analyze import (
    Window,
    cross_k,
    empty_space,
    invariants,
    nearest_neighbor,
    pair_function,
    touch,
    vertex_statistics,
)
from ndlab.analyze.peters_rule import degree_preserving
from ndlab.graph import Graph, read
from ndlab.volume import Volume

Array = np.ndarray[Any, Any]
SIZE = (40.0, 32.0, 32.0)


def faces_by_numpy(values: Array) -> Array:
    """All faces between labels, axis by axis, sorted at once."""
    found = []
    for axis in range(3):
        low, high = (np.take(values, range(*r), axis) for r in ((0, values.shape[axis] - 1), (1, values.shape[axis])))
        differ = (low != high) & (low != 0) & (high != 0)
        found.append(np.stack([low[differ], high[differ]], axis=1))
    return np.unique(np.sort(np.concatenate(found), axis=1), axis=0)


def touching(bench: Bench) -> None:
    values = np.ascontiguousarray(labels((64, 128, 128) if bench.quick else (128, 256, 256), bench.options.data))
    volume = Volume.from_array(values, SIZE, kind="labels")

    def ours() -> Array:
        graph = touch(volume, progress=False)
        return np.stack([graph.ids[graph.source], graph.ids[graph.target]], axis=1).astype(np.int64)

    def rag() -> Array:
        return np.array(
            sorted(tuple(sorted(e)) for e in RAG(values.astype(np.int64), connectivity=1).edges if 0 not in e)
        )

    found = bench.compare(
        f"touch graph of {values.shape} {values.dtype}",
        {"numpy": lambda: faces_by_numpy(values).astype(np.int64), "ndlab.analyze.touch": ours, "skimage RAG": rag},
        baseline="numpy", repeats=3, nbytes=values.nbytes,
    )  # fmt: skip
    bench.aim("touch: times numpy's brute force", found["ndlab.analyze.touch"]["speed_cpu"], least=1)
    ratio = found["skimage RAG"]["cpu_ms"] / found["ndlab.analyze.touch"]["cpu_ms"]
    bench.aim("touch: times scikit-image's RAG", ratio, least=10)


def permutations(bench: Bench) -> None:
    table = samples.kasthuri_synapses()[["axon_id", "dendrite_id"]]
    table = table.rename(columns={"axon_id": "axon", "dendrite_id": "target"})
    axon, target = (np.unique(table[name], return_inverse=True)[1] for name in ("axon", "target"))
    draws = 200

    def plain() -> float:
        rng = np.random.default_rng(0)
        found = []
        for _ in range(draws):
            counts = np.unique(axon * 173 + rng.permutation(target), return_counts=True)[1]
            found.append((counts >= 2).sum())
        return float(np.mean(found))

    found = bench.compare(
        f"{draws} degree-preserving shuffles of 1,700 synapses",
        {"numpy": plain, "ndlab": lambda: degree_preserving(table, draws=draws)["pairs with ≥ 2 synapses"].mean},
        baseline="numpy", repeats=5, equal=False,
    )  # fmt: skip
    bench.aim("permutations: times numpy", found["ndlab"]["speed_cpu"], least=1)


def pairs(bench: Bench) -> None:
    for n in (10_000,) if bench.quick else (100_000, 1_000_000):
        side = (n / 1.0) ** (1 / 3)
        window = Window.box((side,) * 3, steps=64)
        points = window.random(n, np.random.default_rng(0))
        r = np.linspace(0, 2, 21)

        def naive(points: Array = points, r: Array = r) -> Array:
            """Count pairs with a tree, without a correction for the edge."""
            tree = cKDTree(points)
            return tree.count_neighbors(tree, r).astype(float)

        found = bench.compare(
            f"K of {n:,} points, 20 distances up to the mean distance times 2",
            {
                "naive tree, no edges": naive,
                "ndlab, edges corrected": lambda w=window, p=points, r=r: pair_function(p, w, r, bandwidth=0.1).k,
            },
            baseline="naive tree, no edges", repeats=2, equal=False,
        )  # fmt: skip
        bench.aim(f"K of {n:,} points: times the naive tree", found["ndlab, edges corrected"]["speed_cpu"], least=0.2)


CURVES = {
    "K and g": lambda points, window, r: pair_function(points, window, r, bandwidth=0.1),
    "cross K": lambda points, window, r: cross_k(points, points[::2] + 1e-9, window, r, bandwidth=0.1),
    "G": nearest_neighbor,
    "F": empty_space,
}


def memory(bench: Bench) -> None:
    """Print what each curve adds, at its peak, to the memory of a process of its own that has the points."""
    for n in (10_000,) if bench.quick else (100_000, 1_000_000):
        rows = {}
        for name in CURVES:
            command = [sys.executable, __file__, "--memory", name, str(n)]
            found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            rows[name] = {"MiB": float(found)}
        bench.table(f"memory of curves of {n:,} points, 21 distances, a mask of 64³ voxels", rows)
        if n == 1_000_000:
            bench.aim("MiB that a curve of 1,000,000 points takes", max(row["MiB"] for row in rows.values()), most=1024)


def added(name: str, n: int) -> float:
    """Return how much memory [MiB] a curve takes at its peak, compiled before on a small pattern (Linux only)."""
    for many in (1000, n):
        window = Window.box((many ** (1 / 3),) * 3, steps=64)
        points, r = window.random(many, np.random.default_rng(0)), np.linspace(0, 2, 21)
        Path("/proc/self/clear_refs").write_text("5")  # Forget the peak so far.
        before = status("VmRSS")
        CURVES[name](points, window, r)
    return status("VmHWM") - before


def status(field: str) -> float:
    """Return a field of what the kernel knows of this process [MiB]; the peak it hands on from the parent is none."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def statistics(bench: Bench) -> None:
    path = Path(bench.options.data or ".") / "connectomes" / "drosophila_larva_brain" / "G_edgelist.txt"
    if path.exists():
        graph = read(path)
    else:
        rng = np.random.default_rng(0)
        graph = Graph.of_rows(np.arange(3000), rng.integers(0, 3000, 119_010), rng.integers(0, 3000, 119_010))
    there = graph.to_networkx()
    plain = nx.Graph(there.to_undirected())
    plain.remove_edges_from(nx.selfloop_edges(plain))
    cases = {
        "triangles": (lambda: vertex_statistics(graph, ["triangles"])["triangles"],
                      lambda: np.array(list(nx.triangles(plain).values()))),
        "coreness": (lambda: vertex_statistics(graph, ["coreness"])["coreness"],
                     lambda: np.array(list(nx.core_number(plain).values()))),
        "transitivity": (lambda: round(invariants(graph, ["transitivity"])["transitivity"], 12),
                         lambda: round(nx.transitivity(plain), 12)),
    }  # fmt: skip
    for name, (ours, theirs) in cases.items():
        found = bench.compare(
            f"{name} of {graph.n_nodes:,} nodes and {graph.n_edges:,} edges", {"networkx": theirs, "ndlab": ours},
            baseline="networkx", repeats=3,
        )  # fmt: skip
        bench.aim(f"{name}: times networkx", found["ndlab"]["speed_cpu"], least=5)


def main() -> None:
    bench = Bench("analyze", arguments(__doc__))
    touching(bench)
    permutations(bench)
    pairs(bench)
    memory(bench)
    statistics(bench)
    bench.finish()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--memory"]:
        print(added(sys.argv[2], int(sys.argv[3])))
    else:
        main()
