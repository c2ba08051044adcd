"""What can be ingested: any store or file ndlab reads, and anything with a shape, a dtype and slices."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ndlab.errors import BadRequest, NdlabError, Problems, Unsupported
from ndlab.geometry import Calibration
from ndlab.metadata import Kind, to_nm
from ndlab.pipeline import fingerprint
from ndlab.store.arrays import Array, Level, Stored
from ndlab.store.files import check_slices
from ndlab.store.multiscale import AXES, canonical_order, open_store

__all__ = ["Source", "find_source", "settle_calibration"]

_PICTURES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")


@dataclass(frozen=True)
class Source:
    """An opened source.

    Parameters
    ----------
    stored : Stored
        Its finest level is what is ingested.
    words : str
        What it is called in messages and receipts.
    travels : bool
        Whether it pickles as an address, so that other processes can read it.
    identity : object
        What tells it from another source, for resuming: of files their names, sizes and times.
    """

    stored: Stored
    words: str
    travels: bool
    identity: Any

    @property
    def array(self) -> Array:
        """The finest level."""
        return self.stored.levels[0].array

    @property
    def calibration(self) -> Calibration | None:
        """Of the finest level, None where the source does not say."""
        return self.stored.levels[0].calibration


def find_source(source: Any, problems: list[str], **options: Any) -> Source | None:
    """Open a source; what is wrong with it goes to `problems`, all at once, and the answer is then None.

    Parameters
    ----------
    source : str, path, Stored or array
        An address, or an array of 1 to 5 axes: numpy, Dask, zarr, h5py, a DataArray, a Volume.
    problems : list of str
        Takes what is wrong.
    **options
        `axes`, `unit`, `pattern`, `missing`, `dataset` …, as `open_store` takes them; None means not given.
    """
    given = {k: v for k, v in options.items() if v is not None}
    try:
        if isinstance(source, Stored):
            return Source(source, source.url or "an array in memory", bool(source.url), source.url)
        if isinstance(source, str | os.PathLike):
            return _address(os.fspath(source), given, problems)
        return _from_array(source, given.get("axes"))
    except Problems as error:
        problems.extend(error.problems)
    except NdlabError as error:
        problems.append(str(error).rstrip("."))
    return None


def _address(url: str, options: dict[str, Any], problems: list[str]) -> Source | None:
    files = _slices(url)
    if files:
        known = {k: v for k, v in options.items() if k in ("pattern", "missing")}
        found = check_slices(url, known.get("pattern"), **{k: v for k, v in known.items() if k == "missing"})
        if found:
            problems.extend(found)
            return None
    stored = open_store(url, **options)
    return Source(stored, stored.url, True, _listing(Path(stored.url)))


def _slices(url: str) -> bool:
    """Whether the address is a folder (or glob) of pictures and not a store."""
    if "://" in url:
        return False
    if any(mark in os.path.basename(url) for mark in "*?"):
        return True
    path = Path(url)
    if not path.is_dir() or any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zarray", "info")):
        return False
    if (path / "attributes.json").exists():
        return False
    return any(p.suffix.lower() in _PICTURES or (p.is_dir() and p.name.isdecimal()) for p in path.iterdir())


def _listing(path: Path) -> Any:
    """Digest of names, sizes and times of the files; of a store only its metadata, for it may have millions."""
    if not path.exists():
        return str(path)
    if path.is_file():
        files = [path]
    elif _slices(str(path)):
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in _PICTURES)
    else:
        files = sorted(p for p in path.iterdir() if p.is_file())
    stats = [(str(p.relative_to(path)), p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    return {"files": len(stats), "bytes": sum(s for _, s, _ in stats), "listing": fingerprint(stats)}


def _from_array(values: Any, axes: str | Sequence[str] | None) -> Source:
    shape, dtype = getattr(values, "shape", None), getattr(values, "dtype", None)
    if shape is None or dtype is None or not hasattr(values, "__getitem__"):
        raise BadRequest(
            f"a {type(values).__name__} as source", "a source is an address, or an array with shape and dtype",
            "pass a path, a URL, or numpy.asarray(...) of it",
        )  # fmt: skip
    dtype = np.dtype(dtype)
    if not 1 <= len(shape) <= 5 or dtype.kind not in "buif" or dtype.itemsize > 8:
        raise Unsupported(
            f"an array of shape {tuple(shape)} and type {dtype}",
            "a volume has 1 to 5 axes of bool, integer or floating-point voxels",
            "convert or reduce it first",
            feature=f"dtype {dtype}",
        )
    named = axes or _names(values, "axes") or _names(values, "dims") or AXES[-len(shape) :]
    array = IndexedArray(values, tuple(named))
    stored = Stored(
        "", "array", array.names, (Level(array, _array_calibration(values, array.names)),),
        kind=_kind(values, dtype), name=str(values.name or "") if _names(values, "dims", "axes") else "",
        channels=tuple(getattr(values, "channels", ()) or ()),
    )  # fmt: skip
    words = getattr(values, "url", "") or f"{type(values).__name__} of shape {tuple(shape)}"
    return Source(stored, words, False, [str(words), list(shape), str(dtype)])


def _names(values: Any, *attributes: str) -> tuple[str, ...]:
    """Axis names that a Volume (`axes`) or a DataArray (`dims`) gives; h5py's `dims` are something else."""
    for attribute in attributes:
        found = getattr(values, attribute, None)
        if isinstance(found, tuple) and all(isinstance(name, str) for name in found):
            return found
    return ()


