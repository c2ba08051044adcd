"""The kinds of graph files, and which one a path is."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndlab.errors import BadMetadata, BadRequest, NdlabError, Unsupported

if TYPE_CHECKING:
    from ndlab.graph.graph import Graph

__all__ = ["ENDINGS", "FORMATS", "READABLE", "READ_ONLY", "WHOLE", "Format", "format_named", "format_of"]

WHOLE = frozenset({"isolated nodes", "node properties", "edge properties", "attributes", "parallel edges", "types"})


@dataclass(frozen=True)
class Format:
    """A kind of graph file.

    Parameters
    ----------
    name : str
        As `format=` takes it.
    suffixes : tuple of str
        Endings of its files, the one that it is written with first.
    module : str
        Where it is read and written.
    reader, writer : str
        Functions of that module; no `writer` where it is only read.
    keeps : frozenset of str
        What it can hold, of ``isolated nodes``, ``node properties``, ``edge properties``, ``attributes`` (with units),
        ``parallel edges`` and ``types``.
    is_folder : bool
        Whether a graph is a folder.
    """

    name: str
    suffixes: tuple[str, ...]
    module: str
    reader: str = "read"
    writer: str = "write"
    keeps: frozenset[str] = WHOLE
    is_folder: bool = False

    def load(self, path: Path, make: type[Graph], **options: Any) -> Graph:
        """Read the graph at a path.

        Raises
        ------
        BadMetadata
            If the file is not of this format, whatever is wrong with it.
        """
        reader = getattr(import_module(f"ndlab.graph.formats.{self.module}"), self.reader)
        try:
            made: Graph = reader(path, make, **options)
        except NdlabError:
            raise
        except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
            why = f"{type(error).__name__}: {error}"
            raise BadMetadata(f"{path} is not {self.name}", why, "name its format with format=") from error
        return made

    def save(self, graph: Graph, path: Path) -> None:
        """Write a graph to a path that does not exist."""
        getattr(import_module(f"ndlab.graph.formats.{self.module}"), self.writer)(graph, path)


FORMATS = {
    one.name: one
    for one in (
        Format("graphml", (".graphml",), "graphml"),
        Format("gml", (".gml",), "gml"),
        Format("gexf", (".gexf",), "gexf"),
        Format("pajek", (".net", ".paj", ".pajek"), "pajek", keeps=frozenset({"isolated nodes", "parallel edges"})),
        Format(
            "edgelist", (".edgelist", ".csv", ".tsv", ".txt", ".ncol"), "lists", "read_edge_list", "write_edge_list",
            frozenset({"edge properties", "parallel edges"}),
        ),
        Format(
            "adjlist", (".adjlist",), "lists", "read_adjacency_list", "write_adjacency_list",
            frozenset({"isolated nodes", "parallel edges"}),
        ),
        Format(
            "attredge", (".attredge",), "lists", "read_attredge", "write_attredge",
            frozenset({"node properties", "edge properties", "parallel edges"}),
        ),
        Format("json", (".json",), "documents"),
        Format("parquet", (".parquet",), "parquet", is_folder=True),
        Format("geff", (".geff", ".zarr"), "geff", keeps=WHOLE - {"parallel edges"}, is_folder=True),
    )
}  # fmt: skip

# What the founding graph explorer took besides; it is read, and written as something else.
READ_ONLY = {
    one.name: one
    for one in (
        Format("lgl", (".lgl",), "founding", "read_lgl", ""),
        Format("dimacs", (".dimacs", ".col", ".gr", ".max"), "founding", "read_dimacs", ""),
        Format("dl", (".dl",), "founding", "read_dl", ""),
        Format("graphdb", (".graphdb",), "founding", "read_graphdb", ""),
    )
}

READABLE = FORMATS | READ_ONLY
ENDINGS = {suffix for kind in READABLE.values() for suffix in kind.suffixes}


# Formats of the founding services that stay out, with why, and what to ask for in their place.
_NEVER = {
    "gpickle": ("a pickle runs whatever its sender wrote into it, as it is read",
                "ask for graphml, which keeps as much"),
    "yaml": ("graphs in YAML name Python classes to be called as they are read",
             "ask for json: what it holds is YAML 1.2, too, without a class in it"),
}  # fmt: skip
_NEVER_ENDINGS = {".gpickle": "gpickle", ".pickle": "gpickle", ".pkl": "gpickle", ".yaml": "yaml", ".yml": "yaml"}


def format_named(name: str) -> Format:
    """Return the format of a name.

    Raises
    ------
    Unsupported
        If it is one that runs code as it is read.
    BadRequest
        If it is unknown.

    Examples
    --------
    >>> format_named("gml").suffixes
    ('.gml',)
    """
    if name in _NEVER:
        why, remedy = _NEVER[name]
        raise Unsupported(f"graph format {name}", why, remedy)
    if name not in READABLE:
        raise BadRequest(f"graph format {name[:50]!r}", f"formats are {', '.join(FORMATS)}; read only, "
                         f"{', '.join(READ_ONLY)}", "ask for one of them")  # fmt: skip
    return READABLE[name]


def format_of(path: Path, named: str | None) -> Format:
    """Return the format of a name, or the one that a path's ending says."""
    ending = path.suffix.lower()
    if named is not None or ending in _NEVER_ENDINGS:
        return format_named(named or _NEVER_ENDINGS[ending])
    found = [kind for kind in READABLE.values() if ending in kind.suffixes]
    if not found:
        known = ", ".join(kind.suffixes[0] for kind in FORMATS.values())
        raise BadRequest(
            f"the format of {path.name}", f"known endings are {known}, and .zip of those",
            f"name it: format={next(iter(FORMATS))!r}",
        )  # fmt: skip
    return found[0]
