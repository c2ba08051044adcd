"""`place_tiles`: tiles of one or several sections put together by what they overlap in, all at once."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Grid
from ndlab.measure.blocks import watched
from ndlab.pipeline import Run, Step
from ndlab.preprocess.alignment.bands import Array
from ndlab.preprocess.alignment.maps import PlaneMap, affine_inverse
from ndlab.preprocess.alignment.overlaps import TileMatch, match_tiles, neighbours, read_tile_matches, weight_down
from ndlab.preprocess.alignment.settling import Link, components, rigid_of, settle_affine, settle_rigid
from ndlab.preprocess.alignment.tiles import Tile, tiles_of
from ndlab.store.kv import Kv, normal_url

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Montage", "place_tiles"]

ALIKE = 0.35
"""Median correlation of matched parts below which an overlap in plane says nothing: it shows the same tissue twice."""
_HOLD = 1e-4
_FAR = 0.06  # of half a tile's side: how far a rigid placement may be from the others', which affine maps then settle


@dataclass(frozen=True, eq=False)
class Montage:
    """Where each tile belongs.

    Attributes
    ----------
    matrices : mapping of name to array of float64, (2, 3)
        From pixels (y, x) of the tile to the common plane [pixels].
    sections : mapping of name to int
    pairs : mapping of str to list
        Columns of `residuals`.
    about : mapping
        How it was made.
    """

    matrices: Mapping[str, Array]
    sections: Mapping[str, int]
    pairs: Mapping[str, Sequence[Any]]
    about: Mapping[str, Any]
    tiles: Sequence[Tile] = field(default=(), repr=False)
    matches: Sequence[TileMatch] = field(default=(), repr=False)

    def __repr__(self) -> str:
        states = list(self.pairs["state"])
        text = f"montage of {len(self.matrices)} tiles on {len(set(self.sections.values()))} section(s)"
        text += f" from {states.count('good')} of {len(states)} overlaps"
        for where in ("same", "down"):
            value = self.rms(where)
            text += f", {value:.2f} pixels rms {'in plane' if where == 'same' else 'between sections'}" if value else ""
        return text

    def rms(self, where: Literal["same", "down"] = "same", section: int | None = None) -> float | None:
        """Return what matched points are apart, root mean square [pixels], in plane or between sections.

        With `section` only its own, or from the one before it down to it.
        """
        rows = [i for i, kind in enumerate(self.pairs["where"]) if kind == where and self.pairs["state"][i] == "good"
                and section in (None, self.sections[self.pairs["b"][i]])]  # fmt: skip
        if not rows:
            return None
        squares = sum(self.pairs["rms"][i] ** 2 * self.pairs["points"][i] for i in rows)
        return float(np.sqrt(squares / sum(self.pairs["points"][i] for i in rows)))

    def residuals(self) -> pd.DataFrame:
        """Return a table with a row for each overlap.

        Columns: `a`, `b`; `where`, ``same`` section or ``down`` to the next; `state`, ``good``, ``unlike`` or ``bad``;
        `ncc` of matched parts; `points` that can be trusted; `rms`, weighed by trust, and `worst` distance [pixels].
        """
        import pandas as pd

        return pd.DataFrame(dict(self.pairs))

    def judged(self, matrices: Mapping[str, Array]) -> Montage:
        """Return a montage of other maps, with what they leave the same matched points apart."""
        names, states = list(self.matrices), list(self.pairs["state"])
        maps = [np.asarray(matrices[name], float) for name in names]
        table = _table(self.tiles, self.matches, states, maps)
        return replace(self, matrices=dict(zip(names, maps, strict=True)), pairs=table)

    def points(self, name: str, points: Any, *, inverse: bool = False) -> Array:
        """Return where points (n, 2) of a tile lie in the common plane [pixels]; or, inverse, the other way."""
        if name not in self.matrices:
            raise BadRequest(f"tile {name!r}", f"there are {', '.join(self.matrices)}"[:200])
        matrix = affine_inverse(self.matrices[name]) if inverse else self.matrices[name]
        found: Array = np.asarray(points, float) @ matrix[:, :2].T + matrix[:, 2]
        return found

    def extent(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the corner of the common plane that tiles begin at, and the opposite one [pixels]."""
        places = []
        for tile in self.tiles:
            height, width = tile.pixels().shape
            corners = np.array([(y, x) for y in (0, height - 1) for x in (0, width - 1)])
            places.append(self.points(tile.name, corners))
        low, high = np.floor(np.min(places, (0, 1))), np.ceil(np.max(places, (0, 1))) + 1
        return (int(low[0]), int(low[1])), (int(high[0]), int(high[1]))

    def render(self, section: int, start: Sequence[int] | None = None, stop: Sequence[int] | None = None) -> Array:
        """Return a section, or a rectangle of it, as one picture: float32, tiles faded into each other.

        Parameters
        ----------
        section : int
        start, stop : sequence of 2 int, optional
            Rectangle of the common plane, half-open; all of it unless given.
        """
        from ndlab.preprocess.kernels.sampling import warp

        low, high = self.extent() if start is None or stop is None else (start, stop)
        shape = (int(high[0]) - int(low[0]), int(high[1]) - int(low[1]))
        total, weight = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for tile in self.tiles:
            if tile.section != section:
                continue
            image = tile.pixels()
            back = PlaneMap.affine(affine_inverse(self.matrices[tile.name]))
            there = back.locate(low, shape, (1, 1), (0, 0))
            value, inside = np.empty(shape, np.float32), np.empty(shape, bool)
            warp(image, np.zeros(2, np.int64), np.array(image.shape), there, 3, value, inside)
            fade = np.minimum(*(np.minimum(there[..., i] + 1, image.shape[i] - there[..., i]) for i in range(2)))
            fade = np.where(inside, np.maximum(fade, 1e-3), 0).astype(np.float32)
            total += fade * value
            weight += fade
        return total / np.maximum(weight, 1e-9)

    def save(self, url: str | os.PathLike[str]) -> None:
        """Write placements and tables (not pictures) as JSON to a folder."""
        known = {
            "version": 1, "about": dict(self.about), "sections": dict(self.sections), "pairs": dict(self.pairs),
            "matrices": {name: one.tolist() for name, one in self.matrices.items()},
        }  # fmt: skip
        Kv.open(normal_url(url)).write("montage.json", json.dumps(known).encode())

    @staticmethod
    def load(url: str | os.PathLike[str], tiles: Any = None) -> Montage:
        """Open what was saved; with the tiles it can draw."""
        known = Kv.open(normal_url(url)).read_json("montage.json")
        if known is None:
            raise BadRequest(f"no montage is at {url}", "", "give the folder that montage.save(...) got")
        sections = {name: int(z) for name, z in known["sections"].items()}
        pictures = () if tiles is None else tiles_of(tiles, sections)
        matrices = {name: np.array(one) for name, one in known["matrices"].items()}
        return Montage(matrices, sections, known["pairs"], known["about"], pictures)


