"""Every statistic, community method and layout of a whole brain and of a graph of 10^6 edges, in CPU seconds.

The brain is the larva's (`connectomes/drosophila_larva_brain`; without data a random graph of its size), the other
graph is random. One process does one thing after the other, each first on a small graph, so that nothing is compiled in
what is measured. Where a thing takes more CPU seconds than its limit the process ends, and another one goes on: the
table then says "above". What refuses a graph says which limit it has. An interrupted run keeps what it has, and another
with `--rest` goes on from there.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from harness import RESULTS, Bench, arguments

from ndlab.analyze import communities, eigenpairs, invariants, layout, vertex_statistics
from ndlab.analyze.communities import METHODS
from ndlab.analyze.invariants import WHOLE
from ndlab.analyze.layouts import LAYOUTS
from ndlab.analyze.vertices import VERTEX
from ndlab.errors import NdlabError
from ndlab.graph import Graph, read

Job = Callable[[Graph], Any]
LIMIT = 120
SOURCES = 100


def jobs() -> dict[str, Job]:
    found: dict[str, Job] = {f"graph: {name}": lambda g, n=name: invariants(g, [n]) for name in WHOLE}
    found |= {f"nodes: {name}": lambda g, n=name: vertex_statistics(g, [n]) for name in VERTEX}
    found |= {
        f"graph: mean_path, {SOURCES} sources": lambda g: invariants(g, ["mean_path"], sources=SOURCES),
        f"nodes: betweenness, {SOURCES} sources": lambda g: vertex_statistics(g, ["betweenness"], sources=SOURCES),
        f"nodes: closeness, {SOURCES} sources": lambda g: vertex_statistics(g, ["closeness"], sources=SOURCES),
    }
    found |= {f"{k} eigenpairs": lambda g, k=k: eigenpairs(g, k) for k in (10, 100)}
    found |= {f"communities: {name}": lambda g, n=name: communities(g, n) for name in METHODS}
    kinds = [name for name in LAYOUTS if name != "own"]
    return found | {f"layout: {n}": lambda g, n=n: layout(g, n, dim=3 if n == "sphere" else 2) for n in kinds}


def random(nodes: int, edges: int) -> Graph:
    rng = np.random.default_rng(0)
    return Graph.of_rows(np.arange(nodes), *rng.integers(0, nodes, (2, edges)))


def graph_of(name: str, data: str | None) -> Graph:
    if name == "larva":
        path = Path(data or "none", "connectomes", "drosophila_larva_brain", "G_edgelist.txt")
        return read(path) if path.exists() else random(3554, 119_010)
    return random(100_000, 1_000_000) if name == "random" else random(40, 160)


def work(name: str, data: str | None, todo: list[str]) -> None:
    """Do things one after the other, and say of each what it took; the kernel ends what takes too long."""
    graph, small, known = graph_of(name, data), graph_of("small", None), jobs()
    for one in todo:
        known[one](small)
        used = resource.getrusage(resource.RUSAGE_SELF)
        spent = used.ru_utime + used.ru_stime
        resource.setrlimit(resource.RLIMIT_CPU, (int(spent) + LIMIT, resource.RLIM_INFINITY))
        wall, cpu, word = time.perf_counter(), time.process_time(), ""
        try:
            known[one](graph)
        except NdlabError as error:
            word = f"refused: {error.exists}"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(one, time.process_time() - cpu, time.perf_counter() - wall, peak, word, sep="\t", flush=True)


def measured(name: str, data: str | None, todo: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    while todo:
        command = [sys.executable, __file__, "--work", name, data or "", *todo]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for line in child.stdout:
                one, cpu, wall, peak, word = line.rstrip("\n").split("\t")
                todo = todo[1:]
                yield one, {"CPU s": float(cpu), "s": float(wall), "process MiB": float(peak), "": word}
        if todo and child.returncode < 0:
            yield todo[0], {"CPU s": f"above {LIMIT}"}
            todo = todo[1:]
        elif todo:
            raise SystemExit(f"{todo[0]} of {name} failed")


def saved(title: str) -> dict[str, dict[str, Any]]:
    """Return the rows of a table of the saved results."""
    path = RESULTS / "connectomes.json"
    tables = json.loads(path.read_text())["tables"] if path.exists() else []
    return next((table["rows"] for table in tables if table["title"] == title), {})


def main() -> None:
    bench = Bench("connectomes", arguments(__doc__, rest="only what the saved results do not have"))
    for name in ("small",) if bench.quick else ("larva", "random"):
        graph = graph_of(name, bench.options.data)
        title = f"{name}: {graph.n_nodes:,} nodes, {graph.n_edges:,} edges"
        rows = saved(title) if bench.options.rest else {}
        try:
            for one, row in measured(name, bench.options.data, [one for one in jobs() if one not in rows]):
                rows[one] = row
                print(f"{one}: {row}", flush=True)
        except KeyboardInterrupt:
            print(f"interrupted; --rest goes on with {name}")
        bench.table(title, rows)
        if name == "larva":
            slow = [float(row["CPU s"]) if isinstance(row["CPU s"], float) else LIMIT for row in rows.values()]
            bench.aim("the larva's brain: CPU seconds of the slowest that is not refused", max(slow), most=30)
    bench.finish()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], sys.argv[3] or None, sys.argv[4:])
    else:
        main()
