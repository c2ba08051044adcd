"""Alignment: where each section of a stack belongs, for voxels, points and labels, both ways."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Calibration
from ndlab.preprocess.alignment import stored
from ndlab.preprocess.alignment.bands import Array
from ndlab.preprocess.alignment.maps import PlaneMap
from ndlab.preprocess.alignment.rendering import Drawing, drawn, written
from ndlab.store.kv import Kv, join, normal_url
from ndlab.volume import Volume

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["INSIDE", "Alignment"]

INSIDE = "alignment"
"""What an alignment is called inside the store that was drawn by it."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where each section of a stack belongs.

    What is kept for each section is the map from the aligned plane to the section, in nm, so that it holds for every
    pyramid level and for whatever else lies in the same space. `ndlab.preprocess.align` makes one.

    Attributes
    ----------
    matrices : array of float64, (sections, 2, 3)
        Affine part, (y, x) [nm].
    nodes : array of float64, (sections, ny, nx, 2), or None
        Coefficients of the elastic part [nm]; None if they stay in the store until they are needed.
    first, spacing : (float, float), float
        Where the grid's first node stands, and how far its nodes are apart [nm].
    z : (float, float)
        Corner of the first section and thickness of each [nm].
    canvas : ((float, float), (float, float))
        Corner and opposite corner of the aligned plane [nm].
    pairs, parts : mapping of str to list
        Columns of `quality` and `sections`.
    about : mapping
        What was aligned, how, and what was chosen.
    url : str
        Where it is stored; empty in memory.
    """

    matrices: Array
    nodes: Array | None
    first: tuple[float, float]
    spacing: float
    z: tuple[float, float]
    canvas: tuple[tuple[float, float], tuple[float, float]]
    pairs: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    parts: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    url: str = ""
    volume: Volume | None = None

    def __len__(self) -> int:
        return len(self.matrices)

    def __repr__(self) -> str:
        states = [str(one) for one in self.pairs.get("state", [])]
        bad = sum(one == "bad" for one in states)
        found = (
            f"{self.about.get('model', 'affine')} alignment of {len(self)} sections from {states.count('good')} pairs"
        )
        apart = [v for v, s in zip(self.pairs.get("apart", []), states, strict=True) if s == "good"]
        if apart:
            found += f", {np.median(apart):.3g} nm apart in the middle"
        return found + (f"; {bad} bad pair(s), see .quality()" if bad else "")

    def map(self, z: int) -> PlaneMap:
        """Return the map of section `z` from the aligned plane to the section [nm]."""
        if not 0 <= z < len(self):
            raise BadRequest(f"section {z}", f"the alignment has sections 0 to {len(self) - 1}")
        nodes = stored.read_part(self.url, "nodes", z) if self.nodes is None else self.nodes[z]
        return PlaneMap(self.matrices[z], nodes, self.first, self.spacing)

    # --- what it is for ---------------------------------------------------------------------------------------

    def points(self, points: Any, *, inverse: bool = False) -> Array:
        """Return where points of the sections lie in the aligned volume; or, inverse, the other way.

        Skeletons, synapses and corners of boxes are points, too.

        Parameters
        ----------
        points : array, (n, 3)
            (z, y, x) [nm]; z says which section and stays as it is.
        inverse : bool
            From the aligned volume back to the sections.

        Raises
        ------
        BadRequest
            If a point is on no section.
        """
        given = np.asarray(points, float).reshape(-1, 3)
        found = given.copy()
        sections = np.floor((given[:, 0] - self.z[0]) / self.z[1]).astype(int)
        if len(given) and (sections.min() < 0 or sections.max() >= len(self)):
            raise BadRequest(
                f"points with z from {given[:, 0].min():g} to {given[:, 0].max():g} nm",
                f"the sections lie from {self.z[0]:g} to {self.z[0] + len(self) * self.z[1]:g} nm",
                "leave the others out",
            )
        for z in np.unique(sections):
            mine, own = sections == z, self.map(int(z))
            found[mine, 1:] = own(given[mine, 1:]) if inverse else own.inverse(given[mine, 1:])
        return found

    def render(
        self,
        volume: Volume,
        *,
        out: str | os.PathLike[str] | None = None,
        order: int | None = None,
        block: Sequence[int] | None = None,
        overwrite: bool = False,
        workers: int | None = None,
        client: Any = None,
        progress: Any = None,
    ) -> Volume:
        """Return the volume, or another one of the same space, drawn as aligned.

        Every voxel depends on its place alone, so blocks of any size give the same, bit for bit. Any level may be
        drawn, whichever one was looked at to align.

        Parameters
        ----------
        volume : Volume
            (z, y, x): the sections themselves, their labels, or another level of either.
        out : str or path, optional
            Where it is written, as OME-Zarr with all levels. Without it nothing is computed until voxels are read.
        order : {0, 1, 3}, optional
            Of the interpolation: the nearest voxel (for labels, which keep their ids), linear, or cubic (for images).
        block : sequence of 3 int, optional
            Voxels (z, y, x) of a task.
        overwrite : bool
            Remove what is at `out` first.
        workers, client, progress
            As for `ndlab.pipeline.Run`.

        Raises
        ------
        BadRequest
            If the volume has other sections than were aligned.
        """
        drawing = Drawing.of(self, volume, order)
        if out is None:
            return drawn(drawing, block)
        return written(drawing, normal_url(out), block, overwrite, workers, client, progress)

    # --- how well ---------------------------------------------------------------------------------------------

    def quality(self) -> pd.DataFrame:
        """Return a table with a row for each pair that was compared.

        Columns: `a`, `b`, the sections; `state`: ``good``, ``unlike`` (no more alike than unrelated pictures; no news
        for sections that are two or three apart), ``bad`` (contradicts the others: left out, and a reason to look) or
        ``blank``; `score` of the rigid placement [standard deviations]; `before` and `after`, median correlation of
        the parts, rigidly placed and matched; `apart` and `apart95`, median and 95th percentile of what matched points
        are apart once aligned [nm].
        """
        import pandas as pd

        return pd.DataFrame(dict(self.pairs))

    def sections(self) -> pd.DataFrame:
        """Return a table with a row for each section.

        Columns: `section`; `state`, ``good``, ``blank`` or ``alone``; `turn` [degrees] and `shift_y`, `shift_x` [nm]
        of its middle; `bend`, root mean square of the elastic part [nm]; `smallest` and `largest` change of area (the
        Jacobian; below 0 it would fold).
        """
        import pandas as pd

        return pd.DataFrame(dict(self.parts))

    # --- where it is ------------------------------------------------------------------------------------------

    def save(self, url: str | os.PathLike[str]) -> Alignment:
        """Write it to an address and return it as it stands there."""
        address = normal_url(url)
        about = {
            "about": dict(self.about), "first": list(self.first), "spacing": self.spacing, "z": list(self.z),
            "canvas": [list(corner) for corner in self.canvas], "pairs": {k: list(v) for k, v in self.pairs.items()},
            "parts": {k: list(v) for k, v in self.parts.items()},
        }  # fmt: skip
        nodes = stored.read_array(self.url, "nodes") if self.nodes is None else self.nodes
        stored.write(address, about, {"matrices": self.matrices, "nodes": nodes})
        return replace(self, url=address, nodes=None)

    @staticmethod
    def load(url: str | os.PathLike[str]) -> Alignment:
        """Open one that was saved, or that of a volume that `align` wrote.

        Raises
        ------
        NotFound
            If there is none.
        """
        address = normal_url(url)
        inner = join(address, INSIDE)
        if stored.KEY not in (Kv.open(address).read_json("zarr.json") or {}).get("attributes", {}):
            address = inner
        kept = stored.read_about(address)
        (y, x), (y1, x1) = kept["canvas"]
        first = (float(kept["first"][0]), float(kept["first"][1]))
        return Alignment(
            stored.read_array(address, "matrices"), None, first, float(kept["spacing"]), (kept["z"][0], kept["z"][1]),
            ((y, x), (y1, x1)), kept["pairs"], kept["parts"], kept["about"], address,
        )  # fmt: skip

    def __reduce__(self) -> tuple[Any, ...]:
        # Tasks get the address and read the maps of their own sections.
        if self.url:
            return Alignment.load, (self.url,)
        return Alignment, (self.matrices, self.nodes, self.first, self.spacing, self.z, self.canvas, self.pairs,
                           self.parts, self.about)  # fmt: skip

    def frame(self, volume: Volume) -> tuple[tuple[int, int, int], Calibration]:
        """Return shape and calibration of `volume` drawn as aligned: its voxels, over the aligned plane."""
        _, y, x = volume.voxel_size
        (y0, x0), (y1, x1) = self.canvas
        shape = (volume.shape[0], max(1, round((y1 - y0) / y)), max(1, round((x1 - x0) / x)))
        return shape, Calibration(volume.voxel_size, (volume.offset[0], y0, x0))
