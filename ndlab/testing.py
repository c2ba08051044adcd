"""Known damage for tests and benchmarks: what a correction has to undo, with the truth at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Planted", "plant_exposure"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Planted:
    """A stack with an exposure that is known.

    Attributes
    ----------
    truth, degraded : ndarray
        (z, y, x) uint8: before and after.
    tiles : ndarray
        (y, x) uint8: 1 to 4.
    """

    truth: Array
    degraded: Array
    tiles: Array

    def scores(self, found: Array) -> dict[str, float]:
        """Measure a correction against the truth.

        ``psnr`` and, with the mean difference taken away, ``psnr_mean_free`` [dB]; ``seam_error``, how far the mean
        step across a seam is from the truth's own (mean over sections and the four seams) [grey]; ``jump``, mean
        difference of the means of neighbouring sections [grey]; ``low_rms``, deviation of what is left below 20
        pixels (Gaussian) [grey]; ``detail``, correlation of what is finer than 5 pixels.
        """
        from scipy.ndimage import gaussian_filter

        off = found.astype(float) - self.truth
        low = np.stack([gaussian_filter(section, 20) for section in off])
        fine = [np.stack([s - gaussian_filter(s, 5) for s in v.astype(float)]).ravel() for v in (found, self.truth)]
        return {
            "psnr": _psnr(off), "psnr_mean_free": _psnr(off - off.mean()), "seam_error": _seam_error(off),
            "jump": float(np.abs(np.diff(found.mean((1, 2), dtype=float))).mean()),
            "low_rms": float(np.sqrt((low**2).mean())), "detail": float(np.corrcoef(fine[0], fine[1])[0, 1]),
        }  # fmt: skip


def plant_exposure(truth: Array, seed: int = 0) -> Planted:
    """Give a stack of sections the exposure of a careless day at the microscope.

    Of every section, offset (deviation 12 grey levels), gain (8 %) and a linear ramp (6 grey levels at the border); of
    each of 2 x 2 tiles in every section, offset (8) and gain (5 %); of all tiles, a fall of light by 20 % in the
    corners. Rounded and clipped to 8 bits.

    Parameters
    ----------
    truth : ndarray
        (z, y, x) uint8.
    seed : int

    Examples
    --------
    >>> planted = plant_exposure(np.full((3, 64, 64), 128, np.uint8))
    >>> planted.degraded.shape, sorted(set(planted.tiles.ravel().tolist()))
    ((3, 64, 64), [1, 2, 3, 4])
    """
    rng = np.random.default_rng(seed)
    nz, ny, nx = truth.shape
    ty, tx = np.arange(ny) * 2 // ny, np.arange(nx) * 2 // nx
    y, x = (_along(n) for n in (ny, nx))
    light = 1 - 0.2 * (y[:, None] ** 2 + x[None] ** 2) / 2
    offset, gain = rng.normal(0, 12, nz), 1 + rng.normal(0, 0.08, nz)
    tile_offset, tile_gain = rng.normal(0, 8, (nz, 2, 2)), 1 + rng.normal(0, 0.05, (nz, 2, 2))
    ramp = rng.normal(0, 6, (nz, 2))
    where = (slice(None), ty[:, None], tx[None])
    found = truth.astype(float) * light * tile_gain[where] + tile_offset[where]
    found = found * gain[:, None, None] + offset[:, None, None]
    found += ramp[:, 0, None, None] * np.linspace(-1, 1, ny)[:, None] + ramp[:, 1, None, None] * np.linspace(-1, 1, nx)
    degraded = np.clip(np.rint(found), 0, 255).astype(np.uint8)
    return Planted(truth, degraded, (ty[:, None] * 2 + tx[None] + 1).astype(np.uint8))


def _along(n: int) -> Array:
    """Position of each pixel in its tile, -1 to 1."""
    edge = -(-n // 2)
    found = [(np.arange(m) + 0.5) / m * 2 - 1 for m in (edge, n - edge)]
    return np.concatenate(found)


def _psnr(off: Array) -> float:
    return float(10 * np.log10(255**2 / max(float((off**2).mean()), 1e-12)))


def _seam_error(off: Array) -> float:
    y, x = (-(-n // 2) for n in off.shape[1:])
    found = [(off[:, half, x] - off[:, half, x - 1]).mean(1) for half in (slice(0, y), slice(y, None))]
    found += [(off[:, y, half] - off[:, y - 1, half]).mean(1) for half in (slice(0, x), slice(x, None))]
    return float(np.abs(found).mean())
