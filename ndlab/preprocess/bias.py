"""Slow multiplicative shading: a flat field of a camera, and N4 bias fields of a volume."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndlab.errors import BadRequest, Unsupported
from ndlab.measure.blocks import How, part
from ndlab.pipeline.progress import ProgressCallback
from ndlab.pipeline.window import Window
from ndlab.preprocess.chromatic import exposure
from ndlab.preprocess.written import as_type, write
from ndlab.volume import Volume

__all__ = ["estimate_flat_field", "flat_field", "n4"]

Array = np.ndarray[Any, Any]
_MANY = 32
"""Pictures from which a field of any shape can be told from what is in them."""
_SIDE = 64


def estimate_flat_field(volume: Volume) -> Array:
    """Estimate how bright a camera sees each pixel: (y, x) float32 around 1.

    From 32 pictures on it is their median, each divided by its own, smoothed; what is in the pictures has to move from
    one to the next. Of fewer only a radial fall of light is taken, and only as far as it shows.

    Parameters
    ----------
    volume : Volume
        (z, y, x): pictures of one camera along z.

    Examples
    --------
    >>> light = 1 - 0.3 * np.linspace(-1, 1, 64) ** 2
    >>> pictures = np.random.default_rng(0).normal(100, 5, (40, 64, 64)) * light
    >>> field = estimate_flat_field(Volume.from_array(pictures, (50, 4, 4)))
    >>> bool(abs(field / field.mean() - light / light.mean()).max() < 0.03)
    True
    """
    view = part(volume)
    nz, ny, nx = view.shape
    if nz < _MANY:
        found = exposure(view, seams="none", progress=False)
        y, x = np.arange(ny)[:, None] + 0.5, np.arange(nx)[None] + 0.5
        tile = np.zeros((ny, nx), int)
        return (1 + found.fall * found.layout.radius2(y, x, tile)).astype(np.float32)
    return _smooth(_median(view))


def _median(view: Volume) -> Array:
    """Median over pictures, each divided by its own median, of a hundred pictures at most, some rows at a time."""
    nz, ny, _ = view.shape
    which = np.unique(np.linspace(0, nz - 1, min(nz, 100)).round().astype(int))
    levels = np.array([max(float(np.median(view[int(z)].read())), 1e-9) for z in which])
    rows = [
        np.median(
            np.stack([view[int(z), y : min(y + _SIDE, ny)].read() for z in which]) / levels[:, None, None], axis=0
        )
        for y in range(0, ny, _SIDE)
    ]
    return np.concatenate(rows)


def _smooth(field: Array) -> Array:
    """Keep waves longer than an eighth of the side: a camera's light has no finer ones, tissue has."""
    from scipy.fft import dctn, idctn

    found = dctn(field, norm="ortho")
    order = np.hypot(*np.indices(field.shape))
    found /= 1 + (order / 8.0) ** 8
    smooth: Array = idctn(found, norm="ortho")
    found = np.maximum(smooth, 0.05 * smooth.mean())
    positive: Array = found.astype(np.float32)
    return positive


def flat_field(
    volume: Volume,
    field: Array | None = None,
    *,
    out: str | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    client: Any = None,
    progress: bool | ProgressCallback | None = None,
) -> Volume:
    """Divide pictures of a camera by how bright it sees each pixel and return them as a `Volume` of the same type.

    Parameters
    ----------
    volume : Volume
        (z, y, x): pictures along z.
    field : ndarray, optional
        (y, x); `estimate_flat_field` of the volume unless given.
    out, overwrite, workers, client, progress
        As for `correct`.

    Raises
    ------
    BadRequest
        If the field has another extent or is not positive.

    Examples
    --------
    >>> light = np.linspace(0.5, 1, 8)[None]
    >>> after = flat_field(Volume.from_array(100 * light[None], (50, 4, 4)), light, progress=False).read()
    >>> after.round(6).tolist()
    [[[100.0, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0]]]
    """
    view = part(volume)
    found = estimate_flat_field(view) if field is None else np.asarray(field)
    if found.shape != view.shape[1:] or not (found > 0).all():
        raise BadRequest(f"a field of {found.shape} for pictures of {view.shape[1:]}",
                         "it has one positive number for each pixel (y, x)")  # fmt: skip
    how = How(workers, client, progress).near(view)
    return write("flat field", _divided, view, {"field": found}, out, how, overwrite=overwrite, scratch=16)


