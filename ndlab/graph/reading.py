"""Read graph files: one, one of a zip, or all of a zip or a folder."""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ndlab.errors import BadMetadata, BadRequest, NotFound
from ndlab.graph.files import ENDINGS, format_of
from ndlab.graph.graph import Graph

__all__ = ["members", "read", "read_all"]


def read(
    path: str | os.PathLike[str], *, format: str | None = None, directed: bool | None = None, member: str | None = None,  # noqa: A002
) -> Graph:  # fmt: skip
    """Read a graph file: GraphML, GML, GEXF, Pajek, an edge or adjacency list, JSON, Parquet, geff, or one in a zip.

    LGL, DIMACS, UCINET's DL and GraphDB are read, too, but not written; a pickle never is.

    Parameters
    ----------
    path : str or path
        The file, or the folder of Parquet and geff.
    format : str, optional
        One of `FORMATS`; by default what the ending says.
    directed : bool, optional
        For lists, which do not say; they are directed by default, but undirected where dictionaries stand behind the
        edges (networkx, attredge). For other formats it overrides the file.
    member : str, optional
        Which file of a zip, where it holds more than one.

    Raises
    ------
    NotFound
        If nothing is there.
    BadRequest
        If the ending is unknown, a zip holds several graphs and `member` does not say which, or `member` is given for
        what is no zip.
    BadMetadata
        If the file is not of that format.

    Examples
    --------
    >>> import tempfile
    >>> path = Graph.from_edges(["a", "b"], ["b", "c"]).write(tempfile.mkdtemp() + "/toy.graphml")
    >>> read(path).ids.tolist()
    ['a', 'b', 'c']
    """
    source = Path(path).expanduser()
    if not source.exists():
        raise NotFound(f"no graph file at {source}", "", "check the path")
    if zipfile.is_zipfile(source):
        return _one_of(source, member, format, directed)
    if member is not None:
        raise BadRequest(f"{member!r} in {source.name}", "it is no zip", "leave member= out")
    kind = format_of(source, format)
    options = {"directed": directed} if kind.module == "lists" else {}
    graph = kind.load(source, Graph, **options)
    if directed is not None and directed != graph.directed:
        graph = replace(graph, directed=directed)
    return graph if "name" in graph.attributes else graph.with_attributes(name=source.stem)


def _one_of(source: Path, member: str | None, format: str | None, directed: bool | None) -> Graph:  # noqa: A002
    found = members(source)
    if member is None and len(found) == 1:
        member = next(iter(found))
    if member not in found:
        some = ", ".join(list(found)[:8]) + (", …" if len(found) > 8 else "")
        raise BadRequest(
            f"{source.name} holds {len(found):,} graphs" if member is None else f"{member!r} in {source.name}",
            f"there are {some or 'none'}", "pick one with member=, or take all with ndlab.graph.read_all(path)",
        )  # fmt: skip
    with _unpacked(source, found[member]) as path:
        return read(path, format=format, directed=directed)


def members(source: Path) -> dict[str, list[str]]:
    """Return the graphs of a zip: a name for each, and its files."""
    found: dict[str, list[str]] = {}
    with zipfile.ZipFile(source) as file:
        for name in file.namelist():
            parts = Path(name).parts
            if name.endswith("/") or any(part.startswith((".", "__")) and part != ".." for part in parts[:1]):
                continue  # What macOS packs beside the files.
            top = next((i for i, part in enumerate(parts, 1) if Path(part).suffix.lower() in ENDINGS), None)
            if top is not None:
                found.setdefault("/".join(parts[:top]), []).append(name)
    return found


# More than this from one zip is taken for a bomb.
_MOST_BYTES = 8 << 30


@contextmanager
def _unpacked(source: Path, names: list[str]) -> Iterator[Path]:
    """Unpack one graph of a zip into a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="ndlab-graph-") as folder, zipfile.ZipFile(source) as file:
        size = sum(file.getinfo(name).file_size for name in names)
        if size > _MOST_BYTES:
            raise BadRequest(f"{names[0]} of {source.name} unpacks to {size:,} bytes", f"the limit is {_MOST_BYTES:,}")
        try:
            # Python keeps what it extracts below the folder, whatever the name.
            made = [Path(file.extract(name, folder)).relative_to(folder) for name in names]
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
            raise BadMetadata(f"{names[0]} of {source.name} cannot be unpacked", str(error), "pack it anew") from None
        yield Path(folder, next(p for p in [*reversed(made[0].parents), made[0]] if p.suffix.lower() in ENDINGS))


def read_all(path: str | os.PathLike[str], **options: Any) -> Iterator[tuple[str, Graph]]:
    """Yield name and graph of each graph file in a zip or a folder, one at a time.

    Parameters
    ----------
    path : str or path
        A zip or a folder, with folders in it.
    **options
        As `read` takes them.
    """
    source = Path(path).expanduser()
    if source.is_dir():
        for one in sorted(p for p in source.rglob("*") if _is_graph(p)):
            yield one.relative_to(source).as_posix(), read(one, **options)
        return
    if not zipfile.is_zipfile(source):
        raise NotFound(f"no zip or folder of graphs at {source}", "", "read one graph with ndlab.graph.read(path)")
    for name, names in members(source).items():
        with _unpacked(source, names) as one:
            yield name, read(one, **options)


def _is_graph(path: Path) -> bool:
    inside = any(Path(part).suffix.lower() in (".parquet", ".geff", ".zarr") for part in path.parts[:-1])
    return path.suffix.lower() in ENDINGS and not inside
