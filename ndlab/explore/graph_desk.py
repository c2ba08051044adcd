"""What a page asks of the kernel beside its state: to open a graph, to make one, to write one, to add up edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ndlab.errors import BadRequest
from ndlab.explore import graph_data, graph_files, graph_kinds, graph_raster
from ndlab.graph import Graph

if TYPE_CHECKING:
    from ndlab.explore.graph_widget import GraphView

__all__ = ["Desk"]

# A message of more is refused by some of those who carry it.
_PIECE = 4 * 2**20
OPENING = "the graph"


class Desk:
    """Hears the messages of one view, and has each done in its thread."""

    def __init__(self, view: GraphView, catalog: Mapping[str, graph_files.Kept]) -> None:
        self._view, self._catalog = view, dict(catalog)
        self._pieces: list[bytes] = []

    def hear(self, message: Mapping[str, Any], buffers: Sequence[Any]) -> None:
        """Do what a message asks; what cannot be is said in ``view.status``."""
        doing = {
            "open": self._open, "make": self._make, "choose": self._choose, "folder": self._folder,
            "write": self._write, "density": self._density, "restore": self._restore,
        }.get(str(message.get("do")))  # fmt: skip
        if doing is not None:
            doing(dict(message), [bytes(one) for one in buffers])

    def _open(self, asked: dict[str, Any], buffers: list[bytes]) -> None:
        if asked["part"] == 0:
            self._pieces = []
        self._pieces += buffers
        if asked["part"] + 1 == asked["parts"]:
            pieces, self._pieces = self._pieces, []
            self._show(lambda: graph_files.unpacked(asked["name"], pieces))

    def _make(self, asked: dict[str, Any], _: list[bytes]) -> None:
        self._show(lambda: graph_kinds.made(asked["kind"], int(asked["seed"]), asked["parameters"]))

    def _choose(self, asked: dict[str, Any], _: list[bytes]) -> None:
        def opened() -> Graph:
            if asked["name"] not in self._catalog:
                raise BadRequest(f"the graph {asked['name']!r}", f"there is {', '.join(self._catalog) or 'none'}")
            return graph_files.opened(self._catalog[asked["name"]])

        self._show(opened)

    def _folder(self, asked: dict[str, Any], _: list[bytes]) -> None:
        def listed() -> None:
            self._catalog |= graph_files.catalog_of(asked["path"])
            self._view.catalog = graph_files.told(self._catalog)

        self._view.begin("the folder", listed)

    def _restore(self, asked: dict[str, Any], _: list[bytes]) -> None:
        self._view.begin("the state", lambda: self._view.set(**asked["state"]))

    def _show(self, make: Any) -> None:
        self._view.begin(OPENING, lambda: self._view.show(make()))

    def _write(self, asked: dict[str, Any], _: list[bytes]) -> None:
        view = self._view

        def written() -> None:
            graph = graph_data.with_computed(view.graph, view.columns)
            if asked["of"] == "selected":
                graph = graph.subgraph(view.selection)
            ending, found = graph_files.packed(graph, asked["format"])
            count = max(1, -(-len(found) // _PIECE))
            for part in range(count):
                piece = found[part * _PIECE : (part + 1) * _PIECE]
                view.send({"do": "save", "name": f"graph{ending}", "part": part, "parts": count}, [piece])

        view.begin(f"graph as {asked['format']}", written)

    def _density(self, asked: dict[str, Any], _: list[bytes]) -> None:
        view = self._view

        def added() -> None:
            if view.places is not None:
                view.density = graph_raster.density(
                    view.graph, view.places, asked["box"], asked["size"], asked["turn"], asked["filters"],
                    graph_data.computed(view.graph, view.columns),
                )  # fmt: skip

        view.begin("edges", added)
