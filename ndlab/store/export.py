"""Write a volume, or a box of one, as a file for other programs: TIFF, HDF5, NIfTI, NumPy or PNG slices.

Voxels pass in slabs, so memory stays bounded whatever the size of the volume. The file appears under its name only
once it is complete.
"""

from __future__ import annotations

import math
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.errors import BadRequest, Conflict, NotFound, OutOfBounds
from ndlab.geometry import Box, Calibration
from ndlab.metadata import Channel
from ndlab.store import export_formats
from ndlab.store.arrays import Array
from ndlab.store.files.nifti_header import Kept

__all__ = ["FORMATS", "Cut", "export", "format_of"]

FORMATS = ("tiff", "hdf5", "nifti", "npy", "png")
_SUFFIXES = {
    ".tif": "tiff", ".tiff": "tiff", ".h5": "hdf5", ".hdf5": "hdf5", ".nii": "nifti", ".nii.gz": "nifti",
    ".npy": "npy", ".png": "png",
}  # fmt: skip
_SLAB = 128 << 20


@dataclass(frozen=True)
class Cut:
    """What is to be written: part of an array, read slab by slab.

    Parameters
    ----------
    array : Array
        Where the voxels come from, axes (t)(c)zyx.
    axes : tuple of str
        Axes of what is written; a chosen time point or channel has none.
    start, stop : tuple of int
        The half-open box along all axes of `array`.
    calibration : Calibration or None
        Of the box: its offset is the corner of the first voxel written.
    channels : tuple of Channel
        Those written.
    time_step : float or None
        Between time points [s].
    slab : int
        How many bytes are read at once, if planes or chunks are no larger.
    name : str
        What the file will be called.
    header : Kept, optional
        Of the NIfTI file that the voxels came from.
    """

    array: Array
    names: tuple[str, ...]
    axes: tuple[str, ...]
    start: tuple[int, ...]
    stop: tuple[int, ...]
    calibration: Calibration | None
    channels: tuple[Channel, ...] = ()
    time_step: float | None = None
    slab: int = _SLAB
    name: str = ""
    header: Kept | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent of what is written, along `axes`."""
        extent = {a: n - m for a, m, n in zip(self.names, self.start, self.stop, strict=True)}
        return tuple(extent[a] for a in self.axes)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Voxel type."""
        return self.array.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of all voxels."""
        return math.prod(self.shape) * self.dtype.itemsize

    def planes(self, order: str) -> Iterator[np.ndarray[Any, Any]]:
        """Yield every plane (y, x), for files that are written from beginning to end.

        Parameters
        ----------
        order : str
            Which of t, c, z counts slowest, e.g. ``"tzc"``.
        """
        outer = [a for a in order if a in self.axes]
        turned = [self.axes.index(a) for a in (*outer, "y", "x")]
        for _, values in self._pieces(outer, self._deep(outer)):
            yield from values.transpose(turned).reshape(-1, *values.shape[-2:])

    def blocks(self) -> Iterator[tuple[tuple[int, ...], np.ndarray[Any, Any]]]:
        """Yield (start along `axes`, voxels) of boxes made of whole chunks, for files that are written anywhere."""
        lengths = dict(zip(self.axes, self.shape, strict=True))
        chunk = dict(zip(self.names, self.array.chunks, strict=True))
        block = {a: min(chunk[a], lengths[a]) if a in "zyx" else 1 for a in self.axes}
        for a in "xyz":
            times = self.slab // (math.prod(block.values()) * self.dtype.itemsize)
            block[a] = min(lengths[a], block[a] * max(1, times))
        yield from self._pieces([a for a in self.axes if a in "tcz"], block)

    def _deep(self, outer: Sequence[str]) -> dict[str, int]:
        """How far one piece of whole planes reaches: as many planes as fit, in multiples of a chunk's depth."""
        lengths = dict(zip(self.axes, self.shape, strict=True))
        chunk = dict(zip(self.names, self.array.chunks, strict=True))
        piece = {**dict.fromkeys(outer, 1), "y": lengths["y"], "x": lengths["x"]}
        if outer and outer[-1] == "c":
            piece["c"] = lengths["c"]
        room = max(1, self.slab // (math.prod(piece.values()) * self.dtype.itemsize))
        piece["z"] = min(lengths["z"], room // chunk["z"] * chunk["z"] or room)
        return piece

    def _pieces(
        self, outer: Sequence[str], piece: dict[str, int]
    ) -> Iterator[tuple[tuple[int, ...], np.ndarray[Any, Any]]]:
        lengths = dict(zip(self.axes, self.shape, strict=True))
        inner = (*outer, "y", "x")
        spans = [range(0, lengths[a], piece[a]) for a in inner]
        for index in np.ndindex(*map(len, spans)):
            first = {a: span[i] for a, span, i in zip(inner, spans, index, strict=True)}
            last = {a: min(lengths[a], first[a] + piece[a]) for a in inner}
            yield tuple(first[a] for a in self.axes), self._read(first, last)

    def _read(self, first: dict[str, int], last: dict[str, int]) -> np.ndarray[Any, Any]:
        start = [m + first.get(a, 0) for a, m in zip(self.names, self.start, strict=True)]
        stop = [m + last.get(a, 1) for a, m in zip(self.names, self.start, strict=True)]
        values = self.array.read(start, stop)
        return values.reshape([last[a] - first[a] for a in self.axes])


def export(
    array: Array,
    axes: Sequence[str],
    calibration: Calibration | None,
    dest: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - the word a caller would type
    box: Box | None = None,
    t: int | None = None,
    c: int | None = None,
    channels: Sequence[Channel] = (),
    time_step: float | None = None,
    header: Kept | None = None,
    overwrite: bool = False,
    slab: int = _SLAB,
    progress: Callable[[float], None] | None = None,
) -> Path:
    """Write a box of an array as a file that other programs read; returns its path.

    Parameters
    ----------
    array : Array
        The voxels, axes (t)(c)zyx.
    axes : sequence of str
        Names of those axes.
    calibration : Calibration or None
        Voxel size and offset [nm] of the array, where known.
    dest : path
        The file; for PNG slices a folder, unless the name ends in ``.png`` and one plane is written.
    format : {"tiff", "hdf5", "nifti", "npy", "png"}, optional
        Taken from the name unless given.
    box : Box, optional
        Half-open (z, y, x) in the array's voxels; all of it unless given.
    t, c : int, optional
        One time point, one channel; all unless given.
    channels : sequence of Channel
        Names, colours and windows of the array's channels.
    time_step : float, optional
        Between time points [s].
    header : Kept, optional
        Of the NIfTI file that the voxels came from, which another one takes over.
    overwrite : bool
        Whether a file that exists is replaced, once the new one is complete.
    slab : int
        How many bytes of voxels are held at once; at least one chunk, for TIFF, PNG and ``.nii.gz`` at least one
        plane, and slower where a plane times the depth of a chunk is larger than that.
    progress : callable, optional
        Called with the finished fraction.

    Returns
    -------
    Path

    Raises
    ------
    Conflict
        If `dest` exists and `overwrite` is not set.
    BadRequest
        If the format cannot hold the voxels (a type, a time series) or the name tells no format.
    OutOfBounds
        If the box, time point or channel is not there.

    Notes
    -----
    What a file keeps besides voxels: HDF5 all of it; NIfTI voxel size and offset, as an affine that counts from
    voxel centres, and all of the header if they came from NIfTI; TIFF the voxel size (ImageJ, OME-XML) but no offset;
    npy and PNG nothing.

    Examples
    --------
    >>> import tempfile
    >>> from ndlab.store.files import open_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(folder + "/a.npy", np.arange(24, dtype="u1").reshape(2, 3, 4))
    ...     a = open_file(folder + "/a.npy").levels[0].array
    ...     path = export(a, "zyx", Calibration((40, 4, 4)), folder + "/a.h5", box=Box((1, 0, 0), (2, 3, 4)))
    ...     back = open_file(path)
    ...     print(back.levels[0].calibration)
    Calibration(voxel_size=(40.0, 4.0, 4.0), offset=(40.0, 0.0, 0.0))
    """
    path = Path(os.path.abspath(os.path.expanduser(os.fspath(dest))))
    kind = format_of(path, format)
    cut = _cut(array, tuple(axes), calibration, box, t, c, tuple(channels), time_step, slab, path.name)
    cut = replace(cut, header=header)
    writer = export_formats.writer(kind, cut, path)
    _check_place(path, overwrite)
    _complete(path, lambda temporary: writer(cut, temporary, progress or (lambda _: None)))
    return path


def format_of(path: Path, asked: str | None = None) -> str:
    """Take the format from what was asked, else from the name.

    Raises
    ------
    BadRequest
        If neither says.
    """
    if asked is not None:
        wanted = {"tif": "tiff", "h5": "hdf5", "nii": "nifti"}.get(asked.lower(), asked.lower())
        if wanted not in FORMATS:
            raise BadRequest(f"export format {asked!r}", f"known are {', '.join(FORMATS)}", 'pass format="tiff"')
        return wanted
    name = path.name.lower()
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return _SUFFIXES[suffix]
    raise BadRequest(
        f"export to {path.name!r}",
        f"the name ends in none of {', '.join(_SUFFIXES)}",
        'give it one of those, or pass format="png" for a folder of slices',
    )


def _cut(
    array: Array,
    names: tuple[str, ...],
    calibration: Calibration | None,
    box: Box | None,
    t: int | None,
    c: int | None,
    channels: tuple[Channel, ...],
    time_step: float | None,
    slab: int,
    name: str,
) -> Cut:
    shape = array.shape
    if len(names) != len(shape):
        raise BadRequest(f"axes {names} for an array of shape {shape}", "one name for each axis is needed")
    box = (box or Box((0, 0, 0), shape[-3:])).check(shape[-3:])
    if box.size == 0:
        raise BadRequest(f"box {box.start} to {box.stop} is empty", "there is nothing to write", "give a larger box")
    start, stop = dict(zip("zyx", box.start, strict=True)), dict(zip("zyx", box.stop, strict=True))
    for axis, chosen in (("t", t), ("c", c)):
        start[axis], stop[axis] = _chosen(axis, chosen, dict(zip(names, shape, strict=True)))
    dropped = {axis for axis, chosen in (("t", t), ("c", c)) if chosen is not None}
    if calibration is not None:
        calibration = Calibration(calibration.voxel_size, calibration.nm(box).start)
    return Cut(
        array=array,
        names=names,
        axes=tuple(a for a in names if a not in dropped),
        start=tuple(start[a] for a in names),
        stop=tuple(stop[a] for a in names),
        calibration=calibration,
        channels=channels if c is None else channels[c : c + 1],
        time_step=time_step if t is None else None,
        slab=max(1, slab),
        name=name.partition(".")[0],
    )


def _chosen(axis: str, chosen: int | None, lengths: dict[str, int]) -> tuple[int, int]:
    length = lengths.get(axis, 1)
    if chosen is None:
        return 0, length
    if not 0 <= chosen < length:
        raise OutOfBounds(f"{axis}={chosen} was asked for", f"the array has {length} along {axis}, counted from 0",
                          f"pass {axis}=0")  # fmt: skip
    return chosen, chosen + 1


def _check_place(path: Path, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise NotFound(f"no folder {path.parent}", "", "make it first", path=path.parent)
    if not os.path.lexists(path):
        return
    if not overwrite:
        raise Conflict(f"{path} exists", "an export replaces nothing unasked",
                       "choose another name, or pass overwrite=True", path=path)  # fmt: skip
    if path.is_dir() and not all(export_formats.is_own_slice(name) for name in os.listdir(path)):
        raise Conflict(f"{path} is a folder with more in it than exported slices", "it is not replaced",
                       "choose another name", path=path)  # fmt: skip


def _complete(path: Path, write: Callable[[Path], None]) -> None:
    """Write under a name beside `path` and move it there at the end; whatever happens, nothing half-made stays."""
    # The suffixes stay, for some writers go by them.
    temporary = path.with_name(f".part-{uuid.uuid4().hex[:12]}-{path.name}")
    try:
        write(temporary)
        if path.is_dir() and not path.is_symlink():
            old = path.with_name(f".old-{uuid.uuid4().hex[:12]}-{path.name}")
            os.replace(path, old)
            os.replace(temporary, path)
            shutil.rmtree(old)
        else:
            os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        elif temporary.exists():
            temporary.unlink()
