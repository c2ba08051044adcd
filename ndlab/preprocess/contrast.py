"""Contrast of sections: matched to their stack, or evened out within each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Box, Grid
from ndlab.measure.blocks import Bound, How, part, watched
from ndlab.pipeline import Run, Step, Tiling
from ndlab.pipeline.progress import ProgressCallback
from ndlab.pipeline.window import Window
from ndlab.preprocess.written import as_type, whole_sections, write
from ndlab.volume import Volume

__all__ = ["clahe", "match_sections", "section_quantiles"]

Array = np.ndarray[Any, Any]
_POINTS = 257


def match_sections(
    volume: Volume,
    *,
    method: Literal["moments", "histogram"] = "moments",
    out: str | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    client: Any = None,
    progress: bool | ProgressCallback | None = None,
) -> Volume:
    """Give every section the brightness and contrast of the stack and return it as a `Volume` of the same type.

    Each section is matched as a whole; `correct` also sees tiles, vignetting and shading, and what of a difference is
    tissue. The reference is the median over all sections, so that a few odd ones do not shift it.

    Parameters
    ----------
    volume : Volume
        (z, y, x).
    method : {"moments", "histogram"}
        Match the median and the distance of the quartiles, linearly; or the whole distribution.
    out, overwrite, workers, client, progress
        As for `correct`.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(100, 20, (5, 32, 32)) + 10 * np.arange(5)[:, None, None]
    >>> after = match_sections(Volume.from_array(values, (50, 4, 4)), progress=False)
    >>> bool(np.ptp(np.median(after.read(), (1, 2))) < 1e-6)
    True
    """
    if method not in ("moments", "histogram"):
        raise BadRequest(f"method={method!r}", 'it is "moments" or "histogram"')
    view = part(volume)
    how = How(workers, client, progress).near(view)
    found = section_quantiles(view, workers=workers, client=client, progress=progress)
    return write("match sections", _matched, view, {"quantiles": found, "method": method}, out, how,
                 overwrite=overwrite, scratch=16, note={"method": method})  # fmt: skip


def section_quantiles(
    volume: Volume,
    *,
    workers: int | None = None,
    client: Any = None,
    progress: bool | ProgressCallback | None = None,
) -> Array:
    """Return quantiles of every section, (z, 257): minimum, 256 steps of equal counts, maximum. One pass.

    Examples
    --------
    >>> stack = Volume.from_array(np.arange(2 * 257.0).reshape(2, 1, 257), (50, 4, 4))
    >>> section_quantiles(stack, progress=False)[1, [0, 128, 256]]
    array([257., 385., 513.])
    """
    view = part(volume)
    how = How(workers, client, progress).near(view)
    step = Step("section quantiles", Bound(_quantiles, {"view": view}), {}, {}, identity="quantiles")
    block = whole_sections(view)
    with watched(progress) as callback:
        run = Run(step, Tiling(view.box, Grid(view.box.stop, (block[0], *view.box.stop[1:])).block),
                  workers=how.workers, client=how.client, progress=callback)  # fmt: skip
        found: Array = run.reduce(_stacked)
    return found


def _stacked(a: Array, b: Array) -> Array:
    return np.concatenate([a, b])


def _quantiles(block: Box, view: Volume) -> Array:
    at = np.linspace(0, 1, _POINTS)
    box = Box(block.start, block.stop, view.level_index)
    return np.stack([np.quantile(section, at) for section in view.boxed(box).read()])


def _matched(values: Array, quantiles: Array, method: str, window: Window) -> Array:
    wanted = np.median(quantiles, axis=0)
    low, middle, high = (_POINTS - 1) // 4, (_POINTS - 1) // 2, 3 * (_POINTS - 1) // 4
    found = np.empty(values.shape, np.float64)
    for k, z in enumerate(range(window.read.start[0], window.read.stop[0])):
        own = quantiles[z]
        if method == "moments":
            gain = (wanted[high] - wanted[low]) / max(own[high] - own[low], 1e-12)
            found[k] = (values[k] - own[middle]) * gain + wanted[middle]
        else:
            # Where several quantiles are one value, that value is what stands in their middle.
            levels, first, count = np.unique(own, return_index=True, return_counts=True)
            found[k] = np.interp(values[k], levels, wanted[first + count // 2])
    return as_type(found, values.dtype)


def clahe(
    volume: Volume,
    *,
    kernel_size: Annotated[float, "nm"] | None = None,
    clip_limit: float = 0.01,
    window: tuple[float, float] | None = None,
    out: str | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    client: Any = None,
    progress: bool | ProgressCallback | None = None,
) -> Volume:
    """Even out contrast locally in each section (CLAHE) and return a `Volume` of the same type.

    Each section is done as a whole by scikit-image, between the same two grey values in all.

    Parameters
    ----------
    volume : Volume
        (z, y, x).
    kernel_size : float, optional
        Side of the squares whose histograms are evened out [nm]; an eighth of a section unless given.
    clip_limit : float
        0 to 1; higher for more contrast.
    window : (float, float), optional
        Grey values that become the darkest and the brightest; unless given, the median over sections of the
        smallest and of the largest.
    out, overwrite, workers, client, progress
        As for `correct`.

    Examples
    --------
    >>> values = np.random.default_rng(0).integers(90, 120, (2, 32, 32), "u1")
    >>> after = clahe(Volume.from_array(values, (50, 4, 4)), progress=False).read()
    >>> bool(np.ptp(after) > np.ptp(values))
    True
    """
    view = part(volume)
    how = How(workers, client, progress).near(view)
    if window is None:
        found = section_quantiles(view, workers=workers, client=client, progress=progress)
        window = float(np.median(found[:, 0])), float(np.median(found[:, -1]))
    if not window[1] > window[0]:
        raise BadRequest(f"window={window}", "the brightest grey value is above the darkest", "pass window=(low, high)")
    side = None if kernel_size is None else max(2, round(kernel_size / view.voxel_size[1]))
    params = {"side": side, "clip_limit": clip_limit, "low": window[0], "high": window[1]}
    return write("clahe", _evened, view, params, out, how, block=whole_sections(view), overwrite=overwrite, scratch=40,
                 note=params)  # fmt: skip


def _evened(values: Array, side: int | None, clip_limit: float, low: float, high: float) -> Array:
    from skimage.exposure import equalize_adapthist

    unit = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1)
    found = np.stack([equalize_adapthist(section, kernel_size=side, clip_limit=clip_limit) for section in unit])
    if values.dtype.kind in "ui":
        info = np.iinfo(values.dtype)
        return as_type(info.min + found * (float(info.max) - info.min), values.dtype)
    return (low + found * (high - low)).astype(values.dtype)
