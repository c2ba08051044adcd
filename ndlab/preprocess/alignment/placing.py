"""One map for each tile from all overlaps together: rigid ones first, which tell what contradicts, then affine ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.preprocess.alignment.bands import Array
from ndlab.preprocess.alignment.overlaps import TileMatch, weight_down
from ndlab.preprocess.alignment.settling import Link, components, rigid_of, settle_affine, settle_rigid
from ndlab.preprocess.alignment.tiles import Tile

__all__ = ["Placed", "placed", "table_of"]

ALIKE = 0.35
"""Median correlation of matched parts below which an overlap in plane says nothing: it shows the same tissue twice."""
_HOLD = 1e-4
_FAR = 0.06  # of half a tile's side: how far a rigid placement may be from the others', which affine maps then settle


@dataclass(frozen=True)
class Placed:
    """A map for each tile, what became of each overlap, and what was chosen."""

    maps: list[Array]
    states: list[str]
    about: dict[str, Any]


def placed(tiles: Sequence[Tile], matches: Sequence[TileMatch], model: str, down: float | None) -> Placed:
    """Settle all tiles at once; `down` is what an overlap between sections weighs, found if None."""
    states = ["good" if _alike(one) else "unlike" for one in matches]
    shape = tiles[0].shape
    centre, scale = (np.array(shape) - 1) / 2, max(shape) / 2
    about: dict[str, Any] = {"model": model, "overlaps": len(matches)}
    while True:
        rows = [i for i, state in enumerate(states) if state == "good"]
        _refuse_parts(tiles, [(matches[i].a, matches[i].b) for i in rows])
        links = [_link(matches[i]) for i in rows]
        maps, far = settle_rigid(len(tiles), links, 0, centre, scale)
        worst = int(np.argmax(far))
        if far[worst] <= max(_FAR * scale, 8 * float(np.median(far))):
            break
        states[rows[worst]] = "bad"
    if model == "affine":
        used = [matches[i] for i in rows]
        down = weight_down(used) if down is None else down
        maps = settle_affine(maps, [_weighed(one, 1.0, down) for one in used], centre, scale, 0, _HOLD)
        for _ in range(3):
            weighed = [_weighed(one, _softened(one, maps), down) for one in used]
            maps = settle_affine(maps, weighed, centre, scale, 0, _HOLD)
        about["weight_down"] = float(f"{down:.4g}")
    return Placed(maps, states, about)


def _alike(match: TileMatch) -> bool:
    """Whether an overlap says something; between sections a few parts that agree are enough."""
    agree = int((match.trust > 0.05).sum())
    return agree >= 8 if not match.same else match.ncc >= ALIKE and agree >= 4


def _link(match: TileMatch) -> Link:
    weight = float(match.trust.sum()) * (1.0 if match.same else 0.3)
    return Link(match.a, match.b, rigid_of(match.points, match.targets, match.trust + 1e-9), weight)


def _weighed(match: TileMatch, soft: Any, down: float) -> tuple[int, int, Array, Array, Array, float]:
    return match.a, match.b, match.points, match.targets, match.trust * soft, 1.0 if match.same else down


def _softened(match: TileMatch, maps: Sequence[Array]) -> Array:
    far = _apart(match, maps)
    slack = max(0.5, 1.4826 * float(np.median(far)))
    found: Array = 1 / (1 + (far / slack) ** 2)
    return found


def _apart(match: TileMatch, maps: Sequence[Array]) -> Array:
    one, other = maps[match.a], maps[match.b]
    difference = match.points @ one[:, :2].T + one[:, 2] - match.targets @ other[:, :2].T - other[:, 2]
    found: Array = np.linalg.norm(difference, axis=1)
    return found


def _refuse_parts(tiles: Sequence[Tile], pairs: Sequence[tuple[int, int]]) -> None:
    parts = components(len(tiles), pairs)
    if len(parts) > 1:
        named = "; ".join(", ".join(tiles[i].name for i in one) for one in parts)
        raise BadRequest(
            f"a montage of {len(tiles)} tiles that falls into {len(parts)} parts", f"no overlap joins {named}"[:400],
            "give the stage positions as layout={name: (section, y, x)}, or place the parts alone", parts=parts,
        )  # fmt: skip


def table_of(
    tiles: Sequence[Tile], matches: Sequence[TileMatch], states: Sequence[str], maps: Sequence[Array]
) -> dict[str, list[Any]]:
    """Return a row for each overlap, as columns: what maps leave its points apart, and what became of it."""
    rows: dict[str, list[Any]] = {name: [] for name in ("a", "b", "where", "state", "ncc", "points", "rms", "worst")}
    for match, state in zip(matches, states, strict=True):
        far = _apart(match, maps)
        rms = float(np.sqrt(match.trust @ far**2 / max(float(match.trust.sum()), 1e-9)))
        values = (tiles[match.a].name, tiles[match.b].name, "same" if match.same else "down", state, match.ncc,
                  int((match.trust > 0.05).sum()), rms, float(far[match.trust > 0.05].max(initial=0)))  # fmt: skip
        for name, value in zip(rows, values, strict=True):
            rows[name].append(round(value, 4) if isinstance(value, float) else value)
    return rows
