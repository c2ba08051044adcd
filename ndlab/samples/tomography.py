"""Array tomography that does not exist: puncta planted in pairs, on an uneven ground, counted photon by photon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ndlab.volume import Volume

__all__ = ["CHANNELS", "PLANTED", "Tomogram", "array_tomography"]

Array = np.ndarray[Any, Any]
CHANNELS = ("synapsin", "VGluT1", "PSD95", "GAD", "gephyrin", "GABAAR")
PLANTED = np.dtype([("z", "f8"), ("y", "f8"), ("x", "f8"), ("kind", "U10")])
_KINDS = {
    "excitatory": {"synapsin": "pre", "VGluT1": "pre", "PSD95": "post"},
    "inhibitory": {"synapsin": "pre", "GAD": "pre", "gephyrin": "post", "GABAAR": "post"},
    # What only looks like a synapse: one side of it.
    "lone pre": {"synapsin": "pre"},
    "lone post": {"PSD95": "post"},
}


@dataclass(frozen=True, eq=False)
class Tomogram:
    """A volume of several channels, and what was planted in it.

    Parameters
    ----------
    values : ndarray of uint16, (c, z, y, x)
        Photons.
    voxel_size : (z, y, x)
        [nm]
    planted : ndarray of `PLANTED`
        Centre of each pair (z, y, x) [nm], and its kind.
    """

    values: Array
    voxel_size: tuple[float, float, float]
    planted: Array

    def volume(self) -> Volume:
        """Return it as a `Volume` with named channels."""
        from dataclasses import replace

        from ndlab.metadata import Channel
        from ndlab.volume import Volume

        made = Volume.from_array(self.values, self.voxel_size, axes="czyx", name="array tomography")
        return Volume(replace(made._stored, channels=tuple(Channel(name=name) for name in CHANNELS)))

    def of(self, kind: str) -> Array:
        """Centres (z, y, x) [nm] of one kind."""
        some = self.planted[self.planted["kind"] == kind]
        return np.stack([some["z"], some["y"], some["x"]], 1)


def array_tomography(
    shape: tuple[int, int, int] = (12, 160, 160),
    voxel_size: tuple[float, float, float] = (70, 100, 100),
    *,
    pairs: int = 60,
    brightness: float = 60.0,
    ground: float = 12.0,
    offset: float = 150.0,
    seed: int = 0,
) -> Tomogram:
    """Make a `Tomogram`: excitatory and inhibitory synapses, and as many puncta that have no partner.

    Parameters
    ----------
    shape : (z, y, x)
        [voxels]
    voxel_size : (z, y, x)
        [nm]
    pairs : int
        Of each kind: excitatory, inhibitory, lone presynaptic, lone postsynaptic.
    brightness, ground : float
        Photons in the middle of a punctum, and everywhere.
    offset : float
        From the presynaptic to the postsynaptic punctum [nm].
    seed : int

    Examples
    --------
    >>> made = array_tomography((6, 60, 60), pairs=5)
    >>> made.values.shape, len(made.of("excitatory"))
    ((6, 6, 60, 60), 5)
    """
    rng = np.random.default_rng(seed)
    size = np.array(voxel_size)
    light = np.full((len(CHANNELS), *shape), ground, float)
    light *= 1 + 0.15 * np.sin(np.linspace(0, 3, shape[2]))
    rows = []
    places = _apart(rng, np.array(shape) * size, 4 * pairs, 900.0)
    for place, kind in zip(places, np.repeat(list(_KINDS), pairs)[: len(places)], strict=True):
        turn = rng.uniform(0, 2 * np.pi)
        step = np.array([0, np.sin(turn), np.cos(turn)]) * offset / 2
        for channel, side in _KINDS[str(kind)].items():
            at = place + (step if side == "post" else -step)
            _plant(light[CHANNELS.index(channel)], at / size - 0.5, 130.0 / size, brightness * rng.uniform(0.8, 1.3))
        rows.append((*place, kind))
    return Tomogram(rng.poisson(light).astype("u2"), voxel_size, np.array(rows, PLANTED))


def _apart(rng: np.random.Generator, extent: Array, count: int, least: float) -> Array:
    """Draw places that keep away from each other and from the border, as many as fit."""
    found = np.zeros((0, 3))
    low, high = np.minimum(extent * 0.2, 200.0), extent - np.minimum(extent * 0.2, 200.0)
    for _ in range(200 * count):
        if len(found) == count:
            break
        one = rng.uniform(low, high)
        if not len(found) or np.linalg.norm(found - one, axis=1).min() >= least:
            found = np.concatenate([found, one[None]])
    return found


def _plant(channel: Array, at: Array, sigma: Array, brightness: float) -> None:
    """Add a round punctum around a place [voxels]."""
    reach = np.ceil(3 * sigma).astype(int)
    low = np.maximum(np.floor(at).astype(int) - reach, 0)
    high = np.minimum(np.ceil(at).astype(int) + reach + 1, channel.shape)
    part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    z, y, x = (np.exp(-0.5 * ((np.arange(a, b) - c) / s) ** 2) for a, b, c, s in zip(low, high, at, sigma, strict=True))
    channel[part] += brightness * z[:, None, None] * y[:, None] * x
