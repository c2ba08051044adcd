"""HDF5: the one volume in a file, or the dataset that is named, read chunk by chunk."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.errors import BadMetadata, BadRequest, NotFound, Unsupported
from ndlab.geometry import Calibration
from ndlab.metadata import Channel
from ndlab.store.arrays import Level, Stored
from ndlab.store.files.array import FileArray, kind_of, names_of, same_letters
from ndlab.store.files.kept import stamp
from ndlab.store.files.units import nm_per

__all__ = ["SUFFIXES", "Hdf5Array", "open_hdf5", "split_dataset"]

SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5", ".ilp", ".ims")
_INSIDE = re.compile(rf"^(?P<file>.*?(?:{'|'.join(map(re.escape, SUFFIXES))}))(?::/*|/+)(?P<inside>[^:]+)$", re.I)
_CHUNK_CACHE = 32 << 20


def split_dataset(path: str) -> tuple[str, str | None]:
    """Take the dataset off an address.

    Examples
    --------
    >>> split_dataset("sample_A.h5:/volumes/raw")
    ('sample_A.h5', 'volumes/raw')
    >>> split_dataset("sample_A.h5")
    ('sample_A.h5', None)
    """
    found = _INSIDE.match(path)
    if found and not os.path.exists(path):
        return found["file"], found["inside"].strip("/")
    return path, None


def open_hdf5(path: str, *, dataset: str | None = None, axes: str | Sequence[str] | None = None) -> Stored:
    """Describe one dataset of an HDF5 file as a volume.

    Voxel size and offset come from the attributes that CREMI (`resolution`, `offset`, both (z, y, x) in nm) and
    Fiji (`element_size_um`) write; axes from ilastik's `axistags` or the dimension labels, else they are
    (t)(c)zyx counted from the end.

    Parameters
    ----------
    path : str
        The file, with the dataset behind it if need be: ``"sample.h5:/volumes/raw"``.
    dataset : str, optional
        The dataset, where the file holds several.
    axes : str, optional
        One letter for each stored axis, e.g. ``"zcyx"``.

    Raises
    ------
    BadRequest
        If the file holds several volumes and none is named; `datasets` lists them.
    NotFound
        If there is no such dataset.
    """
    file, inside = split_dataset(path)
    handle = _open(file)
    node = _choose(handle.file, file, dataset or inside)
    _check_filters(node, file)
    stored_axes = same_letters(axes or _axes(node), node.shape, f"{file}:{node.name}")
    attrs = {k: _plain(v) for k, v in node.attrs.items()}
    calibration, notes = _calibration(node, stored_axes, attrs)
    array = Hdf5Array(
        path=file,
        axes=stored_axes,
        stored_shape=tuple(node.shape),
        stored_chunks=tuple(node.chunks or (1,) * (node.ndim - 2) + node.shape[-2:]),
        type=node.dtype.newbyteorder("=").str,
        codec=_codec(node),
        dataset=node.name,
    )
    array.__dict__["_handle"] = handle
    return Stored(
        url=f"{file}:{node.name}",
        format="HDF5",
        axes=names_of(stored_axes),
        levels=(Level(array, calibration),),
        kind=kind_of(array.dtype),
        name=node.name.rpartition("/")[2],
        channels=_channels(stored_axes, node.shape, attrs),
        time_step=attrs["time_step_s"] if isinstance(attrs.get("time_step_s"), float) else None,
        attrs=attrs,
        notes=notes,
    )


@dataclass(frozen=True)
class Hdf5Array(FileArray):
    """One dataset of an HDF5 file, which stays open as long as somebody holds an array that was read from it."""

    dataset: str = ""

    def _fill(self, start: tuple[int, ...], stop: tuple[int, ...], target: np.ndarray[Any, Any]) -> None:
        handle = self.__dict__["_handle"] = _open(self.path)
        node = handle.file[self.dataset]
        box = tuple(map(slice, start, stop))
        try:
            if target.flags.c_contiguous:
                node.read_direct(target, box)
            else:
                target[...] = node[box]
        except (OSError, RuntimeError) as error:
            raise BadMetadata(
                f"{self.path}:{self.dataset}, {start} to {stop} cannot be decoded",
                str(error),
                "copy the file again from its source",
            ) from None


class _Handle:
    """An open file that closes once nobody reads from it any more."""

    def __init__(self, path: str) -> None:
        import h5py

        try:
            # The lock stays as h5py has it: one file opened twice with different locking is refused by HDF5.
            self.file = h5py.File(path, "r", rdcc_nbytes=_CHUNK_CACHE)
        except OSError as error:
            raise BadMetadata(
                f"{path} cannot be opened as HDF5", str(error), "check that it was copied whole", path=path
            ) from None
        weakref.finalize(self, self.file.close)


# Weak, so that dropping a volume closes its file: HDF5 refuses to write a file that the process has open.
_handles: weakref.WeakValueDictionary[tuple[str, int, int], _Handle] = weakref.WeakValueDictionary()
_opening = threading.Lock()


def _open(path: str) -> _Handle:
    with _opening:
        key = stamp(path)
        handle = _handles.get(key)
        if handle is None:
            handle = _handles[key] = _Handle(path)
        return handle


def _volumes(group: Any) -> list[Any]:
    """List the numeric datasets with two axes or more, in the order of their names."""
    import h5py

    found: list[Any] = []

    def look(_: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and node.ndim >= 2 and node.dtype.kind in "buif":
            found.append(node)

    group.visititems(look)
    return found


def _choose(group: Any, path: str, dataset: str | None) -> Any:
    import h5py

    if dataset is not None and dataset in group:
        node = group[dataset]
        if isinstance(node, h5py.Dataset):
            return _usable(node, path)
        path, group = f"{path}:{node.name}", node
    volumes = _volumes(group)
    listed = [f"{v.name} {tuple(v.shape)} {v.dtype}" for v in volumes]
    facts = {"datasets": [v.name for v in volumes]}
    if dataset is not None and dataset not in group.file:
        there = "it holds " + (", ".join(listed) or "no dataset of two axes or more")
        raise NotFound(f"no dataset {dataset!r} in {path}", there, "pass dataset= one of those", **facts)
    if not volumes:
        raise NotFound(f"no volume in {path}", "it has no numeric dataset with two axes or more", "", **facts)
    if len(volumes) > 1:
        raise BadRequest(
            f"{path} holds {len(volumes)} volumes", ", ".join(listed), f'pass dataset="{volumes[0].name}"', **facts
        )
    return volumes[0]


def _usable(node: Any, path: str) -> Any:
    if node.dtype.kind not in "buif" or node.ndim < 2:
        raise Unsupported(
            f"{path}:{node.name} has shape {node.shape} and type {node.dtype}",
            "a volume has two axes or more and numbers for voxels",
            feature=f"dtype {node.dtype}" if node.dtype.kind not in "buif" else f"{node.ndim} axes",
        )
    return node


def _axes(node: Any) -> str:
    tags = node.attrs.get("axistags")
    if tags is not None:
        try:
            return "".join(axis["key"] for axis in json.loads(tags)["axes"])
        except (ValueError, KeyError, TypeError):
            raise BadMetadata(f"{node.file.filename}:{node.name} has unreadable axistags", str(tags)[:200],
                              "name the axes with axes='zyxc'") from None  # fmt: skip
    labels = "".join(dim.label for dim in node.dims).lower()
    if len(labels) == node.ndim and set(labels) <= set("tczyx") and len(set(labels)) == node.ndim:
        return labels
    if node.ndim > 5:
        raise Unsupported(f"{node.file.filename}:{node.name} has {node.ndim} axes", "a volume has 1 to 5",
                          "name them with axes=; those of length 1 may be any letter",
                          feature=f"{node.ndim} axes")  # fmt: skip
    return "tczyx"[-node.ndim :]


def _plain(value: Any) -> Any:
    """Turn an attribute into what JSON can hold."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, np.ndarray | np.generic):
        plain = value.tolist()
        return plain if not isinstance(plain, bytes) else plain.decode(errors="replace")
    return value if isinstance(value, str | int | float | bool | list) else str(value)


