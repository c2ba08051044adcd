"""How each export format lays voxels out, and what it can hold."""

from __future__ import annotations

import gzip
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ndlab.errors import BadRequest

if TYPE_CHECKING:
    from ndlab.store.export import Cut

__all__ = ["Writer", "is_own_slice", "writer"]

Progress = Callable[[float], None]
Writer = Callable[["Cut", Path, Progress], None]
_OWN_SLICE = re.compile(r"^(?:(?:t\d+_)?(?:c[^_]+_)?z)?\d+\.png$")
_IMAGEJ_TYPES = ("uint8", "uint16", "float32")
_OME_TYPES = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64")
_NIFTI_TYPES = (*_OME_TYPES, "int64", "uint64")
_CLASSIC_LIMIT = (1 << 32) - (1 << 25)


def is_own_slice(name: str) -> bool:
    """Whether a file name is one that an export of PNG slices gives."""
    return _OWN_SLICE.match(name) is not None


def writer(kind: str, cut: Cut, path: Path) -> Writer:
    """Choose the writer for a format, having checked that it can hold the voxels.

    Raises
    ------
    BadRequest
        If it cannot; the message says what could.
    """
    check = {"png": _check_png, "nifti": _check_nifti, "tiff": _check_tiff}.get(kind)
    if check is not None:
        check(cut, path)
    if kind == "png":
        return _write_png if path.suffix.lower() == ".png" else _write_pngs
    if kind == "tiff":
        return _tiff_writer(cut, path)
    return {"hdf5": _write_hdf5, "nifti": _write_nifti, "npy": _write_npy}[kind]


def _refuse(cut: Cut, name: str, holds: str, remedy: str) -> BadRequest:
    return BadRequest(f"{cut.dtype} voxels cannot be written as {name}", f"it holds {holds}", remedy)


# -------------------------------------------------------------------------------------------------- one run of bytes


def _scatter(cut: Cut, file: BinaryIO, base: int, order: str, progress: Progress) -> None:
    """Put blocks where they belong in a file whose planes come in `order`, slowest first."""
    axes = [a for a in (*order, "y", "x") if a in cut.axes]
    lengths = [cut.shape[cut.axes.index(a)] for a in axes]
    turned = [cut.axes.index(a) for a in axes]
    itemsize, done = cut.dtype.itemsize, 0
    for start, values in cut.blocks():
        block = values.astype(cut.dtype.newbyteorder("<"), copy=False).transpose(turned)
        first = [start[i] for i in turned]
        # Rows that lie one after the other in the file go in one piece.
        runs = block.ndim - (2 if block.shape[-1] == lengths[-1] else 1)
        for index in np.ndindex(*block.shape[:runs]):
            at = [a + i for a, i in zip(first, (*index, *(0,) * (block.ndim - runs)), strict=True)]
            file.seek(base + int(np.ravel_multi_index(at, lengths)) * itemsize)
            file.write(np.ascontiguousarray(block[index]).data.cast("B"))
        done += values.nbytes
        progress(done / cut.nbytes)


def _write_npy(cut: Cut, path: Path, progress: Progress) -> None:
    dtype = cut.dtype.newbyteorder("<")
    with path.open("xb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": cut.shape}
        np.lib.format.write_array_header_1_0(file, header)
        _scatter(cut, file, file.tell(), "tcz", progress)


def _check_nifti(cut: Cut, path: Path) -> None:
    if cut.dtype.name not in _NIFTI_TYPES:
        raise _refuse(cut, "NIfTI", ", ".join(_NIFTI_TYPES), "convert them, or export to HDF5")


def _write_nifti(cut: Cut, path: Path, progress: Progress) -> None:
    header = _nifti_header(cut)
    start = header.binaryblock.ljust(int(header["vox_offset"]), b"\0")
    with path.open("xb") as file:
        if not path.name.lower().endswith(".gz"):
            file.write(start)
            _scatter(cut, file, len(start), "ctz", progress)
            return
        # Without a time stamp: the same volume gives the same file.
        with gzip.GzipFile("", "wb", 1, file, mtime=0) as packed:
            packed.write(start)
            for plane in _planes(cut, "ctz", progress):
                packed.write(plane.astype(cut.dtype.newbyteorder("<"), copy=False).data.cast("B"))


