"""Registration: the map between two volumes, and what it is good for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Calibration, Int3
from ndlab.pipeline import BlockStep, progress_bar
from ndlab.pipeline.progress import ProgressCallback
from ndlab.preprocess.mapping import Mapping
from ndlab.preprocess.registration import keeping
from ndlab.preprocess.registration.quality import Quality, quality
from ndlab.preprocess.registration.regions import region_table
from ndlab.preprocess.warped import warped
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

if TYPE_CHECKING:
    from ndlab.measure import Table

__all__ = ["Registration", "Space"]


@dataclass(frozen=True)
class Space:
    """Where a volume lies: its address, extent, voxel size and corner."""

    url: str
    shape: Int3
    calibration: Calibration
    name: str = ""

    @staticmethod
    def of(volume: Volume) -> Space:
        """Return where a volume lies."""
        return Space(volume.url, volume.box.shape, Calibration(volume.voxel_size, volume.offset), volume.name)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        c = self.calibration
        return {
            "url": self.url, "name": self.name, "shape": list(self.shape), "voxel_size": list(c.voxel_size),
            "offset": list(c.offset),
        }  # fmt: skip

    @staticmethod
    def from_json(found: dict[str, Any]) -> Space:
        """Return what `to_json` wrote."""
        z, y, x = found["shape"]
        return Space(found["url"], (z, y, x), Calibration(found["voxel_size"], found["offset"]), found["name"])


@dataclass(frozen=True, eq=False)
class Registration:
    """The map between a moving and a fixed volume, both ways.

    Attributes
    ----------
    forward, backward : Mapping
        From positions of the fixed volume to positions of the moving one [nm], and back.
    fixed, moving : Space
        Where the two volumes lie.
    found : dict
        What was chosen and how it went: start of the affine map, voxel size, levels, contrast, energy by level.
    url : str
        Where it is kept; empty in memory.
    """

    forward: Mapping
    backward: Mapping
    fixed: Space
    moving: Space
    found: dict[str, Any] = field(default_factory=dict)
    url: str = ""

    def __repr__(self) -> str:
        jacobian = self.forward.jacobian()
        start = self.found.get("affine", {}).get("start", "given")
        return (
            f"Registration of {self.moving.name or 'a volume'} {self.moving.shape} to {self.fixed.name or 'a volume'} "
            f"{self.fixed.shape}: start {start!r}, volume change {jacobian.min():.3g} to {jacobian.max():.3g}"
            + (f", at {self.url}" if self.url else "")
        )

    @property
    def inverse(self) -> Registration:
        """The same, from the fixed volume to the moving one."""
        return replace(
            self, forward=self.backward, backward=self.forward, fixed=self.moving, moving=self.fixed, url="",
        )  # fmt: skip

    def apply(
        self,
        volume: Volume,
        *,
        out: str | None = None,
        like: Volume | None = None,
        voxel_size: Sequence[float] | None = None,
        order: int | None = None,
        overwrite: bool = False,
        progress: bool | ProgressCallback | None = None,
        **how: Any,
    ) -> Volume:
        """Return a volume of the moving space as it looks in the fixed one; all channels and time points alike.

        Nothing is computed until voxels are read. Each output voxel depends on its position alone, so blocks of any
        size, on any scheduler, give the same bits; only the source voxels that a block needs are read.

        Parameters
        ----------
        volume : Volume
            At any level or voxel size, somewhere in the moving space.
        out : str, optional
            Where to write it, block by block, as OME-Zarr with all levels. A call that was stopped goes on.
        like : Volume, optional
            Whose voxels the result has; the fixed volume's unless given.
        voxel_size : sequence of 3 float, optional
            Of the result (z, y, x) [nm], over the same extent.
        order : {0, 1}, optional
            Nearest voxel, or linear; 0 for labels, else 1.
        overwrite : bool
            Remove what is at `out` first.
        progress : bool or callable, optional
            A bar where somebody looks unless False; or a callback.
        **how
            As for `ndlab.pipeline.Run`, and `block`, `memory` as for its plan.

        Raises
        ------
        RunFailed
            If blocks failed; the same call resumes.
        """
        space = self.fixed if like is None else Space.of(like)
        calibration, shape = space.calibration, space.shape
        if voxel_size is not None:
            calibration = Calibration(voxel_size, calibration.offset)
            extent = zip(shape, space.calibration.voxel_size, calibration.voxel_size, strict=True)
            a, b, c = (max(1, round(n * old / new)) for n, old, new in extent)
            shape = (a, b, c)
        order = (0 if volume.kind == "labels" else 1) if order is None else order
        found = warped(volume, self.forward, calibration, shape, order=order)
        if out is None:
            return found
        step = BlockStep(
            "warp", rendered, {"registration": self.url}, inputs=found, output=out, dtype=found.dtype, kind=found.kind
        )
        with nullcontext(progress) if callable(progress) else progress_bar(progress) as callback:
            step.plan(overwrite=overwrite, progress=callback, **how).run()
        made = open_volume(out)
        return made.update_levels(workers=how.get("workers")) if len(made.levels) > 1 else made

    def points(self, points: Any) -> Any:
        """Return where positions of the moving space lie in the fixed one [nm].

        Parameters
        ----------
        points : (…, 3) array or DataFrame
            (z, y, x) [nm]; of a DataFrame, the columns z, y and x are replaced.

        Examples
        --------
        The vertices of a skeleton are positions, too; ``registration.inverse.points`` takes them back.
        """
        if hasattr(points, "columns"):
            names = ["z", "y", "x"]
            if not set(names) <= set(points.columns):
                raise BadRequest(
                    f"a table with columns {list(points.columns)}", "positions are columns z, y and x [nm]"
                )
            moved = points.copy()
            moved[names] = self.backward.points(points[names].to_numpy(np.float64))
            return moved
        array = np.asarray(points, np.float64)
        if array.shape[-1:] != (3,):
            raise BadRequest(f"positions of shape {array.shape}", "they are rows of (z, y, x) in nm")
        return self.backward.points(array)

    def jacobian(self) -> Volume:
        """Return how many times larger a small volume of the fixed space is in the moving one, as a volume."""
        grid = self.forward.field.calibration
        return Volume.from_array(self.forward.jacobian().astype(np.float32), grid.voxel_size, offset=grid.offset)

    def quality(
        self, *, landmarks: tuple[Any, Any] | None = None, labels: tuple[Volume, Volume] | None = None
    ) -> Quality:
        """Return how good the map is: landmark error, overlap of labels, volume change, folds, inverse consistency.

        Parameters
        ----------
        landmarks : (n, 3) array and (n, 3) array, optional
            The same places in the moving and in the fixed volume, (z, y, x) [nm].
        labels : Volume and Volume, optional
            Labels of the moving and of the fixed volume, with the same ids for the same things.
        """
        carried = None
        if labels is not None:
            carried = self.apply(labels[0], like=labels[1], order=0).read(), labels[1].read()
        return quality(self.forward, self.backward, self.found, landmarks, carried)

    def regions(
        self,
        labels: Volume,
        *,
        names: dict[int, str] | None = None,
        points: Any = None,
        out: str | None = None,
        like: Volume | None = None,
        **how: Any,
    ) -> Table:
        """Bring labels of the fixed volume onto the moving one and return a `Table` with a row a region.

        Parameters
        ----------
        labels : Volume
            The parcellation, in the space of `fixed`.
        names : mapping of id to str, optional
        points : (n, 3) array or DataFrame, optional
            Positions (z, y, x) [nm] in the moving space, of cells or synapses, to be counted.
        out : str, optional
            Where the labels are kept as they lie on the moving volume.
        like : Volume, optional
            Whose voxels they have; the moving volume's unless given.
        **how
            As for `apply`.

        Returns
        -------
        Table
            `id`, `name`, `size` [voxels], `volume` [µm³], `share` of all regions; with `points` also `count` and
            `density` [1/mm³]. Points outside all regions are counted by none.
        """
        carried = self.inverse.apply(labels, out=out, like=like, order=0, **how)
        return region_table(carried, labels, names=names, points=points)

    def save(self, url: str, *, overwrite: bool = False) -> Registration:
        """Write it to a folder, local or remote, and return it as it lies there.

        Displacements are OME-Zarr, all else is JSON.
        """
        about = {
            "fixed": self.fixed.to_json(), "moving": self.moving.to_json(), "found": self.found,
        }  # fmt: skip
        keeping.save(url, self.forward, self.backward, about, overwrite=overwrite)
        return Registration.load(url)

    @staticmethod
    def load(url: str) -> Registration:
        """Read one that `save` wrote.

        Raises
        ------
        NotFound
            If there is none.
        """
        address, forward, backward, about = keeping.load(url)
        fixed, moving = Space.from_json(about["fixed"]), Space.from_json(about["moving"])
        return Registration(forward, backward, fixed, moving, about["found"], address)

    @staticmethod
    def earlier(url: str, identity: str) -> Registration | None:
        """Return the one at `url` if it is of that fingerprint; None if nothing is there.

        Raises
        ------
        Conflict
            If something else is.
        """
        return Registration.load(url) if keeping.there(url, identity) else None


def rendered(values: Any, registration: str = "") -> Any:
    """Return voxels that were rendered when they were read."""
    return values
