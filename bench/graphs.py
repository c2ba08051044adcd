"""Graphs over HTTP: many as one zip, as they lie and converted on the way, and one by one, with reading the files bare.

The server runs in this process, so CPU counts both ends. Large graphs are `connectomes/mouse_dwi_badea_graphml`,
diffusion connectomes of mouse brains, each kept under many names; without data, random ones of the same size. The first
zip of a folder also reads each graph once, to say before it begins what is no graph and what a format would lose; the
others find that known.
"""

from __future__ import annotations

import io
import shutil
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
from harness import Bench, arguments, clock, scratch

from ndlab.graph import Graph
from ndlab.serve.app import Server, make_site, serving
from ndlab.serve.limits import Access


def fill(folder: Path, data: str | None, large: int, small: int) -> None:
    """Write large graphs of 0.6 MB, and small ones of 20 kB, as GraphML."""
    real = sorted(Path(data or "none", "connectomes", "mouse_dwi_badea_graphml").glob("*.graphml"))
    rng = np.random.default_rng(0)
    if not real:
        print("no --data: random graphs stand in for connectomes")
        real = [random(rng, 332, 5500).write(folder.parent / f"random{i}.graphml") for i in range(3)]
    for i in range(large):
        shutil.copy(real[i % len(real)], folder / f"large{i:04}.graphml")
    for i in range(small):
        random(rng, 70, 180).write(folder / f"small{i:04}.graphml")


def random(rng: np.random.Generator, nodes: int, edges: int) -> Graph:
    pairs = rng.choice(nodes * nodes, edges, replace=False)
    return Graph.from_edges(pairs // nodes, pairs % nodes, ids=range(nodes), edges={"weight": rng.random(edges)})


def bare(folder: Path, match: str) -> int:
    """Read the files, and do nothing with them."""
    return len([path.read_bytes() for path in sorted(folder.glob(match))])


def zipped(server: Server, query: str) -> int:
    """Fetch the zip, and return how many graphs are in it."""
    with urllib.request.urlopen(f"{server.url}/v1/graphs.zip?{query}") as answer:
        body = answer.read()
    with zipfile.ZipFile(io.BytesIO(body)) as file:
        return len(file.namelist())


def singly(server: Server, folder: Path, match: str, form: str) -> int:
    """Fetch each graph by a request of its own."""
    names = [path.name for path in sorted(folder.glob(match))]
    for name in names:
        with urllib.request.urlopen(f"{server.url}/v1/graphs/{name}?format={form}") as answer:
            answer.read()
    return len(names)


def main() -> None:
    bench = Bench("graphs", arguments(__doc__))
    large, small = (6, 20) if bench.quick else (60, 500)
    with scratch() as place:
        folder = place / "graphs"
        folder.mkdir()
        fill(folder, bench.options.data, large, small)
        for what, count in (("large", large), ("small", small)):
            measure(bench, folder, f"{what}*", count)
    bench.finish()


def measure(bench: Bench, folder: Path, match: str, count: int) -> None:
    """Compare all ways for the graphs of a pattern."""
    nbytes = sum(path.stat().st_size for path in folder.glob(match))
    with serving(make_site(str(folder), Access(open=True))) as server:
        first, _ = clock(lambda: zipped(server, f"match={match}"))
        found = bench.compare(
            f"{count} graphs of {nbytes / count / 1e3:.0f} kB",
            {
                "files, bare": lambda: bare(folder, match),
                "zip, as they lie": lambda: zipped(server, f"match={match}"),
                "zip, as GML": lambda: zipped(server, f"match={match}&format=gml"),
                "one by one, as they lie": lambda: singly(server, folder, match, "graphml"),
                "one by one, as GML": lambda: singly(server, folder, match, "gml"),
            },
            baseline="files, bare", repeats=3, nbytes=nbytes,
        )  # fmt: skip
    rows = {name: {"graphs/CPU s": count / row["cpu_ms"] * 1e3, "graphs/s": count / row["wall_ms"] * 1e3,
                   "MB/s": nbytes / row["wall_ms"] / 1e3} for name, row in found.items()}  # fmt: skip
    rows["zip, the first time"] = {"graphs/CPU s": count / first}
    bench.table("rates, of what lies in the folder", rows)
    ratio = found["zip, as GML"]["cpu_ms"] / found["one by one, as GML"]["cpu_ms"]
    bench.aim("a zip of converted graphs takes no more CPU than one by one", ratio, most=1.1)
    ratio = found["zip, as they lie"]["cpu_ms"] / found["zip, as GML"]["cpu_ms"]
    bench.aim("CPU of a zip of graphs as they lie, as a part of converting them", ratio, most=0.34)


if __name__ == "__main__":
    main()
