"""The anywidget shell of the Graph Explorer: arrays to the page, and what Python asks of a view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import traitlets

from ndlab.analyze.communities import METHODS, communities
from ndlab.analyze.layouts import LAYOUTS, layout
from ndlab.analyze.vertices import VERTEX, vertex_statistics
from ndlab.errors import NotFound
from ndlab.explore import graph_data, graph_state
from ndlab.explore.graph_state import COMMUNITIES, State
from ndlab.explore.graph_work import Work
from ndlab.explore.live import STATIC, LiveWidget
from ndlab.graph import Graph
from ndlab.graph.columns import Column

__all__ = ["GraphView"]

_SYNC = {"sync": True}
HEIGHT = 480
# What in the state may have to be computed.
_COMPUTED = ("layout", "dim", "seed", "color", "size")


class GraphView(LiveWidget):
    """Shows a graph in a notebook, and is told and tells what is on screen.

    Attributes
    ----------
    graph : Graph
        What it shows.
    state : dict
        All of it, as JSON values; what is set is checked, and restores the view exactly.
    selection : list
        Ids of the selected nodes, as the graph has them. Set it, or observe it.
    status : dict
        ``busy``: what is being computed; ``trouble``: what could not be.
    channel : str
        Where the page tells other views what is selected: see `ndlab.explore.link`.
    """

    _esm = (STATIC / "graph.js").read_text(encoding="utf-8")

    state = traitlets.Dict().tag(**_SYNC)
    names = traitlets.Bytes().tag(**_SYNC)
    ends = traitlets.Bytes().tag(**_SYNC)
    positions = traitlets.Bytes().tag(**_SYNC)
    columns: Any = traitlets.List().tag(**_SYNC)
    offers = traitlets.Dict().tag(**_SYNC)
    status = traitlets.Dict().tag(**_SYNC)
    directed = traitlets.Bool().tag(**_SYNC)
    height = traitlets.Int(HEIGHT).tag(**_SYNC)
    channel = traitlets.Unicode("").tag(**_SYNC)
    selection = traitlets.Any()

    def __init__(
        self, graph: Graph, state: Mapping[str, Any] | None = None, *, positions: Any = None, height: int = HEIGHT
    ) -> None:
        self.graph = graph
        self._names = graph_data.names_of(graph)
        self._row = {name: row for row, name in enumerate(self._names)}
        self._given = None if positions is None else graph_data.places(positions, graph.n_nodes)
        self._placed: tuple[Any, ...] | None = None
        self._failed: Exception | None = None
        self._work = Work(lambda names: self._say(busy=names))
        found = graph_data.columns_of(graph.nodes, "nodes")
        if "degree" not in graph.nodes:
            found.append(graph_data.column("degree", Column.of(graph.degrees())))
        self._own = {one["name"] for one in found}
        self._asked: dict[str, int | None] = {}
        found += graph_data.columns_of(graph.edges, "edges")
        offers = self._offers(found)
        first = graph_state.checked(state or {}, offers)
        self._rows(first["selection"])
        super().__init__(
            state=first, names=graph_data.names_json(self._names), ends=graph_data.ends_of(graph), columns=found,
            offers=offers, status={"busy": [], "trouble": ""}, directed=graph.directed, height=int(height),
            selection=self._ids(first["selection"]),
        )  # fmt: skip
        self.layout.width = "100%"
        self._catch_up()

    def _offers(self, columns: list[dict[str, Any]]) -> dict[str, list[str]]:
        here = [one["name"] for one in columns if one["of"] == "nodes"]
        numbers = {of: [one["name"] for one in columns if (one["of"], one["kind"]) == (of, "number")]
                   for of in ("nodes", "edges")}  # fmt: skip
        later = [name for name in VERTEX if name not in here]
        parts = [COMMUNITIES + method for method in METHODS]
        return {
            "layouts": [*(["given"] if self._given is not None else []), *(k for k in LAYOUTS if k != "own")],
            "colors": [*here, *later, *(name for name in parts if name not in here)],
            "sizes": [*numbers["nodes"], *later],
            "labels": here,
            "nodes": numbers["nodes"],
            "edges": numbers["edges"],
        }

    # --- state ------------------------------------------------------------------------------------------------

    @traitlets.validate("state")
    def _check_state(self, proposal: Any) -> State:
        found = graph_state.checked(proposal["value"], self.offers)
        self._rows(found["selection"])
        return found

    @traitlets.validate("selection")
    def _check_selection(self, proposal: Any) -> list[Any]:
        given = proposal["value"]
        return self._ids([str(one) for one in (given if given is not None else [])])

    @traitlets.observe("state")
    def _follow_state(self, event: Any) -> None:
        before, now = event["old"], event["new"]
        self.selection = self._ids(now["selection"])
        # Not with every motion: what could not be computed would be tried again.
        if before and any(before[name] != now[name] for name in _COMPUTED):
            self._catch_up()

    @traitlets.observe("selection")
    def _follow_selection(self, event: Any) -> None:
        names = [str(one) for one in event["new"]]
        if self.state and self.state["selection"] != names:
            self.set(selection=names)

    def set(self, **values: Any) -> None:
        """Change parts of the state: ``view.set(color="kind", layout="circle")``."""
        self.state = self.state | values

    def _rows(self, names: list[str]) -> list[int]:
        unknown = [name for name in names if name not in self._row]
        if unknown:
            raise NotFound(
                f"the nodes {', '.join(unknown[:5])}{', …' if len(unknown) > 5 else ''}",
                f"the graph has {self.graph.n_nodes:,} nodes, {', '.join(self._names[:5])}, …", "G.ids lists them",
            )  # fmt: skip
        return [self._row[name] for name in names]

    def _ids(self, names: list[str]) -> list[Any]:
        found: list[Any] = self.graph.ids[np.array(self._rows(names), np.int64)].tolist()
        return found

    # --- what takes long --------------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Begin what the state needs and is not there."""
        state = self.state
        wanted = (state["layout"], state["dim"], state["seed"])
        if state["layout"] == "given" and self._given is not None:
            self._placed, self.positions = wanted, self._given
        elif wanted != self._placed:
            self._placed = wanted
            self._begin("layout", lambda: self._lay_out(*wanted))
        for name in {state["color"], state["size"]} - self._own - {""}:
            # Chance plays a part in communities only.
            seed = state["seed"] if name.startswith(COMMUNITIES) else None
            if name not in self._asked or self._asked[name] != seed:
                self._asked[name] = seed
                self._begin(name, lambda name=name, seed=seed: self._add(name, seed))  # type: ignore[misc]

    def _begin(self, name: str, function: Callable[[], None]) -> None:
        def careful() -> None:
            try:
                function()
            except Exception as error:  # Whatever it is, the page says it, and what waits has its turn.
                self._asked.pop(name, None)
                self._failed = error
                self._say(trouble=f"{name}: {error}")

        self._failed = None
        self._say(trouble="")
        self._work.soon(name, careful)

    def _lay_out(self, kind: str, dim: int, seed: int) -> None:
        found = graph_data.places(layout(self.graph, kind, dim=dim, seed=seed), self.graph.n_nodes)
        if self._placed == (kind, dim, seed):
            self.positions = found

    def _add(self, name: str, seed: int | None) -> None:
        if name.startswith(COMMUNITIES):
            # Numbers that stand for names: they are told apart, not compared.
            numbers = communities(self.graph, name.removeprefix(COMMUNITIES), seed=seed or 0)
            column = Column.of([str(one) for one in numbers.tolist()])
        else:
            column = Column.of(vertex_statistics(self.graph, [name])[name])
        found = [one for one in self.columns if (one["of"], one["name"]) != ("nodes", name)]
        found.append(graph_data.column(name, column))
        self.offers = self._offers(found)
        self.columns = found

    def _say(self, **values: Any) -> None:
        if self.status:
            self.status = self.status | values

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until layout, statistics and communities are computed; return whether they are.

        Raises
        ------
        Exception
            What kept the last of them from being computed; mostly TooLarge or BadRequest.
        """
        done = self._work.wait(seconds)
        if done and self._failed is not None:
            raise self._failed
        return done

    @property
    def places(self) -> np.ndarray[Any, Any] | None:
        """Where nodes stand, float32, shape (n, 3), in the order of ``graph.ids``; None before the layout is there."""
        return np.frombuffer(self.positions, "<f4").reshape(-1, 3) if self.positions else None

    def close(self) -> None:
        """Close the view."""
        if getattr(self, "_work", None) is not None:
            self._work.drop()
        super().close()

    def __repr__(self) -> str:
        state = self.state
        told = f", colour by {state['color']}" if state["color"] else ""
        picked = f", {len(state['selection'])} selected" if state["selection"] else ""
        size = f"{self.graph.n_nodes:,} nodes, {self.graph.n_edges:,} edges"
        return f"GraphView of {size}, layout {state['layout']}{told}{picked}"
