"""Graphs that are made, as a form takes them: the parameters of each kind, and what they are to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ndlab.analyze.generators import FAMOUS, KINDS, generate
from ndlab.errors import BadRequest
from ndlab.graph import Graph

__all__ = ["FORMS", "forms", "made"]

_BLOCKS = [[0.25, 0.01, 0.02], [0.01, 0.3, 0.02], [0.02, 0.02, 0.2]]

FORMS: dict[str, dict[str, Any]] = {
    "erdos_renyi": {"n": 300, "p": 0.02, "directed": False},
    "barabasi": {"n": 500, "m": 2, "power": 1.0},
    "random_dot_product": {"n": 200, "dim": 2, "latent": "dirichlet", "directed": False},
    "k_regular": {"n": 100, "k": 4},
    "ring": {"n": 30},
    "star": {"n": 30},
    "wheel": {"n": 30},
    "complete": {"n": 20, "directed": False},
    "complete_bipartite": {"n": 10, "m": 15},
    "random_bipartite": {"n": 50, "m": 60, "p": 0.05},
    "geometric": {"n": 300, "radius": 0.09},
    "watts_strogatz": {"n": 200, "k": 6, "p": 0.05},
    "growing_random": {"n": 300, "m": 1},
    "block_model": {"sizes": [60, 40, 30], "p": _BLOCKS, "directed": False},
    "atlas": {"index": 1000},
    "famous": {"name": "karate_club"},
    "tree": {"n": 63, "children": 2},
    "forest_fire": {"n": 300, "forward": 0.35, "backward": 0.3},
    "aging": {"n": 300, "m": 1, "power": 1.0, "aging": -1.0, "bins": 100},
    "de_bruijn": {"m": 2, "n": 6},
    "kautz": {"m": 2, "n": 4},
}
"""The parameters of each kind of `ndlab.analyze.generate`, with values that make a graph worth a look."""

_CHOICES = {"latent": ("dirichlet", "sphere"), "name": FAMOUS}


def forms() -> list[dict[str, Any]]:
    """Return the kinds as the page takes them: name, and of each parameter its name, value and choices."""
    return [{"kind": kind, "fields": [_field(name, value) for name, value in FORMS[kind].items()]} for kind in KINDS]


def _field(name: str, value: Any) -> dict[str, Any]:
    found = {"name": name, "value": value, "whole": type(value) is int}
    return found | ({"choices": list(_CHOICES[name])} if name in _CHOICES else {})


def made(kind: str, seed: int, parameters: Mapping[str, Any]) -> Graph:
    """Make a graph of what a form says.

    Raises
    ------
    BadRequest
        If the kind or a parameter is unknown, or cannot be.
    """
    strange = set(parameters) - set(FORMS.get(kind, {}))
    if strange:
        raise BadRequest(
            f"a {kind} graph of {', '.join(sorted(strange))}", f"it takes {', '.join(FORMS.get(kind, {}))}"
        )
    return generate(kind, seed=seed, **parameters)