def _divided(values: Array, field: Array, window: Window) -> Array:
    (_, y0, x0), (_, y1, x1) = window.read.start, window.read.stop
    return as_type(values / field[y0:y1, x0:x1], values.dtype)


def n4(
    volume: Volume,
    *,
    mask: Volume | None = None,
    out: str | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    client: Any = None,
    progress: bool | ProgressCallback | None = None,
) -> Volume:
    """Take a smooth multiplicative bias field out of a volume by N4 and return a `Volume` of the same type.

    SimpleITK finds the field on the volume made smaller (no side above 64); it is applied at full resolution, block by
    block.

    Parameters
    ----------
    volume : Volume
        (z, y, x) of positive grey values, e.g. MRI or light sheet.
    mask : Volume, optional
        Over the same voxels: not 0 where tissue is. Otsu's threshold unless given.
    out, overwrite, workers, client, progress
        As for `correct`.

    Raises
    ------
    Unsupported
        If SimpleITK is not installed.

    References
    ----------
    Tustison et al. 2010, N4ITK.
    """
    view = part(volume)
    field = _n4_field(view, None if mask is None else part(mask))
    how = How(workers, client, progress).near(view)
    return write("n4", _without_bias, view, {"field": field, "shape": view.shape}, out, how, overwrite=overwrite,
                 scratch=24)  # fmt: skip


def _n4_field(view: Volume, mask: Volume | None) -> Array:
    """Logarithm of the bias on a coarse grid that covers the volume."""
    try:
        import SimpleITK as sitk
    except ImportError:
        raise Unsupported("N4 was asked for", "it is SimpleITK's, which is not installed",
                          "pip install 'ndlab[itk]'", feature="n4") from None  # fmt: skip
    small = _shrunk(view)
    image = sitk.GetImageFromArray(np.ascontiguousarray(np.maximum(small, 1e-3), np.float32))
    inside = sitk.OtsuThreshold(image, 0, 1, 128) if mask is None else sitk.GetImageFromArray(
        (_shrunk(mask) > 0).astype(np.uint8))  # fmt: skip
    fitted = sitk.N4BiasFieldCorrectionImageFilter()
    fitted.SetMaximumNumberOfIterations([50] * 4)
    fitted.Execute(image, inside)
    found: Array = sitk.GetArrayFromImage(fitted.GetLogBiasFieldAsImage(image)).astype(np.float32)
    return found - float(found[sitk.GetArrayFromImage(inside) > 0].mean())


def _shrunk(view: Volume) -> Array:
    """Means of boxes, so that no side is longer than 64."""
    steps = [-(-n // _SIDE) for n in view.shape]
    slabs = []
    for z in range(0, view.shape[0], steps[0]):
        slab = view[z : min(z + steps[0], view.shape[0])].read().astype(np.float64).mean(0)
        rows = [np.arange(0, n, k) for n, k in zip(slab.shape, steps[1:], strict=True)]
        total = np.add.reduceat(np.add.reduceat(slab, rows[0], 0), rows[1], 1)
        count = np.multiply.outer(*(np.diff(np.r_[r, n]) for r, n in zip(rows, slab.shape, strict=True)))
        slabs.append(total / count)
    return np.stack(slabs)


def _without_bias(values: Array, field: Array, shape: Any, window: Window) -> Array:
    found = field.astype(np.float64)
    for axis, (a, b, n) in enumerate(zip(window.read.start, window.read.stop, shape, strict=True)):
        step, count = -(-n // _SIDE), found.shape[axis]
        at = np.clip((np.arange(a, b) + 0.5) / step - 0.5, 0, count - 1)
        low = np.minimum(at.astype(int), max(count - 2, 0))
        part_ = (at - low).reshape([-1 if k == axis else 1 for k in range(3)])
        high = np.minimum(low + 1, count - 1)
        found = found.take(low, axis) * (1 - part_) + found.take(high, axis) * part_
    return as_type(values / np.exp(found), values.dtype)