def _nifti_header(cut: Cut) -> Any:
    import nibabel

    lengths = dict(zip(cut.axes, cut.shape, strict=True))
    shape = [lengths[a] for a in "xyz"]
    if "t" in lengths or "c" in lengths:
        shape.append(lengths.get("t", 1))
    if "c" in lengths:
        shape.append(lengths["c"])
    kept = cut.header.header(cut.calibration, shape) if cut.header and cut.calibration else None
    header = _new_header(cut, shape) if kept is None else kept
    wide = isinstance(header, nibabel.Nifti2Header)
    header.set_data_dtype(cut.dtype)
    header["magic"] = b"n+2" if wide else b"n+1"
    header["vox_offset"] = 544 if wide else 352
    if wide:
        header["eol_check"] = (13, 10, 26, 10)
    return header


def _new_header(cut: Cut, shape: list[int]) -> Any:
    import nibabel

    # NIfTI-1 counts in 16 bits.
    header = (nibabel.Nifti2Header if max(shape) > 32767 else nibabel.Nifti1Header)(endianness="<")
    header.set_data_shape(shape)
    if cut.calibration is not None:
        size = [v * 1e-6 for v in reversed(cut.calibration.voxel_size)]  # nm as mm
        # The affine counts from the centre of the first voxel.
        centre = [v * 1e-6 for v in reversed(cut.calibration.centre((0, 0, 0)))]
        affine = np.diag([*size, 1.0])
        affine[:3, 3] = centre
        header.set_zooms([*size, cut.time_step or 1.0, 1.0][: len(shape)])
        header.set_sform(affine, code="scanner")
        header.set_qform(affine, code="scanner")
        header.set_xyzt_units("mm", "sec" if "t" in cut.axes else None)
    return header


# ---------------------------------------------------------------------------------------------------------------- HDF5


def _write_hdf5(cut: Cut, path: Path, progress: Progress) -> None:
    import h5py

    chunk = dict(zip(cut.names, cut.array.chunks, strict=True))
    chunks = tuple(min(n, max(1, chunk[a]), 512) for a, n in zip(cut.axes, cut.shape, strict=True))
    with h5py.File(path, "x") as file:
        node = file.create_dataset(
            "data", cut.shape, cut.dtype, chunks=chunks, compression="gzip", compression_opts=1,
            shuffle=cut.dtype.itemsize > 1,
        )  # fmt: skip
        for dim, name in zip(node.dims, cut.axes, strict=True):
            dim.label = name
        if cut.calibration is not None:
            node.attrs["resolution"] = cut.calibration.voxel_size  # (z, y, x) in nm, as CREMI writes it
            node.attrs["offset"] = cut.calibration.offset
        if cut.time_step is not None:
            node.attrs["time_step_s"] = cut.time_step
        if cut.channels:
            node.attrs["channels"] = json.dumps([ch.name for ch in cut.channels])
        done = 0
        for start, values in cut.blocks():
            node[tuple(slice(a, a + n) for a, n in zip(start, values.shape, strict=True))] = values
            done += values.nbytes
            progress(done / cut.nbytes)


# ---------------------------------------------------------------------------------------------------------------- TIFF


def _check_tiff(cut: Cut, path: Path) -> None:
    if cut.dtype.kind == "b" or cut.dtype.name == "float16":
        raise _refuse(cut, "TIFF", "integers and floats of 32 or 64 bits", "convert them, or export to HDF5")
    if path.name.lower().endswith((".ome.tif", ".ome.tiff")) and cut.dtype.name not in _OME_TYPES:
        raise _refuse(cut, "OME-TIFF", ", ".join(_OME_TYPES), "name the file .tif, or export to HDF5")


def _tiff_writer(cut: Cut, path: Path) -> Writer:
    """ImageJ where it can hold the voxels, for Fiji knows it best; else OME-TIFF; else plain TIFF with a note."""
    name = path.name.lower()
    if name.endswith((".ome.tif", ".ome.tiff")):
        return _write_ome_tiff
    if cut.dtype.name in _IMAGEJ_TYPES and cut.nbytes < _CLASSIC_LIMIT:
        return _write_imagej_tiff
    return _write_ome_tiff if cut.dtype.name in _OME_TYPES else _write_plain_tiff


def _planes(cut: Cut, order: str, progress: Progress) -> Iterator[np.ndarray[Any, Any]]:
    done = 0
    for plane in cut.planes(order):
        yield np.ascontiguousarray(plane)
        done += plane.nbytes
        progress(done / cut.nbytes)


def _write_tiff(cut: Cut, path: Path, order: str, progress: Progress, **options: Any) -> None:
    """Write plane by plane; `order` is that of the planes in the file, slowest first."""
    import tifffile

    lengths = dict(zip(cut.axes, cut.shape, strict=True))
    shape = tuple(lengths.get(a, 1) for a in (*order, "y", "x"))
    mode = {"imagej": options.pop("imagej", False), "ome": options.pop("ome", False)}
    with tifffile.TiffWriter(path, bigtiff=cut.nbytes >= _CLASSIC_LIMIT, **mode) as file:
        file.write(_planes(cut, order, progress), shape=shape, dtype=cut.dtype, photometric="minisblack", **options)


