"""Single files and folders of slices: HDF5, TIFF, NIfTI, NRRD, npy and numbered pictures, each read in place."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

from ndlab.errors import BadRequest, NotFound, Unsupported
from ndlab.plugins import load, names
from ndlab.store.arrays import Stored
from ndlab.store.files.slices import check_slices

__all__ = ["can_open", "check_slices", "open_file"]

_PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
_KNOWN = (
    "HDF5 (.h5), TIFF and OME-TIFF (.tif), folders of numbered PNG, TIFF, JPEG or BMP slices, NIfTI (.nii, .nii.gz), "
    "NRRD (.nrrd, .nhdr) and NumPy (.npy)"
)

_OTHER_NOUNS = {
    "a graph": (".graphml", ".gml", ".gexf", ".net", ".edgelist", ".adjlist"),
    "a table": (".csv", ".tsv", ".parquet", ".feather", ".xls", ".xlsx"),
    "a skeleton": (".swc",),
    "a database": (".sqlite", ".sqlite3", ".db"),
}
_READ_WITH = {
    "a graph": "networkx",
    "a table": "pandas",
    "a skeleton": "a reader of SWC",
    "a database": "sqlite3",
}


def open_file(path: str | os.PathLike[str], **options: Any) -> Stored:
    """Describe a file, or a folder of slices, as one volume; no voxel is read.

    Parameters
    ----------
    path : str or path
        The file, a folder or glob of numbered slices, or ``"file.h5:/dataset"``.
    **options
        What the format takes: `dataset` and `axes` (HDF5), `series` and `axes` (TIFF), `pattern` and `missing`
        (slices), `axes` and `unit` (NIfTI, NRRD), `axes` (npy).

    Raises
    ------
    NotFound
        If nothing is there.
    Unsupported
        If it is of no format that ndlab reads.
    BadRequest
        If an option is unknown to the format.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(folder + "/a.npy", np.arange(24, dtype="u1").reshape(2, 3, 4))
    ...     stored = open_file(folder + "/a.npy")
    ...     print(stored.axes, stored.levels[0].array.read((1, 0, 0), (2, 2, 2)).tolist())
    ('z', 'y', 'x') [[[12, 13], [16, 17]]]
    """
    text = os.fspath(path)
    reader, known = _reader(text)
    if reader is None:
        if _exists(text):
            _refuse_other_nouns(text)
            raise Unsupported(f"{text} is of no format that ndlab knows", f"single files it reads are {_KNOWN}",
                              "convert it to one of those", feature="file format")  # fmt: skip
        raise NotFound(f"nothing at {text}", "no such file or folder", "check the path", path=text)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise BadRequest(f"option {unknown[0]!r} for {text}", f"this format takes {', '.join(known) or 'none'}",
                         f"leave {unknown[0]} out")  # fmt: skip
    return reader(text, **options)


def can_open(path: str | os.PathLike[str]) -> bool:
    """Whether `open_file` knows the format of what is at `path`; nothing but a few names and bytes is looked at.

    Examples
    --------
    >>> can_open("nowhere.npy")
    False
    """
    from ndlab.store.files import slice_names, slices

    reader = _reader(os.fspath(path))[0]
    if reader is slices.open_slices:
        return slice_names.holds_slices(os.fspath(path))
    return reader is not None


def _refuse_other_nouns(path: str) -> None:
    """Name what is not a volume but of use all the same, instead of calling it unknown."""
    for noun, suffixes in _OTHER_NOUNS.items():
        if path.lower().endswith(suffixes):
            raise Unsupported(
                f"{path} is {noun}, not a volume", "ndlab.open opens image and label arrays",
                f"read it with {_READ_WITH[noun]}, and open the volume that it belongs to", feature=noun,
            )  # fmt: skip


def _exists(path: str) -> bool:
    return os.path.lexists(path)


def _reader(path: str) -> tuple[Callable[..., Stored] | None, tuple[str, ...]]:
    """Find the reader for a path, and the options it takes."""
    from ndlab.store.files import hdf5, slices

    if os.path.isdir(path) or (not _exists(path) and any(mark in os.path.basename(path) for mark in "*?")):
        return slices.open_slices, ("pattern", "missing")
    file, inside = hdf5.split_dataset(path)
    if not os.path.isfile(file):
        return None, ()
    if inside is not None:
        return hdf5.open_hdf5, ("dataset", "axes")
    return _file_reader(path)


def _file_reader(path: str) -> tuple[Callable[..., Stored] | None, tuple[str, ...]]:
    from ndlab.store.files import hdf5, nifti, npy, nrrd, slices, tiff

    with open(path, "rb") as file:
        start = file.read(8)
    lower = path.lower()
    if start == b"\x89HDF\r\n\x1a\n" or lower.endswith(hdf5.SUFFIXES):
        return hdf5.open_hdf5, ("dataset", "axes")
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") or lower.endswith(tiff.SUFFIXES):
        return tiff.open_tiff, ("series", "axes")
    if start[:4] == b"NRRD" or lower.endswith(nrrd.SUFFIXES):
        return nrrd.open_nrrd, ("axes", "unit")
    if start[:6] == b"\x93NUMPY" or lower.endswith(npy.SUFFIXES):
        return npy.open_npy, ("axes",)
    if lower.endswith(nifti.SUFFIXES):
        return nifti.open_nifti, ("axes", "unit")
    if lower.endswith(_PICTURES):
        return slices.open_slices, ()
    return _added(lower)


def _added(lower: str) -> tuple[Callable[..., Stored] | None, tuple[str, ...]]:
    """Find the reader that an installed package adds for an ending, and the options that it names."""
    ending = next((one for one in names("formats") if lower.endswith(f".{one.lower()}")), None)
    if ending is None:
        return None, ()
    reader: Callable[..., Stored] = load("formats", ending)
    return reader, tuple(inspect.signature(reader).parameters)[1:]
