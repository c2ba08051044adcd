"""Voxels over HTTP: what was posted as TIFF, HDF5, npz or blosc, checked and written by the founding store's rules.

Zeros of an image never erase. Labels are written by their conflict option: ``overwrite`` lets the new label win,
``preserve`` the one that is there. Everything is checked before a voxel is written.
"""

from __future__ import annotations

import io
import pickle
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from ndlab.errors import BadRequest, OutOfBounds, ReadOnly, TooLarge, Unsupported
from ndlab.geometry import Box
from ndlab.serve import posted
from ndlab.serve.source import Channel
from ndlab.serve.space import ladder, level_of, voxels_of
from ndlab.volume import Volume

__all__ = ["FORMATS", "decode", "write"]

FORMATS = ("tiff", "hdf5", "npz", "blosc")
Array = np.ndarray[Any, np.dtype[Any]]
Conflict = Literal["overwrite", "preserve", "except"]


def decode(format: str, body: bytes, channels: Sequence[str], limit: int) -> Array:  # noqa: A002 - the path's word
    """Return what was posted: (c, t, z, y, x), or fewer axes as the format has them.

    Parameters
    ----------
    format : {"tiff", "hdf5", "npz", "blosc"}
    body : bytes
    channels : sequence of str
        Names of the channels, for HDF5 with a group for each.
    limit : int
        Most bytes of decoded voxels.

    Raises
    ------
    BadRequest
        If the body is not what the format says.
    TooLarge
        If it decodes to more than `limit` bytes.
    """
    if format not in FORMATS:
        raise Unsupported(
            f"voxels as {format!r}", f"there are {', '.join(FORMATS)}", "post one of them", feature=format
        )
    try:
        return _DECODERS[format](body, channels, limit)
    except (TooLarge, BadRequest):
        raise
    except Exception as error:
        # Whatever a decoder says of bytes that came over a wire, the bytes are wrong.
        raise BadRequest(
            f"a body of {len(body)} bytes as {format}", f"it does not decode: {type(error).__name__}", _HINTS[format]
        ) from None


def write(
    channels: Sequence[Channel],
    level: int,
    start: Sequence[int],
    stop: Sequence[int] | None,
    values: Array,
    *,
    times: tuple[int, int] | None = None,
    conflict: Conflict = "overwrite",
) -> int:
    """Check everything, then write; return how many voxels.

    Parameters
    ----------
    channels : sequence of Channel
        As many as `values` has along its first axis, if there is more than one.
    level : int
        Pyramid level of the coordinates.
    start, stop : sequence of 3 int
        (z, y, x) in coordinates of the data set, offset included; without `stop` as far as `values` reaches.
    values : ndarray
        (c)(t)zyx.
    times : (int, int), optional
        Half-open range of time points; 0 unless given.
    conflict : {"overwrite", "preserve"}
        Where another label is; ``"except"`` takes annotations that the labels belong to.

    Raises
    ------
    BadRequest, OutOfBounds, ReadOnly
        Before a voxel is written.
    """
    if conflict == "except":
        raise BadRequest("voxels with except", "no annotations keep what stands behind a label here",
                         "post objects to the channel first, or choose overwrite or preserve")  # fmt: skip
    for one in channels:
        if one.readonly:
            raise ReadOnly(f"voxels for channel {one.name!r}", "it is read-only", "write to another channel")
    first, last = times or (0, 1)
    full = _shaped(values, len(channels), last - first)
    end = tuple(a + n for a, n in zip(start, full.shape[-3:], strict=True)) if stop is None else tuple(stop)
    wanted = tuple(b - a for a, b in zip(start, end, strict=True))
    if full.shape[-3:] != wanted:
        raise BadRequest(f"voxels of shape {full.shape[-3:]} for a range of {wanted}", "both are z, y, x",
                         "post as many voxels as the range holds")  # fmt: skip
    places = [_place(one, level, start, end, (first, last), full.dtype) for one in channels]
    for (view, box), one, part in zip(places, channels, full, strict=True):
        for number, t in enumerate(range(first, last)):
            _put(view, box, part[number], t if "t" in view.axes else None, one.kind, conflict)
    return int(full.size)


def _shaped(values: Array, channels: int, times: int) -> Array:
    """Return the voxels as (c, t, z, y, x)."""
    if not 3 <= values.ndim <= 5:
        raise BadRequest(f"voxels of shape {values.shape}", "they are (channel), (time), z, y, x", "post 3 to 5 axes")
    full = values
    if full.ndim == 3:
        full = full[None, None]
    elif full.ndim == 4:
        full = full[None] if channels == 1 and times > 1 else full[:, None]
    if full.shape[:2] != (channels, times):
        raise BadRequest(f"voxels of shape {values.shape}", f"the path names {channels} channels, {times} time points",
                         "post them in that order")  # fmt: skip
    return full


