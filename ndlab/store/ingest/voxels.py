"""What one ingest task does: read a region, write its base shards and every level it can, and report what it saw."""

from __future__ import annotations

import base64
import math
import threading
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ndlab.geometry import Box, Int3
from ndlab.store.arrays import Array
from ndlab.store.downsample import Rule
from ndlab.store.ingest.slab import Slab
from ndlab.store.ingest.sources import IndexedArray
from ndlab.store.pyramid import write_levels
from ndlab.store.sums import histogram, percentiles, voxel_checksum

__all__ = ["Seen", "find_window", "merge_seen", "sample_values", "write_region"]

Seen = dict[str, Any]

# The display window is taken from every eighth row of every eighth plane: counting all voxels would cost an ingest
# an eighth of its speed, and these percentiles change by less than a grey level.
_STRIDE = 8
_SHORT = 64
_PERCENTS = (0.5, 99.5)
_KEPT = 4096


def write_region(
    block: Box,
    source: Array,
    base: Array,
    targets: Sequence[Array],
    steps: Sequence[Int3],
    rule: Rule,
    t: int | None = None,
    c: int | None = None,
) -> Seen:
    """Ingest one region and return its checksum and a sample of its values."""
    lead = [i for i in (t, c) if i is not None]
    stop = [*(i + 1 for i in lead), *block.stop]
    values = _read(source, [*lead, *block.start], stop)[(0,) * len(lead)]
    if values.dtype != base.dtype:
        values = values.astype(base.dtype)
    base.write([*lead, *block.start], values[(np.newaxis,) * len(lead)])
    write_levels(values, block.start, targets, steps, rule, lead)
    seen: Seen = {"xxh64": voxel_checksum(values)}
    if rule == "mean":
        seen |= sample_values(values, block, base.shape[-3:])
    return seen


def _read(source: Array, start: Sequence[int], stop: Sequence[int]) -> np.ndarray[Any, Any]:
    """Read into memory that this thread used before: touching fresh pages would cost as much as copying.

    The engine keeps no reference to what bulk writes gave it, so the memory is free again when the task ends.
    """
    if isinstance(source, Slab | IndexedArray):  # These hand out what they hold or were given: no copy at all.
        return source.read(start, stop)
    shape = [b - a for a, b in zip(start, stop, strict=True)]
    needed = math.prod(shape) * source.dtype.itemsize
    kept: np.ndarray[Any, Any] | None = getattr(_thread, "memory", None)
    if kept is None or kept.nbytes < needed:
        kept = _thread.memory = np.empty(needed, np.uint8)
    return source.read(start, stop, kept[:needed].view(source.dtype).reshape(shape))


_thread = threading.local()


def sample_values(values: np.ndarray[Any, Any], block: Box, shape: Sequence[int]) -> Seen:
    """Return counts of the sampled values where there are few, else some of the values themselves."""
    rows = values[
        tuple(
            slice(None) if n < _SHORT else slice(-a % _STRIDE, None, _STRIDE)
            for a, n in zip(block.start[:2], shape[:2], strict=True)
        )
    ]
    if values.dtype in (np.uint8, np.uint16):
        return {"counts": _pack(histogram(rows).astype(np.int64))}
    flat = rows.reshape(-1)
    finite = flat[:: max(1, flat.size // _KEPT)].astype(np.float64)
    return {"values": _pack(finite[np.isfinite(finite)])}


def _pack(values: np.ndarray[Any, Any]) -> str:
    return base64.b64encode(zlib.compress(values.tobytes(), 1)).decode()


def _unpack(text: str, dtype: Any) -> np.ndarray[Any, Any]:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype)


def find_window(seen: Iterable[Seen], dtype: np.dtype[Any]) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return the display window (0.5 and 99.5 percentiles) and the limits of the values; None if nothing was seen."""
    counts, kept = _added(seen)
    if counts is not None and counts.any():
        low, high = map(float, percentiles(counts, _PERCENTS))
    elif kept and sum(map(len, kept)):
        low, high = (float(v) for v in np.percentile(np.concatenate(kept), _PERCENTS))
    else:
        return None
    limits = _limits(dtype, kept)
    return ((low, high) if low < high else limits), limits


def merge_seen(seen: Iterable[Seen]) -> Seen:
    """Return one sample for many, of the size of one: counts are added, values thinned evenly."""
    counts, kept = _added(seen)
    if counts is not None:
        return {"counts": _pack(counts)}
    every = np.concatenate(kept) if kept else np.empty(0)
    return {"values": _pack(every[:: max(1, -(-every.size // (4 * _KEPT)))])}


def _added(seen: Iterable[Seen]) -> tuple[np.ndarray[Any, Any] | None, list[np.ndarray[Any, Any]]]:
    counts: np.ndarray[Any, Any] | None = None
    kept: list[np.ndarray[Any, Any]] = []
    for one in seen:
        if "counts" in one:
            new = _unpack(one["counts"], np.int64)
            counts = new.copy() if counts is None else counts + new
        elif "values" in one:
            kept.append(_unpack(one["values"], np.float64))
    return counts, kept


def _limits(dtype: np.dtype[Any], kept: Sequence[np.ndarray[Any, Any]]) -> tuple[float, float]:
    if dtype.kind in "ui":
        info = np.iinfo(dtype)
        return float(info.min), float(info.max)
    if dtype.kind == "b":
        return 0.0, 1.0
    every = np.concatenate(kept)
    low, high = float(every.min()), float(every.max())
    return (low, high) if low < high else (low, low + 1)
