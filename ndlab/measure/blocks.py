"""Which part of a volume is measured, in which blocks, and what all of them make together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Box, Grid, NmBox
from ndlab.lazy import block_shape
from ndlab.pipeline import Run, Step, Tiling, current_client, describe, progress_bar
from ndlab.pipeline.progress import ProgressCallback
from ndlab.volume import Volume

if TYPE_CHECKING:
    import xarray

    Voxels: TypeAlias = Volume | xarray.DataArray
else:
    Voxels = Volume  # xarray is not imported for a name

__all__ = [
    "Bound",
    "How",
    "Voxels",
    "blocks_of",
    "gather",
    "identity_of",
    "part",
    "same_space",
    "sides",
    "volume_of",
    "watched",
    "whole_numbers",
    "with_upper",
]

T = TypeVar("T")
Block = int | Sequence[int] | None


@dataclass(frozen=True)
class How:
    """Where a measurement runs and who watches; see `Run`."""

    workers: int | None = None
    client: Any = None
    progress: bool | ProgressCallback | None = None

    def near(self, *volumes: Volume | None) -> How:
        """Keep to threads where a volume's voxels are in this process's memory, or come through it."""
        if any(volume is not None and not _travels(volume) for volume in volumes):
            return replace(self, client=False)
        if self.client is None and self.workers is None:
            return replace(self, client=current_client() or False)
        return self


def volume_of(values: Any) -> Volume:
    """Return a Volume as it is, a DataArray as one; nothing is read.

    Raises
    ------
    BadRequest
        If it is neither, or a DataArray without a voxel size.
    """
    if isinstance(values, Volume):
        return values
    if hasattr(values, "dims") and hasattr(values, "coords"):
        try:
            return Volume.from_array(values)
        except BadRequest as error:
            raise BadRequest(
                "a DataArray was to be measured",
                str(error),
                "wrap it: ndlab.Volume.from_array(values, voxel_size=(z, y, x))",
            ) from None
    raise BadRequest(
        f"a {type(values).__name__} was to be measured",
        "measurements take a Volume or a DataArray, which know their voxel size",
        "wrap it: ndlab.Volume.from_array(values, voxel_size=(z, y, x))",
    )


def part(volume: Any, box: Box | NmBox | None = None) -> Volume:
    """Return the (z, y, x) view of `volume`, a Volume or a DataArray, or of its `box`.

    Raises
    ------
    BadRequest
        If it is no Volume, or has several time points or channels.
    OutOfBounds
        If the box leaves the volume.
    """
    volume = volume_of(volume)
    several = [axis for axis, n in zip(volume.axes, volume.shape, strict=True) if axis in "tc" and n > 1]
    if several:
        raise BadRequest(
            f"a volume with axes {volume.axes} was to be measured",
            f"it has several of {', '.join(several)}, and a measurement is about one",
            f"pick one, e.g. .isel({several[0]}=0)",
        )
    for axis in set(volume.axes) & {"t", "c"}:
        volume = volume.isel(**{axis: 0})
    view: Volume = volume.boxed(box)
    return view.boxed(view.box)


def same_space(labels: Volume, other: Volume, what: str) -> None:
    """Check that voxels of the two views lie on each other."""
    if labels.shape != other.shape:
        raise BadRequest(
            f"{what} of {other.shape} voxels for labels of {labels.shape}",
            "they have to cover the same voxels",
            "cut both alike, or pick the level that fits with .level(n)",
        )
    sizes = [None if view._stored.levels[view.level_index].calibration is None else view.voxel_size
             for view in (labels, other)]  # fmt: skip
    if None not in sizes and not np.allclose(sizes[0] or 0, sizes[1] or 0, rtol=1e-3):
        raise BadRequest(
            f"{what} with voxels of {sizes[1]} nm for labels with voxels of {sizes[0]} nm",
            "they have to cover the same space",
            "pick the level that fits with .level(n)",
        )


def whole_numbers(labels: Volume) -> Volume:
    """Check that `labels` holds whole numbers."""
    if labels.dtype.kind not in "bui":
        raise BadRequest(
            f"labels of {labels.dtype}", "ids are whole numbers", "threshold the volume, or cast its voxels first"
        )
    return labels


def blocks_of(view: Volume, block: Block = None) -> Tiling:
    """Cut a view into blocks of whole chunks (about 32 Mvoxel, at most 128 MiB), or of `block` voxels."""
    shape = view.levels[view.level_index].shape[-3:]
    if block is None:
        chunks = (1, 1, 1) if _held(view) is not None else view.chunks[-3:]
        shards = None if view.shards is None else view.shards[-3:]
        side: Sequence[int] = block_shape(shape, chunks, shards, view.dtype.itemsize)
        side = [max(1, n) for n in side]
    else:
        side = sides(block)
    return Tiling(view.box, Grid(shape, side).block)


def sides(block: int | Sequence[int]) -> Sequence[int]:
    """Sides of a block (z, y, x): one number stands for all three."""
    return block if isinstance(block, Sequence) else (block,) * 3


class Bound:
    """A function of a block with its other arguments, which a Run would otherwise describe voxel by voxel."""

    def __init__(self, function: Callable[..., Any], params: Mapping[str, Any]) -> None:
        self._function, self._params = function, dict(params)

    def __call__(self, block: Box) -> Any:
        """Do one block."""
        return self._function(block, **self._params)


def gather(
    name: str,
    function: Callable[..., T],
    view: Volume,
    params: Mapping[str, Any],
    block: Block,
    merge: Callable[[T, T], T],
    empty: T,
    how: How,
) -> T:
    """Call ``function(block, **params)`` for every block of `view` and merge what it returns into one value."""
    inputs = {"url": view.url, "level": view.level_index, "version": view.version}
    step = Step(name, Bound(function, params), {}, inputs, identity=name)
    with watched(how.progress) as callback:
        run = Run(step, blocks_of(view, block), workers=how.workers, client=how.client, progress=callback)
        found: T = run.reduce(merge, empty)
    return found


@contextmanager
def watched(progress: bool | ProgressCallback | None) -> Iterator[ProgressCallback]:
    """Give a callback for `Run`: the caller's own, or a bar where somebody looks."""
    if callable(progress):
        yield progress
        return
    with progress_bar(progress) as callback:
        yield callback


def identity_of(view: Volume) -> dict[str, Any]:
    """Say which voxels a view stands for: equal for views that would read the same; those in memory by digest."""
    array = view._stored.levels[view.level_index].array
    held = _held(view)
    what: Any = repr(array) if held is None else held
    return {"url": view.url, "version": view.version, "array": describe(what), "spans": repr(view._spans)}


def _held(view: Volume) -> Any:
    """Voxels of the view's level if they are in this process's memory."""
    return getattr(view._stored.levels[view.level_index].array, "held", None)


def _travels(view: Volume) -> bool:
    """Whether other processes can read the view on their own: not an array in memory, nor one that Dask computes."""
    return not hasattr(view._stored.levels[view.level_index].array, "held")


def with_upper(block: Box, box: Box) -> Box:
    """Return `block` with one more voxel at its upper ends, as far as `box` goes."""
    return Box(block.start, [min(b + 1, n) for b, n in zip(block.stop, box.stop, strict=True)], block.level)
