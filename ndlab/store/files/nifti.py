"""NIfTI-1 and NIfTI-2, plain (mapped into memory) or gzipped (one stream)."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ndlab.errors import BadMetadata, Unsupported
from ndlab.geometry import Calibration
from ndlab.metadata import Channel
from ndlab.store.arrays import Level, Stored
from ndlab.store.files import nifti_header
from ndlab.store.files.array import kind_of, name_of, names_of, same_letters
from ndlab.store.files.frames import corner_of, frame_notes
from ndlab.store.files.raw import RawArray, one_stream_note
from ndlab.store.files.units import nm_per, round_float32, seconds_per

__all__ = ["SUFFIXES", "open_nifti"]

SUFFIXES = (".nii", ".nii.gz")
_COLOURS = (("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF"), ("alpha", None))


def open_nifti(path: str, *, axes: str | Sequence[str] | None = None, unit: str | None = None) -> Stored:
    """Describe a NIfTI image as a volume.

    Voxels keep their stored order, with the first NIfTI axis as x and the third as z. The affine counts from the
    centre of the first voxel; where it neither turns nor mirrors the axes its translation becomes the volume's
    offset (a corner), else the offset is 0, a note says so, and ``attrs["affine"]`` keeps it. The whole header stays in
    ``attrs["nifti"]``, and an export to NIfTI writes it again.

    Parameters
    ----------
    path : str
        The ``.nii`` or ``.nii.gz`` file.
    axes : str, optional
        One letter for each stored axis, x first; ``"xyztc"`` cut to length unless given.
    unit : str, optional
        Unit of length where the header names none, e.g. ``"um"``; millimetres unless given, as the format's own
        tools assume.
    """
    image = _load(path)
    header, proxy = image.header, image.dataobj
    shape = tuple(map(int, image.shape))
    number = np.dtype(header.get_data_dtype())
    colours = 0
    if number.names is not None:  # RGB24 and RGBA32 are records of bytes, the fastest axis of all.
        colours, number = len(number.names), np.dtype("u1")
    letters = _axes("".join(axes) if axes else None, shape, colours, path)
    stored_shape = (*reversed(shape), *((colours,) if colours else ()))
    slope, intercept = _scaling(proxy)
    dtype = number.newbyteorder("=") if slope is None else np.dtype("f8")
    if number.kind not in "uif":
        raise Unsupported(f"{path} has {number} voxels", "a volume holds numbers", feature=f"dtype {number}")
    gzipped = path.lower().endswith(".gz")
    array = RawArray(
        path=path,
        axes=letters,
        stored_shape=stored_shape,
        stored_chunks=_chunks(stored_shape, bool(colours)),
        type=dtype.str,
        codec="gzip" if gzipped else "none",
        stored_type=number.newbyteorder(header.endianness).str,
        offset=int(proxy.offset),
        encoding="gzip" if gzipped else "raw",
        slope=slope,
        intercept=intercept,
    )
    if not gzipped:
        _check_length(path, array)
    calibration, notes = _calibration(image, unit, path)
    stream = one_stream_note(path, math.prod(stored_shape) * number.itemsize) if gzipped else None
    return Stored(
        url=path,
        format="NIfTI-2" if type(image).__name__ == "Nifti2Image" else "NIfTI-1",
        axes=names_of(letters),
        levels=(Level(array, calibration),),
        kind=kind_of(number) if slope is None else "image",
        name=name_of(path),
        channels=tuple(Channel(n, color=c) for n, c in _COLOURS[:colours]),
        time_step=_time_step(header, shape),
        attrs=_kept(image, calibration),
        notes=(*notes, *((stream,) if stream else ())),
    )


def _kept(image: Any, calibration: Calibration | None) -> dict[str, Any]:
    affine = {"affine": np.asarray(image.affine, float).tolist()}
    if calibration is None:
        return affine
    return affine | {nifti_header.KEY: nifti_header.keep(image.header, calibration.offset)}


def _load(path: str) -> Any:
    import nibabel

    try:
        return nibabel.load(path, mmap=False)
    except Exception as error:  # nibabel, gzip and zlib raise half a dozen kinds here.
        raise BadMetadata(f"{path} is no readable NIfTI image", f"{type(error).__name__}: {error}",
                          "check that it was copied whole", path=path) from None  # fmt: skip


def _axes(asked: str | None, shape: tuple[int, ...], colours: int, path: str) -> str:
    """Letters along the stored axes, slowest first."""
    default = "xyztc" if not colours else "xyzt"
    if asked is None and len(shape) > len(default) and any(n > 1 for n in shape[len(default) :]):
        raise Unsupported(f"{path} has shape {shape}", f"NIfTI axes beyond {default} have no place in a volume",
                          "name them with axes=", feature=f"{len(shape)} NIfTI axes")  # fmt: skip
    letters = asked or (default + "-" * len(shape))[: len(shape)]
    if asked is None and len(shape) > 3 and shape[3] == 1:
        letters = letters.replace("t", "-")  # It only makes room for the fifth axis.
    return same_letters(letters, shape, path)[::-1] + ("c" if colours else "")


def _scaling(proxy: Any) -> tuple[float | None, float | None]:
    slope, intercept = float(proxy.slope), float(proxy.inter)
    return (None, None) if (slope, intercept) == (1.0, 0.0) else (slope, intercept)


def _chunks(shape: tuple[int, ...], colour: bool) -> tuple[int, ...]:
    inside = 3 if colour else 2
    return (1,) * (len(shape) - inside) + shape[-inside:]


def _check_length(path: str, array: RawArray) -> None:
    needed = array.offset + math.prod(array.stored_shape) * np.dtype(array.stored_type).itemsize
    there = os.path.getsize(path)
    if there < needed:
        raise BadMetadata(f"{path} is truncated", f"its header promises {needed} bytes, {there} are there",
                          "copy the file again from its source", path=path)  # fmt: skip


def _calibration(image: Any, unit: str | None, path: str) -> tuple[Calibration | None, tuple[str, ...]]:
    zooms = [round_float32(float(v)) for v in image.header.get_zooms()[:3]]
    zooms += [zooms[-1]] * (3 - len(zooms))
    named = image.header.get_xyzt_units()[0]
    nm = nm_per(named)
    notes: list[str] = []
    if nm is None and unit is None:
        if zooms == [1.0, 1.0, 1.0]:
            return None, (f"{path} names no unit for its 1 x 1 x 1 voxels: pass unit= or voxel_size=(z, y, x) in nm",)
        notes.append("the header names no unit of length: millimetres assumed; pass unit= if that is wrong")
    nm = nm or nm_per(unit or "mm")
    if nm is None or not all(v > 0 for v in zooms):
        return None, (f"{path} states voxels of {zooms} {unit or named}: pass voxel_size=(z, y, x) in nm",)
    affine = np.asarray(image.affine, float)
    size = [v * nm for v in reversed(zooms)]
    if not (image.header["sform_code"] or image.header["qform_code"]):
        return Calibration(size), tuple(notes)
    offset = corner_of(affine[:3, :3], affine[:3, 3].tolist())
    if offset is None:
        return Calibration(size), (*notes, *frame_notes("affine"))
    return Calibration(size, [round_float32(v) * nm for v in reversed(offset)]), tuple(notes)


def _time_step(header: Any, shape: tuple[int, ...]) -> float | None:
    seconds = seconds_per(header.get_xyzt_units()[1])
    if len(shape) < 4 or shape[3] < 2 or seconds is None:
        return None
    return float(header.get_zooms()[3]) * seconds or None
