"""NumPy .npy files, mapped into memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ndlab.errors import BadMetadata, Unsupported
from ndlab.store.arrays import Level, Stored
from ndlab.store.files.array import kind_of, name_of, names_of, same_letters
from ndlab.store.files.raw import RawArray

__all__ = ["SUFFIXES", "open_npy"]

SUFFIXES = (".npy",)


def open_npy(path: str, *, axes: str | Sequence[str] | None = None) -> Stored:
    """Describe a .npy file as a volume; its voxel size is unknown.

    Parameters
    ----------
    path : str
        The file. Pickled objects in it are never loaded.
    axes : str, optional
        One letter for each axis; (t)(c)zyx counted from the end unless given.
    """
    shape, fortran, dtype, offset = _header(path)
    if dtype.kind not in "buif" or not shape:
        raise Unsupported(f"{path} holds an array of type {dtype} and shape {shape}",
                          "a volume has numbers for voxels", feature=f"dtype {dtype}")  # fmt: skip
    if axes is None and len(shape) > 5:
        raise Unsupported(f"{path} has {len(shape)} axes", "a volume has 1 to 5 (t, c, z, y, x)",
                          "name them with axes=", feature=f"{len(shape)} axes")  # fmt: skip
    letters = same_letters(axes or "tczyx"[-len(shape) :], shape, path)
    if fortran:
        shape, letters = shape[::-1], letters[::-1]
    chunks = (1,) * (len(shape) - 2) + shape[-2:]
    array = RawArray(path, letters, shape, chunks, dtype.newbyteorder("=").str, "none", dtype.str, offset)
    return Stored(
        url=path,
        format="NumPy",
        axes=names_of(letters),
        levels=(Level(array, None),),
        kind=kind_of(dtype),
        name=name_of(path),
        notes=("npy files state no voxel size: pass ndlab.open(path, voxel_size=(z, y, x)) in nm",),
    )


def _header(path: str) -> tuple[tuple[int, ...], bool, np.dtype[np.generic], int]:
    """Shape, whether it is in Fortran order, type, and where the numbers start."""
    with open(path, "rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
        except (ValueError, EOFError) as error:
            raise BadMetadata(f"{path} is no valid .npy file", str(error), "save it again with numpy.save",
                              path=path) from None  # fmt: skip
        offset = file.tell()
        file.seek(0, 2)
        there = file.tell()
    needed = offset + math.prod(shape) * dtype.itemsize
    if dtype.kind in "buif" and there < needed:
        raise BadMetadata(f"{path} is truncated", f"its header promises {needed} bytes, {there} are there",
                          "copy the file again from its source", path=path)  # fmt: skip
    return shape, fortran, dtype, offset
