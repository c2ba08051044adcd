"""Write voxels into a store so that nothing is lost: casts that keep values, stale levels marked first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from typing import Any, Literal

import numpy as np
import tensorstore as ts

from ndlab.errors import BadRequest, Conflict, Unsupported
from ndlab.geometry import Box, Calibration
from ndlab.store import state
from ndlab.store.arrays import Array, Level, Stored
from ndlab.store.engine import TensorStoreArray, io_error
from ndlab.store.kv import refuse_read_only
from ndlab.store.state import State
from ndlab.store.zarr_python import ZarrPythonArray

__all__ = ["Mode", "box_at_level", "same_values", "write"]

Mode = Literal["replace", "nonzero"]


def write(stored: Stored, level: int, start: Sequence[int], values: np.ndarray[Any, Any], mode: Mode) -> None:
    """Store `values` at `start` of one level, count the write, and mark the coarser levels over it stale.

    Coarser levels are marked before the first voxel is written and the version grows after the last, so a
    crash in between leaves a level marked that need not be, never one unmarked that should be.
    """
    if mode not in ("replace", "nonzero"):
        raise BadRequest(f"mode={mode!r}", 'modes are "replace" and "nonzero"', 'pass mode="replace"')
    array = stored.levels[level].array
    values = same_values(values, array.dtype, stored.url)
    stop = [a + n for a, n in zip(start, values.shape, strict=True)]
    if values.size == 0:
        return
    if not stored.url:
        _put(array, start, values, mode)
        return
    touched = Box(start[-3:], stop[-3:], level)
    _writable(array, start, stop, mode)
    coarser = [box_at_level(stored.levels, touched, i) for i in range(level + 1, len(stored.levels))]
    if coarser:
        state.change(stored.url, lambda s: _marked(s, coarser))
    _put(array, start, values, mode)
    # Marked once more: a pyramid built meanwhile from the old voxels has taken the first mark away.
    state.change(stored.url, lambda s: _marked(State(s.version + 1, s.stale), coarser))


def _writable(array: Array, start: Sequence[int], stop: Sequence[int], mode: Mode) -> None:
    """Refuse what cannot be written, before any byte is."""
    if isinstance(array, TensorStoreArray):
        refuse_read_only(array.url)
    elif isinstance(array, ZarrPythonArray):
        array.check_write(start, stop)
        if mode == "nonzero":
            raise Unsupported(
                f'mode="nonzero" for {array.url}',
                f"its codec ({array.codec}) is outside the engine's, so others' voxels could be lost",
                'pass mode="replace" and whole chunks',
                feature="merging writes",
            )
    else:
        # An empty write asks the format; readers of files refuse here, with their reason.
        array.write((0,) * len(array.shape), np.empty((0,) * len(array.shape), array.dtype))


def _marked(s: State, coarser: Sequence[Box]) -> State:
    for one in coarser:
        s = s.with_stale(one)
    return s


def box_at_level(levels: Sequence[Level], box: Box, number: int) -> Box:
    """Find the voxels of level `number` that share space with `box`."""
    a, b = levels[box.level], levels[number]
    if a.calibration is None or b.calibration is None:
        ratio = [float(round(n / m)) for n, m in zip(a.array.shape[-3:], b.array.shape[-3:], strict=True)]
        if number < box.level:
            ratio = [n / m for n, m in zip(a.array.shape[-3:], b.array.shape[-3:], strict=True)]
        source, target = Calibration((1, 1, 1)), Calibration(ratio)
    else:
        source, target = a.calibration, b.calibration
    found = target.covering(source.nm(box))
    return Box(found.start, found.stop, number) & Box((0, 0, 0), b.array.shape[-3:], number)


def same_values(values: np.ndarray[Any, Any], dtype: np.dtype[Any], where: str) -> np.ndarray[Any, Any]:
    """`values` as `dtype` if every one survives, else `BadRequest`."""
    if values.dtype == dtype:
        return values
    if values.dtype.kind not in "buif":
        raise BadRequest(
            f"values of {values.dtype}", f"{where or 'the volume'} holds {dtype}", "convert them to numbers"
        )
    cast = _cast(values, dtype)
    if cast is None:
        low, high = (values.min(), values.max()) if values.size else (0, 0)
        raise BadRequest(
            f"values of {values.dtype} from {low} to {high}",
            f"{where or 'the volume'} holds {dtype} and some values would change",
            f"convert them first, e.g. values.astype({dtype.name!r})",
            dtype=str(dtype),
        )
    return cast


def _cast(values: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any] | None:
    """`values` as `dtype`, None if one of them changes."""
    with np.errstate(all="ignore"):
        cast = values.astype(dtype)
        there_and_back = np.array_equal(cast.astype(values.dtype), values, equal_nan=values.dtype.kind == "f")
        # 200 as uint8 -> int8 -> uint8 is 200 again, but was -56 in between: the signs have to agree, too.
        same = there_and_back and np.array_equal(cast < 0, values < 0)
        if same and {values.dtype.kind, dtype.kind} in ({"f", "i"}, {"f", "u"}):
            # Beyond the integer's range a conversion gives whatever the processor likes, on the way back as well.
            floats, whole = (values, dtype) if values.dtype.kind == "f" else (cast, values.dtype)
            limit = np.float64(2.0) ** (8 * whole.itemsize - (whole.kind == "i"))
            same = bool(((floats >= -limit) & (floats < limit)).all())
    return cast if same else None


def _put(array: Array, start: Sequence[int], values: np.ndarray[Any, Any], mode: Mode) -> None:
    if mode == "replace":
        array.write(start, values)
    elif isinstance(array, TensorStoreArray):
        for corner, piece in _pieces(start, values, array.shards or array.chunks):
            _merge(array, corner, piece)
    else:
        stop = [a + n for a, n in zip(start, values.shape, strict=True)]
        old = array.read(start, stop)
        array.write(start, np.where(values != 0, values, old))


def _pieces(
    start: Sequence[int], values: np.ndarray[Any, Any], unit: Sequence[int]
) -> Iterator[tuple[list[int], np.ndarray[Any, Any]]]:
    """`values` cut at multiples of `unit`, so that each piece lies in one chunk or shard."""
    cuts = []
    for a, n, u in zip(start, values.shape, unit, strict=True):
        edges = [a, *range((a // u + 1) * u, a + n, u), a + n]
        cuts.append([(lo, hi) for lo, hi in pairwise(edges) if hi > lo])
    for spans in product(*cuts):
        inside = tuple(slice(lo - a, hi - a) for (lo, hi), a in zip(spans, start, strict=True))
        yield [lo for lo, _ in spans], values[inside]


def _merge(array: TensorStoreArray, start: Sequence[int], values: np.ndarray[Any, Any], attempts: int = 1000) -> None:
    """Write the non-zero voxels of one piece: read and write are one transaction, tried again if another came first."""
    where = tuple(slice(a, a + n) for a, n in zip(start, values.shape, strict=True))
    stop = [a + n for a, n in zip(start, values.shape, strict=True)]
    for _ in range(attempts):
        transaction = ts.Transaction(repeatable_read=True)
        store = array.writer.with_transaction(transaction)
        try:
            old = store[where].read().result()
            store[where].write(np.where(values != 0, values, old)).result()
            transaction.commit_async().result()
        except (ValueError, OSError, NotImplementedError) as error:
            if "ABORTED" in str(error) or "mismatch" in str(error).lower():
                continue
            raise io_error(array, start, stop, error) from None
        return
    raise Conflict(f"{array.url} was changed by others {attempts} times in a row at {tuple(start)}", "", "try again")
