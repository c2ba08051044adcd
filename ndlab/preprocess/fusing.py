"""Tiles fused in the gradient domain: steps across seams spread out, everything within tiles left as it is."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from ndlab.errors import BadRequest, TooLarge
from ndlab.geometry import Box, Int3
from ndlab.measure.blocks import How, part, sides
from ndlab.pipeline.progress import ProgressCallback
from ndlab.pipeline.window import Window
from ndlab.preprocess.poisson import Equation, direct
from ndlab.preprocess.relax import multigrid
from ndlab.preprocess.seams import Seams, plane_of
from ndlab.preprocess.written import as_type, whole_sections, write
from ndlab.store.kv import local_path
from ndlab.volume import Volume

__all__ = ["AT_ONCE", "fuse_seams", "fused"]

Array = np.ndarray[Any, Any]
AT_ONCE = 1 << 24
"""Voxels that are solved for at once; about 16 bytes each while they are."""
_REACH = 4


def fuse_seams(
    volume: Volume,
    seams: Seams = None,
    *,
    filter_width: Annotated[float, "nm"] | None = None,
    across: Literal["zero", "expected"] = "zero",
    together: bool = False,
    towards: Volume | None = None,
    at_once: int = AT_ONCE,
    block: int | Sequence[int] | None = None,
    out: str | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    client: Any = None,
    progress: bool | ProgressCallback | None = None,
) -> Volume:
    """Remove steps across seams and return the volume with gradients as they were everywhere else.

    The result G makes ``sum |grad G - v|^2 + |G - F|^2 / filter_width^2`` least, where v is the gradient of the volume
    F, but across seams `across`: a screened Poisson equation. It is solved exactly, by cosines, where a section (or
    the whole, `together`) has at most `at_once` voxels, else by multigrid in blocks, five V(2, 2) cycles, which agrees
    with the exact solution to 0.01 grey levels and is the same for any block size.

    Parameters
    ----------
    volume : Volume
        (z, y, x) grey values.
    seams : Volume or ndarray, optional
        Labels of tiles, (1, y, x) or (y, x) for all sections, or (z, y, x); None has straight seams
        found. Where it is 0 there is no tile, and nothing changes.
    filter_width : float, optional
        How far the step across a seam is spread [nm]: what varies more slowly than that stays as it was. Half the side
        of a mean tile unless given.
    across : {"zero", "expected"}
        Gradient that is wanted across a seam: none, as Kazhdan et al. take it, or what the pixels on either side lead
        to expect, which keeps the texture.
    together : bool
        Solve for all sections as one, with seams along z too; else each section stands for itself.
    towards : Volume, optional
        What the slow variation is taken from instead of `volume`, e.g. a stack smoothed along z.
    at_once : int
        Most voxels to solve for at once.
    block : int or sequence of 3 int, optional
        Of one task, where blocks are solved; rounded up to what halves as often as the grids do.
    out, overwrite, workers, client, progress
        As for `correct`.

    Raises
    ------
    BadRequest
        If seams or `towards` do not fit the volume.
    TooLarge
        If blocks would have to be solved in a store that is not on this machine's disk.

    References
    ----------
    Kazhdan, Surendran, Hoppe 2010; Kazhdan et al. arXiv 1310.0041 (DMG), 1506.02079 (gradient-domain fusion).

    Examples
    --------
    >>> tiles = np.repeat([[1, 2]], [32, 32], axis=1).repeat(64, 0)
    >>> values = np.where(tiles == 1, 90.0, 120.0)[None]
    >>> fused = fuse_seams(Volume.from_array(values, (50, 4, 4)), tiles, filter_width=80.0, progress=False)
    >>> step = np.diff(fused.read()[0, 0])[31]
    >>> bool(abs(step) < 2)
    True
    """
    return fused(
        volume, seams, filter_width, across, together, towards, at_once, block, out, overwrite,
        How(workers, client, progress), {},
    )  # fmt: skip


def fused(
    volume: Volume,
    seams: Seams,
    filter_width: float | None,
    across: str,
    together: bool,
    towards: Volume | None,
    at_once: int,
    block: int | Sequence[int] | None,
    out: str | None,
    overwrite: bool,
    how: How,
    more: Mapping[str, Any],
) -> Volume:
    """Do what `fuse_seams` says; `more` goes into the provenance, too."""
    view = part(volume)
    labels = _labels(seams, view, together)
    width = _width(labels, view) if filter_width is None else float(filter_width)
    equation = _equation(view, width, together)
    job = _Job(view, labels, _fits(towards, view), equation, across == "expected")
    if across not in ("zero", "expected"):
        raise BadRequest(f"across={across!r}", 'it is "zero" or "expected"')
    how = how.near(view, labels if isinstance(labels, Volume) else None, job.towards)
    note = {"filter_width": round(width, 3), "across": across, "together": together, **more}
    nz, ny, nx = shape = view.box.shape
    params = {"job": job, **note}
    if ny * nx * (nz if together else 1) <= at_once:
        tall = view.shape if together else whole_sections(view, at_once)
        return write("fuse seams", _fused, view, params, out, how, dtype=view.dtype, block=tall, overwrite=overwrite,
                     scratch=20, note=note)  # fmt: skip
    tile = _block(block, view, together)
    with _Scratch(out) as folder:
        change = multigrid(job.right, shape, equation, tile, how, scratch=folder)
        return write("fuse seams", _added, view, {**params, "change": _Kept(change)}, out, how, overwrite=overwrite,
                     block=None if out else tile, scratch=8, note=note)  # fmt: skip


@dataclass(frozen=True)
class _Job:
    """What is fused, as tasks need it."""

    view: Volume
    labels: Any
    towards: Volume | None
    equation: Equation
    expect: bool

    def right(self, box: Box) -> Array:
        """Right side of the equation on a box of the view; the field of targets is cut, and not its divergence."""
        from ndlab.preprocess.kernels.multigrid import seam_field

        grown = box.grow([_REACH if w > 0 else 0 for w in self.equation.weights], within=self.view.shape)
        values = _read(self.view, grown)
        f = np.zeros(values.shape, np.float32)
        seam_field(values, self.plane(grown), self.equation.w, self.expect, f)
        if self.towards is not None:
            f += np.float32(self.equation.screen) * (_read(self.towards, grown).astype(np.float32) - values)
        return np.ascontiguousarray(
            f[tuple(slice(a - g, b - g) for a, b, g in zip(box.start, box.stop, grown.start, strict=True))]
        )

    def plane(self, box: Box) -> Array:
        """Labels of a box, one plane where all sections are alike."""
        if isinstance(self.labels, Volume):
            return _read(self.labels, box)
        (_, y0, x0), (_, y1, x1) = box.start, box.stop
        found: Array = self.labels[None, y0:y1, x0:x1]
        return found


def _read(volume: Volume, box: Box) -> Array:
    there = box.shift(volume.box.start)
    return volume.read(Box(there.start, there.stop, volume.level_index))


def _fused(values: Array, job: _Job, window: Window, **_: Any) -> Array:
    change = direct(job.right(window.block), job.equation)
    return _kept(values, change, job, window.block)


@dataclass(frozen=True)
class _Kept:
    """The array of a solution; where it lies says nothing of what it is."""

    array: Any

    def __repr__(self) -> str:
        return "solution"


def _added(values: Array, job: _Job, change: _Kept, window: Window, **_: Any) -> Array:
    return _kept(values, change.array.read(window.block.start, window.block.stop), job, window.block)


def _kept(values: Array, change: Array, job: _Job, box: Box) -> Array:
    """Add the change where there is a tile."""
    return as_type(values + change * (job.plane(box) != 0), values.dtype)


def _labels(seams: Seams, view: Volume, together: bool) -> Any:
    """Labels in three dimensions as a volume, else one plane."""
    if isinstance(seams, Volume) and seams.shape[0] > 1:
        if seams.shape != view.shape:
            raise BadRequest(f"seams of {seams.shape} for {view.shape} voxels", "they have to cover the same voxels",
                             "cut one of them")  # fmt: skip
        return part(seams)
    if isinstance(seams, np.ndarray) and seams.ndim == 3 and len(seams) > 1:
        return _labels(Volume.from_array(seams, view.voxel_size, kind="labels"), view, together)
    return np.ascontiguousarray(plane_of(seams, view))


def _fits(towards: Volume | None, view: Volume) -> Volume | None:
    if towards is not None and towards.shape != view.shape:
        raise BadRequest(f"towards= of {towards.shape} for {view.shape} voxels", "both have to cover the same voxels")
    return None if towards is None else part(towards)


def _width(labels: Any, view: Volume) -> float:
    """Half the side of a mean tile [nm]."""
    plane = labels[0].read() if isinstance(labels, Volume) else labels
    return float(np.sqrt(plane.size / len(np.unique(plane))) / 2 * view.voxel_size[2])


def _equation(view: Volume, width: float, together: bool) -> Equation:
    if not width > 0:
        raise BadRequest(f"filter_width={width}", "it is a length in nm, above 0")
    size = view.voxel_size
    z, y, x = ((size[2] / s) ** 2 for s in size)
    return Equation((z if together else 0.0, y, x), (size[2] / width) ** 2)


def _block(block: int | Sequence[int] | None, view: Volume, together: bool) -> Int3:
    z, y, x = (32 if together else 1, 1024, 1024) if block is None else sides(block)
    return max(1, int(z)), max(1, int(y)), max(1, int(x))


class _Scratch:
    """A folder for what passes leave for each other, beside the output; nothing where the result is in memory."""

    def __init__(self, out: str | None) -> None:
        self._out = out
        self._folder: str | None = None

    def __enter__(self) -> str | None:
        if self._out is None:
            return None
        place = local_path(str(self._out))
        if place is None:
            raise TooLarge(f"sections that have to be solved in blocks, written to {self._out}",
                           "blocks leave intermediate arrays on this machine's disk",
                           "write to a local folder and copy it, or pass a larger at_once=")  # fmt: skip
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        self._folder = tempfile.mkdtemp(prefix=f".{Path(place).name}-fuse-", dir=Path(place).parent)
        return self._folder

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
