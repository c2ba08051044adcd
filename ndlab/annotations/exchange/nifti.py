"""NIfTI: an image of labels with its affine, and beside it a table that says which object each number is.

The table is a text of the image's name that ends in ``.tsv``: the column `index` is the number in the image, `id` the
object's, the others are the object's fields and keys.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.annotations.exchange import delimited
from ndlab.errors import BadMetadata, BadRequest, Conflict, Unsupported
from ndlab.geometry import NmBox
from ndlab.store.arrays import Array
from ndlab.store.export import export as write_file
from ndlab.store.files.nifti_header import Kept
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

if TYPE_CHECKING:
    from ndlab.annotations.query import Query

__all__ = ["read", "write"]

# What every program that reads NIfTI reads, smallest first.
_TYPES = ("uint8", "int16", "int32")
_WIDE = (*_TYPES, "uint16", "uint32", "int64", "uint64")
_SLAB = 32 << 20
_BOUNDS = ("z0", "y0", "x0", "z1", "y1", "x1")


@dataclass(frozen=True)
class _Numbered:
    """Labels with each id as the number that it has in the file."""

    array: Array
    dtype: np.dtype[Any]
    ids: np.ndarray[Any, Any] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.array, name)

    def read(
        self, start: Sequence[int], stop: Sequence[int], out: np.ndarray[Any, Any] | None = None
    ) -> np.ndarray[Any, Any]:
        found = self.array.read(start, stop)
        if self.ids is not None:
            found = np.searchsorted(self.ids, found.astype(np.uint64))
        return found.astype(self.dtype)


def write(
    labels: Volume, dest: str | Path, objects: Query | None = None, *, renumber: bool = False, dtype: str | None = None,
    overwrite: bool = False,
) -> Path:  # fmt: skip
    """Write labels (z, y, x), with the table of their objects beside them, and return the path of the image.

    Parameters
    ----------
    labels : Volume
        Any view of a label volume. Labels that came from a NIfTI file, or cover a volume that did, keep its header.
    dest : path
        ``.nii`` or ``.nii.gz``.
    objects : Query, optional
        Whose columns the table has, for those whose ids are in the image.
    renumber : bool
        Number ids 1, 2, 3, ... in the image, and keep the ids in the table.
    dtype : str, optional
        Of the image, instead of the smallest of uint8, int16 and int32 that holds all numbers.
    overwrite : bool
        Replace what is there.

    Raises
    ------
    BadRequest
        If the ids are too large for the type; nothing is written.

    Examples
    --------
    >>> import tempfile
    >>> vol = Volume.from_array(np.eye(4, dtype="u8")[None] * 2**40, voxel_size=(40, 4, 4), kind="labels")
    >>> path = write(vol, tempfile.mkdtemp() + "/cells.nii.gz", renumber=True)
    >>> int(open_volume(path).read().max()), path.with_name("cells.tsv").read_text().split()
    (1, ['index', 'id', '1', '1099511627776'])
    """
    path = Path(dest).expanduser()
    table = _table(path)
    _check(labels, "an export of labels")
    for one in (path, table):
        if one.exists() and not overwrite:
            raise Conflict(f"export to {one}", "there is a file already", "pass overwrite=True to replace it")
    ids = _ids(labels)
    type_ = _type(ids, renumber, dtype)
    rows = list(_rows(ids, objects, renumber))
    array = _Numbered(labels._array, type_, np.concatenate([[np.uint64(0)], ids]) if renumber else None)
    calibration, whole = (labels._stored.levels[n].calibration for n in (labels._level, 0))
    kept = Kept.of(labels._stored.attrs, whole)
    spans = [i for i, name in enumerate(labels._stored.axes[:-3]) if name in "tc"]
    picked = {labels._stored.axes[i]: labels._spans[i].start for i in spans}
    part = table.with_name(f".{table.name}.part")
    try:
        with part.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter="\t", lineterminator="\n").writerows(rows)
        write_file(array, labels._stored.axes, calibration, path, box=labels.box, header=kept, overwrite=overwrite,
                   **picked)  # type: ignore[arg-type]  # fmt: skip
        part.replace(table)
    finally:
        part.unlink(missing_ok=True)
    return path


def _check(labels: Volume, where: str) -> None:
    if labels.dtype.kind not in "iu" or labels.axes != ("z", "y", "x"):
        raise Unsupported(f"{where}: {labels.dtype} along {' '.join(labels.axes)}",
                          "labels are whole numbers (z, y, x)", "pick a time and channel with .isel(...)",
                          feature="labels")  # fmt: skip


def _table(path: Path) -> Path:
    name = path.name.lower()
    for suffix in (".nii.gz", ".nii"):
        if name.endswith(suffix):
            return path.with_name(path.name[: -len(suffix)] + ".tsv")
    raise BadRequest(f"{path.name} as NIfTI", "its name ends in .nii or .nii.gz", "name the file so")


def _slabs(labels: Volume) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
    """Yield (first z, voxels) of pieces."""
    depth, height, width = labels.shape
    step = max(1, _SLAB // max(1, height * width * labels.dtype.itemsize))
    for z in range(0, depth, step):
        yield z, labels[z : min(depth, z + step)].read()


def _ids(labels: Volume) -> np.ndarray[Any, Any]:
    """Return the ids that are there, ascending, without the background."""
    found = np.zeros(0, np.uint64)
    for _, values in _slabs(labels):
        unique = np.unique(values)
        if unique[0] < 0:
            raise BadRequest(f"label {unique[0]}", "ids are whole numbers from 0 up")
        found = np.union1d(found, unique.astype(np.uint64))
    return found[found > 0]


def _type(ids: np.ndarray[Any, Any], renumber: bool, asked: str | None) -> np.dtype[Any]:
    largest = len(ids) if renumber else int(ids.max(initial=0))
    if asked is not None and asked not in _WIDE:
        raise BadRequest(f"dtype={asked!r}", f"labels in NIfTI are {', '.join(_WIDE)}")
    for name in _TYPES if asked is None else (asked,):
        if largest <= np.iinfo(name).max:
            return np.dtype(name)
    raise BadRequest(
        f"id {largest} in NIfTI",
        f"{asked or _TYPES[-1]} holds up to {np.iinfo(asked or _TYPES[-1]).max}"
        + ("" if asked else ", and what is larger few programs read"),
        "pass renumber=True, which keeps ids in the table; or dtype='uint64' for nibabel; or write .h5 or OME-Zarr, "
        "which hold any id",
    )


def _rows(ids: np.ndarray[Any, Any], objects: Query | None, renumber: bool) -> Iterator[list[Any]]:
    numbers = {int(one): i if renumber else int(one) for i, one in enumerate(ids, 1)}
    if objects is None:
        yield ["index", "id"]
        yield from ([number, one] for one, number in numbers.items())
        return
    names = ("id", *(name for name in objects.column_names if name != "id"))
    yield ["index", *names]
    for batch in objects.columns(*names).batches():
        for row in zip(*(map(delimited.said, column.to_pylist()) for column in batch.columns), strict=True):
            if row[0] in numbers:
                yield [numbers.pop(row[0]), *row]
    yield from ([number, one, *[""] * (len(names) - 1)] for one, number in numbers.items())


def read(path: Path, unit: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield a table of the objects of an image of labels: id, bounds [nm], and what the table beside it says.

    Raises
    ------
    Unsupported
        If it is no image of labels.
    BadMetadata
        If its table does not belong to it.
    """
    labels = open_volume(path, unit=unit)
    _check(labels, str(path))
    boxes = _boxes(labels)
    table = _table(path)
    columns: dict[str, list[Any]] = {"index": [], "id": []}
    if table.is_file():
        for piece in delimited.read(table, "\t"):
            for name, column in piece.items():
                columns.setdefault(name, []).extend(column)
    numbers = columns.pop("index")
    strange = sorted(set(boxes) ^ set(numbers)) if table.is_file() else []
    if strange or len(set(numbers)) < len(numbers):
        raise BadMetadata(f"{table} is of another image than {path}", f"they differ in {len(strange)} numbers, "
                          f"e.g. {strange[:3]}", "move the table away to read the image alone")  # fmt: skip
    if not table.is_file():
        numbers = columns["id"] = sorted(boxes)
    columns |= _bounds(columns, [boxes[one] for one in numbers])
    if "kind" not in columns:
        yield columns
        return
    # An id of the image that no object had is one of the same kind, where there is one kind.
    kinds = set(columns["kind"]) - {""}
    known = [bool(one) for one in columns["kind"]]
    yield {name: list(compress(column, known)) for name, column in columns.items()}
    bare = {name: list(compress(columns[name], (not one for one in known))) for name in ("id", *_BOUNDS)}
    yield bare | {"kind": [kinds.pop() if len(kinds) == 1 else "generic"] * len(bare["id"])}


