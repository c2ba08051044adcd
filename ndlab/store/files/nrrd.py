"""NRRD: raw data mapped into memory, gzip and bzip2 as one stream; attached and detached headers."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ndlab.errors import BadMetadata, NotFound, Unsupported
from ndlab.geometry import Calibration
from ndlab.store.arrays import Level, Stored
from ndlab.store.files.array import kind_of, name_of, names_of, same_letters
from ndlab.store.files.frames import corner_of, frame_notes
from ndlab.store.files.raw import RawArray, one_stream_note
from ndlab.store.files.units import nm_per

__all__ = ["SUFFIXES", "open_nrrd"]

SUFFIXES = (".nrrd", ".nhdr")
_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(
        ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"), "i8"
    ),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), "u8"),
    "float": "f4",
    "double": "f8",
}
_ENCODINGS = {"raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bz2", "bz2": "bz2"}
_CHANNEL_KINDS = ("vector", "list", "point", "covariant-vector", "normal", "stub", "scalar", "complex")


def open_nrrd(path: str, *, axes: str | Sequence[str] | None = None, unit: str | None = None) -> Stored:
    """Describe a NRRD image as a volume.

    Voxels keep their stored order, with the first spatial NRRD axis as x. The space origin is the centre of the
    first voxel, whatever the header's centerings say; where the directions neither turn nor mirror the axes it
    becomes the volume's offset (a corner).

    Parameters
    ----------
    path : str
        The ``.nrrd`` file, or the ``.nhdr`` header beside its data.
    axes : str, optional
        One letter for each stored axis, fastest first, e.g. ``"cxyz"``.
    unit : str, optional
        Unit of length where the header names none. Without it, headers with an anatomical space are taken to be in
        millimetres, as 3D Slicer and ITK do, and others to state no voxel size.
    """
    header, start = _read_header(path)
    sizes = tuple(int(n) for n in header["sizes"])
    number = _number(header, path)
    letters = same_letters(axes or _axes(header, sizes, path), sizes, path)
    file, offset, skip, encoding = _data(path, header, start, math.prod(sizes) * number.itemsize)
    stored_shape = sizes[::-1]
    array = RawArray(
        path=file,
        axes=letters[::-1],
        stored_shape=stored_shape,
        stored_chunks=(1,) * (len(sizes) - 2) + stored_shape[-2:],
        type=number.newbyteorder("=").str,
        codec="none" if encoding == "raw" else encoding,
        stored_type=number.str,
        offset=offset,
        encoding=encoding,
        skip=skip,
    )
    calibration, notes = _calibration(header, letters, unit, path)
    stream = one_stream_note(path, math.prod(sizes) * number.itemsize) if encoding != "raw" else None
    return Stored(
        url=path,
        format="NRRD",
        axes=names_of(array.axes),
        levels=(Level(array, calibration),),
        kind=kind_of(number),
        name=name_of(path),
        attrs={k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in header.items()},
        notes=(*notes, *((stream,) if stream else ())),
    )


def _read_header(path: str) -> tuple[Mapping[str, Any], int]:
    """Read the header's fields, and where the data after it start."""
    import nrrd

    try:
        with open(path, "rb") as file:
            header = nrrd.read_header(file)
            start = file.tell()
        if "sizes" not in header or "type" not in header or len(header["sizes"]) != header["dimension"]:
            raise ValueError("the header lacks sizes or type, or they contradict its dimension")
    except (nrrd.NRRDError, ValueError, KeyError, UnicodeDecodeError, StopIteration) as error:
        raise BadMetadata(f"{path} has no valid NRRD header", f"{type(error).__name__}: {error}",
                          "check that it was copied whole", path=path) from None  # fmt: skip
    return header, start


def _number(header: Mapping[str, Any], path: str) -> np.dtype[Any]:
    name = header["type"]
    if name not in _TYPES:
        raise Unsupported(f"{path} has voxels of type {name!r}", "a volume holds numbers", feature=f"NRRD type {name}")
    return np.dtype(_TYPES[name]).newbyteorder("<" if header.get("endian", "little") == "little" else ">")


def _axes(header: Mapping[str, Any], sizes: tuple[int, ...], path: str) -> str:
    """One letter for each axis, fastest first: by kinds, else by which of them have a direction in space."""
    kinds = list(header.get("kinds", [])) or ["???"] * len(sizes)
    directions = header.get("space directions")
    letters, spatial = "", iter("xyz")
    for i, kind in enumerate(kinds):
        nowhere = directions is not None and (directions[i] is None or np.isnan(np.asarray(directions[i], float)).any())
        if kind == "time":
            letters += "t"
        elif nowhere or kind in _CHANNEL_KINDS or "color" in kind or "vector" in kind:
            letters += "c"
        else:
            letters += next(spatial, "c")
    if len(set(letters)) != len(letters):
        raise Unsupported(f"{path} has axes of kinds {kinds}", f"they read as {letters}, fastest first",
                          "name them with axes='cxyz' or the like", feature=f"NRRD kinds {kinds}")  # fmt: skip
    return letters


