"""The anywidget shell of the Graph Explorer: arrays to the page, and what Python asks of a view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import traitlets

from ndlab.analyze.layouts import layout
from ndlab.errors import NotFound
from ndlab.explore import (
    graph_data,
    graph_files,
    graph_groups,
    graph_kinds,
    graph_offers,
    graph_raster,
    graph_state,
    graph_tree,
)
from ndlab.explore.graph_count import Counts
from ndlab.explore.graph_desk import Desk
from ndlab.explore.graph_state import State
from ndlab.explore.graph_work import Work
from ndlab.explore.live import STATIC, LiveWidget
from ndlab.graph import Graph
from ndlab.graph.columns import Column

__all__ = ["GraphView"]

_SYNC = {"sync": True}
HEIGHT = 480
# What in the state may have to be computed.
_COMPUTED = (
    "layout", "dim", "seed", "color", "size", "view", "panel", "groups", "against", "compared", "parts", "dims", "plot",
    "tree",
)  # fmt: skip
# What of the state holds for any graph.
_STAYS = ("dim", "seed", "named", "grow", "edges", "view", "panel", "theme")


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
    # How many edges there are; the page has no more than `graph_raster.MOST_EDGES` of them.
    total = traitlets.Int().tag(**_SYNC)
    title = traitlets.Unicode().tag(**_SYNC)
    numbers = traitlets.Dict().tag(**_SYNC)
    scree = traitlets.Dict().tag(**_SYNC)
    tree = traitlets.Dict().tag(**_SYNC)
    refused = traitlets.Dict().tag(**_SYNC)
    density: Any = traitlets.Dict().tag(**_SYNC)
    catalog: Any = traitlets.List().tag(**_SYNC)
    forms: Any = traitlets.List().tag(**_SYNC)
    formats: Any = traitlets.List().tag(**_SYNC)
    selection = traitlets.Any()

    def __init__(
        self, graph: Graph, state: Mapping[str, Any] | None = None, *, positions: Any = None, height: int = HEIGHT,
        catalog: graph_files.Catalog | str | None = None,
    ) -> None:  # fmt: skip
        kept = graph_files.catalog_of(catalog)
        self._failed: Exception | None = None
        self._counts = Counts(self._counted)
        self._work = Work(lambda names: self._say(busy=names))
        traits = self._facts(graph, positions)
        first = graph_state.checked(state or {}, traits["offers"])
        self._rows(first["selection"])
        super().__init__(
            state=first, status={"busy": [], "trouble": ""}, height=int(height),
            selection=self._ids(first["selection"]), catalog=graph_files.told(kept), forms=graph_kinds.forms(),
            formats=list(graph_files.WRITTEN), **traits,
        )  # fmt: skip
        self.layout.width = "100%"
        desk = Desk(self, kept)
        self.on_msg(lambda _, message, buffers: desk.hear(message, buffers))
        self._catch_up()

    def _facts(self, graph: Graph, positions: Any) -> dict[str, Any]:
        """Keep a graph, and return what the page has to know of it."""
        names = graph_data.names_of(graph)
        given = None if positions is None else graph_data.places(positions, graph.n_nodes)
        self.graph, self._names, self._given = graph, names, given
        self._row = {name: row for row, name in enumerate(names)}
        self._placed: tuple[Any, ...] | None = None
        found = graph_data.columns_of(graph.nodes, "nodes")
        if "degree" not in graph.nodes:
            found.append(graph_data.column("degree", Column.of(graph.degrees())))
        self._own = {one["name"] for one in found}
        self._asked: dict[str, Any] = {}
        self._treed: Any = None
        sent = graph_raster.sampled(graph)
        found += graph_data.columns_of(sent.edges, "edges")
        return {
            "names": graph_data.names_json(names), "ends": graph_data.ends_of(sent), "columns": found, "positions": b"",
            "offers": graph_offers.offers(found, given is not None), "directed": graph.directed, "total": graph.n_edges,
            "title": str(graph.attributes.get("name", "")), "numbers": {}, "scree": {}, "tree": {}, "refused": {},
            "density": {},
        }  # fmt: skip

    def show(self, graph: Graph, *, positions: Any = None) -> None:
        """Show another graph in the place of this one; what of the state holds for any graph stays."""
        if positions is None:
            positions = graph_data.own_positions(graph)
        self._counts.drop()
        state = {name: self.state[name] for name in _STAYS}
        if positions is not None:
            state["layout"] = "given"
        facts = self._facts(graph, positions)
        with self.hold_sync():
            # Names and offers first: the state is checked against them.
            for name, value in facts.items():
                self.set_trait(name, value)
            self.state = graph_state.checked(state, facts["offers"])
        self._catch_up()

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
        elif before and before["statistics"] != now["statistics"]:
            self._count()

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
            self.begin("layout", partial(self._lay_out, self.graph, *wanted))
        wanted_columns = graph_groups.wanted(state)
        for name in self._work.forget([name for name in self._asked if name not in wanted_columns]):
            self._asked.pop(name)
        for name in wanted_columns:
            how = graph_groups.options(state, name)
            known = name in self._own or not graph_offers.is_computed(name)
            if not known and (name not in self._asked or self._asked[name] != how):
                self._asked[name] = how
                self.begin(name, partial(self._add, self.graph, name, how))
        method = graph_groups.scree_of(state)
        if method is not None and method != self.scree.get("of"):
            self.begin("singular values", partial(self._add_scree, self.graph, method))
        treed = (state["groups"], graph_groups.options(state, state["groups"]))
        if state["tree"] and graph_groups.shown(state) and treed != self._treed:
            self._treed = treed
            # After the groups themselves, which are computed in the same thread.
            self.begin("tree of groups", partial(self._add_tree, self.graph, *treed))
        self._count()

    def begin(self, name: str, function: Callable[[], None]) -> None:
        """Have something done in the thread of this view, and say while it is, and why where it could not be."""

        def careful() -> None:
            try:
                function()
            except Exception as error:  # Whatever it is, the page says it, and what waits has its turn.
                if self.state["compared"] and name in graph_offers.PARTITIONS and name != self.state["groups"]:
                    self.refused = self.refused | {name: str(error)}
                    return
                self._asked.pop(name, None)
                self._failed = error
                self._say(trouble=f"{name}: {error}")

        self._failed = None
        self._say(trouble="")
        self._work.soon(name, careful)

    def _lay_out(self, graph: Graph, kind: str, dim: int, seed: int) -> None:
        found = graph_data.places(layout(graph, kind, dim=dim, seed=seed), graph.n_nodes)
        if self.graph is graph and self._placed == (kind, dim, seed):
            self.positions = found

    def _add(self, graph: Graph, name: str, how: dict[str, Any]) -> None:
        made = graph_data.column(name, graph_groups.made(graph, name, how))
        if self.graph is not graph:
            return
        found = [*(one for one in self.columns if (one["of"], one["name"]) != ("nodes", name)), made]
        self.offers = graph_offers.offers(found, self._given is not None)
        self.columns = found

    def _add_scree(self, graph: Graph, method: str) -> None:
        found = graph_groups.scree(graph, method)
        if self.graph is graph:
            self.scree = found

    def _add_tree(self, graph: Graph, name: str, how: dict[str, Any]) -> None:
        column = next((one for one in self.columns if (one["of"], one["name"]) == ("nodes", name)), None)
        found = {} if column is None else graph_tree.tree(graph, column)
        if self.graph is graph and self._treed == (name, how):
            self.tree = found

    def _count(self) -> None:
        """Have counted what is wanted and not there; what nobody wants any more ends."""
        self._counts.want(self.graph, [name for name in self.state["statistics"] if name not in self.numbers])

    def _counted(self, graph: Graph, name: str, found: dict[str, Any]) -> None:
        if self.graph is graph:
            self.numbers = self.numbers | {name: found}

    def _say(self, **values: Any) -> None:
        if self.status:
            self.status = self.status | values

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until what the state needs is computed, the numbers of the whole graph as well; return whether it is.

        Raises
        ------
        Exception
            What kept the last of them from being computed; mostly TooLarge or BadRequest.
        """
        done = self._work.wait(seconds) and self._counts.wait(seconds)
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
            self._counts.drop()
        super().close()

    def __repr__(self) -> str:
        state = self.state
        told = f", colour by {state['color']}" if state["color"] else ""
        picked = f", {len(state['selection'])} selected" if state["selection"] else ""
        size = f"{self.graph.n_nodes:,} nodes, {self.graph.n_edges:,} edges"
        return f"GraphView of {size}, layout {state['layout']}{told}{picked}"