def _kind(values: Any, dtype: np.dtype[Any]) -> Kind:
    """Return what the array says, else labels for integers of 32 bits and more, which no microscope writes."""
    said = getattr(values, "kind", None)
    if said in ("image", "labels"):
        return "labels" if said == "labels" else "image"
    return "labels" if dtype.kind in "ui" and dtype.itemsize >= 4 else "image"


def _array_calibration(values: Any, names: Sequence[str]) -> Calibration | None:
    """Of a Volume what it says; of a DataArray what evenly spaced coordinates with a length unit say."""
    try:
        return Calibration(values.voxel_size, values.offset)
    except (AttributeError, BadRequest):
        pass
    coords = getattr(values, "coords", None)
    if coords is None or not hasattr(values, "dims"):
        return None
    found = [_spacing(coords, axis) for axis in "zyx"]
    if any(one is None for one in found):
        return None
    sizes, corners = zip(*(one for one in found if one is not None), strict=True)
    return Calibration(sizes, corners)


def _spacing(coords: Any, axis: str) -> tuple[float, float] | None:
    """Voxel size and corner [nm] of one axis of a DataArray whose coordinates are voxel centres."""
    if axis not in coords or coords[axis].size < 2:
        return None
    centres = np.asarray(coords[axis].values, float)
    try:
        scale = to_nm(str(coords[axis].attrs["units"]))
    except (KeyError, BadRequest):
        return None
    step = (centres[-1] - centres[0]) / (len(centres) - 1)
    if step <= 0 or not np.allclose(np.diff(centres), step, rtol=1e-3):
        return None
    return float(step * scale), float((centres[0] - step / 2) * scale)


