"""What makes ``xarray.open_dataset(url, engine="ndlab")`` work; xarray finds it by its entry point.

Nothing else imports this module: it is the one place where xarray comes at module level, because xarray is who
loads it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import xarray as xr  # noqa: TID253 - loaded by xarray itself, and a backend must subclass its class
from xarray.backends import BackendEntrypoint  # noqa: TID253

from ndlab import lazy
from ndlab.errors import BadRequest
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

__all__ = ["NdlabBackend"]


class NdlabBackend(BackendEntrypoint):
    """Volumes as xarray datasets: one variable, ``image`` or ``labels``, with coordinates of voxel centres [nm].

    Values are read when they are asked for, through the volume: selecting by coordinates first reads the
    selected box only. With ``chunks={}`` the variable is a Dask array over coarse blocks on the storage grid.

    Examples
    --------
    >>> import tempfile, numpy as np, xarray
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(folder + "/a.npy", np.arange(24, dtype="u1").reshape(2, 3, 4))
    ...     data = xarray.open_dataset(folder + "/a.npy", engine="ndlab", voxel_size=(40, 4, 4))
    ...     data.image.sel(z=20, y=slice(4, 12), x=slice(0, 8)).values.tolist()
    [[4, 5], [8, 9]]
    """

    description = "Brain volumes that ndlab opens (engine='ndlab'): OME-Zarr, precomputed, N5, HDF5, TIFF, slices"
    open_dataset_parameters = (
        "filename_or_obj", "drop_variables", "level", "path", "axes", "voxel_size", "unit", "dataset", "pattern",
    )  # fmt: skip
    supports_groups = True

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return False: other engines claim the same addresses, so ndlab is asked for by name."""
        return False

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        level: int = 0,
        path: str | None = None,
        axes: str | None = None,
        voxel_size: Sequence[float] | None = None,
        unit: str | None = None,
        dataset: str | None = None,
        pattern: str | None = None,
    ) -> xr.Dataset:
        """Open one pyramid level of a volume as a Dataset.

        Parameters
        ----------
        filename_or_obj : str or path
            Any address that `ndlab.open` takes.
        drop_variables : str or iterable of str, optional
            Names to leave out.
        level : int
            Pyramid step; 0 is the finest.
        path, axes, voxel_size, unit, dataset, pattern
            As in `ndlab.open`; `voxel_size` is (z, y, x) [nm].
        """
        options = {"dataset": dataset, "pattern": pattern}
        volume = _volume(filename_or_obj, path, axes, voxel_size, unit, options)
        return _dataset(volume.level(level), drop_variables)

    def open_groups_as_dict(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        path: str | None = None,
        axes: str | None = None,
        voxel_size: Sequence[float] | None = None,
        unit: str | None = None,
        dataset: str | None = None,
        pattern: str | None = None,
    ) -> dict[str, xr.Dataset]:
        """Open every pyramid level as a Dataset, under ``/scale0``, ``/scale1`` and so on, finest first."""
        options = {"dataset": dataset, "pattern": pattern}
        volume = _volume(filename_or_obj, path, axes, voxel_size, unit, options)
        levels = {f"/scale{i}": _dataset(one, drop_variables) for i, one in enumerate(volume.levels)}
        return {"/": xr.Dataset(attrs={"name": volume.name, "url": volume.url}), **levels}

    def open_datatree(self, filename_or_obj: Any, **options: Any) -> xr.DataTree:
        """Open the pyramid as a DataTree, one node a level: ``scale0`` is the finest."""
        groups = self.open_groups_as_dict(filename_or_obj, **options)
        return xr.DataTree.from_dict(groups, name=groups["/"].attrs["name"] or None)


def _volume(
    address: Any,
    path: str | None,
    axes: str | None,
    voxel_size: Sequence[float] | None,
    unit: str | None,
    options: dict[str, Any],
) -> Volume:
    if not isinstance(address, str | os.PathLike):
        raise BadRequest(f"engine='ndlab' was given a {type(address).__name__}", "it opens addresses",
                         "pass a path or a URL; an array in memory becomes a volume by Volume.from_array")  # fmt: skip
    given = {key: value for key, value in options.items() if value is not None}
    return open_volume(address, path=path, axes=axes, voxel_size=voxel_size, unit=unit, **given)


def _dataset(volume: Volume, drop: str | Iterable[str] | None) -> xr.Dataset:
    data = volume.xarray.rename(volume.kind)
    block = lazy.block_shape(volume.shape, volume.chunks, volume.shards, volume.dtype.itemsize)
    data.encoding["preferred_chunks"] = dict(zip(volume.axes, block, strict=True))
    dropped = [drop] if isinstance(drop, str) else list(drop or ())
    return data.to_dataset().drop_vars(dropped, errors="ignore").assign_attrs(volume.xarray.attrs)
