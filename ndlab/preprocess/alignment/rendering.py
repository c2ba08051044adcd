"""Voxels drawn where an alignment says, in blocks that know nothing of each other."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from ndlab.errors import BadRequest, Conflict
from ndlab.geometry import Box, Calibration
from ndlab.measure.blocks import How, part, watched
from ndlab.metadata import Multiscale, Scale
from ndlab.pipeline import Run, Step, Tiling, describe, fingerprint
from ndlab.preprocess.alignment.bands import Array
from ndlab.store.create import create, exists
from ndlab.store.kv import Kv
from ndlab.store.layout import plan
from ndlab.store.multiscale import open_store
from ndlab.store.pyramid import build
from ndlab.volume import Volume

if TYPE_CHECKING:
    from ndlab.preprocess.alignment.alignment import Alignment

__all__ = ["Drawing", "Drawn", "as_type", "draw_block", "drawn", "written"]

_BLOCK = (16, 1024, 1024)
_TASK_VOXELS = 1 << 24


class Drawn(Protocol):
    """What can be drawn block by block: an alignment of a volume, or a montage."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels (z, y, x)."""
        ...

    @property
    def calibration(self) -> Calibration:
        """Where they lie."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of a voxel."""
        ...

    @property
    def kind(self) -> Literal["image", "labels"]:
        """Whether voxels are names."""
        ...

    @property
    def name(self) -> str:
        """Of the result."""
        ...

    @property
    def step(self) -> str:
        """What draws, for records."""
        ...

    @property
    def identity(self) -> str:
        """Digest of all that decides the voxels."""
        ...

    @property
    def sources(self) -> dict[str, Volume]:
        """Volumes that are read."""
        ...

    def block(self, box: Box) -> Array:
        """Return the voxels of a box."""
        ...


