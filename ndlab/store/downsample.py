"""Make voxels coarser by whole factors: the mean of images, the majority of labels.

A cell is the box of fine voxels that one coarse voxel stands for; at the far edges of an array it is clipped and the
voxels that exist decide. Both rules are exact and depend on the cell alone, so any split into blocks along cell
borders gives the same result.

- *mean*: the mean of the cell, rounded half to even for whole-number types (``numpy.rint(numpy.mean(cell))``, computed
  in whole numbers without overflow); for floating point summed in double precision, NaN if one of them is.
- *majority*: the most frequent non-zero value; of equally frequent ones the smallest; zero only if all are zero. It
  never makes up an id, and a thin segment wins against background.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import level_shape

__all__ = ["Rule", "compiled", "downsample"]

Rule = Literal["mean", "majority"]
Voxels = np.ndarray[Any, Any]
Kernel = Callable[..., Any]
Cell = tuple[int, int, int]

_PIECE_BYTES = 4 << 20


def downsample(values: Voxels, factors: Sequence[int], rule: Rule = "mean", out: Voxels | None = None) -> Voxels:
    """Return `values` at whole-number `factors` coarser; runs without the GIL.

    Parameters
    ----------
    values : ndarray, shape (z, y, x)
        bool, integer or floating-point voxels.
    factors : sequence of 3 int
        Fine voxels per coarse voxel along (z, y, x), each at least 1.
    rule : {"mean", "majority"}
        See the module's text. Images take the mean, labels the majority.
    out : ndarray, optional
        C-contiguous, of shape ``level_shape(values.shape, factors)`` and the dtype of `values`.

    Returns
    -------
    ndarray, shape (z, y, x)
        Of the same dtype; each axis is ``(n - 1) // factor + 1`` long.

    Examples
    --------
    >>> downsample(np.array([[[1, 2, 7], [3, 4, 9]]], np.uint8), (1, 2, 2))
    array([[[2, 8]]], dtype=uint8)
    >>> downsample(np.array([[[0, 5, 7], [0, 0, 0]]], np.uint64), (1, 2, 2), "majority")
    array([[[5, 7]]], dtype=uint64)
    """
    _check(values, factors, rule)
    shape = level_shape(values.shape, factors)
    result = np.empty(shape, values.dtype) if out is None else out
    if tuple(factors) == (1, 1, 1):
        result[...] = values
        return result
    work, coarse = _machine_view(values), _machine_view(result)
    if not work.flags.c_contiguous and work.nbytes > _PIECE_BYTES and coarse.dtype == work.dtype:
        return _by_pieces(work, coarse, factors, rule, result)
    if coarse.dtype != result.dtype and not np.shares_memory(coarse, result):  # float16 goes through float32
        result[...] = _reduce(work, np.empty(shape, coarse.dtype), factors, rule)
        return result
    _reduce(work, coarse, factors, rule)
    return result


def _by_pieces(values: Voxels, coarse: Voxels, factors: Sequence[int], rule: Rule, result: Voxels) -> Voxels:
    """Reduce part by part what does not lie in C order, so that the copy that is needed stays in the cache."""
    step = max(1, _PIECE_BYTES // max(1, values[: factors[0]].nbytes))
    for k in range(0, len(coarse), step):
        _reduce(values[k * factors[0] : (k + step) * factors[0]], coarse[k : k + step], factors, rule)
    return result


def _check(values: Voxels, factors: Sequence[int], rule: str) -> None:
    if rule not in ("mean", "majority"):
        raise BadRequest(f"down-sampling rule {rule!r}", "the rules are 'mean' (images) and 'majority' (labels)")
    if len(factors) != 3 or any(int(f) != f or f < 1 for f in factors):
        raise BadRequest(f"factors {tuple(factors)}", "they are three whole numbers of at least 1, (z, y, x)")
    if values.ndim != 3 or values.dtype.kind not in "buif" or values.dtype.itemsize > 8:
        raise BadRequest(
            f"down-sampling a {values.ndim}-D array of {values.dtype}", "it takes (z, y, x) bool, integer or float"
        )
    if rule == "majority" and values.dtype.kind == "f":
        raise BadRequest(f"the majority of {values.dtype} values", "labels are whole numbers", "cast them first")


def _machine_view(values: Voxels) -> Voxels:
    """Return the same numbers in a type that the kernels know, without a copy where one exists; native byte order."""
    native = values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))
    if native.dtype == np.bool_:
        return native.view(np.uint8)
    return native.astype(np.float32) if native.dtype == np.float16 else native


def _reduce(values: Voxels, out: Voxels, factors: Sequence[int], rule: Rule) -> Voxels:
    """Whole cells by a kernel made for the factors, if there is one; clipped cells by the general one."""
    values = np.ascontiguousarray(values)
    fz, fy, fx = map(int, factors)
    general, special = _kernels(values.dtype, rule, (fz, fy, fx))
    nz, ny, nx = out.shape
    if special is None:
        compiled(general)(values, out, fz, fy, fx, (0, 0, 0), out.shape)
        return out
    wz, wy, wx = (n // f for n, f in zip(values.shape, (fz, fy, fx), strict=True))
    if wz and wy and wx:
        compiled(special)(values, out, wz, wy, wx)
    clipped = (((wz, 0, 0), (nz, ny, nx)), ((0, wy, 0), (wz, ny, nx)), ((0, 0, wx), (wz, wy, nx)))
    for start, stop in clipped:
        if all(p < q for p, q in zip(start, stop, strict=True)):
            compiled(general)(values, out, fz, fy, fx, start, stop)
    return out


def _kernels(dtype: np.dtype[Any], rule: Rule, factors: tuple[int, int, int]) -> tuple[Kernel, Kernel | None]:
    if rule == "majority":
        return _majority, {(1, 2, 2): _majority_122, (2, 2, 2): _majority_222}.get(factors)
    if dtype.kind == "f":
        return _mean_float, {(1, 2, 2): _mean_float_122, (2, 2, 2): _mean_float_222}.get(factors)
    if dtype.itemsize == 8:
        return (_mean_unsigned_64 if dtype.kind == "u" else _mean_signed_64), None
    return _mean_whole, {(1, 2, 2): _mean_whole_122, (2, 2, 2): _mean_whole_222}.get(factors)


@cache
def compiled(kernel: Kernel) -> Kernel:
    """Compile on first use, and keep the machine code on disk; importing numba costs half a second."""
    import numba

    made: Kernel = numba.njit(nogil=True, cache=True, error_model="numpy")(kernel)
    return made


# The kernels below are plain Python that numba compiles. Each is written out in full, because a compiled function
# cannot call one that is not compiled yet. The general ones do the cells from `start` to `stop`.


def _mean_whole(a: Voxels, out: Voxels, fz: int, fy: int, fx: int, start: Cell, stop: Cell) -> None:
    sz, sy, sx = a.shape
    for k in range(start[0], stop[0]):
        for j in range(start[1], stop[1]):
            for i in range(start[2], stop[2]):
                ze, ye, xe = min(sz, (k + 1) * fz), min(sy, (j + 1) * fy), min(sx, (i + 1) * fx)
                n = (ze - k * fz) * (ye - j * fy) * (xe - i * fx)
                total = np.int64(0)
                for z in range(k * fz, ze):
                    for y in range(j * fy, ye):
                        for x in range(i * fx, xe):
                            total += np.int64(a[z, y, x])
                q = total // n
                twice = 2 * (total - q * n)
                if twice > n or (twice == n and q & 1):
                    q += 1
                out[k, j, i] = q


def _mean_unsigned_64(a: Voxels, out: Voxels, fz: int, fy: int, fx: int, start: Cell, stop: Cell) -> None:
    """Add quotients and remainders apart, so that a sum past 2^64 cannot overflow."""
    sz, sy, sx = a.shape
    for k in range(start[0], stop[0]):
        for j in range(start[1], stop[1]):
            for i in range(start[2], stop[2]):
                ze, ye, xe = min(sz, (k + 1) * fz), min(sy, (j + 1) * fy), min(sx, (i + 1) * fx)
                n = np.uint64((ze - k * fz) * (ye - j * fy) * (xe - i * fx))
                q, rest = np.uint64(0), np.uint64(0)
                for z in range(k * fz, ze):
                    for y in range(j * fy, ye):
                        for x in range(i * fx, xe):
                            q += a[z, y, x] // n
                            rest += a[z, y, x] % n
                q += rest // n
                twice = np.uint64(2) * (rest % n)
                if twice > n or (twice == n and q & np.uint64(1)):
                    q += np.uint64(1)
                out[k, j, i] = q


def _mean_signed_64(a: Voxels, out: Voxels, fz: int, fy: int, fx: int, start: Cell, stop: Cell) -> None:
    """As above; floor division leaves remainders that are not negative."""
    sz, sy, sx = a.shape
    for k in range(start[0], stop[0]):
        for j in range(start[1], stop[1]):
            for i in range(start[2], stop[2]):
                ze, ye, xe = min(sz, (k + 1) * fz), min(sy, (j + 1) * fy), min(sx, (i + 1) * fx)
                n = np.int64((ze - k * fz) * (ye - j * fy) * (xe - i * fx))
                q, rest = np.int64(0), np.int64(0)
                for z in range(k * fz, ze):
                    for y in range(j * fy, ye):
                        for x in range(i * fx, xe):
                            q += a[z, y, x] // n
                            rest += a[z, y, x] % n
                q += rest // n
                twice = 2 * (rest % n)
                if twice > n or (twice == n and q & 1):
                    q += 1
                out[k, j, i] = q


def _mean_float(a: Voxels, out: Voxels, fz: int, fy: int, fx: int, start: Cell, stop: Cell) -> None:
    sz, sy, sx = a.shape
    for k in range(start[0], stop[0]):
        for j in range(start[1], stop[1]):
            for i in range(start[2], stop[2]):
                ze, ye, xe = min(sz, (k + 1) * fz), min(sy, (j + 1) * fy), min(sx, (i + 1) * fx)
                total = 0.0
                for z in range(k * fz, ze):
                    for y in range(j * fy, ye):
                        for x in range(i * fx, xe):
                            total += a[z, y, x]
                out[k, j, i] = total / ((ze - k * fz) * (ye - j * fy) * (xe - i * fx))


# Of a sum s = 4 q + r, (s + 1 + (q & 1)) >> 2 is the mean rounded half to even: no branch, so it runs in vector
# registers. The same holds for s = 8 q + r with 3 in place of 1.


def _mean_whole_122(a: Voxels, out: Voxels, wz: int, wy: int, wx: int) -> None:
    for k in range(wz):
        for j in range(wy):
            p, q = a[k, 2 * j], a[k, 2 * j + 1]
            row = out[k, j]
            for i in range(wx):
                s = np.int64(p[2 * i]) + np.int64(p[2 * i + 1]) + np.int64(q[2 * i]) + np.int64(q[2 * i + 1])
                row[i] = (s + 1 + ((s >> 2) & 1)) >> 2


def _mean_whole_222(a: Voxels, out: Voxels, wz: int, wy: int, wx: int) -> None:
    for k in range(wz):
        for j in range(wy):
            p, q = a[2 * k, 2 * j], a[2 * k, 2 * j + 1]
            u, v = a[2 * k + 1, 2 * j], a[2 * k + 1, 2 * j + 1]
            row = out[k, j]
            for i in range(wx):
                s = np.int64(p[2 * i]) + np.int64(p[2 * i + 1]) + np.int64(q[2 * i]) + np.int64(q[2 * i + 1])
                s += np.int64(u[2 * i]) + np.int64(u[2 * i + 1]) + np.int64(v[2 * i]) + np.int64(v[2 * i + 1])
                row[i] = (s + 3 + ((s >> 3) & 1)) >> 3


def _mean_float_122(a: Voxels, out: Voxels, wz: int, wy: int, wx: int) -> None:
    for k in range(wz):
        for j in range(wy):
            p, q = a[k, 2 * j], a[k, 2 * j + 1]
            row = out[k, j]
            for i in range(wx):
                s = np.float64(p[2 * i]) + np.float64(p[2 * i + 1]) + np.float64(q[2 * i]) + np.float64(q[2 * i + 1])
                row[i] = s / 4


def _mean_float_222(a: Voxels, out: Voxels, wz: int, wy: int, wx: int) -> None:
    for k in range(wz):
        for j in range(wy):
            p, q = a[2 * k, 2 * j], a[2 * k, 2 * j + 1]
            u, v = a[2 * k + 1, 2 * j], a[2 * k + 1, 2 * j + 1]
            row = out[k, j]
            for i in range(wx):
                s = np.float64(p[2 * i]) + np.float64(p[2 * i + 1]) + np.float64(q[2 * i]) + np.float64(q[2 * i + 1])
                s += np.float64(u[2 * i]) + np.float64(u[2 * i + 1]) + np.float64(v[2 * i]) + np.float64(v[2 * i + 1])
                row[i] = s / 8


def _majority(a: Voxels, out: Voxels, fz: int, fy: int, fx: int, start: Cell, stop: Cell) -> None:
    """Count each value of the cell from its first occurrence on; the inside of a segment needs one pass only."""
    sz, sy, sx = a.shape
    for k in range(start[0], stop[0]):
        for j in range(start[1], stop[1]):
            for i in range(start[2], stop[2]):
                zs, ys, xs = k * fz, j * fy, i * fx
                ze, ye, xe = min(sz, zs + fz), min(sy, ys + fy), min(sx, xs + fx)
                sy_, sx_ = ye - ys, xe - xs
                n = (ze - zs) * sy_ * sx_
                best, most = a[zs, ys, xs], 0
                for p in range(n):
                    v = a[zs + p // (sy_ * sx_), ys + p // sx_ % sy_, xs + p % sx_]
                    if v == 0 or most > n - p:
                        continue
                    count = 0
                    for r in range(p, n):
                        count += v == a[zs + r // (sy_ * sx_), ys + r // sx_ % sy_, xs + r % sx_]
                    if count > most or (count == most and v < best):
                        best, most = v, count
                out[k, j, i] = best


def _majority_122(a: Voxels, out: Voxels, wz: int, wy: int, wx: int) -> None:
    for k in range(wz):
        for j in range(wy):
            p, q = a[k, 2 * j], a[k, 2 * j + 1]
            row = out[k, j]
            for i in range(wx):
                v0, v1, v2, v3 = p[2 * i], p[2 * i + 1], q[2 * i], q[2 * i + 1]
                if v0 == v1 and v0 == v2 and v0 == v3:
                    row[i] = v0
                    continue
                n0 = 0 if v0 == 0 else 1 + (v1 == v0) + (v2 == v0) + (v3 == v0)
                n1 = 0 if v1 == 0 else 1 + (v2 == v1) + (v3 == v1)
                n2 = 0 if v2 == 0 else 1 + (v3 == v2)
                n3 = 0 if v3 == 0 else 1
                if n1 > n0 or (n1 == n0 and v1 < v0):
                    v0, n0 = v1, n1
                if n2 > n0 or (n2 == n0 and v2 < v0):
                    v0, n0 = v2, n2
                if n3 > n0 or (n3 == n0 and v3 < v0):
                    v0 = v3
                row[i] = v0


def _majority_222(a: Voxels, out: Voxels, wz: int, wy: int, wx: int) -> None:
    """Most cells hold one value, most others two; only what is left needs every value counted."""
    for k in range(wz):
        for j in range(wy):
            p, q = a[2 * k, 2 * j], a[2 * k, 2 * j + 1]
            u, v = a[2 * k + 1, 2 * j], a[2 * k + 1, 2 * j + 1]
            row = out[k, j]
            for i in range(wx):
                e, f = 2 * i, 2 * i + 1
                c0, c1, c2, c3, c4, c5, c6, c7 = p[e], p[f], q[e], q[f], u[e], u[f], v[e], v[f]
                if c0 == c1 and c0 == c2 and c0 == c3 and c0 == c4 and c0 == c5 and c0 == c6 and c0 == c7:
                    row[i] = c0
                    continue
                n0 = 1 + (c1 == c0) + (c2 == c0) + (c3 == c0) + (c4 == c0) + (c5 == c0) + (c6 == c0) + (c7 == c0)
                if n0 > 4 and c0 != 0:
                    row[i] = c0
                    continue
                b = c1  # the first value that is not c0
                b = c2 if b == c0 else b
                b = c3 if b == c0 else b
                b = c4 if b == c0 else b
                b = c5 if b == c0 else b
                b = c6 if b == c0 else b
                b = c7 if b == c0 else b
                nb = (c1 == b) + (c2 == b) + (c3 == b) + (c4 == b) + (c5 == b) + (c6 == b) + (c7 == b)
                if b != 0 and nb > 4:
                    row[i] = b
                    continue
                if n0 + nb == 8:
                    row[i] = b if b != 0 and (c0 == 0 or nb > n0 or (nb == n0 and b < c0)) else c0
                    continue
                cell = (c0, c1, c2, c3, c4, c5, c6, c7)
                best, most = c0, 0
                for m in range(8):
                    value = cell[m]
                    if value == 0 or most > 8 - m:
                        continue
                    count = 0
                    for o in range(m, 8):
                        count += value == cell[o]
                    if count > most or (count == most and value < best):
                        best, most = value, count
                row[i] = best
