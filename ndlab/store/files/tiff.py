"""TIFF, BigTIFF, OME-TIFF and ImageJ stacks: axes, calibration, channels and pyramid levels as volumes have them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ndlab.errors import BadMetadata, BadRequest, OutOfBounds, Unsupported
from ndlab.geometry import Calibration
from ndlab.store.arrays import Array, Level, Stored
from ndlab.store.files.array import kind_of, name_of, names_of, same_letters
from ndlab.store.files.raw import RawArray
from ndlab.store.files.tiff_metadata import Described, describe
from ndlab.store.files.tiff_pages import PagesArray, Tiff, refuse_inks, reopened

__all__ = ["SUFFIXES", "open_tiff"]

SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".tf2", ".lsm", ".stk", ".ndpi", ".svs", ".qptiff")


def open_tiff(path: str, *, series: int = 0, axes: str | Sequence[str] | None = None) -> Stored:
    """Describe one image series of a TIFF file as a volume.

    Pages are planes unless the file says otherwise (OME-XML, ImageJ). Samples of a pixel (red, green, blue)
    become channels. Voxel size, time step, channel names, colours and windows come from OME-XML or ImageJ; the
    resolution of plain TIFF files is not used, for it is rarely set and knows no z.

    Parameters
    ----------
    path : str
        The file; of an OME-TIFF data set in several files, any of them.
    series : int
        Which image, where the file holds several.
    axes : str, optional
        One letter for each axis longer than 1, in stored order, e.g. ``"tyx"`` for pages that are time points.

    Raises
    ------
    OutOfBounds
        If the file has no such series.
    """
    tiff = reopened(path)
    if not tiff.series:
        raise BadMetadata(
            f"{path} holds no image", "it has no readable page", "check that it was copied whole", path=path
        )
    if not 0 <= series < len(tiff.series):
        raise OutOfBounds(f"series {series} of {path}", f"it has {len(tiff.series)}, counted from 0", "pass series=0")
    levels = tiff.series[series].levels
    refuse_inks(path, tiff.series[series].keyframe)
    stored_axes = _axes(levels[0], axes, path)
    arrays = [_array(tiff, path, series, i, stored_axes) for i in range(len(levels))]
    described = describe(tiff, series, stored_axes, arrays[0].shape[-3])
    return Stored(
        url=path,
        format=described.format,
        axes=names_of(stored_axes),
        levels=tuple(Level(a, _coarser(described, a, arrays[0])) for a in arrays),
        kind=kind_of(arrays[0].dtype),
        name=described.name or name_of(path),
        channels=described.channels,
        time_step=described.time_step,
        attrs=described.attrs,
        notes=(*described.notes, *_series_note(tiff, series), *_gaps_note(tiff, series)),
    )


def _axes(level: Any, asked: str | Sequence[str] | None, path: str) -> str:
    """One letter for each unsqueezed axis of a series."""
    letters, shape = level.get_axes(squeeze=False).lower(), level.get_shape(squeeze=False)
    if asked is not None:
        return _renamed("".join(asked).lower(), letters, shape, path)
    long = {a for a, n in zip(letters, shape, strict=True) if n > 1}
    # tifffile says I for a sequence of pages and Q for an axis it knows nothing of: a stack, unless z is elsewhere.
    for vague in "iq":
        if vague in long and "z" not in long:
            letters = letters.replace("z", "-").replace(vague, "z", 1)
            long = (long - {vague}) | {"z"}
    # Axes of one time point or one channel that nearly every file spells out.
    letters = "".join("-" if a in "tc" and a not in long else a for a in letters)
    if "s" in long and "c" not in long:
        letters = letters.replace("c", "-").replace("s", "c")
    if "s" in long and "c" in long:
        raise Unsupported(
            f"{path} has colour samples within each of several channels",
            f"its axes are {level.get_axes(squeeze=False)} {shape}",
            "split it into one file for each channel",
            feature="samples and channels",
        )
    return same_letters(letters, shape, path)


def _renamed(asked: str, letters: str, shape: Sequence[int], path: str) -> str:
    long = [i for i, n in enumerate(shape) if n > 1]
    if len(asked) == len(letters):
        return same_letters(asked, shape, path)
    if len(asked) != len(long):
        raise BadRequest(
            f"axes={asked!r} for {path}",
            f"it has {len(long)} axes longer than 1, of lengths {tuple(shape[i] for i in long)}",
            f"pass {len(long)} letters out of t, c, z, y, x in stored order",
        )
    named = dict(zip(long, asked, strict=True))
    return same_letters("".join(named.get(i, "-") for i in range(len(shape))), shape, path)


def _array(tiff: Tiff, path: str, series: int, number: int, axes: str) -> Array:
    level = tiff.level(series, number)
    shape = tuple(level.get_shape(squeeze=False))
    if len(shape) != len(axes) or level.dtype is None or level.dtype.kind not in "buif":
        raise Unsupported(
            f"{path}, level {number}, has shape {shape} and type {level.dtype}",
            f"a volume holds numbers along {axes}",
            feature=f"dtype {level.dtype}",
        )
    frame = level.keyframe
    codec = "none" if frame.compression == 1 else frame.compression.name.lower()
    offset = level.dataoffset if frame.is_contiguous or len(level.pages) == 1 else None
    if offset is not None and frame.compression == 1 and frame.bitspersample in (8, 16, 32, 64):
        stored_type = level.dtype.newbyteorder(tiff.file.byteorder)
        needed = offset + math.prod(shape) * level.dtype.itemsize
        if needed > tiff.file.filehandle.size:
            raise _truncated(path, needed, tiff.file.filehandle.size)
        chunks = _chunks(shape, "yx", axes, frame)
        return RawArray(path, axes, shape, chunks, level.dtype.str, codec, stored_type.str, offset)
    inside = _inside(level, axes, path)
    planar = frame.planarconfig == 2 and frame.samplesperpixel > 1
    chunks = _chunks(shape, inside, axes, frame)
    return PagesArray(path, axes, shape, chunks, level.dtype.str, codec, series, number, inside, planar)


def _truncated(path: str, needed: int, there: int) -> BadMetadata:
    return BadMetadata(
        f"{path} is truncated",
        f"its header promises {needed} bytes, {there} are there",
        "copy the file again from its source",
        path=path,
    )


def _inside(level: Any, axes: str, path: str) -> str:
    """Name the axes that lie inside a page: as many as its pixels need, from the end."""
    shape = level.get_shape(squeeze=False)
    for lead in range(len(shape) - 1, -1, -1):
        inside = axes[lead:]
        if math.prod(shape[lead:]) == level.keyframe.size and "y" in inside and "x" in inside:
            if math.prod(shape[:lead]) != len(level.pages):
                break
            return inside
    raise BadMetadata(
        f"{path} has {len(level.pages)} pages of {level.keyframe.shape}",
        f"its metadata says {axes} {tuple(shape)}",
        "save it again as a TIFF stack",
    )


def _chunks(shape: Sequence[int], inside: str, axes: str, frame: Any) -> tuple[int, ...]:
    """Give the extent of a tile, or of a strip, which is at most a page."""
    rows = frame.tilelength if frame.is_tiled else frame.rowsperstrip
    sides = {"y": rows, "x": frame.tilewidth if frame.is_tiled else frame.imagewidth}
    if "z" in inside:
        sides["z"] = max(1, frame.tiledepth)
    if "c" in inside and frame.planarconfig == 1:
        sides["c"] = frame.samplesperpixel
    return tuple(min(n, max(1, sides.get(a, 1))) for a, n in zip(axes, shape, strict=True))


def _coarser(described: Described, array: Array, finest: Array) -> Calibration | None:
    if described.calibration is None:
        return None
    ratio = [max(1, round(a / b)) for a, b in zip(finest.shape[-3:], array.shape[-3:], strict=True)]
    return described.calibration.coarser(ratio)


def _series_note(tiff: Tiff, series: int) -> tuple[str, ...]:
    if len(tiff.series) == 1:
        return ()
    listed = ", ".join(f"{i}: {s.axes} {s.shape} {s.dtype}" for i, s in enumerate(tiff.series))
    return (f"series {series} of {len(tiff.series)} is shown ({listed}); pass series= for another",)


def _gaps_note(tiff: Tiff, series: int) -> tuple[str, ...]:
    level = tiff.level(series, 0)
    if level.kind != "ome":
        return ()
    missing = int(np.sum([page is None for page in level.pages]))
    return (f"{missing} of {len(level.pages)} planes are missing from the file and read as 0",) if missing else ()
