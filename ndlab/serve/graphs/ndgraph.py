"""The founding services' graphs of synapses: ``/ndgraph/<token>/<channel>/[<format>/[x0,x1/y0,y1/z0,z1/]]``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ndlab.annotations import Query
from ndlab.graph import Graph
from ndlab.graph.files import Format, format_named
from ndlab.serve.grammar import Cut
from ndlab.serve.grammar.words import Words
from ndlab.serve.ramon.behind import Behind

__all__ = ["Asked", "graph_of", "parse"]

_FIRST = "graphml"


@dataclass(frozen=True)
class Asked:
    """What a path asks for; the cut is in voxels of level 0, as the channel's cut-outs count."""

    token: str
    channel: str
    format: Format
    cut: Cut | None = None


def parse(path: str) -> Asked:
    """Read what follows ``/ndgraph/``.

    Raises
    ------
    BadRequest
        If it is no such path.
    Unsupported
        If the format is one that is never written.

    Examples
    --------
    >>> parse("kasthuri11/synapses/gml/0,500/0,400/1,20/").cut
    Cut(level=0, x=(0, 500), y=(0, 400), z=(1, 20), t=None)
    """
    words = Words(unquote(one) for one in path.strip("/").split("/"))
    token, channel = words.name("a token"), words.name("a channel")
    form = format_named(words.take("a format") if words.peek() else _FIRST)
    cut = None
    if words.peek():
        cut = Cut(0, words.range("x"), words.range("y"), words.range("z"))
    words.end()
    return Asked(token, channel, form, cut)


def graph_of(behind: Behind, asked: Asked, connectome: Callable[[Query], Graph]) -> Graph:
    """Return the undirected graph of the channel's synapses, of those in the box if there is one."""
    found: Any = behind.annotations.where(kind="synapse")
    if asked.cut is not None:
        found = found.within(behind.frame.space(*behind.frame.box(asked.cut)))
    return connectome(found).with_attributes(name=f"{asked.token}_{asked.channel}")
