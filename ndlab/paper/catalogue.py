"""Tables 1A to 1C of the founding paper as ndlab's catalogue has them, for the report."""

from __future__ import annotations

import html
from collections.abc import Callable

from ndlab.store.catalog import datasets
from ndlab.store.catalog.rows import Dataset

__all__ = ["tables_html"]

Columns = dict[str, Callable[[Dataset], str]]

_TITLES = {"1A": "Image data sets", "1B": "Annotation data sets", "1C": "Graph data sets"}


def _by(values: tuple[float, ...] | None) -> str:
    return " × ".join(f"{value:g}" for value in values) if values else ""


_WHERE: Columns = {"reference": lambda row: row.citation, "on line today": lambda row: "yes" if row.urls else "no"}
_COLUMNS: dict[str, Columns] = {
    "1A": {
        "data set": lambda row: row.name, "species": lambda row: row.species.partition(" (")[0],
        "modality": lambda row: row.modality, "voxel [nm], z, y, x": lambda row: _by(row.voxel_size),
        "voxels, z, y, x": lambda row: _by(row.shape), "channels": lambda row: str(row.channels or ""),
        "10⁹ voxels": lambda row: "" if row.size_gv is None else f"{row.size_gv:g}", **_WHERE,
    },
    "1B": {
        "data set": lambda row: row.name, "on": lambda row: row.on, "kind": lambda row: row.kind,
        "channels": lambda row: ", ".join(row.channel_names), "type": lambda row: row.dtype,
        "level": lambda row: "" if row.level is None else str(row.level), **_WHERE,
    },
    "1C": {
        "data set": lambda row: row.name, "species": lambda row: row.species.partition(" (")[0],
        "nodes": lambda row: f"{row.nodes:,}" if row.nodes else "",
        "edges": lambda row: f"{row.edges:,}" if row.edges else "", "modality": lambda row: row.modality, **_WHERE,
    },
}  # fmt: skip


def tables_html() -> str:
    """Return Tables 1A, 1B and 1C, each folded below its title."""
    return "".join(_table(name) for name in _COLUMNS)


def _table(name: str) -> str:
    rows = [row for row in datasets() if row.table == name]
    online = sum(bool(row.urls) for row in rows)
    columns = _COLUMNS[name]
    head = "".join(f"<th>{html.escape(title)}</th>" for title in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(value(row))}</td>" for value in columns.values()) + "</tr>" for row in rows
    )
    words = f"Table {name}. {_TITLES[name]}: {len(rows)} rows, {online} of them on line today"
    return (
        f"<details class='table1'><summary>{words}</summary><div class='wide'>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )
