"""What the server answers of graphs but does not compute itself: rooms above it hand it in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ndlab.errors import Unsupported
from ndlab.graph import Graph

if TYPE_CHECKING:
    from ndlab.annotations import Query

__all__ = ["Services"]

Invariants = Callable[[Graph, Sequence[str], int], Mapping[str, Any]]
Connectome = Callable[["Query"], Graph]


@dataclass(frozen=True)
class Services:
    """Functions of graphs; `ndlab.analyze.services.graph_services()` has them all.

    Parameters
    ----------
    invariants : callable, optional
        ``invariants(graph, names, pairs)`` gives numbers of the whole graph and lists of one for each node, as JSON has
        them; `pairs` of its eigenpairs, where those are asked for.
    connectome : callable, optional
        ``connectome(synapses)`` gives the undirected graph of a query's synapses.
    """

    invariants: Invariants | None = None
    connectome: Connectome | None = None

    def need(self, name: str) -> Callable[..., Any]:
        """Return one of the functions.

        Raises
        ------
        Unsupported
            If the server was started without it.
        """
        found: Callable[..., Any] | None = getattr(self, name)
        if found is None:
            raise Unsupported(f"{name} of this server", "it was started without the room that computes it",
                              "start it with ndlab serve, or make_site(…, services=graph_services())")  # fmt: skip
        return found