def _data(path: str, header: Mapping[str, Any], start: int, nbytes: int) -> tuple[str, int, int, str]:
    """File that holds the data, offset in the decoded stream, bytes of the file to skip, encoding."""
    encoding = _ENCODINGS.get(header["encoding"])
    if encoding is None:
        raise Unsupported(f"{path} has encoding {header['encoding']!r}", "ndlab reads raw, gzip and bzip2",
                          "save it with one of those", feature=f"NRRD encoding {header['encoding']}")  # fmt: skip
    file, skip = path, start
    detached = header.get("data file", header.get("datafile"))
    if detached:
        if isinstance(detached, str) and (detached.startswith("LIST") or "%" in detached):
            raise Unsupported(f"{path} names several data files", "ndlab reads one", "join them into one file",
                              feature="NRRD data file list")  # fmt: skip
        file, skip = os.path.join(os.path.dirname(path), detached), 0
    if not os.path.isfile(file):
        raise NotFound(f"{path} names the data file {detached!r}", "it is not there", "copy it beside the header",
                       path=file)  # fmt: skip
    skip = _skip_lines(file, skip, int(header.get("line skip", header.get("lineskip", 0))))
    byte_skip = int(header.get("byte skip", header.get("byteskip", 0)))
    if encoding != "raw":
        return file, max(0, byte_skip), skip, encoding
    there = os.path.getsize(file)
    offset = there - nbytes if byte_skip == -1 else skip + byte_skip
    if offset < 0 or there < offset + nbytes:
        raise BadMetadata(f"{file} is truncated", f"its header promises {nbytes} bytes of voxels, "
                          f"{max(0, there - max(0, offset))} are there", "copy the file again", path=file)  # fmt: skip
    return file, offset, 0, encoding


def _skip_lines(file: str, start: int, lines: int) -> int:
    if not lines:
        return start
    with open(file, "rb") as opened:
        opened.seek(start)
        for _ in range(lines):
            opened.readline()
        return opened.tell()


def _calibration(
    header: Mapping[str, Any], letters: str, unit: str | None, path: str
) -> tuple[Calibration | None, tuple[str, ...]]:
    places = [letters.index(a) for a in "xyz" if a in letters]
    vectors = _vectors(header, places)
    if vectors is None:
        return None, (f"{path} states no voxel size: pass ndlab.open(path, voxel_size=(z, y, x)) in nm",)
    size = np.linalg.norm(vectors, axis=0)
    nm, notes = _unit(header, unit, places)
    if nm is None or not np.isfinite(size).all() or not (size > 0).all():
        said = tuple(round(float(v), 9) for v in size[::-1])
        return None, (f"{path} states voxels of {said} (z, y, x) without a unit: pass unit= or voxel_size=",)
    scaled = [float(v) * nm for v in size[::-1]]
    origin = header.get("space origin")
    if origin is None or len(origin) != 3 or np.isnan(np.asarray(origin, float)).any():
        return Calibration(scaled), notes
    corner = corner_of(vectors, origin) if vectors.shape == (3, 3) else None
    if corner is None:
        return Calibration(scaled), (*notes, *frame_notes("space directions"))
    return Calibration(scaled, [v * nm for v in reversed(corner)]), notes


def _vectors(header: Mapping[str, Any], places: Sequence[int]) -> np.ndarray[Any, Any] | None:
    """Give the step along each of x, y, z as columns (of 3); a 2-D picture is as thick as wide."""
    directions, spacings = header.get("space directions"), header.get("spacings")
    if directions is not None:
        columns = [np.asarray(directions[i], float) for i in places]
    elif spacings is not None:
        columns = [np.eye(3)[k] * float(spacings[i]) for k, i in enumerate(places)]
    else:
        return None
    if len(columns) == 2:
        columns = [np.append(c, 0.0)[:3] if len(c) == 2 else c for c in columns]
        columns.append(np.array([0.0, 0.0, float(np.linalg.norm(columns[0]))]))
    return np.stack(columns, axis=1)


def _unit(header: Mapping[str, Any], asked: str | None, places: Sequence[int]) -> tuple[float | None, tuple[str, ...]]:
    """Nanometres in the header's unit, and what was assumed."""
    named = header.get("space units") or [u for i, u in enumerate(header.get("units", [])) if i in places]
    names = {str(u).strip('"') for u in named if str(u).strip('"') not in ("", "???", "none")}
    if len(names) == 1 and (nm := nm_per(names.pop())) is not None:
        return nm, ()
    if asked is not None:
        return nm_per(asked), ()
    if "space" in header and ("left" in str(header["space"]).lower() or "right" in str(header["space"]).lower()
                              or str(header["space"]).upper() in ("RAS", "LAS", "LPS", "RAST", "LAST", "LPST",
                                                                  "SCANNER-XYZ")):  # fmt: skip
        return nm_per("mm"), ("the header names no unit of length: millimetres assumed; pass unit= if that is wrong",)
    return None, ()
