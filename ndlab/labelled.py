"""Values with names: DataArrays as volumes, and values to write by dimension names and coordinates, else by shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab import describe
from ndlab.errors import BadRequest
from ndlab.metadata import Channel, Kind
from ndlab.store.arrays import Level, Stored

if TYPE_CHECKING:
    from ndlab.volume import Volume

__all__ = ["arranged", "described", "place"]


def described(
    values: Any,
    voxel_size: Sequence[float] | None,
    offset: Sequence[float] | None,
    axes: str | None,
    kind: Kind | None,
    name: str | None,
) -> Stored:
    """Describe a DataArray by its dimension names and coordinates (voxel centres with a unit); nothing is read."""
    from ndlab.store.ingest.sources import find_source, settle_calibration

    problems: list[str] = []
    source = find_source(values, problems, axes=axes)
    if source is not None:
        stored = source.stored
        known = settle_calibration(stored.levels[0].calibration, (), voxel_size, None, offset, problems)
        if known is not None:
            channels = tuple(Channel(name=str(one)) for one in _words(values, "c"))
            level = Level(stored.levels[0].array, known)
            return replace(stored, format="DataArray", levels=(level,), kind=kind or stored.kind,
                           name=stored.name if name is None else name, channels=channels)  # fmt: skip
    raise BadRequest(f"a DataArray with dimensions {tuple(values.dims)} as a volume", "; ".join(problems))


def _words(values: Any, axis: str) -> list[str]:
    """Coordinates of an axis that are words."""
    found = np.atleast_1d(values.coords[axis].values) if axis in values.dims and axis in values.coords else np.empty(0)
    return [str(one) for one in found] if found.dtype.kind == "U" else []


def arranged(values: Any, view: Volume) -> np.ndarray[Any, Any]:
    """`values` as an array of the view's shape: DataArrays by their dimension names, numbers spread over it."""
    if hasattr(values, "dims") and hasattr(values, "transpose"):
        strange = sorted(set(values.dims) ^ set(view.axes))
        if strange:
            raise BadRequest(
                f"a DataArray with dimensions {values.dims}",
                f"the box has {view.axes}",
                f"rename or select so that they are the same ({', '.join(map(str, strange))})",
            )
        values = values.transpose(*view.axes)
    array = np.asarray(values)
    if array.ndim == 0:
        return np.broadcast_to(array, view.shape)
    if array.shape != view.shape:
        raise BadRequest(
            f"values of shape {array.shape}",
            f"the box has shape {view.shape} along {view.axes}",
            "give one value for each voxel, or a single number",
            shape=view.shape,
        )
    return array


def place(volume: Volume, values: Any) -> Volume:
    """Cut the view that a DataArray's nm coordinates (voxel centres) name."""
    here = describe.coordinates(volume)
    return volume.view(
        tuple(_span_of(axis, values, here[axis][1], n) for axis, n in zip(volume.axes, volume.shape, strict=True))
    )


def _span_of(axis: str, values: Any, here: np.ndarray[Any, Any], n: int) -> slice | int:
    """Where along `axis` of a volume with coordinates `here` a DataArray lies."""
    if axis not in values.coords:
        if axis in values.dims and values.sizes[axis] == n and axis in "tc":
            return slice(None)
        raise BadRequest(
            f"a DataArray without coordinate {axis!r}",
            "its place in the volume is not known",
            "pass the box to write to",
        )
    wanted = np.atleast_1d(values.coords[axis].values)
    numeric = here.dtype.kind in "iuf" and wanted.dtype.kind in "iuf"
    if not wanted.size or (not numeric and here.dtype.kind != wanted.dtype.kind):
        start = n
    else:
        start = int(np.argmin(np.abs(here - wanted[0]))) if numeric else int(np.argmax(here == wanted[0]))
    found = here[start : start + len(wanted)]
    step = float(here[1] - here[0]) if numeric and n > 1 else 1.0
    same = len(found) == len(wanted) and (
        np.allclose(found, wanted, rtol=0, atol=0.01 * abs(step)) if numeric else bool((found == wanted).all())
    )
    if not same:
        raise BadRequest(
            f"coordinate {axis!r} of the DataArray",
            f"it does not lie on the volume's {'voxel centres' if axis in 'zyx' else repr(axis)}, in order",
            "select it from volume.xarray, or pass the box",
        )
    return slice(start, start + len(wanted)) if axis in values.dims else start
