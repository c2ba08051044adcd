"""The ground that is painted: a label volume, and the folder where journal, index and past of its paint are kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ndlab.annotations.chunking import Chunking
from ndlab.annotations.index import Index
from ndlab.errors import BadRequest, ReadOnly, Unsupported
from ndlab.geometry import Int3
from ndlab.store.engine import TensorStoreArray
from ndlab.store.kv import local_path, normal_url
from ndlab.volume import Volume

__all__ = ["chunking_of", "label_array", "paint_folder", "paint_index"]


def label_array(volume: Volume) -> TensorStoreArray:
    """Return the array of a volume that can be painted."""
    array = volume._stored.levels[0].array
    where = volume.url or "a volume in memory"
    if not isinstance(array, TensorStoreArray):
        raise Unsupported(f"paint over {where}", "objects are painted into a store of Zarr or precomputed",
                          "make one with volume.like(url), or ndlab.ingest(volume, url)", feature="paint")  # fmt: skip
    if volume._stored.axes != ("z", "y", "x") or array.dtype.kind not in "iu":
        raise BadRequest(
            f"paint over {where} with axes {volume._stored.axes} of {array.dtype}",
            "labels have axes z, y, x and whole numbers",
            'make them with volume.like(url, dtype="uint64", kind="labels")',
        )
    return array


def paint_folder(volume: Volume, folder: str | os.PathLike[str] | None) -> Path:
    """Return where journal, index and past of the paint over a volume are kept."""
    if folder is not None:
        found = local_path(normal_url(folder))
        if found is None:
            raise BadRequest(
                f"the folder {os.fspath(folder)!r}", "a journal is locked and flushed: it is a local folder"
            )
        return found
    local = local_path(volume.url)
    if local is None:
        raise BadRequest(f"paint over {volume.url}", "its journal is a local folder",
                         "pass folder=, a local folder that all writers share")  # fmt: skip
    return local / ".ndlab" / "paint"


def paint_index(folder: Path, writable: bool) -> Index:
    """Open the index, which is made where that can be."""
    if not writable and not (folder / "index.sqlite").exists():
        raise ReadOnly(f"{folder} cannot be written", "no journal or index is there yet",
                       "pass folder=, a local folder that can be written")  # fmt: skip
    return Index(folder / "index.sqlite")


def chunking_of(array: TensorStoreArray) -> Chunking:
    """Return the chunks and the units of writing of a label array."""
    return Chunking(_int3(array.shape), _int3(array.chunks), _int3(array.shards or array.chunks))


def _int3(values: Sequence[int]) -> Int3:
    z, y, x = values
    return int(z), int(y), int(x)