@dataclass(frozen=True)
class Drawing:
    """What is drawn: a view by an alignment, with an interpolation."""

    alignment: Alignment
    volume: Volume
    order: int
    shape: tuple[int, int, int]
    calibration: Calibration
    sections: tuple[int, ...]
    step = "align: draw"

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the volume that is drawn."""
        return self.volume.dtype

    @property
    def kind(self) -> Literal["image", "labels"]:
        """Whether voxels are names."""
        return "labels" if self.volume.kind == "labels" else "image"

    @property
    def name(self) -> str:
        """Of the result."""
        return f"{self.volume.name} aligned".strip()

    @property
    def sources(self) -> dict[str, Volume]:
        """What is read."""
        return {"volume": self.volume}

    @staticmethod
    def of(alignment: Alignment, volume: Volume, order: int | None) -> Drawing:
        """Check that the two belong together.

        Raises
        ------
        BadRequest
            If they do not, or labels were to be interpolated.
        """
        view = part(volume)
        if order is None:
            order = 0 if view.kind == "labels" or view.dtype.kind == "b" else 3
        if order not in (0, 1, 3):
            raise BadRequest(f"order={order!r}", "0 is the nearest voxel, 1 linear, 3 cubic", "pass one of those")
        if order and view.kind == "labels":
            raise BadRequest(f"labels with order={order}", "ids in between would be those of others", "pass order=0")
        middles = view.offset[0] + (np.arange(view.shape[0]) + 0.5) * view.voxel_size[0]
        numbers = np.floor((middles - alignment.z[0]) / alignment.z[1]).astype(int)
        if numbers.min() < 0 or numbers.max() >= len(alignment):
            raise BadRequest(
                f"a volume with z from {view.offset[0]:g} nm to {middles[-1] + view.voxel_size[0] / 2:g} nm",
                f"{len(alignment)} sections were aligned, from {alignment.z[0]:g} nm, {alignment.z[1]:g} nm each",
                "cut the volume to them: vol.nm[z0:z1]",
            )
        shape, calibration = alignment.frame(view)
        return Drawing(alignment, view, order, shape, calibration, tuple(int(n) for n in numbers))

    @property
    def identity(self) -> str:
        """Digest of all that decides the voxels."""
        about = self.alignment
        nodes = None if about.nodes is None else describe(about.nodes)
        return fingerprint([about.url, describe(about.matrices), nodes, describe(self.volume), self.order, self.shape])

    def block(self, box: Box) -> Array:
        """Return the voxels of a box of the drawn volume."""
        out = np.zeros(box.shape, self.volume.dtype)
        for i, z in enumerate(range(box.start[0], box.stop[0])):
            out[i] = self._plane(z, box)
        return out

    def _plane(self, z: int, box: Box) -> Array:
        from ndlab.preprocess.kernels.sampling import warp

        shape, start = box.shape[1:], box.start[1:]
        _, *size = self.calibration.voxel_size
        origin = [a + v / 2 for a, v in zip(self.calibration.offset[1:], size, strict=True)]
        there = self.alignment.map(self.sections[z]).locate(start, shape, size, origin)
        _, *offset = self.volume.offset
        for axis in range(2):
            there[..., axis] = (there[..., axis] - offset[axis]) / size[axis] - 0.5
        whole = np.array(self.volume.shape[1:])
        low = np.maximum(np.floor(there.min((0, 1))).astype(int) - 1, 0)
        high = np.minimum(np.floor(there.max((0, 1))).astype(int) + 3, whole)
        exact = self.volume.dtype if self.order == 0 else np.dtype(np.float32)
        found = np.zeros(shape, exact)
        if (high <= low).any():
            return found.astype(self.volume.dtype)
        inside = np.empty(shape, bool)
        warp(self._section(z, low, high), low, whole, there, self.order, found, inside)
        return as_type(found, self.volume.dtype)

    def _section(self, z: int, low: Array, high: Array) -> Array:
        first = self.volume.box.start
        start = (first[0] + z, first[1] + int(low[0]), first[2] + int(low[1]))
        stop = (start[0] + 1, first[1] + int(high[0]), first[2] + int(high[1]))
        found: Array = self.volume.read(Box(start, stop, self.volume.level_index))[0]
        return found


def as_type(values: Array, dtype: np.dtype[Any]) -> Array:
    """Round and clip to what an integer type holds; cast to any other."""
    if values.dtype == dtype:
        return values
    if dtype.kind in "ui":
        limits = np.iinfo(dtype)
        return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
    found: Array = values.astype(dtype)
    return found


def draw_block(block: Box, drawing: Drawn, output: Any) -> None:
    """Draw a block and write it."""
    output.write(block, drawing.block(block))


def drawn(drawing: Drawn, block: Sequence[int] | None) -> Volume:
    """Return a volume whose voxels are drawn when they are read."""
    import dask.array as da
    import xarray as xr

    side = _BLOCK if block is None else block
    chunks = tuple(tuple(min(side[i], n - a) for a in range(0, n, side[i])) for i, n in enumerate(drawing.shape))
    name = f"aligned-{drawing.identity}"
    lazy = da.map_blocks(functools.partial(_lazily, drawing=drawing), dtype=drawing.dtype, chunks=chunks,
                         meta=np.empty((0, 0, 0), drawing.dtype), name=name)  # fmt: skip
    named = xr.DataArray(lazy, dims=("z", "y", "x"))
    return Volume.from_array(named, drawing.calibration.voxel_size, offset=drawing.calibration.offset,
                             kind=drawing.kind, name=drawing.name)  # fmt: skip


def _lazily(drawing: Drawn, block_info: Any = None) -> Array:
    place = block_info[None]["array-location"]
    return drawing.block(Box([a for a, _ in place], [b for _, b in place]))


def written(
    drawing: Drawn, url: str, block: Sequence[int] | None, overwrite: bool, workers: int | None, client: Any,
    progress: Any, more: dict[str, Any] | None = None,
) -> Volume:  # fmt: skip
    """Draw into a store, block by block, and return it; a call that was stopped goes on where it was."""
    volume = _opened(drawing, url, overwrite, more or {})
    output = volume.output()
    unit = output.unit
    side = [max(1, n // u) * u for n, u in zip(block or unit, unit, strict=True)]
    step = Step(drawing.step, draw_block, {"drawing": drawing, "output": output}, drawing.sources,
                identity=drawing.identity, output=output)  # fmt: skip
    how = How(workers, client, progress).near(*drawing.sources.values())
    with watched(progress) as callback:
        tiles = Tiling(Box((0, 0, 0), drawing.shape), (side[0], side[1], side[2]))
        Run(step, tiles, workers=how.workers, client=how.client, progress=callback).run()
        stored = open_store(url)
        if len(stored.levels) > 1:
            build(stored, workers=how.workers, client=how.client, progress=callback)
    return Volume(open_store(url))


def _opened(drawing: Drawn, url: str, overwrite: bool, more: dict[str, Any]) -> Volume:
    """Open the store that the drawing goes to, or make it."""
    made = {"fingerprint": drawing.identity, "step": drawing.step.partition(":")[0], **more}
    if exists(url) and overwrite:
        Kv.open(url).delete_all()
    if exists(url):
        found = open_store(url)
        if found.attrs.get("ndlab", {}).get("made", {}).get("fingerprint") != made["fingerprint"]:
            raise Conflict(f"{url} is there already", "it was made from something else, and ndlab does not overwrite",
                           "pass overwrite=True to remove it, or another address", url=url)  # fmt: skip
        return Volume(found)
    levels = plan(drawing.shape, drawing.dtype.itemsize, drawing.calibration.voxel_size,
                  nbytes=_TASK_VOXELS * drawing.dtype.itemsize)  # fmt: skip
    scales = tuple(Scale(str(i), drawing.calibration.coarser(one.factors)) for i, one in enumerate(levels))
    about = Multiscale(("z", "y", "x"), scales, name=url.rstrip("/").rpartition("/")[2], kind=drawing.kind)
    create(url, about, [one.shape for one in levels], drawing.dtype, chunks=[one.chunk for one in levels],
           shards=[one.unit for one in levels], attrs={"made": made})  # fmt: skip
    return Volume(open_store(url))
