"""What this machine reads, writes, paints and draws a second, in a few seconds: the panels of the founding Figure 1."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.annotations.paint import Paint
from ndlab.geometry import Box
from ndlab.graph import Graph, read
from ndlab.samples import fibsem_slices, kasthuri_synapses
from ndlab.volume import Volume

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["measure"]

Row = tuple[str, str, int, float, float, str]

_SHAPE = (64, 1024, 1024)
_REPEATS = 3
_GRAPHS = 20
_TILES = 32


def measure(folder: Path, threads: Sequence[int] = (1, 2, 4), megabytes: Sequence[float] = (0.25, 1, 4, 16)) -> Any:
    """Measure this machine with ndlab's own calls, and return the numbers in the columns of `founding_throughput`.

    Read and written is a volume of 67 MB, real sections of electron microscopy laid side by side, in OME-Zarr as ndlab
    makes it; files that were just written come from the page cache, as the founding numbers came from memory. Every
    number is the median of three.

    Parameters
    ----------
    folder : Path
        For the stores, some 500 MB.
    threads : sequence of int
        How many read or write at the same time.
    megabytes : sequence of float
        What each of them reads or writes in one call [MB], up to 16.

    Returns
    -------
    pandas.DataFrame
        ``panel`` (read, write, annotate, tiles, graphs), ``series``, ``threads``, ``mb_per_thread``, ``value``,
        ``unit``.
    """
    import pandas as pd

    values = _tissue()
    source = Volume.from_array(values, (10, 10, 10), name="tissue").like(folder / "tissue.ome.zarr")
    source.write(None, values)
    target = source.like(folder / "written.ome.zarr")
    rows: list[Row] = []
    for count in threads:
        for size in megabytes:
            boxes = [_box(size, i) for i in range(count)]
            parts = [values[box.slices] for box in boxes]
            at = {"threads": count, "size": size}
            rows.append(_rate("read", "ours", at, lambda i, b=boxes: source.read(b[i])))  # type: ignore[misc]
            rows.append(_rate("write", "ours", at, lambda i, b=boxes, p=parts: target.write(b[i], p[i])))  # type: ignore[misc]
    rows += [row for count in threads for row in _painted(folder, source, count)]
    rows += [*_tiles(source, max(threads)), *_graphs(folder)]
    found: pd.DataFrame = pd.DataFrame(rows, columns=["panel", "series", "threads", "mb_per_thread", "value", "unit"])
    return found


def _tissue() -> np.ndarray[Any, Any]:
    """Return the shipped sections, laid side by side until they fill 67 MB."""
    from PIL import Image

    stack = np.stack([np.asarray(Image.open(path)) for path in sorted(fibsem_slices().iterdir())])
    times = [-(-n // k) for n, k in zip(_SHAPE, stack.shape, strict=True)]
    return np.ascontiguousarray(np.tile(stack, times)[: _SHAPE[0], : _SHAPE[1], : _SHAPE[2]])


def _box(megabytes: float, place: int) -> Box:
    """Return a box of 64 sections, and of so many bytes, in one of four corners."""
    side = round((megabytes * (1 << 20) / _SHAPE[0]) ** 0.5)
    y, x = (place // 2 % 2) * (_SHAPE[1] - side), (place % 2) * (_SHAPE[2] - side)
    return Box((0, y, x), (_SHAPE[0], y + side, x + side))


def _seconds(work: Callable[[int], object], count: int) -> float:
    """Return how long so many threads take together, the median of three [s]."""
    took = []
    with ThreadPoolExecutor(count) as pool:
        for _ in range(_REPEATS):
            began = time.perf_counter()
            list(pool.map(work, range(count)))
            took.append(time.perf_counter() - began)
    return sorted(took)[_REPEATS // 2]


def _rate(panel: str, series: str, at: dict[str, Any], work: Callable[[int], object]) -> Row:
    count, size = at["threads"], float(at["size"])
    return panel, series, count, size, count * size / _seconds(work, count), "MB/s"


def _painted(folder: Path, source: Volume, count: int) -> Iterator[Row]:
    """Write 4 MB of labels with each thread: into the volume, and into the journal until it has them on disk."""
    box, side = [_box(1, i) for i in range(count)], 128
    ids = np.random.default_rng(0).integers(1, 500, (_SHAPE[0] // 8, side // 8, side // 8)).astype("u4")
    cells = ids.repeat(8, 0).repeat(8, 1).repeat(8, 2)
    blank = source.like(folder / f"labels{count}.ome.zarr", dtype="u4", kind="labels")
    at = {"threads": count, "size": 4}
    yield _rate("annotate", "into the volume", at, lambda i: blank.write(box[i], cells))
    with Paint(blank, folder / f"paint{count}", background=False) as paint:
        yield _rate("annotate", "until the client returns", at, lambda i: paint.write_labels(box[i], cells))


def _tiles(source: Volume, count: int) -> Iterator[Row]:
    with ThreadPoolExecutor(count) as pool:
        for run in range(1, _REPEATS + 1):
            began = time.perf_counter()
            list(pool.map(lambda z: source[z].read(), range(_TILES)))
            yield "tiles", f"run {run}", count, np.nan, _TILES / (time.perf_counter() - began), "frames/s"


def _graphs(folder: Path) -> Iterator[Row]:
    """Write and read the connectome of the shipped synapses, as GraphML and as Parquet."""
    table = kasthuri_synapses()
    graph = Graph.from_edges(("a" + table.axon_id.astype(str)).tolist(), ("d" + table.dendrite_id.astype(str)).tolist())
    for name, ending in (("GraphML", "graphml"), ("edge list", "edgelist"), ("Parquet", "parquet")):
        files = [folder / f"graph{n}.{ending}" for n in range(_GRAPHS)]
        for verb, work in (("write", lambda file: graph.write(file)), ("read", read)):
            began = time.perf_counter()
            for file in files:
                work(file)
            yield "graphs", f"{verb} {name}", 1, np.nan, _GRAPHS / (time.perf_counter() - began), "graphs/s"