def _calibration(node: Any, axes: str, attrs: Mapping[str, Any]) -> tuple[Calibration | None, tuple[str, ...]]:
    where = f"{node.file.filename}:{node.name}"
    for key, nm in (("resolution", 1.0), ("voxel_size", 1.0), ("element_size_um", 1e3)):
        if key not in attrs:
            continue
        size = _three(attrs[key], axes)
        unit = attrs.get("unit") or attrs.get("units")
        scale = nm_per(unit) if isinstance(unit, str) else nm
        if size is None or scale is None or not all(np.isfinite(v) and v > 0 for v in size):
            return None, (f"{where}: attribute {key} = {attrs[key]!r} is no voxel size; pass voxel_size=(z, y, x)",)
        offset = _three(attrs.get("offset", (0, 0, 0)), axes) or (0.0, 0.0, 0.0)
        return Calibration([v * scale for v in size], [v * scale for v in offset]), ()
    return None, ("the file states no voxel size: pass ndlab.open(path, voxel_size=(z, y, x)) in nm",)


def _channels(axes: str, shape: Sequence[int], attrs: Mapping[str, Any]) -> tuple[Channel, ...]:
    """Names of the channels, as an export of ndlab writes them."""
    try:
        names = json.loads(attrs.get("channels", "[]"))
    except (TypeError, ValueError):
        return ()
    fits = "c" in axes and isinstance(names, list) and len(names) == shape[axes.index("c")]
    return tuple(Channel(str(name)) for name in names) if fits else ()


