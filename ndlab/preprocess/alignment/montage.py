"""`place_tiles`: tiles of one or several sections put together by what they overlap in, all at once."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Calibration, Grid
from ndlab.measure.blocks import watched
from ndlab.pipeline import Run, Step
from ndlab.preprocess.alignment.bands import Array
from ndlab.preprocess.alignment.maps import affine_inverse
from ndlab.preprocess.alignment.mosaic import Mosaic, blended, corners_of
from ndlab.preprocess.alignment.overlaps import TileMatch, match_tiles, neighbours, read_tile_matches
from ndlab.preprocess.alignment.placing import placed, table_of
from ndlab.preprocess.alignment.rendering import drawn, written
from ndlab.preprocess.alignment.tiles import Tile, tiles_of
from ndlab.store.kv import Kv, normal_url
from ndlab.volume import Volume

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Montage", "place_tiles"]


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
        table = table_of(self.tiles, self.matches, states, maps)
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
        places = [corners_of(tile, self.matrices[tile.name]) for tile in self.tiles]
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
        low, high = self.extent() if start is None or stop is None else (start, stop)
        own = [tile for tile in self.tiles if tile.section == section]
        return blended(own, self.matrices, low, (int(high[0]) - int(low[0]), int(high[1]) - int(low[1])))

    def volume(
        self,
        voxel_size: Sequence[float],
        *,
        out: str | None = None,
        dtype: Any = None,
        block: Sequence[int] | None = None,
        overwrite: bool = False,
        workers: int | None = None,
        client: Any = None,
        progress: Any = None,
    ) -> Volume:
        """Return all sections as one `Volume`, at full resolution.

        Without `out` it is drawn when it is read; with it, into a store, block by block with all levels, and a call
        that was stopped goes on where it was. A block reads the tiles that reach into it; its size changes no voxel.

        Parameters
        ----------
        voxel_size : sequence of 3 float
            (z, y, x) of a section's pixels [nm].
        out : str, optional
            Address of an OME-Zarr store.
        dtype : optional
            That of the tiles unless given; whole numbers are rounded and clipped.
        block : sequence of 3 int, optional
            (z, y, x) of a task; rounded up to what the store writes at once.
        overwrite : bool
            Remove what is at `out` first.
        workers, client, progress
            As for `ndlab.pipeline.Run`.

        Returns
        -------
        Volume
            Its offset is where the common plane's pixels say: `points` times the pixel size, from pixels' corners.

        Raises
        ------
        BadRequest
            If the montage was loaded without its tiles.
        Conflict
            If something else is at `out`.

        Examples
        --------
        >>> import numpy as np
        >>> whole = np.random.default_rng(0).normal(100, 20, (200, 320)).astype("u1")
        >>> found = place_tiles({"left": whole[:, :200], "right": whole[:, 140:]})
        >>> found.volume((50, 4, 4))[0, :100, :200].read().shape
        (100, 200)
        """
        if not self.tiles:
            raise BadRequest("a montage without its tiles was to be drawn", "only placements are kept",
                             "load it with them: Montage.load(url, tiles)")  # fmt: skip
        low, high = self.extent()
        numbers = [tile.section for tile in self.tiles]
        size = (float(voxel_size[0]), float(voxel_size[1]), float(voxel_size[2]))
        first = min(numbers)
        offset = (first * size[0], low[0] * size[1], low[1] * size[2])
        shape = (max(numbers) - first + 1, high[0] - low[0], high[1] - low[1])
        chosen = np.dtype(self.tiles[0].dtype if dtype is None else dtype)
        mosaic = Mosaic(tuple(self.tiles), self.matrices, low, first, shape, Calibration(size, offset), chosen)
        if out is None:
            return drawn(mosaic, block)
        return written(mosaic, normal_url(out), block, overwrite, workers, client, progress)

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
    found = placed(tiles, matches, model, down)
    names = [one.name for one in tiles]
    return Montage(dict(zip(names, found.maps, strict=True)), {one.name: one.section for one in tiles},
                   table_of(tiles, matches, found.states, found.maps), found.about, tiles, matches)  # fmt: skip
