"""Displacement fields: where each point of a space goes, sampled, composed, inverted, and kept as OME-Zarr."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.errors import BadMetadata, BadRequest
from ndlab.geometry import Calibration, Int3
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

__all__ = ["DisplacementField"]

_CHANNELS = ("dz", "dy", "dx")
_SOLVED = 1e-3  # of a voxel


@dataclass(frozen=True, eq=False)
class DisplacementField:
    """A displacement of every point of a space: position p goes to p + u(p), all in nm, (z, y, x).

    Between voxel centres it is interpolated linearly, beyond the outer ones the nearest counts.

    Parameters
    ----------
    values : (z, y, x, 3) float32
        Displacements along (z, y, x) [nm].
    calibration : Calibration
        Voxel size and corner of the grid they are given on.
    url : str
        Where it is kept, if it is: other processes then read it there instead of getting it with each task.

    Examples
    --------
    >>> values = np.zeros((4, 5, 6, 3), "f4") + np.float32([0, 0, 8])
    >>> field = DisplacementField(values, Calibration((40, 4, 4)))
    >>> field.points([[80.0, 10.0, 12.0]]).tolist()
    [[80.0, 10.0, 20.0]]
    """

    values: Any
    calibration: Calibration
    url: str = ""

    def __post_init__(self) -> None:
        if self.values.ndim != 4 or self.values.shape[-1] != 3:
            raise BadRequest(
                f"a displacement field of shape {self.values.shape}", "it has axes z, y, x and 3 numbers each"
            )
        object.__setattr__(self, "values", np.ascontiguousarray(self.values, np.float32))

    def __reduce__(self) -> tuple[Any, ...]:
        if self.url:
            return _loaded, (self.url,)
        return DisplacementField, (self.values, self.calibration)

    @staticmethod
    def still(calibration: Calibration) -> DisplacementField:
        """Return a field that moves nothing."""
        return DisplacementField(np.zeros((1, 1, 1, 3), np.float32), calibration)

    @property
    def shape(self) -> Int3:
        """Extent of the grid in voxels."""
        z, y, x = self.values.shape[:3]
        return z, y, x

    def at(self, points: Any) -> Any:
        """Return the displacement [nm] at positions (…, 3) [nm], float64."""
        from ndlab.preprocess.kernels.flows import sample

        p = np.asarray(points, np.float64)
        size, corner = np.array(self.calibration.voxel_size), np.array(self.calibration.offset)
        index = np.ascontiguousarray(((p - corner) / size - 0.5).reshape(-1, 3))
        out = np.empty(index.shape)
        sample(self.values, index, out)
        return out.reshape(p.shape)

    def points(self, points: Any) -> Any:
        """Return where positions (…, 3) [nm] go."""
        p = np.asarray(points, np.float64)
        return p + self.at(p)

    def after(self, first: DisplacementField) -> DisplacementField:
        """Return the field, on the grid of `first`, of going along `first` and then along this one."""
        grid = _positions(first.shape, first.calibration)
        midway = first.values.astype(np.float64)
        return DisplacementField(midway + self.at(grid + midway), first.calibration)

    def inverse(self, *, steps: int = 40, start: DisplacementField | None = None, finer: int = 1) -> DisplacementField:
        """Return the field that takes every point back.

        Found by Newton's iteration on w + u(id + w) = 0, until the error is under a thousandth of a voxel. Between its
        voxels it is as far off as linear interpolation is, which `finer` makes less.

        Parameters
        ----------
        steps : int
            At most.
        start : DisplacementField, optional
            What is nearly it.
        finer : int
            How many voxels it has along each axis to one of this field.

        Raises
        ------
        BadRequest
            If it does not converge, as where the field folds.
        """
        from ndlab.preprocess.kernels.flows import sample

        shape, calibration = self._finer(finer)
        grid = _positions(shape, calibration).reshape(-1, 3)
        size, corner = np.array(self.calibration.voxel_size), np.array(self.calibration.offset)
        rates = np.ascontiguousarray(self._rates().reshape(*self.shape, 9))
        back = -self.at(grid) if start is None else start.at(grid)
        wrong = back + self.at(grid + back)
        for _ in range(steps):
            left = np.flatnonzero(np.abs(wrong / size).max(1) > _SOLVED)
            if len(left) <= len(grid) * 1e-3:
                break
            here = grid[left] + back[left]
            slopes = np.empty((len(left), 9))
            sample(rates, np.ascontiguousarray((here - corner) / size - 0.5), slopes)
            change = np.linalg.solve(np.eye(3) + slopes.reshape(-1, 3, 3), wrong[left][..., None])[..., 0]
            # No step of more than two voxels: linear is only what is near.
            change /= np.maximum(1, np.abs(change / size).max(1) / 2)[:, None]
            back[left] -= change
            wrong[left] = back[left] + self.at(grid[left] + back[left])
        off = float(np.percentile(np.abs(wrong / size).max(1), 99))
        if off > 0.1:
            raise BadRequest(
                f"the inverse of a field that is still {off:.2g} voxels off after {steps} steps",
                f"its Jacobian determinant goes down to {self.jacobian().min():.2g}; below 0 it folds, and has none",
                "smooth the field, or register with a larger stiffness",
            )
        return DisplacementField(back.reshape(*shape, 3), calibration)

    def _finer(self, times: int) -> tuple[Int3, Calibration]:
        """Return extent and calibration of a grid over the same space; an axis of one voxel stays one."""
        each = [times if n > 1 else 1 for n in self.shape]
        z, y, x = (n * k for n, k in zip(self.shape, each, strict=True))
        size = [v / k for v, k in zip(self.calibration.voxel_size, each, strict=True)]
        return (z, y, x), Calibration(size, self.calibration.offset)

    def jacobian(self) -> Any:
        """Return the Jacobian determinant of p + u(p), (z, y, x): how many times larger a volume becomes there.

        By central differences, one-sided at the border. Below 0 the map folds.
        """
        return np.linalg.det(self._rates() + np.eye(3, dtype=np.float32))

    def _rates(self) -> Any:
        """Return the derivatives of each component (fourth axis) along each axis (fifth)."""
        rates = np.zeros((*self.shape, 3, 3), np.float32)
        for axis, (n, size) in enumerate(zip(self.shape, self.calibration.voxel_size, strict=True)):
            if n > 1:
                rates[..., axis] = np.gradient(self.values, size, axis=axis)
        return rates

    def save(self, url: str, *, overwrite: bool = False, made: dict[str, Any] | None = None) -> None:
        """Write it as OME-Zarr: three channels dz, dy, dx [nm] on a calibrated grid."""
        values = np.ascontiguousarray(np.moveaxis(self.values, -1, 0))
        size, corner = self.calibration.voxel_size, self.calibration.offset
        volume = Volume.from_array(values, size, offset=corner, axes="czyx")
        note = {"kind": "displacement field", "unit": "nanometer", "components": list(_CHANNELS), **(made or {})}
        volume.like(url, levels=1, made=note, overwrite=overwrite).write(None, values)

    @staticmethod
    def load(url: str) -> DisplacementField:
        """Read one that `save` wrote.

        Raises
        ------
        BadMetadata
            If what is there is no field of displacements.
        """
        volume = open_volume(url)
        made = volume.provenance.get("made", {})
        if volume.axes != ("c", "z", "y", "x") or volume.shape[0] != 3 or made.get("kind") != "displacement field":
            raise BadMetadata(
                f"{url} was opened as a displacement field",
                f"it has axes {volume.axes}, shape {volume.shape}",
                "a field has three channels dz, dy, dx, as DisplacementField.save writes it",
            )
        return DisplacementField(np.moveaxis(volume.read(), 0, -1), volume.calibration, volume.url)


@functools.lru_cache(maxsize=4)
def _loaded(url: str) -> DisplacementField:
    return DisplacementField.load(url)


def _positions(shape: Int3, calibration: Calibration) -> Any:
    axes = [
        o + (np.arange(n) + 0.5) * v for o, n, v in zip(calibration.offset, shape, calibration.voxel_size, strict=True)
    ]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1)