def _three(values: Any, axes: str) -> tuple[float, ...] | None:
    """Three numbers (z, y, x) out of an attribute with three, or one for each stored axis."""
    try:
        numbers = [float(v) for v in values]
    except (TypeError, ValueError):
        return None
    if len(numbers) == 3:
        return tuple(numbers)
    if len(numbers) == len(axes) and all(a in axes for a in "zyx"):
        return tuple(numbers[axes.index(a)] for a in "zyx")
    return None


def _codec(node: Any) -> str:
    name = node.compression
    if name is None:
        filters = [_filter_name(node, i) for i in range(node.id.get_create_plist().get_nfilters())]
        return ", ".join(f for f in filters if f not in ("shuffle", "fletcher32")) or "none"
    level = node.compression_opts
    return f"{name} {level}" if isinstance(level, int) else str(name)


def _filter_name(node: Any, number: int) -> str:
    code, _, _, name = node.id.get_create_plist().get_filter(number)
    return name.decode(errors="replace").split(";")[0] or f"filter {code}"


def _check_filters(node: Any, path: str) -> None:
    """Refuse a filter that is missing here, with its name, rather than at the first read."""
    import h5py

    plist = node.id.get_create_plist()
    missing = [i for i in range(plist.get_nfilters()) if not h5py.h5z.filter_avail(plist.get_filter(i)[0])]
    if missing and importlib.util.find_spec("hdf5plugin"):
        importlib.import_module("hdf5plugin")  # Registers its filters with HDF5.
        missing = [i for i in missing if not h5py.h5z.filter_avail(plist.get_filter(i)[0])]
    if missing:
        names = ", ".join(_filter_name(node, i) for i in missing)
        raise Unsupported(
            f"{path}:{node.name} is compressed with {names}", "that HDF5 filter is not installed",
            "install hdf5plugin (pip install hdf5plugin) and open it again", feature=f"HDF5 {names}",
        )  # fmt: skip
