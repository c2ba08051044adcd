"""Give a store of one level the coarser ones it lacks: empty arrays, listed in its metadata."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import reduce
from typing import Any

from ndlab import metadata
from ndlab.errors import BadRequest, Unsupported
from ndlab.geometry import Box
from ndlab.store import state
from ndlab.store.arrays import Stored
from ndlab.store.engine import TensorStoreArray
from ndlab.store.kv import Kv, join, parse_json
from ndlab.store.layout import LevelPlan, plan
from ndlab.store.multiscale import open_store
from ndlab.store.state import State

__all__ = ["add_levels"]


def add_levels(stored: Stored, levels: int | None = None) -> Stored:
    """Add the coarser levels to an OME-Zarr store that has only its finest; they are empty and marked stale.

    The new arrays have the codec, fill value and attributes of the finest level. `pyramid.build` fills them.

    Parameters
    ----------
    stored : Stored
        A writable OME-Zarr 0.4 or 0.5 image of one level.
    levels : int, optional
        How many in all; without it until no axis is longer than 64.

    Raises
    ------
    BadRequest
        If there are coarser levels already, or the voxel size is not known.
    Unsupported
        If the store is not OME-Zarr 0.4 or 0.5.
    """
    array, calibration = stored.levels[0].array, stored.levels[0].calibration
    if len(stored.levels) > 1:
        raise BadRequest(f"{stored.url} has {len(stored.levels)} levels", "", "`ndlab pyramid URL` fills them")
    if stored.format not in ("OME-Zarr 0.4", "OME-Zarr 0.5") or not isinstance(array, TensorStoreArray):
        raise Unsupported(
            f"{stored.url} is {stored.format}",
            "levels are added to OME-Zarr 0.4 and 0.5",
            "copy it with ndlab.ingest(url, dest); the copy gets all its levels",
            feature=f"adding levels to {stored.format}",
        )
    if calibration is None:
        raise BadRequest(f"the voxel size of {stored.url} is not known", "levels follow it",
                         "copy it with ndlab.ingest(url, dest, voxel_size=(z, y, x))")  # fmt: skip
    layout = plan(
        array.shape[-3:],
        array.dtype.itemsize,
        calibration.voxel_size,
        chunk=array.chunks[-3:],
        shard=array.shards[-3:] if array.shards else array.chunks[-3:],
        sharded=array.shards is not None,
        levels=levels,
    )
    if len(layout) == 1:
        return stored
    _write(stored, array, layout)
    return open_store(stored.url)


def _write(stored: Stored, array: TensorStoreArray, layout: Sequence[LevelPlan]) -> None:
    kv, v3 = Kv(stored.url), array.driver == "zarr3"
    document, root = ("zarr.json", "zarr.json") if v3 else (".zarray", ".zattrs")
    first = array.url.removeprefix(stored.url).strip("/")
    raw = kv.read(join(first, document).strip("/"))
    if raw is None:
        raise Unsupported(f"{array.url} has no {document}", "", "", feature="metadata elsewhere")
    paths = [f"{first.rpartition('/')[0]}/{i}".strip("/") for i in range(1, len(layout))]
    taken = [path for path in paths if kv.read(f"{path}/{document}") is not None]
    if taken:
        raise BadRequest(f"{stored.url} holds an array at {taken[0]!r} that it does not list", "", "remove it first")
    for path, level in zip(paths, layout[1:], strict=True):
        kv.write_json(f"{path}/{document}", _like(parse_json(raw, array.url), array, level, v3))

    def listed(old: bytes | None) -> bytes:
        found = parse_json(old or b"{}", join(stored.url, root))
        attrs = found.get("attributes", {}) if v3 else found
        new = metadata.append_levels(attrs, paths, [level.factors for level in layout[1:]], where=stored.url)
        return json.dumps(found | {"attributes": new} if v3 else new, indent=1).encode()

    # Marked before they are listed: whoever opens the store between here and `build` is told that they lag behind.
    whole = [Box((0, 0, 0), level.shape, i) for i, level in enumerate(layout[1:], 1)]
    state.change(stored.url, lambda s: reduce(State.with_stale, whole, s))
    kv.update(root, listed)


def _like(document: dict[str, Any], array: TensorStoreArray, level: LevelPlan, v3: bool) -> dict[str, Any]:
    """Give the document of the finest level with the shape, chunk and shard of `level`."""

    def stored_order(leading: Sequence[int], spatial: Sequence[int]) -> list[int]:
        canonical = [*leading, *spatial]
        size = {axis: n for axis, n in zip(array.order, canonical, strict=True) if axis is not None}
        return [size[axis] for axis in sorted(size)]

    shape = stored_order(array.shape[:-3], level.shape)
    chunk = stored_order(array.chunks[:-3], level.chunk)
    unit = stored_order((array.shards or array.chunks)[:-3], level.unit)
    if not v3:
        return document | {"shape": shape, "chunks": chunk}
    document |= {"shape": shape, "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": unit}}}
    for codec in document["codecs"]:
        if codec["name"] == "sharding_indexed":
            codec["configuration"]["chunk_shape"] = chunk
    return document
