"""How alike two images are, whatever their brightness, and how that changes with one of them."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["local_correlation", "mutual_information", "windows_of"]

Image = np.ndarray[Any, np.dtype[np.float32]]

# Variance, in units of the whole image's, under which a window of the fixed image is flat: noise, not structure.
# The moving image has next to none, or a map that stretches its faint ends into the background would gain by it.
_FLAT, _NOTHING = 1e-2, 1e-6
_BINS = 32


def local_correlation(fixed: Image, moved: Image, weight: Image, radius: Any) -> tuple[float, Image, Image]:
    """Return the mean squared correlation in windows, its gradient by `moved`, and the squared correlation of each.

    A window's correlation does not know the brightness and contrast of either image there, nor, being squared, which
    of them is the negative of the other.

    Parameters
    ----------
    fixed, moved, weight : (z, y, x) float32
        Images of unit variance, and how much each voxel counts, 0 to 1.
    radius : (3,) int array
        Windows are 2 r + 1 voxels wide along (z, y, x).
    """
    count = _sums(weight, radius) + np.float32(1e-3)
    w = weight
    mean_f, mean_m = _sums(w * fixed, radius) / count, _sums(w * moved, radius) / count
    var_f = np.maximum(_sums(w * fixed * fixed, radius) / count - mean_f * mean_f, 0) + np.float32(_FLAT)
    var_m = np.maximum(_sums(w * moved * moved, radius) / count - mean_m * mean_m, 0) + np.float32(_NOTHING)
    both = _sums(w * fixed * moved, radius) / count - mean_f * mean_m
    found = both * both / (var_f * var_m)
    a = 2 * w * both / (var_f * var_m) / count
    b = a * both / var_m
    gradient = w * (fixed * _sums(a, radius) - _sums(a * mean_f, radius))
    gradient -= w * (moved * _sums(b, radius) - _sums(b * mean_m, radius))
    gradient = (gradient / np.float32(w.size)).astype(np.float32)
    return float(np.vdot(w, found)) / w.size, gradient, found


def mutual_information(fixed: Image, moved: Image, weight: Image) -> tuple[float, Image]:
    """Return the mutual information [nats] of two images and its gradient by `moved`.

    It knows no space, only which brightness of one goes with which of the other, so any relation of the two will do, as
    long as it is the same everywhere: what far-off starts of another stain or modality need. Both are binned by
    straight-sided windows.

    Parameters
    ----------
    fixed, moved, weight : (z, y, x) float32
        Images, and how much each voxel counts, 0 to 1.
    """
    total = float(weight.sum()) + 1e-6
    (i, s, _), (j, t, step) = _binned(fixed), _binned(moved)
    joint = np.zeros(_BINS * _BINS)
    corners = (((i, 1 - s), (i + 1, s)), ((j, 1 - t), (j + 1, t)))
    for a, u in corners[0]:
        for b, v in corners[1]:
            joint += np.bincount((a * _BINS + b).ravel(), (weight * u * v).ravel(), _BINS * _BINS)
    odds = joint.reshape(_BINS, _BINS) / total + 1e-9
    ratio = np.log(odds / (odds.sum(1, keepdims=True) * odds.sum(0, keepdims=True)))
    value = float((odds * ratio).sum()) * total / weight.size
    gain = np.diff(np.log(odds / odds.sum(0)), axis=1)
    gradient = ((1 - s) * gain[i, j] + s * gain[i + 1, j]) * weight / np.float32(step * weight.size)
    return value, gradient.astype(np.float32)


def _binned(image: Image) -> tuple[Any, Any, float]:
    """Return the bin below each value, how far it is to the next, and how wide a bin is."""
    low, high = float(image.min()), float(image.max())
    step = max(high - low, 1e-6) / (_BINS - 1)
    at = np.clip((image - np.float32(low)) / np.float32(step), 0, _BINS - 1.001)
    number = at.astype(np.intp)
    return number, at - number, step


def windows_of(shape: Any, voxel: Any, radius: float) -> Any:
    """Return the radius (z, y, x) in voxels of windows of one physical size: `radius` voxels of the mean size."""
    mean = np.exp(np.mean([np.log(v) for v, n in zip(voxel, shape, strict=True) if n > 1] or [0.0]))
    sides = [0 if n == 1 else max(1, round(radius * mean / v)) for v, n in zip(voxel, shape, strict=True)]
    return np.array(sides, np.int64)


def _sums(values: Image, radius: Any) -> Image:
    from ndlab.preprocess.kernels.windows import box_sum

    out = np.empty(values.shape, np.float32)
    box_sum(values, radius, out)
    return out