class IndexedArray:
    """Anything with slices as an `Array` with axes in (t)(c)zyx order."""

    shards: tuple[int, ...] | None = None
    codec = "in memory"

    def __init__(self, values: Any, axes: Sequence[str]) -> None:
        if len(axes) != len(values.shape):
            raise BadRequest(f"axes={''.join(axes)!r} for an array of shape {tuple(values.shape)}",
                             "one letter an axis is needed, out of t, c, z, y, x")  # fmt: skip
        self._values = values
        self.names, self._order = canonical_order(tuple(a.lower() for a in axes))
        self.shape = tuple(1 if i is None else int(values.shape[i]) for i in self._order)
        self.dtype = np.dtype(values.dtype).newbyteorder("=")
        # Voxels in memory are lent, not copied; a memory map would count as memory of this process, page by page.
        plain = isinstance(values, np.ndarray) and not isinstance(values, np.memmap)
        self._lends = plain and values.dtype.isnative
        chunks = _chunks(values)
        self.chunks = tuple(1 if i is None or chunks is None else chunks[i] for i in self._order)

    def __repr__(self) -> str:
        # A Dask array's name stands for what it computes; of others only this very object is known.
        data = _unwrapped(self._values)
        words = data.name if hasattr(data, "dask") else f"at {id(data):#x}"
        return f"{type(data).__name__} {words} {self.shape} {self.dtype}"

    @property
    def held(self) -> np.ndarray[Any, Any] | None:
        """The (t)(c)zyx voxels if they are in memory already, not copied; None if they would have to be read."""
        data = _unwrapped(self._values)
        return self._ordered(data) if isinstance(data, np.ndarray) and not isinstance(data, np.memmap) else None

    def read(
        self, start: Sequence[int], stop: Sequence[int], out: np.ndarray[Any, Any] | None = None
    ) -> np.ndarray[Any, Any]:
        """Voxels of the half-open box, into `out` if given."""
        key: list[slice] = [slice(None)] * len(self._values.shape)
        for i, a, b in zip(self._order, start, stop, strict=True):
            if i is not None:
                key[i] = slice(a, b)
        part = self._ordered(np.asarray(self._values[tuple(key)]))
        if out is not None:
            out[...] = part
            return out
        return part if self._lends else np.ascontiguousarray(part, self.dtype)

    def _ordered(self, part: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """View the stored axes as (t)(c)zyx; axes of length 1 are added."""
        part = part.transpose([i for i in self._order if i is not None])
        return part[tuple(np.newaxis if i is None else slice(None) for i in self._order)]

    def write(self, start: Sequence[int], values: np.ndarray[Any, Any]) -> None:
        """Refused: a source is only read."""
        raise BadRequest("a write to the source of an ingest", "sources are only read")


def _unwrapped(values: Any) -> Any:
    """Return the array in a DataArray, which may be lazy: asking for it neither reads nor computes."""
    variable = getattr(values, "variable", None)
    return values if variable is None else variable._data


def _chunks(values: Any) -> tuple[int, ...] | None:
    """Return what the array says of itself: h5py and zarr by `chunks`, Dask by `chunksize`."""
    values = _unwrapped(values)
    chunks = getattr(values, "chunksize", None) or getattr(values, "chunks", None)
    whole = isinstance(chunks, tuple) and len(chunks) == len(values.shape) and all(isinstance(c, int) for c in chunks)
    return chunks if whole else None


def settle_calibration(
    found: Calibration | None,
    notes: Sequence[str],
    voxel_size: Sequence[float] | None,
    unit: str | None,
    offset: Sequence[float] | None,
    problems: list[str],
) -> Calibration | None:
    """Return what is given, else what the source says (`found`, or why not in `notes`); neither is a problem."""
    try:
        if voxel_size is not None:
            scale = to_nm(unit) if unit else 1.0
            size = tuple(v * scale for v in Calibration(voxel_size).voxel_size)  # which refuses what is none
            found = Calibration(size, (0.0, 0.0, 0.0) if found is None else found.offset)
        if found is None:
            said = next((n for n in notes if "voxel size" in n), "the source states none")
            problems.append(
                f"no voxel size: {said.partition('. Type')[0].rstrip('.')}; pass voxel_size=(z, y, x) in nm, "
                'e.g. voxel_size=(40, 4, 4), or with unit="micrometer"'
            )
            return None
        return replace_offset(found, offset)
    except BadRequest as error:
        problems.append(str(error).rstrip("."))
        return None


def replace_offset(calibration: Calibration, offset: Sequence[float] | None) -> Calibration:
    """Return the calibration with another corner [nm], if one is given."""
    return calibration if offset is None else Calibration(calibration.voxel_size, offset)
