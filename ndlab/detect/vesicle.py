"""VESICLE-RF: a random forest on ten features around membranes and vesicles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ndlab.detect.forest import Forest
from ndlab.detect.trees import Trees, below
from ndlab.detect.working import enlarged, reduced

__all__ = ["FEATURES", "Vesicle", "features", "find_vesicles", "grow_vesicle"]

Array = np.ndarray[Any, Any]
FEATURES = (
    "intensity 5x5x1", "intensity 15x15x3", "local binary pattern 5x5", "gradient 15x15x3", "gradient 25x25x5",
    "distance to a vesicle", "vesicle density 25x25x5", "vesicles in 50x50", "coherence 15x15x3", "coherence 25x25x5",
)  # fmt: skip
FARTHEST = 64
"""Pixels beyond which the distance to a vesicle is no longer told apart, so that a block need look no further."""
_MEMBRANE, _DISK = 0.75, 5
_COARSE = 2


def features(image: Array, vesicles: Array, *, anisotropy: float = 5.0, farthest: int = FARTHEST) -> Array:
    """Return the ten features of VESICLE, float32 (10, z, y, x), in one pass over the sections.

    Windows are (x, y, z); at the border of the array they hold the voxels that there are. Sums are of whole numbers, so
    a block with its overlap gives bit for bit what the whole volume does.

    Parameters
    ----------
    image : ndarray of uint8, (z, y, x)
    vesicles : ndarray of bool, (z, y, x)
        True in the centre of each vesicle.
    anisotropy : float
        How much further apart sections are than pixels.
    farthest : int
        Pixels beyond which the distance to a vesicle stays the same.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> image = rng.integers(0, 255, (7, 40, 40), dtype="u1")
    >>> found = features(image, rng.random(image.shape) < 0.01)
    >>> found.shape, bool(np.isclose(found[0, 3, 20, 20], image[3, 18:23, 18:23].mean()))
    ((10, 7, 40, 40), True)

    References
    ----------
    Roncal et al. (2015), VESICLE; its distance has no limit, and its count is of the same window of 50 pixels.
    """
    nz, ny, nx = image.shape
    out = np.empty((10, *image.shape), "f4")
    ring: dict[int, tuple[Array, Array]] = {}
    for z in range(nz + 2):
        if z < nz:
            ring[z] = _sums(image[z], vesicles[z], out[:, z])
        ring.pop(z - 5, None)
        if z >= 2 and z - 2 < nz:
            _across(ring, z - 2, ny, nx, out[:, z - 2])
    out[5] = _distance(vesicles, anisotropy, farthest)
    return out


def _sums(section: Array, vesicles: Array, out: Array) -> tuple[Array, Array]:
    """Add up squares of 15 and 25; what needs one section only is written."""
    from ndlab.detect.kernels.filters import box_sum, gradient_codes

    maps = np.empty((7, *section.shape), "i4")
    gradient_codes(section, maps)
    maps[6] = disks(vesicles)
    small = np.empty((5, *section.shape), "i8")
    large = np.empty((5, *section.shape), "i8")
    five, count = np.empty(section.shape, "i8"), _count(section.shape, 2, 2)
    for k in (0, 1):
        box_sum(maps[k], 2, 2, five)
        out[0 if k == 0 else 2] = five / count
    box_sum(vesicles.astype("i4"), 25, 24, five)
    out[7] = five
    for k, source in enumerate((maps[0], *maps[2:6])):
        box_sum(source, 7, 7, small[k])
    for k, source in enumerate((*maps[2:6], maps[6])):
        box_sum(source, 12, 12, large[k])
    return small, large


def _across(ring: Mapping[int, tuple[Array, Array]], z: int, ny: int, nx: int, out: Array) -> None:
    """Add the sections around one, and write what needs them."""
    from ndlab.detect.kernels.vesicles import coherence

    near = [ring[k] for k in (z - 1, z, z + 1) if k in ring and k >= 0]
    far = [ring[k] for k in range(z - 2, z + 3) if k in ring]
    small = np.sum([one[0] for one in near], axis=0)
    large = np.sum([one[1] for one in far], axis=0)
    fifteen, twenty_five = _count((ny, nx), 7, 7) * len(near), _count((ny, nx), 12, 12) * len(far)
    out[1] = small[0] / fifteen
    out[3] = small[1] / fifteen / 8
    out[4] = large[0] / twenty_five / 8
    out[6] = large[4] / twenty_five
    coherence(small[2], small[3], small[4], out[8])
    coherence(large[1], large[2], large[3], out[9])


def _count(shape: tuple[int, ...], before: int, after: int) -> Array:
    """How many voxels of a window lie inside the section."""
    y, x = (np.minimum(np.arange(n) + after, n - 1) - np.maximum(np.arange(n) - before, 0) + 1 for n in shape)
    found: Array = y[:, None] * x[None]
    return found


def _distance(vesicles: Array, anisotropy: float, farthest: int) -> Array:
    from scipy.ndimage import distance_transform_edt

    if not vesicles.any():
        return np.full(vesicles.shape, farthest, "f4")
    found: Array = np.minimum(distance_transform_edt(~vesicles, sampling=(anisotropy, 1, 1)), farthest).astype("f4")
    return found


def disks(centres: Array, radius: int = 4) -> Array:
    """Grow each centre of a section to a disk."""
    from scipy.ndimage import binary_dilation

    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    found: Array = binary_dilation(centres, y * y + x * x <= radius * radius)
    return found


def template(diameter: float) -> Array:
    """Draw a vesicle: a dark ring around a lighter inside, of sum 0 and norm 1."""
    r = math.ceil(diameter / 2) + 1
    y, x = np.mgrid[-r : r + 1, -r : r + 1]
    ring = -np.exp(-0.5 * ((np.hypot(y, x) - diameter / 2) / (diameter / 8)) ** 2)
    ring -= ring.mean()
    found: Array = ring / np.sqrt((ring**2).sum())
    return found


def find_vesicles(image: Array, diameter: float, *, least: float = 0.55, company: int = 3) -> Array:
    """Mark the centres of vesicles, bool (z, y, x): what looks like one, in the company of others.

    Parameters
    ----------
    image : ndarray of uint8, (z, y, x)
    diameter : float
        Of a vesicle's membrane [pixels].
    least : float
        Correlation with a drawn vesicle.
    company : int
        How many there are at least within 25 x 25 pixels.
    """
    from ndlab.detect.kernels.filters import box_sum
    from ndlab.detect.kernels.vesicles import alike, peaks

    ring = template(diameter)
    out = np.zeros(image.shape, bool)
    score, near = np.empty(image.shape[1:]), np.empty(image.shape[1:], "i8")
    for section, found in zip(image, out, strict=True):
        alike(section, ring, score)
        peaks(score, least, found)
        box_sum(found.astype("i4"), 12, 12, near)
        found &= near >= company
    return out


@dataclass(frozen=True, eq=False)
class Vesicle:
    """VESICLE-RF with its inputs: a detector of membranes, a drawn vesicle, a random forest.

    Parameters
    ----------
    membranes : Trees
        Works on pixels of twice the size; its class 1 are membranes.
    forest : Forest
    anisotropy : float
        How much further apart sections are than pixels.
    diameter : float
        Of a vesicle [pixels].
    """

    kind: ClassVar[str] = "vesicle"
    finer: ClassVar[int] = 1
    align: ClassVar[int] = 2 * _COARSE
    piece: ClassVar[tuple[int, int, int]] = (8, 512, 512)
    membranes: Trees
    forest: Forest
    anisotropy: float
    diameter: float

    @property
    def overlap(self) -> tuple[int, int, int]:
        """How far a probability looks."""
        vesicles = math.ceil(self.diameter / 2) + 3 + 12
        reach = max(_COARSE * self.membranes.overlap[1] + 4 + _DISK, FARTHEST + vesicles)
        return max(self.membranes.overlap[0], math.ceil(FARTHEST / self.anisotropy), 2), reach, reach

    def predict(self, image: Array) -> Array:
        """Probabilities (2, z, y, x) of grey values (z, y, x) of mean 0 and deviation 1."""
        near = self._candidates(image)
        grey = as_bytes(image)
        found = features(grey, find_vesicles(grey, self.diameter), anisotropy=self.anisotropy).reshape(10, -1)
        out = np.zeros((2, image.size), "f4")
        chosen = np.flatnonzero(near)
        out[:, chosen] = self.forest.probabilities(found, chosen)
        out[0] = 1 - out[1]
        return out.reshape(2, *image.shape)

    def _candidates(self, image: Array) -> Array:
        """Voxels near a membrane."""
        coarse = self.membranes.predict(reduced(image, _COARSE))[1]
        membrane = enlarged(coarse, _COARSE, (0, 0), image.shape[1:], (0, 0))
        return np.stack([disks(section > _MEMBRANE, _DISK) for section in membrane])

    def about(self) -> dict[str, Any]:
        """Return what is not an array."""
        return {"anisotropy": self.anisotropy, "diameter": self.diameter, "membranes": self.membranes.about()}

    def arrays(self) -> dict[str, Array]:
        """Return what a file holds."""
        return {f"membranes/{k}": v for k, v in self.membranes.arrays().items()} | {
            f"forest/{k}": v for k, v in self.forest.arrays().items()
        }

    @classmethod
    def read(cls, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> Vesicle:
        """Read what `about` and `arrays` gave."""
        membranes = Trees.read(about["membranes"], below(arrays, "membranes"))
        return cls(membranes, Forest.from_arrays(below(arrays, "forest")), about["anisotropy"], about["diameter"])


def as_bytes(image: Array) -> Array:
    """Grey values of mean 0 and deviation 1 as bytes around 128."""
    found: Array = np.clip(np.rint(image * 50 + 128), 0, 255).astype("u1")
    return found


def grow_vesicle(
    image: Array, synapse: Array, weight: Array, membranes: Trees, *,
    anisotropy: float, diameter: float, trees: int = 200, samples: int = 100_000, seed: int = 0,
) -> Vesicle:  # fmt: skip
    """Grow a `Vesicle` as VESICLE does.

    Positives are voxels of synapses; negatives lie at least 10 pixels from them, sections counting fivefold; both keep
    50 pixels and 2 sections away from the border; at most `samples` of each; 200 trees that see 3 features at a split.
    """
    from scipy.ndimage import distance_transform_edt
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(seed)
    unfit = Vesicle(membranes, membranes.first, anisotropy, diameter)
    grey, near = as_bytes(image), unfit._candidates(image)
    found = features(grey, find_vesicles(grey, diameter), anisotropy=anisotropy).reshape(10, -1)
    inside = np.zeros(image.shape, bool)
    z, y, x = (min(pad, (n - 1) // 4) for pad, n in zip((2, 50, 50), image.shape, strict=True))
    inside[z : image.shape[0] - z, y : image.shape[1] - y, x : image.shape[2] - x] = True
    known = inside & (weight > 0) & near
    far = distance_transform_edt(synapse == 0, sampling=(5, 1, 1)) >= 10
    chosen = [rng.permutation(np.flatnonzero(one))[:samples] for one in (known & (synapse != 0), known & far)]
    some = np.concatenate(chosen)
    truth = np.repeat([0, 1], [len(chosen[1]), len(chosen[0])])[::-1]
    grown = RandomForestClassifier(trees, max_features=3, random_state=seed)
    return Vesicle(membranes, Forest.of(grown.fit(found[:, some].T, truth)), anisotropy, diameter)
