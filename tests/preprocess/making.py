"""Stacks of which it is known where every pixel came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from ndlab.preprocess.alignment.maps import rotation

Array = np.ndarray[Any, Any]


def texture(shape: tuple[int, int], seed: int = 0) -> Array:
    """A picture with something to see at every scale, uint8."""
    rng = np.random.default_rng(seed)
    fine, coarse = (ndimage.gaussian_filter(rng.normal(size=shape), s, mode="wrap") for s in (1.5, 5))
    mixed = fine / fine.std() + coarse / coarse.std()
    found: Array = np.clip(128 + 35 * mixed, 1, 255).astype(np.uint8)
    return found


@dataclass(frozen=True)
class Warp:
    """Pixels of a section to pixels of the picture that it was made from."""

    matrix: Array
    bend: Array  # (2, height, width)

    @staticmethod
    def random(shape: tuple[int, int], seed: int, turn: float = 3.0, shift: float = 8.0, bend: float = 1.5) -> Warp:
        rng = np.random.default_rng(seed)
        field = np.stack([ndimage.gaussian_filter(rng.normal(size=shape), 30, mode="reflect") for _ in range(2)])
        field *= bend / max(np.sqrt((field**2).sum(0).mean()), 1e-9)
        middle = (np.array(shape) - 1) / 2
        return Warp(rotation(rng.uniform(-turn, turn), middle, rng.uniform(-shift, shift, 2)), field)

    def __call__(self, points: Array) -> Array:
        bent = np.stack([ndimage.map_coordinates(one, points.T, order=3, mode="nearest") for one in self.bend], -1)
        found: Array = points @ self.matrix[:, :2].T + self.matrix[:, 2] + bent
        return found

    def draw(self, image: Array, order: int = 3) -> Array:
        points = np.moveaxis(np.mgrid[: image.shape[0], : image.shape[1]], 0, -1).reshape(-1, 2).astype(float)
        values = ndimage.map_coordinates(image, self(points).T, output=float, order=order, mode="mirror")
        found: Array = np.clip(np.rint(values), 1, 255).astype(image.dtype).reshape(image.shape)
        return found


def stack(count: int, shape: tuple[int, int] = (160, 192), noise: float = 12.0, **how: Any) -> tuple[Array, list[Warp]]:
    """Sections of one picture, each with noise and deformed by itself."""
    picture, rng = texture(shape).astype(float), np.random.default_rng(1)
    warps = [Warp.random(shape, 10 + z, **how) for z in range(count)]
    noisy = [np.clip(picture + rng.normal(0, noise, shape), 1, 255).astype(np.uint8) for _ in range(count)]
    return np.stack([warp.draw(one) for warp, one in zip(warps, noisy, strict=True)]), warps


def spread(alignment: Any, warps: list[Warp], shape: tuple[int, int], size: float, border: int = 30) -> Array:
    """How far points of the aligned plane are, in each section, from where they are in the middle of all [pixels]."""
    y, x = np.mgrid[border : shape[0] - border : 8, border : shape[1] - border : 8]
    points = np.stack([y.ravel(), x.ravel()], -1).astype(float)
    places = [warp(alignment.map(z)((points + 0.5) * size) / size - 0.5) for z, warp in enumerate(warps)]
    found: Array = np.linalg.norm(np.array(places) - np.mean(places, 0), axis=-1)
    return found
