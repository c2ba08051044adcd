"""The rows of the catalogue, read from their tables."""

from __future__ import annotations

import csv
import html
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any

from ndlab.errors import BadMetadata

__all__ = ["KINDS", "TABLES", "Dataset", "catalogue"]

TABLES = ("1A", "1B", "1C", "public")
KINDS = ("image", "labels", "annotation", "graph")
NOT_STATED = "not stated"
_INHERITED = ("species", "region", "modality", "citation", "doi", "licence")

Float3 = tuple[float, float, float]
Int3 = tuple[int, int, int]


@dataclass(frozen=True)
class Dataset:
    """One row of the catalogue. None and empty mean that no source states it.

    Parameters
    ----------
    name : str
        Unique in the catalogue; for the original tables, the token.
    table : {"1A", "1B", "1C", "public"}
        The table it stands in.
    kind : {"image", "labels", "annotation", "graph"}
        What is stored. `annotation` is anything that is neither voxels nor a graph: tables, skeletons, points.
    species, region, modality : str
        What was imaged, where and how; for a graph, `modality` is the sensor.
    voxel_size : tuple of 3 float, optional
        (z, y, x) [nm] of level 0 of what is stored.
    shape, offset : tuple of 3 int, optional
        Extent and first voxel, (z, y, x) [voxels], in the original's coordinates.
    channels, channel_names, dtype, steps, rate_hz
        Channels, voxel type, time points and their rate [Hz].
    on, level
        The image that it annotates, and at which level of that image its voxels lie.
    nodes, edges, graph_attributes, node_attributes, edge_attributes
        Size and attribute names of a graph.
    citation, doi, licence, source : str
        The paper, its DOI, the terms, and where a graph was taken from.
    urls : tuple of str
        Where it is today, best first; ``{channel}`` stands for one of `channel_names`.
    format : str
        What is at those addresses.
    today : str
        For the original tables: the row of table "public" that `urls` comes from.
    window : tuple of 2 float, optional
        Measured display window [grey values].
    size_gv : float, optional
        Printed size, 10^9 voxels over all channels and time points.
    token : bool
        Whether the original service listed it as a public token in 2016.
    checksum : str
        ``sha256:...`` of the file, where one is at hand.
    note : str
        What to know before using it.
    """

    name: str
    table: str
    kind: str
    species: str = NOT_STATED
    region: str = NOT_STATED
    modality: str = NOT_STATED
    voxel_size: Float3 | None = None
    shape: Int3 | None = None
    offset: Int3 | None = None
    channels: int | None = None
    channel_names: tuple[str, ...] = ()
    dtype: str = ""
    steps: int | None = None
    rate_hz: float | None = None
    on: str = ""
    level: int | None = None
    nodes: int | None = None
    edges: int | None = None
    graph_attributes: tuple[str, ...] = ()
    node_attributes: tuple[str, ...] = ()
    edge_attributes: tuple[str, ...] = ()
    citation: str = NOT_STATED
    doi: str = ""
    licence: str = NOT_STATED
    source: str = ""
    urls: tuple[str, ...] = ()
    format: str = ""
    today: str = ""
    window: tuple[float, float] | None = None
    size_gv: float | None = None
    token: bool = False
    checksum: str = ""
    note: str = ""

    @property
    def extent(self) -> Float3 | None:
        """Physical extent (z, y, x) [nm], where voxel size and shape are known."""
        if self.voxel_size is None or self.shape is None:
            return None
        z, y, x = (n * size for n, size in zip(self.shape, self.voxel_size, strict=True))
        return z, y, x

    def as_dict(self) -> dict[str, Any]:
        """All facts, ready for JSON; lengths are in nm and `unit` says so."""
        facts = {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}
        return facts | {"extent": None if self.extent is None else list(self.extent), "unit": "nm"}

    def matches(self, text: str) -> bool:
        """Whether every word of `text` occurs in the row, in any field and any case."""
        everything = " ".join(str(v) for v in asdict(self).values() if v not in (None, False, ())).lower()
        return all(word in everything for word in text.lower().split())

    def _repr_html_(self) -> str:
        known = {k: v for k, v in self.as_dict().items() if v not in (None, "", [], False)}
        body = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(_words(v))}</td></tr>" for k, v in known.items())
        return f"<table>{body}</table>"

    def __str__(self) -> str:
        known = {k: v for k, v in self.as_dict().items() if v not in (None, "", [], False)}
        width = max(map(len, known))
        return "\n".join(f"{key:<{width}}  {_words(value)}" for key, value in known.items())


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    return f"{value:.10g}" if isinstance(value, float) else str(value)


@lru_cache(maxsize=1)
def catalogue() -> dict[str, Dataset]:
    """All rows by name, in the order of their tables."""
    rows: dict[str, Dataset] = {}
    for table in TABLES:
        for row in _read(table):
            if row.name in rows:
                raise BadMetadata(f"dataset {row.name!r} stands twice in the catalogue", "names are unique")
            rows[row.name] = row
    return {name: _located(_inherited(row, rows), rows) for name, row in rows.items()}


def _inherited(row: Dataset, rows: dict[str, Dataset]) -> Dataset:
    """Fill what a row leaves blank about the animal and the paper from the image it lies on."""
    if not row.on:
        return row
    default = {f.name: f.default for f in fields(Dataset)}
    return replace(row, **{f: getattr(rows[row.on], f) for f in _INHERITED if getattr(row, f) == default[f]})


def _located(row: Dataset, rows: dict[str, Dataset]) -> Dataset:
    return replace(row, urls=rows[row.today].urls, format=rows[row.today].format) if row.today else row


def _read(table: str) -> Iterator[Dataset]:
    text = (files("ndlab.store.catalog") / f"{table.lower()}.tsv").read_text(encoding="utf-8")
    for cells in csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE):
        yield Dataset(table=table, **{key: _parse(key, cell) for key, cell in cells.items() if cell})


def _parse(key: str, cell: str) -> Any:
    if key in ("voxel_size", "window"):
        return tuple(map(float, cell.split()))
    if key in ("shape", "offset"):
        return tuple(map(int, cell.split()))
    if key in ("channel_names", "urls", "graph_attributes", "node_attributes", "edge_attributes"):
        return tuple(cell.split())
    if key in ("channels", "steps", "level", "nodes", "edges"):
        return int(cell)
    if key in ("rate_hz", "size_gv"):
        return float(cell)
    return cell == "yes" if key == "token" else cell