def _write_imagej_tiff(cut: Cut, path: Path, progress: Progress) -> None:
    metadata: dict[str, Any] = {"axes": "TZCYX"}
    options: dict[str, Any] = {}
    if cut.calibration is not None:
        z, y, x = (v / 1e3 for v in cut.calibration.voxel_size)
        metadata |= {"spacing": z, "unit": "um"}
        options["resolution"] = (1 / x, 1 / y)
    if cut.time_step is not None:
        metadata["finterval"] = cut.time_step
    windows = [ch.window for ch in cut.channels]
    if windows and None not in windows:
        metadata["Ranges"] = tuple(float(v) for w in windows if w for v in w)
    # ImageJ counts channels fastest.
    _write_tiff(cut, path, "tzc", progress, imagej=True, metadata=metadata, **options)


def _write_ome_tiff(cut: Cut, path: Path, progress: Progress) -> None:
    metadata: dict[str, Any] = {"axes": "TCZYX", "Name": cut.name}
    if cut.calibration is not None:
        for axis, size in zip("ZYX", cut.calibration.voxel_size, strict=True):
            metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "nm"}
    if cut.time_step is not None:
        metadata |= {"TimeIncrement": cut.time_step, "TimeIncrementUnit": "s"}
    lengths = dict(zip(cut.axes, cut.shape, strict=True))
    if len(cut.channels) == lengths.get("c", 1):
        metadata["Channel"] = {"Name": [ch.name for ch in cut.channels]}
        if all(ch.color for ch in cut.channels):
            metadata["Channel"]["Color"] = [_ome_colour(str(ch.color)) for ch in cut.channels]
    _write_tiff(cut, path, "tcz", progress, ome=True, metadata=metadata)


def _ome_colour(color: str) -> int:
    """Give a colour as OME counts it: a signed 32-bit RGBA number."""
    return int.from_bytes(bytes.fromhex(color) + b"\xff", "big", signed=True)


def _write_plain_tiff(cut: Cut, path: Path, progress: Progress) -> None:
    said: dict[str, Any] = {}
    if cut.calibration is not None:
        said = {"voxel_size_nm": cut.calibration.voxel_size, "offset_nm": cut.calibration.offset}
    if cut.time_step is not None:
        said["time_step_s"] = cut.time_step
    order = "".join(a for a in "tcz" if a in cut.axes)
    _write_tiff(cut, path, order, progress, metadata={"axes": f"{order}yx".upper(), "ndlab": json.dumps(said)})


# ----------------------------------------------------------------------------------------------------------------- PNG


def _check_png(cut: Cut, path: Path) -> None:
    if cut.dtype.name not in ("uint8", "uint16", "bool"):
        raise _refuse(cut, "PNG", "uint8 and uint16", "scale them to 8 or 16 bits first, or export to TIFF or HDF5")
    planes = math.prod(cut.shape[:-2])
    if path.suffix.lower() == ".png" and planes > 1:
        raise BadRequest(
            f"{planes} planes cannot be written as one PNG file",
            f"what was asked for has shape {cut.shape} along {' '.join(cut.axes)}",
            'choose one plane with box=, t= and c=, or pass a folder name and format="png"',
        )


def _png(path: Path, plane: np.ndarray[Any, Any]) -> None:
    from PIL import Image

    # Bare pixels, fast: EM compresses little.
    Image.fromarray(plane.astype("u1") if plane.dtype == bool else plane).save(path, "PNG", compress_level=1)


def _write_png(cut: Cut, path: Path, progress: Progress) -> None:
    for plane in _planes(cut, "tcz", progress):
        _png(path, plane)


def _write_pngs(cut: Cut, path: Path, progress: Progress) -> None:
    """Write a folder of slices, numbered by their z in the volume they come from."""
    path.mkdir()
    at = dict(zip(cut.names, zip(cut.start, cut.stop, strict=True), strict=True))
    digits = max(4, len(str(at["z"][1] - 1)))
    many = {a: a in cut.axes for a in "tc"}
    order = [range(*at[a]) if a in cut.axes else range(1) for a in "tcz"]
    for (t, c, z), plane in zip(itertools.product(*order), _planes(cut, "tcz", progress), strict=True):
        number = f"{z:0{digits}d}"
        lead = (f"t{t}_" if many["t"] else "") + (f"c{c}_" if many["c"] else "")
        _png(path / f"{lead}z{number}.png" if lead else path / f"{number}.png", plane)
