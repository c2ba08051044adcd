"""Graph files that a page hands over or asks for, and connectomes that can be chosen by name."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ndlab.errors import NotFound
from ndlab.graph import FORMATS, Graph, read
from ndlab.graph.files import ENDINGS

__all__ = ["WRITTEN", "Catalog", "Kept", "catalog_of", "opened", "packed", "told", "unpacked"]

# A graph, where one lies, or what makes one.
Kept = Graph | str | os.PathLike[str] | Callable[[], Graph]
Catalog = Mapping[str, Kept]

WRITTEN = tuple(name for name, one in FORMATS.items() if not one.is_folder)
"""Formats that are one file, which a page can save."""
# What lies about in folders beside graphs.
_PLAIN = (".txt", ".csv", ".tsv", ".json")
_MOST = 300


def catalog_of(given: Catalog | str | os.PathLike[str] | None) -> dict[str, Kept]:
    """Return what can be chosen by name: a mapping as it is, of a folder the graph files in it, without reading them.

    Raises
    ------
    NotFound
        If there is no such folder.
    """
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return dict(given)
    folder = Path(given).expanduser()
    if not folder.is_dir():
        raise NotFound(f"a folder of graphs at {folder}", "there is none", "name a folder that this computer has")
    found: dict[str, Kept] = {}
    for path in _files(folder):
        if len(found) == _MOST:
            break
        found[path.relative_to(folder).as_posix()] = path
    return found


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(one for one in folder.rglob("*") if one.is_file() and not one.name.startswith(".")):
        ending = path.suffix.lower()
        # A table may be anything: it counts where it calls itself a list of edges.
        if ending in ENDINGS and (ending not in _PLAIN or "edge" in path.name.lower()):
            yield path


def opened(one: Kept) -> Graph:
    """Return a graph of a catalogue."""
    if isinstance(one, Graph):
        return one
    return read(one) if isinstance(one, str | os.PathLike) else one()


def unpacked(name: str, pieces: list[bytes]) -> Graph:
    """Read a graph from the bytes of a file of that name; its ending says the format."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, Path(name).name)
        with path.open("wb") as file:
            file.writelines(pieces)
        return read(path)


def packed(graph: Graph, format: str) -> tuple[str, bytes]:  # noqa: A002
    """Return the ending and the bytes of a graph as a file, whatever of it the format can hold."""
    ending = FORMATS[format].suffixes[0]
    with tempfile.TemporaryDirectory() as folder:
        return ending, graph.write(Path(folder, f"graph{ending}"), format=format, lossy=True).read_bytes()


def told(catalog: Mapping[str, Kept]) -> list[dict[str, Any]]:
    """Return the names as the page lists them: in groups by what stands before the first slash."""
    return [{"name": name, "group": name.split("/")[0] if "/" in name else ""} for name in catalog]
