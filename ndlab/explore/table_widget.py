"""The anywidget shell of the Vector Explorer: columns to the page, and what Python asks of a view."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import traitlets

from ndlab.analyze.tables import Table
from ndlab.errors import NotFound
from ndlab.explore import table_data, table_state
from ndlab.explore.graph_work import Work
from ndlab.explore.live import STATIC, LiveWidget
from ndlab.explore.table_job import Job, Kept, Superseded
from ndlab.explore.table_options import TABS, options_json
from ndlab.explore.table_state import State

__all__ = ["TableView"]

_SYNC = {"sync": True}
HEIGHT = 560
_MOST_FEATURES = 12
# Bytes of columns that go to the page with its opening; others go when they are asked for.
_WITH_OPENING = 8_000_000
# What in the state changes no plot: the page alone shows it.
_PAGE_ONLY = ("shown", "sort", "view", "split", "theme", "points")


class TableView(LiveWidget):
    """Shows a table in a notebook, and is told and tells what is on screen.

    Attributes
    ----------
    table : Table
        What it shows; what tabs have computed (components, clusters, distances) are columns of it, too.
    state : dict
        All of it but the selection, as JSON values; what is set is checked, and restores the view exactly.
    selected : ndarray
        Ids of the selected rows, as the table has them. Set it, or observe it.
    channel, ids : str
        Where the page tells other views what is selected, and the column whose values it tells; the ids unless named.
    status : dict
        ``busy``: what is being computed; ``trouble``: what could not be.
    """

    _esm = (STATIC / "table.js").read_text(encoding="utf-8")

    state = traitlets.Dict().tag(**_SYNC)
    facts: Any = traitlets.List().tag(**_SYNC)
    columns: Any = traitlets.List().tag(**_SYNC)
    offers = traitlets.Dict().tag(**_SYNC)
    ids_kind = traitlets.Unicode("rows").tag(**_SYNC)
    ids_bytes = traitlets.Bytes().tag(**_SYNC)
    # What a page sends is a view of its message.
    picked = traitlets.CBytes().tag(**_SYNC)
    plot = traitlets.Dict().tag(**_SYNC)
    status = traitlets.Dict().tag(**_SYNC)
    dark = traitlets.Bool(False).tag(**_SYNC)
    height = traitlets.Int(HEIGHT).tag(**_SYNC)
    channel = traitlets.Unicode("").tag(**_SYNC)
    ids = traitlets.Unicode("").tag(**_SYNC)
    noun = traitlets.Unicode("rows").tag(**_SYNC)
    selected: Any = traitlets.Any()

    def __init__(
        self, table: Table, state: Mapping[str, Any] | None = None, *, selected: Any = None, noun: str = "rows",
        height: int = HEIGHT,
    ) -> None:  # fmt: skip
        self.table = table
        self._own = list(table.columns)
        self._kept = Kept()
        self._wanted = 0
        self._failed: Exception | None = None
        self._work = Work(lambda names: self._say(busy=names))
        self._rows: dict[Any, Any] | None = None
        facts = [table_data.column_facts(table, name) for name in table.columns]
        self._features = [one["name"] for one in facts if one["kind"] == "number" and one["sd"] and self._measures(one)]
        first = self._checked(state or {}, self._features[:_MOST_FEATURES])
        kind, ids = table_data.ids_bytes(table)
        super().__init__(
            state=first, facts=facts,
            offers={"tabs": options_json(), "id": table.id_name, "count": len(table), "name": table.name},
            ids_kind=kind, ids_bytes=ids, status={"busy": [], "trouble": ""}, height=int(height), noun=noun,
            columns=self._first_columns(first), selected=self._ids(np.zeros(len(table), bool)),
        )  # fmt: skip
        self.layout.width = "100%"
        self.on_msg(lambda widget, message, buffers: self._hear(message))
        if selected is not None:
            self.selected = selected
        self._catch_up()

    def _measures(self, facts: Mapping[str, Any]) -> bool:
        return bool(facts["name"] != self.table.id_name)

    def _checked(self, state: Any, features: list[str] | None = None) -> State:
        table = self.table
        first = self.state["features"] if features is None else features
        return table_state.checked(state, list(table.columns), table.numbers, first)

    def _first_columns(self, state: State) -> list[dict[str, Any]]:
        found, room = [], _WITH_OPENING
        first = [state["points"]["x"], state["points"]["y"], state["classes"]]
        for name in dict.fromkeys(one for one in [*first, *self.table.columns] if one):
            facts, values = table_data.column_bytes(self.table, name)
            room -= 0 if name in first else len(values)
            if room < 0:
                break
            found.append(facts | {"values": values})
        return found

    # --- state and selection -----------------------------------------------------------------------------------

    @traitlets.validate("state")
    def _check_state(self, proposal: Any) -> State:
        return self._checked(proposal["value"])

    @traitlets.observe("state")
    def _follow_state(self, event: Any) -> None:
        before, now = event["old"], event["new"]
        parts = [name for name in now if name not in _PAGE_ONLY and name not in TABS] + [now["tab"]]
        if before and any(before.get(name) != now[name] for name in parts):
            self._catch_up()

    @traitlets.observe("dark")
    def _follow_dark(self, event: Any) -> None:
        self._catch_up()

    @traitlets.validate("selected")
    def _check_selected(self, proposal: Any) -> Any:
        return self._ids(self._mask(proposal["value"]))

    @traitlets.observe("selected")
    def _follow_selected(self, event: Any) -> None:
        if event["new"] is None:
            self.selected = []
            return
        self._tell(self._mask(event["new"]))

    @traitlets.observe("picked")
    def _follow_picked(self, event: Any) -> None:
        found = self._ids(self.mask)
        if not np.array_equal(found, self.selected):
            self.set_trait("selected", found)

    def _tell(self, mask: Any) -> None:
        bits = table_data.packed(mask)
        # Where ids name several rows the page may have chosen some of them.
        if bits != self.picked and not np.array_equal(self._ids(mask), self._ids(self.mask)):
            self.picked = bits

    @property
    def mask(self) -> np.ndarray[Any, Any]:
        """Which rows are selected, bool, shape (n,)."""
        return table_data.unpacked(self.picked, len(self.table))

    def _ids(self, mask: Any) -> Any:
        """Return the ids of rows, each once, in the order of the table."""
        found = self.table.ids[mask]
        if found.dtype.kind not in "iu":
            return np.array(list(dict.fromkeys(str(one) for one in found)), dtype=object)
        first = np.unique(found, return_index=True)[1]
        return found if len(first) == len(found) else found[np.sort(first)]

    def _mask(self, ids: Any) -> Any:
        wanted = np.atleast_1d(np.asarray([] if ids is None else ids))
        if not len(wanted):
            return np.zeros(len(self.table), bool)
        own = self.table.ids
        if own.dtype.kind in "iu":
            try:
                # Text of digits is an id, too: as pages have them.
                wanted = np.array([int(one) for one in wanted.tolist()], dtype=own.dtype)
            except (ValueError, OverflowError):
                self._refuse([one for one in wanted.tolist() if not str(one).lstrip("-").isdigit()] or wanted.tolist())
        else:
            wanted = np.array([str(one) for one in wanted.tolist()], dtype=object)
        names = set(wanted.tolist())
        mask = np.isin(own, wanted) if own.dtype.kind in "iu" else np.array([one in names for one in own], bool)
        there = set(own[mask].tolist())
        if unknown := [one for one in wanted.tolist() if one not in there]:
            self._refuse(unknown)
        return mask

    def _refuse(self, unknown: list[Any]) -> None:
        some = ", ".join(map(str, unknown[:5]))
        raise NotFound(
            f"the rows {some}{', …' if len(unknown) > 5 else ''}",
            f"the table has {len(self.table):,} rows, {', '.join(map(str, self.table.ids[:5].tolist()))}, …",
            "view.table.ids lists them",
        )

    def set(self, **values: Any) -> None:
        """Change parts of the state, of a tab what is named: ``view.set(tab="heat", heat={"scaling": "rank"})``."""
        merged = {name: self.state[name] | one if name in TABS and isinstance(one, Mapping) else one
                  for name, one in values.items()}  # fmt: skip
        self.state = self.state | merged

    def snapshot(self) -> State:
        """Return the state and the selection, as JSON values: ``explore.table(data, state=...)`` restores both."""
        return dict(self.state) | {"selection": [str(one) for one in self.selected.tolist()]}

    # --- what the page asks ------------------------------------------------------------------------------------

    def _hear(self, message: Any) -> None:
        if message.get("t") == "column" and message.get("name") in self.table.columns:
            facts, values = table_data.column_bytes(self.table, message["name"])
            self.send({"t": "column", **facts}, [values])
        elif message.get("t") == "bokeh":
            from ndlab.explore.table_plots.source import bokeh_source, bokeh_version

            self.send({"t": "bokeh", "version": bokeh_version()}, [bokeh_source()])
        elif message.get("t") == "report":
            self._work.soon("report", self._send_report)

    def _send_report(self) -> None:
        from ndlab.explore.table_plots.report import report_html

        try:
            self.send(
                {"t": "report", "name": f"{self.table.name or 'table'}.html"}, [report_html(self._job()).encode()]
            )
        except Exception as error:  # Whatever it is, the page says it.
            self._say(trouble=f"report: {error}")

    def report(self, path: Any) -> Path:
        """Write every tab as one HTML file that needs no network, and return its path."""
        from ndlab.explore.table_plots.report import report_html

        found = Path(path)
        found.write_text(report_html(self._job()), encoding="utf-8")
        return found

    # --- what takes long ---------------------------------------------------------------------------------------

    def _job(self, number: int | None = None) -> Job:
        def tell(words: str) -> None:
            if number is not None:
                if number != self._wanted:
                    raise Superseded
                self._say(busy=[words])

        return Job(self.table, self._own, dict(self.state), self.dark, self._kept, tell)

    def _catch_up(self) -> None:
        """Begin the plot that the state needs."""
        if not self.state:
            return
        self._wanted += 1
        self._failed = None
        if self.status.get("trouble"):
            self._say(trouble="")
        tab = self.state["tab"]
        if tab == "points":
            return
        number = self._wanted
        self._work.soon(TABS[tab][0], lambda: self._draw(number))

    def _draw(self, number: int) -> None:
        from ndlab.explore.table_plots import drawn

        if number != self._wanted:
            return
        try:
            found = drawn(self._job(number))
        except Superseded:
            return
        except Exception as error:  # Whatever it is, the page says it, and what waits has its turn.
            self._failed = error
            self._say(trouble=str(error))
            return
        if number != self._wanted:
            return
        if found.derived:
            self._add(found.derived)
        self.plot = found.plain() | {"number": number}

    def _add(self, derived: Mapping[str, Any]) -> None:
        """Make what was computed columns of the table."""
        self.table = self.table.with_columns(derived)
        new = [{**table_data.column_facts(self.table, name), "derived": self._wanted} for name in derived]
        self.facts = [one for one in self.facts if one["name"] not in derived] + new

    def _say(self, **values: Any) -> None:
        if self.status:
            self.status = self.status | values

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until what the tab shows is computed; return whether it is.

        Raises
        ------
        Exception
            What kept it from being computed; mostly BadRequest or TooLarge.
        """
        done = self._work.wait(seconds)
        if done and self._failed is not None:
            raise self._failed
        return done

    def close(self) -> None:
        """Close the view."""
        if getattr(self, "_work", None) is not None:
            self._wanted += 1
            self._work.drop()
        super().close()

    def __repr__(self) -> str:
        state = self.state
        told = f", classes by {state['classes']}" if state["classes"] else ""
        count = int(self.mask.sum())
        picked = f", {count:,} selected" if count else ""
        size = f"{len(self.table):,} rows, {len(self._own)} columns"
        return f"TableView of {size}, {TABS[state['tab']][0]}{told}{picked}"
