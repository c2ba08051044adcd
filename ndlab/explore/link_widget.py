"""Linked views in Python: the line above them, the one selection of all, and their state together."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import ipywidgets  # noqa: TID253 - only `link` imports this module, when views are linked
import traitlets

from ndlab.errors import BadRequest
from ndlab.explore.link_selection import Selection, checked
from ndlab.explore.link_tables import LinkTables
from ndlab.explore.live import STATIC, LiveWidget

__all__ = ["LinkBar", "Linked"]

_SYNC = {"sync": True}
_SIDE = "380px"


class LinkBar(LiveWidget):
    """The page's half of a link: what joins synapses, neurons and edges, and a line that says what is selected."""

    _esm = (STATIC / "link.js").read_text(encoding="utf-8")

    channel = traitlets.Unicode("").tag(**_SYNC)
    mapping = traitlets.Dict().tag(**_SYNC)
    chosen = traitlets.Dict().tag(**_SYNC)
    named = traitlets.Dict().tag(**_SYNC)
    # Whether some view shows segments, which can be shown alone.
    segments = traitlets.Bool(False).tag(**_SYNC)

    def __init__(self, channel: str, selection: Selection, tables: LinkTables, segments: bool) -> None:
        self._tables = tables
        super().__init__(
            channel=channel, mapping=tables.wire(), chosen=selection.now, named=selection.named, segments=segments
        )
        self.layout.width = "100%"

    @traitlets.validate("chosen")
    def _check_chosen(self, proposal: Any) -> Any:
        return checked(proposal["value"], self._tables)

    @traitlets.validate("named")
    def _check_named(self, proposal: Any) -> Any:
        return {str(name): checked(one, self._tables) for name, one in proposal["value"].items()}


class Linked(ipywidgets.VBox):  # type: ignore[misc]
    """An image, a graph and a table, or two of them, that show one selection.

    An ipywidget: display it, or display its parts wherever you like; they stay linked as long as they are on one page.

    Attributes
    ----------
    image, graph, table
        The views; None where there is none.
    selection : Selection
        What is selected, in all of them: ``linked.selection.neurons = [7]``.
    state : dict
        The states of the views, the selection and what was kept under names, as JSON values. Set it to restore them.
    tables : LinkTables
        Which synapses join which neurons.
    """

    def __init__(self, image: Any, graph: Any, table: Any, tables: LinkTables, parts: Mapping[str, str]) -> None:
        self.image, self.graph, self.table, self.tables = image, graph, table, tables
        self.parts = dict(parts)
        self.selection = Selection(tables)
        self.bar = LinkBar(uuid.uuid4().hex, self.selection, tables, "neurons" in parts)
        self.selection.written, self.selection.renamed = self._write, self._rename
        self.bar.observe(self._hear, "chosen")
        self.bar.observe(self._hear_names, "named")
        for view in self.views.values():
            view.channel = self.bar.channel
        if image is not None:
            image.linked = self.parts
        super().__init__(children=[self.bar, *self._arranged()])
        self.layout.width = "100%"

    @property
    def views(self) -> dict[str, Any]:
        """The views by name, those that there are."""
        found = {"image": self.image, "graph": self.graph, "table": self.table}
        return {name: view for name, view in found.items() if view is not None}

    def _arranged(self) -> list[Any]:
        beside = [view for view in (self.image, self.graph) if view is not None]
        for view in beside:
            # Side by side where there is room for it.
            view.layout.flex, view.layout.width, view.layout.min_width = "1 1 0", "auto", _SIDE
        rows = [ipywidgets.HBox(beside, layout={"width": "100%", "flex_flow": "row wrap"})] if beside else []
        return rows if self.table is None else [*rows, self.table]

    # --- the selection ----------------------------------------------------------------------------------------

    def _write(self) -> None:
        """Have every view show what Python selected: where no page is, too."""
        follows = self.selection.follows
        if self.image is not None:
            self._write_image(follows)
        if self.graph is not None:
            known = {str(one) for one in self.graph.graph.ids.tolist()}
            self.graph.set(selection=[one for one in follows["neurons"] if one in known])
        if self.table is not None:
            self.table.selected = follows["rows"]
        self.bar.chosen = self.selection.now

    def _write_image(self, follows: Mapping[str, Any]) -> None:
        state = self.image.state
        chosen = {self.parts[noun]: list(follows[noun]) for noun in ("neurons", "synapses") if noun in self.parts}
        layers = [
            one | {"isolated": bool(follows["neurons"])} if one["id"] == self.parts.get("neurons") else one
            for one in state["layers"]
        ]
        self.image.state = state | {"selection": state["selection"] | chosen, "layers": layers}

    def _hear(self, change: Any) -> None:
        # The views show it already: they heard of it in the page.
        if self.selection.take(change["new"]):
            self.selection.tell()

    def _rename(self) -> None:
        self.bar.named = self.selection.named

    def _hear_names(self, change: Any) -> None:
        self.selection.named = change["new"]

    # --- all of it --------------------------------------------------------------------------------------------

    @property
    def state(self) -> dict[str, Any]:
        """The states of the views, the selection and the named ones, as JSON values."""
        states = {name: view.state for name, view in self.views.items()}
        return states | {"selection": self.selection.now, "named": self.selection.named}

    @state.setter
    def state(self, state: Any) -> None:
        known = {*self.views, "selection", "named"}
        if not isinstance(state, Mapping) or not set(state) <= known:
            raise BadRequest(f"the state {state!r}"[:200], f"of linked views its parts are {', '.join(sorted(known))}")
        if "selection" in state:
            checked(state["selection"], self.tables)
        self.selection.named = state.get("named", self.selection.named)
        for name, view in self.views.items():
            if name in state:
                view.state = state[name]
        self.selection.put(state.get("selection", self.selection.now))

    def to_html(self, path: Any = None, **options: Any) -> Any:
        """Write the linked views as one HTML file that needs neither kernel nor network; see `link_page`."""
        from ndlab.explore.link_page import to_html

        return to_html(self, path, **options)

    def close(self) -> None:
        """Part the views, which stay open."""
        for view in self.views.values():
            view.channel = ""
        self.bar.close()
        super().close()

    def __repr__(self) -> str:
        shown = ", ".join(self.views)
        size = f"{len(self.tables.synapses):,} synapses, {len(self.tables.neurons):,} neurons"
        return f"Linked {shown}: {size}, {self.selection!r} selected"
