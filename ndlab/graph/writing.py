"""Write graph files whole or not at all, and say what a format cannot hold before a byte is written."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest, Conflict, NotFound, Unsupported
from ndlab.graph.files import FORMATS, READ_ONLY, WHOLE, Format, format_of

if TYPE_CHECKING:
    from ndlab.graph.graph import Graph

__all__ = ["lost", "write", "write_all"]


def lost(graph: Graph, format: str) -> list[str]:  # noqa: A002
    """Return in words what a graph has that a format cannot hold."""
    kind = FORMATS[format]
    apart = np.ones(graph.n_nodes, bool)
    apart[graph.source] = apart[graph.target] = False
    beyond = [name for name in graph.edges if not (kind.name == "pajek" and name == "weight")]
    has = {
        "isolated nodes": f"{int(apart.sum()):,} nodes without edges" if apart.any() else "",
        "node properties": "the node properties " + ", ".join(graph.nodes) if graph.nodes else "",
        "edge properties": "the edge properties " + ", ".join(beyond) if beyond else "",
        "parallel edges": "parallel edges" if graph.is_multigraph else "",
        "attributes": _said(graph),
    }
    return [words for what, words in has.items() if words and what not in kind.keeps]


def _said(graph: Graph) -> str:
    units = graph.nodes.units | graph.edges.units
    parts = ["its attributes " + ", ".join(graph.attributes)] if set(graph.attributes) - {"name"} else []
    return " and ".join(parts + (["the units of " + ", ".join(units)] if units else []))


def write(
    graph: Graph, dest: str | os.PathLike[str], *, format: str | None = None, overwrite: bool = False,  # noqa: A002
    lossy: bool = False,
) -> Path:  # fmt: skip
    """Write a graph to a file, whole or not at all.

    Parameters
    ----------
    graph : Graph
        It is read back equal from GraphML, GML, GEXF, JSON, Parquet and geff.
    dest : str or path
        The file; its ending says which format.
    format : str, optional
        One of `FORMATS`, whatever the ending.
    overwrite : bool
        Whether a file that is there may be replaced.
    lossy : bool
        Whether to write what the format can hold of a graph that has more.

    Raises
    ------
    Unsupported
        If the format cannot hold all of the graph, and `lossy` is not set; it says what.
    Conflict
        If something is there.
    """
    path = Path(dest).expanduser()
    kind = format_of(path, format)
    if kind.name in READ_ONLY:
        raise Unsupported(f"writing {kind.name}", "it is only read", f"write {', '.join(FORMATS)}")
    _refuse(graph, kind, path, overwrite, lossy)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        kind.save(graph, part.with_suffix(part.suffix + path.suffix) if kind.module == "lists" else part)
        if kind.module == "lists":
            part.with_suffix(part.suffix + path.suffix).replace(part)
        if kind.is_folder and path.is_dir():
            shutil.rmtree(path)
        part.replace(path)
    finally:
        for left in (part, part.with_suffix(part.suffix + path.suffix)):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
    return path


def _refuse(graph: Graph, kind: Format, path: Path, overwrite: bool, lossy: bool) -> None:
    if path.exists() and not overwrite:
        raise Conflict(f"{path} exists", "", "pass overwrite=True to replace it")
    if not path.parent.is_dir():
        raise NotFound(f"the folder {path.parent}", "it does not exist", "make it first")
    gone = lost(graph, kind.name)
    if gone and not lossy:
        whole = ", ".join(one.suffixes[0] for one in FORMATS.values() if one.keeps == WHOLE)
        raise Unsupported(
            f"{kind.name} cannot hold {'; '.join(gone)}", f"these hold everything: {whole}",
            "write one of those, or pass lossy=True", lost=gone,
        )  # fmt: skip
    try:
        json.dumps(graph.attributes)
    except TypeError as error:
        raise BadRequest(
            "attributes of the graph that no file holds", str(error), "make them text or numbers"
        ) from None
    if kind.module in ("lists", "pajek"):
        module = import_module(f"ndlab.graph.formats.{kind.module}")
        if broken := module.unreadable(graph, kind.name, path.suffix.lower()):
            raise Unsupported(
                f"{broken} in {kind.name}", "they would be read as something else", "write .json or .graphml"
            )


def write_all(
    graphs: Mapping[str, Graph] | Iterator[tuple[str, Graph]], dest: str | os.PathLike[str], **options: Any
) -> Path:
    """Write many graphs into one zip, one at a time, by name: ``{"worm.graphml": graph, …}``.

    Options are those of `write`. Names are paths inside the zip, each once, none of which leads out of it.
    """
    path = Path(dest).expanduser()
    overwrite = options.pop("overwrite", False)
    if path.exists() and not overwrite:
        raise Conflict(f"{path} exists", "", "pass overwrite=True to replace it")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    named = graphs.items() if isinstance(graphs, Mapping) else graphs
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as file, tempfile.TemporaryDirectory() as folder:
            seen: set[str] = set()
            for name, graph in named:
                parts = Path(name).parts
                if name in seen or not parts or ".." in parts or Path(name).is_absolute():
                    why = "it is there already" if name in seen else "it leads out of the zip"
                    raise BadRequest(f"a graph called {name!r} in {path.name}", why, "give each a path of its own")
                seen.add(name)
                made = write(graph, Path(folder, Path(name).name), **options)
                _pack(file, made, name)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _pack(file: zipfile.ZipFile, made: Path, name: str) -> None:
    if made.is_dir():
        for one in sorted(p for p in made.rglob("*") if p.is_file()):
            file.write(one, f"{name}/{one.relative_to(made).as_posix()}")
        shutil.rmtree(made)
        return
    file.write(made, name)
    made.unlink()
