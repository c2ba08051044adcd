"""What is selected in linked views: one object, set and heard from Python, kept under names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ndlab.errors import BadRequest, NotFound
from ndlab.explore.link_tables import LinkTables, is_whole

__all__ = ["Chosen", "Selection", "checked"]

Chosen = dict[str, Any]


class Selection:
    """Synapses or neurons, and what follows from them.

    Either is what somebody selected: ``noun`` says which. The synapses of neurons follow, and the edges of synapses.

    Examples
    --------
    >>> from ndlab.explore.link_tables import LinkTables
    >>> tables = LinkTables.of([7, 8, 9], [1, 1, 4], [2, 3, 3])
    >>> selection = Selection(tables)
    >>> stop = selection.observe(lambda now: print(now))
    >>> selection.neurons = [3]
    2 synapses of the neuron 3
    >>> selection.synapses, selection.rows
    ([8, 9], [1, 2])
    >>> selection.save("on 3")
    >>> selection.synapses = [7]
    the synapse 7
    >>> selection.edges, selection.neurons
    ([(1, 2)], [])
    >>> selection.recall("on 3")
    2 synapses of the neuron 3
    """

    def __init__(self, tables: LinkTables) -> None:
        self._tables = tables
        self._now: Chosen = {"noun": "synapses", "ids": []}
        self._named: dict[str, Chosen] = {}
        self._listeners: list[Callable[[Selection], Any]] = []
        # The views and the page, which hear of it before anybody else.
        self.written: Callable[[], None] = lambda: None
        self.renamed: Callable[[], None] = lambda: None

    # --- what it is -------------------------------------------------------------------------------------------

    @property
    def noun(self) -> str:
        """What was selected, "synapses" or "neurons"; the rest follows."""
        return str(self._now["noun"])

    @property
    def ids(self) -> list[Any]:
        """The ids of what was selected: whole numbers where they are such, else text."""
        return [_plain(one) for one in self._now["ids"]]

    @property
    def synapses(self) -> list[Any]:
        """Ids of the synapses: those selected, or all of the neurons'. Set it to select."""
        return [_plain(one) for one in self.follows["synapses"]]

    @synapses.setter
    def synapses(self, ids: Any) -> None:
        self._set("synapses", ids)

    @property
    def neurons(self) -> list[Any]:
        """Ids of the neurons that were selected. Set it to select."""
        return [_plain(one) for one in self.follows["neurons"]]

    @neurons.setter
    def neurons(self, ids: Any) -> None:
        self._set("neurons", ids)

    @property
    def edges(self) -> list[tuple[Any, Any]]:
        """Pairs of neurons, (pre, post), that the selected synapses join."""
        return [(_plain(pre), _plain(post)) for pre, post in self.follows["edges"]]

    @property
    def rows(self) -> list[int]:
        """Numbers of the rows of the table: ``frame.iloc[linked.selection.rows]``."""
        return self._tables.places(self._tables.rows, self.follows["rows"])

    @property
    def follows(self) -> Mapping[str, Any]:
        """Ids as text, by what each view speaks of."""
        return self._tables.follows(self.noun, self._now["ids"])

    def __len__(self) -> int:
        return len(self._now["ids"])

    def __repr__(self) -> str:
        ids = self._now["ids"]
        what = self.noun if len(ids) != 1 else self.noun[:-1]
        shown = f"the {what} {ids[0]}" if len(ids) == 1 else f"{len(ids):,} {what}" if ids else "nothing"
        if not ids or self.noun == "synapses":
            return shown
        return f"{len(self.follows['synapses']):,} synapses of {shown}"

    # --- changing and hearing ---------------------------------------------------------------------------------

    def clear(self) -> None:
        """Select nothing."""
        self._set(self.noun, [])

    def observe(self, function: Callable[[Selection], Any]) -> Callable[[], None]:
        """Call `function` with the selection whenever it changes; return what stops that."""
        self._listeners.append(function)
        return lambda: self._listeners.remove(function) if function in self._listeners else None

    def _set(self, noun: str, ids: Any) -> None:
        one_alone = isinstance(ids, str) or not hasattr(ids, "__iter__")
        self.put({"noun": noun, "ids": [ids] if one_alone else ids})

    def put(self, chosen: Any) -> None:
        """Take a selection as JSON has it, ``{"noun": "neurons", "ids": ["7"]}``, and have the views show it."""
        if self.take(checked(chosen, self._tables)):
            self.written()
            self.tell()

    def take(self, chosen: Chosen) -> bool:
        """Be told of a selection that the views show already; return whether it is another."""
        other, self._now = chosen != self._now, chosen
        return other

    def tell(self) -> None:
        """Let everybody know who listens."""
        for function in list(self._listeners):
            function(self)

    # --- names ------------------------------------------------------------------------------------------------

    @property
    def now(self) -> Chosen:
        """What is selected, as JSON values."""
        return {"noun": self.noun, "ids": list(self._now["ids"])}

    @property
    def named(self) -> dict[str, Chosen]:
        """What was kept, by name, as JSON values. Set it to keep others."""
        return {name: {"noun": one["noun"], "ids": list(one["ids"])} for name, one in self._named.items()}

    @named.setter
    def named(self, named: Mapping[str, Any]) -> None:
        found = {str(name): checked(one, self._tables) for name, one in named.items()}
        if found != self._named:
            self._named = found
            self.renamed()

    def save(self, name: str) -> None:
        """Keep what is selected under a name."""
        if not name:
            raise BadRequest("a selection without a name", "it is kept under one", 'selection.save("large spines")')
        self.named = self.named | {name: self.now}

    def recall(self, name: str) -> None:
        """Select again what was kept.

        Raises
        ------
        NotFound
            If nothing has that name.
        """
        self.put(self._kept(name))

    def drop(self, name: str) -> None:
        """Keep it no longer."""
        self._kept(name)
        self.named = {other: one for other, one in self.named.items() if other != name}

    def _kept(self, name: str) -> Chosen:
        if name not in self._named:
            there = ", ".join(map(repr, self._named)) or "none"
            raise NotFound(
                f"no selection is called {name!r}", f"there are {there}", f"selection.save({name!r}) keeps one"
            )
        return self._named[name]


def checked(chosen: Any, tables: LinkTables) -> Chosen:
    """Return a selection of known ids, as JSON values.

    Raises
    ------
    BadRequest
        If it is no selection.
    NotFound
        If an id is not known.
    """
    if not isinstance(chosen, Mapping) or set(chosen) != {"noun", "ids"}:
        raise BadRequest(f"the selection {chosen!r}"[:200], "it has noun and ids", '{"noun": "neurons", "ids": ["7"]}')
    return {"noun": str(chosen["noun"]), "ids": tables.checked(str(chosen["noun"]), chosen["ids"])}


def _plain(one: str) -> Any:
    return int(one) if is_whole(one) else one
