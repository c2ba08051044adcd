"""Where a corrected volume goes: block by block to an address, or into memory by the same steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ndlab.errors import TooLarge
from ndlab.measure.blocks import How, watched
from ndlab.metadata import Kind
from ndlab.pipeline import BlockStep
from ndlab.volume import ASARRAY_BYTES, Volume
from ndlab.volume import open as open_volume

__all__ = ["as_type", "whole_sections", "write"]

Array = np.ndarray[Any, Any]
_TASK_VOXELS = 1 << 24
BLOCK: Sequence[int] | None = None
"""Voxels (z, y, x) of a task where no other are wanted; chosen by `plan` if None. Tests make it small."""


def write(
    name: str,
    function: Callable[..., Any],
    inputs: Volume | Mapping[str, Volume],
    params: Mapping[str, Any],
    out: str | None,
    how: How,
    *,
    dtype: Any = None,
    kind: Kind | None = None,
    block: Sequence[int] | None = None,
    overlap: int | Sequence[int] = 0,
    overwrite: bool = False,
    scratch: float | None = None,
    note: Mapping[str, Any] | None = None,
) -> Volume:
    """Call a function for every block and return the volume of what it returns, at `out` or in memory.

    `note` is what was chosen; it becomes part of the provenance.

    Raises
    ------
    TooLarge
        If there is no `out` and the result is larger than what `numpy.asarray` may take.
    """
    block = BLOCK if block is None else block
    first = inputs if isinstance(inputs, Volume) else next(iter(inputs.values()))
    dtype = np.dtype(first.dtype if dtype is None else dtype)
    if out is not None:
        made = BlockStep(
            name, function, params, inputs, output=str(out), overlap=overlap, dtype=dtype, kind=kind, scratch=scratch
        )
        with watched(how.progress) as callback:
            run = made.plan(block=block, workers=how.workers, client=how.client, overwrite=overwrite, progress=callback)
            run.run()
        return open_volume(str(out))
    nbytes = first.size * dtype.itemsize
    if nbytes > ASARRAY_BYTES:
        raise TooLarge(
            f"{name} of {first.shape} voxels in memory", f"that is {nbytes / 2**30:.1f} GiB",
            'write it to a store: out="corrected.zarr"', nbytes=nbytes, limit=ASARRAY_BYTES,
        )  # fmt: skip
    result = Volume.from_array(
        np.empty(first.shape, dtype), first.voxel_size, offset=first.offset, axes="".join(first.axes), name=first.name
    )
    with watched(how.progress) as callback:
        BlockStep(name, function, params, inputs, output=result, overlap=overlap, scratch=scratch).plan(
            block=block, workers=how.workers, client=False, progress=callback
        ).run()
    if note:
        attrs = dict(result._stored.attrs)
        made_of = {"step": name, "params": dict(note)}
        return Volume(replace(result._stored, attrs={**attrs, "ndlab": {"made": made_of}}))
    return result


def whole_sections(view: Volume, most: int = _TASK_VOXELS) -> tuple[int, int, int]:
    """Return the block (z, y, x) of as many whole sections as make about `most` voxels."""
    nz, ny, nx = view.shape
    return max(1, min(nz, most // max(1, ny * nx))), ny, nx


def as_type(values: Array, dtype: np.dtype[Any]) -> Array:
    """Round and clip to what an integer type holds; cast to any other."""
    if dtype.kind not in "ui":
        return values.astype(dtype, copy=False)
    info = np.iinfo(dtype)
    found: Array = np.clip(np.rint(values), info.min, info.max).astype(dtype)
    return found
