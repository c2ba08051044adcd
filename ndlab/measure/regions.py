"""A table of the labels of a volume: size, box, centre, surface, and the values of an image in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ndlab.geometry import Box, Calibration, NmBox
from ndlab.measure.blocks import How, Voxels, gather, part, same_space, whole_numbers, with_upper
from ndlab.measure.interning import interned, native
from ndlab.measure.keyed import Array, Keyed, exact, merge_keyed, split, structured
from ndlab.measure.moments import Moments, mean_and_std, moments_of
from ndlab.measure.table import Table
from ndlab.pipeline.progress import ProgressCallback
from ndlab.volume import Volume

__all__ = ["regions"]


def regions(
    labels: Voxels,
    intensity: Voxels | None = None,
    *,
    box: Box | NmBox | None = None,
    background: int | None = 0,
    block: int | Sequence[int] | None = None,
    workers: int | None = None,
    client: Any = None,
    progress: bool | ProgressCallback | None = None,
) -> Table:
    """Measure every label of a volume, block by block, and return a `Table` with one row a label, by id.

    The result is the same for any block size and order of blocks, and equal to what scikit-image's `regionprops`
    finds in the whole array. Memory holds a few blocks and the table, not the volume.

    Parameters
    ----------
    labels : Volume or DataArray
        Whole numbers, (z, y, x); a volume with time points or channels is narrowed with `isel` first.
    intensity : Volume or DataArray, optional
        Values over the same voxels, for `mean`, `std`, `min` and `max`.
    box : Box or NmBox, optional
        Measure only these voxels, as if the volume ended there.
    background : int or None
        The id that is no thing; None measures all.
    block : int or sequence of 3 int, optional
        Voxels of one task (z, y, x) instead of about 32 million.
    workers, client
        As for `Run`: threads unless a Dask client is current or given.
    progress : bool or callable, optional
        A bar where somebody looks unless False; or a callback.

    Returns
    -------
    Table
        `id`; `size` [voxels]; `volume` [nm³]; `z0` … `x1`, the half-open bounding box in the array of the level;
        `z_index`, `y_index`, `x_index`, the mean voxel index; `z`, `y`, `x`, the same in space [nm]: a voxel counts
        with its centre; `area` [nm²], the faces to other ids and background; `border_area` [nm²], faces on
        the outside of what was measured, where the thing may go on; `border`, whether there are any. With
        `intensity` also `mean`, `std` (of the population), `min` and `max` of its voxels.

    Raises
    ------
    BadRequest
        If labels are no whole numbers, the volume is not calibrated, or `intensity` lies elsewhere.
    RunFailed
        If blocks could not be read; it lists them.

    Examples
    --------
    >>> from ndlab.samples import toy
    >>> table = regions(toy().volume("labels"))
    >>> table["id"].tolist(), table["size"].tolist()
    ([11, 12, 21, 22], [216, 225, 618, 750])
    >>> densities = regions(toy().volume("synapse_labels"))
    >>> [[float(row[axis]) for axis in "zyx"] for row in densities]
    [[600.0, 225.0, 375.0], [450.0, 575.0, 275.0], [450.0, 575.0, 800.0]]
    """
    view = whole_numbers(part(labels, box))
    calibration = view.calibration
    over = None if intensity is None else _over(view, labels, intensity, box)
    params = {"labels": view, "intensity": over, "background": background}
    empty = _none(view.dtype, None if over is None else over.dtype)
    how = How(workers, client, progress).near(view, over)
    return _table(gather("regions", _measure, view, params, block, merge_keyed, empty, how), calibration)


@dataclass(frozen=True)
class _Regions(Keyed):
    size: Array
    sums: Array
    low: Array
    high: Array
    faces: Array
    outside: Array


@dataclass(frozen=True)
class _Valued(_Regions):
    double_sums: Array
    low_value: Array
    high_value: Array
    odd: Array


def _over(view: Volume, labels: Voxels, intensity: Voxels, box: Box | NmBox | None) -> Volume:
    """Return the part of `intensity` that lies on `view`, which is `box` of `labels`."""
    whole, other = part(labels), part(intensity)
    same_space(whole, other, "intensity")
    if box is None:
        return other
    start = [b - a + c for a, b, c in zip(whole.box.start, view.box.start, other.box.start, strict=True)]
    stop = [a + n for a, n in zip(start, view.shape, strict=True)]
    return part(other, Box(start, stop, other.level_index))


def _measure(block: Box, labels: Volume, intensity: Volume | None, background: int | None) -> _Regions:
    from ndlab.measure.kernels import faces as kernels

    local, keys = interned(labels.boxed(with_upper(block, labels.box)).read())
    n = len(keys)
    size, sums, faces = np.zeros(n, np.int64), np.zeros((n, 3), np.int64), np.zeros((n, 3), np.int64)
    low, high = np.full((n, 3), 1 << 40), np.full((n, 3), -1)
    kernels.regions(local, np.array(block.shape), size, sums, low, high, faces)
    start = np.array(block.start)
    sums += size[:, None] * start
    core = local[tuple(map(slice, block.shape))]
    outside = _outside(core, block, labels.box, n)
    found = _Regions(keys, size, split(sums), low + start, high + start + 1, faces, outside)
    if intensity is not None:
        shift = [b - a for a, b in zip(labels.box.start, intensity.box.start, strict=True)]
        there = block.shift(shift)
        values = intensity.boxed(Box(there.start, there.stop, intensity.level_index)).read()
        found = _valued(found, moments_of(np.ascontiguousarray(core), keys, values))
    return _sorted(found, background)


def _outside(core: Array, block: Box, box: Box, n: int) -> Array:
    """Faces of each label on the outside of `box`, (n, 3)."""
    out = np.zeros((n, 3), np.int64)
    for axis in range(3):
        if block.start[axis] == box.start[axis]:
            out[:, axis] += np.bincount(core.take(0, axis).reshape(-1), minlength=n)
        if block.stop[axis] == box.stop[axis]:
            out[:, axis] += np.bincount(core.take(-1, axis).reshape(-1), minlength=n)
    return out


def _columns(table: Keyed) -> dict[str, Array]:
    return {field.name: getattr(table, field.name) for field in fields(table)}


def _valued(found: _Regions, values: Moments) -> _Valued:
    return _Valued(
        **_columns(found),
        double_sums=values.double_sums,
        low_value=values.low,
        high_value=values.high,
        odd=values.odd,
    )


def _sorted(table: _Regions, background: int | None) -> _Regions:
    order = np.argsort(table.keys)
    if background is not None:
        order = order[table.keys[order] != background]
    return type(table)(**{name: column[order] for name, column in _columns(table).items()})


def _none(dtype: np.dtype[Any], values: np.dtype[Any] | None) -> _Regions:
    keys, whole = np.empty(0, native(dtype)), np.empty(0, np.int64)
    cubes = np.empty((0, 3), np.int64)
    found = _Regions(keys, whole, np.empty((0, 3, 2), np.int64), cubes, cubes, cubes, cubes)
    return found if values is None else _valued(found, moments_of(np.empty(0, np.uint32), keys, np.empty(0, values)))


_ID = [("id", "u8"), ("size", "i8"), ("volume", "f8"), *((f"{a}{i}", "i8") for i in (0, 1) for a in "zyx")]
_PLACE = [*((f"{a}_index", "f8") for a in "zyx"), *((a, "f8") for a in "zyx")]
_SURFACE = [("area", "f8"), ("border_area", "f8"), ("border", "?")]
_UNITS = {"size": "voxels", "volume": "nm³", "z": "nm", "y": "nm", "x": "nm", "area": "nm²", "border_area": "nm²"}


def _table(found: _Regions, calibration: Calibration) -> Table:
    z, y, x = calibration.voxel_size
    face = np.array([y * x, z * x, z * y])
    columns: dict[str, Array] = {"id": found.keys, "size": found.size, "volume": found.size * (z * y * x)}
    centre = exact(found.sums) / found.size[:, None]
    for i, axis in enumerate("zyx"):
        columns |= {f"{axis}0": found.low[:, i], f"{axis}1": found.high[:, i], f"{axis}_index": centre[:, i]}
        columns[axis] = calibration.offset[i] + (centre[:, i] + 0.5) * calibration.voxel_size[i]
    columns |= {"area": found.faces @ face, "border_area": found.outside @ face, "border": found.outside.sum(1) > 0}
    kinds: list[Any] = [("id", "i8" if found.keys.dtype.kind == "i" else "u8"), *_ID[1:], *_PLACE, *_SURFACE]
    if isinstance(found, _Valued):
        columns |= _values(found)
        kinds += [(name, columns[name].dtype) for name in ("mean", "std", "min", "max")]
    return Table(structured(columns, np.dtype(kinds)), _UNITS)


def _values(found: _Valued) -> dict[str, Array]:
    sums = Moments(found.keys, found.size, found.double_sums, found.low_value, found.high_value, found.odd)
    mean, std = mean_and_std(sums)
    low, high = found.low_value.copy(), found.high_value.copy()
    if low.dtype.kind == "f":
        low[found.odd > 0] = high[found.odd > 0] = np.nan
    return {"mean": mean, "std": std, "min": low, "max": high}
