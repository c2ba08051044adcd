"""Pictures as registration wants them: coarser by whole factors, and with local mean 0 and local variance 1."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Array", "normalized", "pooled"]

Array = np.ndarray[Any, Any]

_PASSES = 2  # of a box; two make a triangle, near enough to a Gaussian


def pooled(image: Array, factor: int) -> Array:
    """Return means of ``factor`` × ``factor`` pixels, float32; pixels beyond the last whole square are left out.

    Examples
    --------
    >>> pooled(np.arange(16).reshape(4, 4), 2).tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    if factor == 1:
        return np.ascontiguousarray(image, np.float32)
    height, width = (n // factor * factor for n in image.shape)
    squares = image[:height, :width].reshape(height // factor, factor, width // factor, factor)
    found: Array = squares.mean((1, 3), dtype=np.float32)
    return found


def normalized(image: Array, reach: int, inside: Array | None = None, grain: float = 1.0) -> Array:
    """Return `image` with local mean 0 and local variance 1, float32; 0 outside.

    Parameters
    ----------
    image : array of float32, (height, width)
    reach : int
        Half the width of the surroundings that count as local [pixels].
    inside : array of bool, optional
        Which pixels exist.
    grain : float
        Standard deviation of the smoothing that takes away noise [pixels]; 0 leaves it.
    """
    from scipy import ndimage

    if grain:
        image = ndimage.gaussian_filter(image, grain, mode="nearest", truncate=2.5)
    whole = inside is None or bool(inside.all())
    if whole:
        share: Any = 1.0
    else:
        assert inside is not None
        share = np.maximum(_local(inside.astype(np.float32), reach), 1e-3)
        image = np.where(inside, image - image[inside].mean() if inside.any() else 0, 0).astype(np.float32)
    flat = image - _local(image, reach) / share
    if not whole:
        flat *= inside
    spread = np.sqrt(np.maximum(_local(flat * flat, reach) / share, 0))
    # Where there is next to no texture, noise must not be blown up to look like some.
    floor = 0.1 * float(np.sqrt(np.mean(spread * spread))) + 1e-6
    found: Array = flat / np.maximum(spread, floor)
    return found


def _local(image: Array, reach: int) -> Array:
    from scipy import ndimage

    for _ in range(_PASSES):
        image = ndimage.uniform_filter(image, 2 * (reach // _PASSES) + 1, mode="reflect")
    found: Array = image
    return found