def _place(
    one: Channel, level: int, start: Sequence[int], stop: Sequence[int], times: tuple[int, int], dtype: np.dtype[Any]
) -> tuple[Volume, Box]:
    """Return where the voxels of one channel go, after every check."""
    if dtype != one.volume.dtype:
        raise BadRequest(
            f"{dtype} voxels for channel {one.name!r}", f"it holds {one.volume.dtype}", "convert them first"
        )
    levels, what = ladder(one.space or one.volume), f"channel {one.name!r}"
    asked = level_of(levels, level, what)
    box = voxels_of(asked, start, stop, what)
    # A label image may have other levels than the image that its token's paths count in.
    same = (asked.shape, asked.voxel_size)
    own = (k.stored for k in ladder(one.volume) if not k.steps and (k.shape, k.voxel_size) == same)
    stored = next(own, None)
    if stored is None:
        raise BadRequest(f"voxels at level {level} of {what}", "it stores no such level", "post at a level that it has")
    view = one.volume.level(stored)
    count = dict(zip(view.axes, view.shape, strict=True)).get("t", 1)
    if not 0 <= times[0] < times[1] <= count:
        raise OutOfBounds(f"time points {times[0]} to {times[1]}", f"there are 0 to {count}", "post a range inside it")
    return view, Box(box.start, box.stop, stored)


def _put(view: Volume, box: Box, values: Array, t: int | None, kind: str, conflict: Conflict) -> None:
    if kind == "annotation" and conflict == "preserve":
        there = view.read(box, t=t).reshape(values.shape)
        view.write(box, np.where(there == 0, values, there), t=t)
    else:
        view.write(box, values, t=t, mode="nonzero")


# --- formats ------------------------------------------------------------------------------------------------------

_HINTS = {
    "tiff": "post a TIFF of one page for each section",
    "hdf5": "post one group for each channel with a data set CUTOUT, or a data set CUTOUT at the root",
    "npz": "post zlib.compress of what numpy.save writes",
    "blosc": "post what blosc.pack_array returns",
}


def _fits(nbytes: int, limit: int) -> None:
    if nbytes > limit:
        raise TooLarge(f"a body that decodes to {nbytes} bytes", f"{limit} are taken", "post smaller pieces",
                       nbytes=nbytes, limit=limit)  # fmt: skip


def _npz(body: bytes, channels: Sequence[str], limit: int) -> Array:
    # A small body may inflate to anything: no more of it than the limit and a header is ever made.
    inflate = zlib.decompressobj()
    raw = inflate.decompress(body, limit + 4096)
    _fits(limit + 1 if inflate.unconsumed_tail else 0, limit)
    return np.asarray(np.load(io.BytesIO(raw), allow_pickle=False))


def _tiff(body: bytes, channels: Sequence[str], limit: int) -> Array:
    import tifffile

    with tifffile.TiffFile(io.BytesIO(body)) as file:
        series = file.series[0]
        _fits(int(np.prod(series.shape)) * np.dtype(series.dtype).itemsize, limit)
        values = np.asarray(series.asarray())
    return values[None] if values.ndim == 2 else values


def _hdf5(body: bytes, channels: Sequence[str], limit: int) -> Array:
    budget = posted.Budget(limit)
    with posted.opened(body) as file:
        groups = [file] if "CUTOUT" in file else [dict(posted.members(file))[name] for name in channels]
        parts = [posted.values(group, "CUTOUT", budget) for group in groups]
    found = [part for part in parts if part is not None]
    if len(found) < len(groups):
        raise BadRequest("a channel without CUTOUT", "its group holds none", _HINTS["hdf5"])
    if len({(part.shape, part.dtype) for part in found}) > 1:
        raise BadRequest(
            "channels of several shapes or types", "one write has one shape and type", "post them one by one"
        )
    return found[0] if len(found) == 1 else np.stack(found)


def _blosc(body: bytes, channels: Sequence[str], limit: int) -> Array:
    """Read what ``blosc.pack_array`` makes: an array, pickled, compressed. No other pickle is understood."""
    from numcodecs import blosc

    # The header of 16 bytes states both sizes.
    if len(body) < 16 or int.from_bytes(body[12:16], "little") != len(body):
        raise BadRequest(f"a body of {len(body)} bytes as blosc", "its header says otherwise", _HINTS["blosc"])
    _fits(max(0, int.from_bytes(body[4:8], "little") - 4096), limit)
    raw = bytes(blosc.decompress(body))
    values = _ArrayReader(io.BytesIO(raw)).load()
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "uif":
        raise BadRequest("a body as blosc", "it holds no array of numbers", _HINTS["blosc"])
    return values


class _ArrayReader(pickle.Unpickler):
    """Knows the four names that the pickle of an array of numbers needs, and no other: nothing of a body is run."""

    def find_class(self, module: str, name: str) -> Any:
        arrays = {"numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric"}
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        if (module in arrays and name in ("_reconstruct", "_frombuffer")) or (module, name) == ("_codecs", "encode"):
            module = module.replace("numpy.core", "numpy._core")
            return super().find_class(module, name)
        raise BadRequest(
            f"a body that names {module}.{name}", "a pickled array names nothing of that kind", _HINTS["blosc"]
        )


_DECODERS: dict[str, Callable[[bytes, Sequence[str], int], Array]] = {
    "tiff": _tiff,
    "hdf5": _hdf5,
    "npz": _npz,
    "blosc": _blosc,
}
