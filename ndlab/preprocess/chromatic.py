"""Exposure, vignetting and seams of a stack of sections corrected, with nothing set by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.errors import BadRequest, ReadOnly
from ndlab.geometry import Box, Calibration
from ndlab.measure.blocks import How, part
from ndlab.pipeline import describe
from ndlab.pipeline.progress import ProgressCallback
from ndlab.pipeline.window import Window
from ndlab.preprocess.exposure import Exposure, estimate
from ndlab.preprocess.fusing import AT_ONCE, fused
from ndlab.preprocess.layout import Layout
from ndlab.preprocess.seams import Seams, plane_of
from ndlab.preprocess.survey import survey
from ndlab.preprocess.written import write
from ndlab.store.arrays import Level, Stored
from ndlab.volume import Volume

__all__ = ["correct", "exposure"]

Array = np.ndarray[Any, Any]
_CELL = 16
_MOST_CELLS = 1 << 24


def correct(
    volume: Volume,
    *,
    seams: Seams = None,
    fuse: bool | None = None,
    out: str | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    client: Any = None,
    progress: bool | ProgressCallback | None = None,
) -> Volume:
    """Correct brightness, contrast, vignetting and seams of a stack and return it as a `Volume` of the same type.

    Every number is found from the stack: which tiles it was stitched of, the fall of light towards their corners, gain
    and offset of each tile in each section, slow shading, and how much of all this is tissue and has to stay. Where
    nothing is wrong next to nothing is changed. The stack is read twice; memory holds a few blocks and the means of
    its cells of 16 x 16 pixels (8 bytes each). The result is the same for any block size, scheduler and restart point.

    Parameters
    ----------
    volume : Volume
        (z, y, x) grey values; sections are its planes of z. A volume with time points or channels is narrowed with
        `isel` first.
    seams : Volume, ndarray, "none" or None
        Labels of the tiles that all sections were stitched of, (1, y, x), (z, y, x) or (y, x); None has them found
        (`find_seams`), "none" takes each section as one tile.
    fuse : bool, optional
        Whether what gain and offset leave of the seams is fused in the gradient domain (`fuse_seams`); unless given, if
        it is more than one grey level in 256 beyond what tissue does there.
    out : str, optional
        Where the result is stored, as OME-Zarr with all its levels. A call that was stopped goes on where it was when
        it is made again. Without it, the result is in memory.
    overwrite : bool
        Remove what is at `out` first.
    workers, client, progress
        Threads, a Dask client, and a bar or a callback, as for `ndlab.measure.regions`.

    Returns
    -------
    Volume
        ``provenance["made"]["params"]["exposure"]["chosen"]`` says what was found and chosen.

    Raises
    ------
    BadRequest
        If the volume is one of labels, or the seams lie elsewhere.
    Conflict
        If something else is at `out`.
    TooLarge
        If there is no room in memory, and `out` is not given.
    RunFailed
        If blocks failed; the same call resumes.

    References
    ----------
    Kazhdan et al., arXiv 1310.0041 and 1506.02079, smooth the stack along z and fuse gradients in each section. Here
    what they smooth away is estimated as exposure instead, from the same two facts: tissue goes on along z, and across
    a seam. `fuse_seams` is their solver.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> tissue = rng.normal(120, 20, (1, 64, 64)) + rng.normal(0, 5, (12, 64, 64))
    >>> jitter = rng.normal(0, 12, (12, 1, 1))
    >>> stack = Volume.from_array((tissue + jitter).clip(0, 255).astype("u1"), voxel_size=(50, 4, 4))
    >>> after = correct(stack, progress=False)
    >>> bool(after.read().mean((1, 2)).std() < stack.read().mean((1, 2)).std() / 10)
    True
    """
    view = _grey(volume)
    how = How(workers, client, progress).near(view)
    found = exposure(view, seams=seams, workers=workers, client=client, progress=progress)
    if fuse is None:
        fuse = found.chosen.get("seam_left", 0.0) > _grey_level(view.dtype, found)
    if fuse:
        lazy = Stored("", "corrected", ("z", "y", "x"), (Level(_Developed(view, found), _calibration(view)),), "image")
        return fused(
            Volume(lazy), found.layout.plane + 1, None, "expected", False, None, AT_ONCE, None, out, overwrite,
            How(workers, how.client, progress), {"exposure": {"chosen": found.chosen}},
        )  # fmt: skip
    return write(
        "correct", _developed, view, {"exposure": found}, out, how, overwrite=overwrite, scratch=8,
        note={"exposure": {"chosen": found.chosen}},
    )  # fmt: skip


def exposure(
    volume: Volume,
    *,
    seams: Seams = None,
    workers: int | None = None,
    client: Any = None,
    progress: bool | ProgressCallback | None = None,
) -> Exposure:
    """Estimate the `Exposure` of a stack: gain and offset of each tile in each section, vignetting, shading.

    Parameters as for `correct`, which takes what this finds out of the stack.

    Examples
    --------
    >>> stack = Volume.from_array(np.random.default_rng(0).integers(90, 110, (6, 64, 64), "u1"), (50, 4, 4))
    >>> exposure(stack, seams="none", progress=False).gain.shape
    (6, 1)
    """
    view = _grey(volume)
    plane = plane_of(seams, view)
    layout = Layout.of(plane, _cell(view))
    return estimate(survey(view, layout, How(workers, client, progress).near(view)), layout)


def _grey(volume: Volume) -> Volume:
    view = part(volume)
    if view.kind == "labels":
        raise BadRequest("labels were to be corrected", "their values are names, not brightness", "pass the image")
    if 0 in view.shape:
        raise BadRequest(f"{view.shape} voxels were to be corrected", "there are none", "choose a larger box")
    return view


def _cell(view: Volume) -> int:
    """Side of a cell: 16 pixels, fewer in small sections, more where their means would not fit in memory."""
    nz, ny, nx = view.shape
    cell = max(1, min(_CELL, min(ny, nx) // 8))
    while cell >= _CELL and nz * (ny // cell) * (nx // cell) > _MOST_CELLS:
        cell *= 2
    return cell


def _grey_level(dtype: np.dtype[Any], found: Exposure) -> float:
    """One of 256 grey levels: for what has more of them, by how far tissue spreads, which is about 40 of 256."""
    if dtype == np.uint8:
        return 1.0
    return max(found.chosen.get("tissue", {}).values(), default=0.0) / 4


def _calibration(view: Volume) -> Calibration:
    return Calibration(view.voxel_size, view.offset)


@dataclass(frozen=True)
class _Developed:
    """An array that corrects what it reads."""

    view: Volume
    exposure: Exposure

    codec = "corrected"
    shards: tuple[int, ...] | None = None

    def __repr__(self) -> str:
        return f"corrected {describe(self.view)} {describe(self.exposure)}"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.view.shape

    @property
    def chunks(self) -> tuple[int, ...]:
        return tuple(min(c, n) for c, n in zip(self.view.chunks[-3:], self.view.shape, strict=True))

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.view.dtype

    def read(self, start: Any, stop: Any, out: Array | None = None) -> Array:
        """Voxels of a box."""
        box = Box(start, stop, self.view.level_index)
        found = _developed(self.view.read(box.shift(self.view.box.start)), self.exposure, Window(box, box))
        if out is None:
            return found
        out[...] = found
        return out

    def write(self, start: Any, values: Array) -> None:
        """Refuse: it is a view."""
        raise ReadOnly("a corrected view was to be written", "it only reads", "write to the volume it is a view of")


def _developed(values: Array, exposure: Exposure, window: Window) -> Array:
    from ndlab.preprocess.kernels.expose import develop

    (z0, y0, x0), (z1, y1, x1) = window.read.start, window.read.stop
    out = np.empty(values.shape, values.dtype)
    develop(
        values, exposure.layout.plane[y0:y1, x0:x1], exposure.layout.frames, exposure.gain[z0:z1],
        exposure.offset[z0:z1], exposure.amplitudes(z0, z1), exposure.waves(0, y0, y1), exposure.waves(1, x0, x1),
        exposure.fall, y0, x0, _bounds(values.dtype), out,
    )  # fmt: skip
    return out


def _bounds(dtype: np.dtype[Any]) -> Array:
    """Least and largest value of an integer type, as floating-point numbers that it holds; none of others."""
    if dtype.kind not in "ui":
        return np.zeros(0)
    info = np.iinfo(dtype)
    top = float(info.max)
    return np.array([float(info.min), top if int(top) <= info.max else float(np.nextafter(top, 0))])