def place_tiles(
    tiles: Any,
    layout: Any = None,
    *,
    model: Literal["affine", "rigid"] = "affine",
    workers: int | None = None,
    client: Any = None,
    progress: Any = None,
) -> Montage:
    """Put overlapping tiles of one or several sections together and return the `Montage`.

    Tiles that may overlap, by the stage or (without one) any two of a section and of neighbouring sections, are
    correlated; where a shift stands out, parts of the overlap are matched to a fraction of a pixel. All overlaps
    together, in plane and down the stack, settle one rigid and then one affine map for each tile; overlaps that the
    others contradict are left out and told.

    Parameters
    ----------
    tiles : mapping of name to picture, or sequence of pictures
        Arrays, Volumes of one plane, or paths of TIFF or PNG files; read when they are needed.
    layout : mapping of name, or sequence, optional
        For each tile (section, y, x), where the stage has its first pixel [pixels], or only its section. All are taken
        for one section unless given.
    model : {"affine", "rigid"}
        How far tiles may be deformed.
    workers, client, progress
        As for `ndlab.pipeline.Run`.

    Raises
    ------
    BadRequest
        If no overlaps hold all tiles together.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import ndimage
    >>> whole = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(200, 320)), 2)
    >>> found = place_tiles({"left": whole[:, :200], "right": whole[:, 140:]})
    >>> (found.points("right", [[0, 0]]) - found.points("left", [[0, 0]])).round().astype(int).tolist()
    [[0, 140]]
    """
    given = tiles_of(tiles, layout)
    pairs = neighbours(given)
    step = Step("place tiles", match_tiles, {"tiles": given, "pairs": pairs})
    with watched(progress) as callback:
        run = Run(step, Grid((max(1, len(pairs)), 1, 1), (1, 1, 1)), workers=workers,
                  client=False if client is None else client, progress=callback)  # fmt: skip
        run.run()
    return settled(given, read_tile_matches(one.result for one in run.outcomes()), model)


def settled(tiles: Sequence[Tile], matches: Sequence[TileMatch], model: str, down: float | None = None) -> Montage:
    """Return the montage that matched overlaps lead to; `down` is what one between sections weighs, found if None."""
    states = ["good" if _alike(one) else "unlike" for one in matches]
    shape = tiles[0].pixels().shape
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
    names = [one.name for one in tiles]
    return Montage(dict(zip(names, maps, strict=True)), {one.name: one.section for one in tiles},
                   _table(tiles, matches, states, maps), about, tiles, matches)  # fmt: skip


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


def _table(
    tiles: Sequence[Tile], matches: Sequence[TileMatch], states: Sequence[str], maps: Sequence[Array]
) -> dict[str, list[Any]]:
    rows: dict[str, list[Any]] = {name: [] for name in ("a", "b", "where", "state", "ncc", "points", "rms", "worst")}
    for match, state in zip(matches, states, strict=True):
        far = _apart(match, maps)
        rms = float(np.sqrt(match.trust @ far**2 / max(float(match.trust.sum()), 1e-9)))
        values = (tiles[match.a].name, tiles[match.b].name, "same" if match.same else "down", state, match.ncc,
                  int((match.trust > 0.05).sum()), rms, float(far[match.trust > 0.05].max(initial=0)))  # fmt: skip
        for name, value in zip(rows, values, strict=True):
            rows[name].append(round(value, 4) if isinstance(value, float) else value)
    return rows