def _bounds(columns: Mapping[str, list[Any]], boxes: Sequence[NmBox]) -> dict[str, list[float]]:
    """Return the bounds that the table gives, and those of the voxels where it gives none."""
    found: dict[str, list[float]] = {}
    for i, name in enumerate(_BOUNDS):
        of_image = [(*box.start, *box.stop)[i] for box in boxes]
        given = columns.get(name, [None] * len(boxes))
        found[name] = [b if a is None else a for a, b in zip(given, of_image, strict=True)]
    return found


def _boxes(labels: Volume) -> dict[int, NmBox]:
    """Return the box of each label [nm]."""
    from scipy.ndimage import find_objects

    low: dict[int, np.ndarray[Any, Any]] = {}
    high: dict[int, np.ndarray[Any, Any]] = {}
    for z, values in _slabs(labels):
        unique, codes = np.unique(values, return_inverse=True)
        slices = find_objects(codes.reshape(values.shape) + 1)
        for one, where in zip(unique.tolist(), slices, strict=True):
            start = np.array([s.start for s in where]) + np.array([z, 0, 0])
            stop = np.array([s.stop for s in where]) + np.array([z, 0, 0])
            low[one] = np.minimum(low.get(one, start), start)
            high[one] = np.maximum(high.get(one, stop), stop)
    size, offset = np.array(labels.voxel_size), np.array(labels.offset)
    return {one: NmBox(tuple(offset + size * low[one]), tuple(offset + size * high[one])) for one in sorted(low) if one}
