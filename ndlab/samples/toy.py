"""The toy brain: a drawn piece of neuropil, small enough that every answer about it is worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ndlab.geometry import Calibration

if TYPE_CHECKING:
    from ndlab.volume import Volume

__all__ = ["ToyBrain", "toy"]

Array = np.ndarray[Any, Any]

SHAPE = (10, 24, 30)
VOXEL_SIZE = (100.0, 50.0, 50.0)  # nm
GREY = {"outside": 120, "axon": 190, "dendrite": 210, "membrane": 70, "density": 30, "hole": 250}

SEGMENT = np.dtype([("id", "u8"), ("kind", "U8"), ("size", "i8")])
SYNAPSE = np.dtype(
    [("id", "u8"), ("pre_id", "u8"), ("post_id", "u8"), ("z", "f8"), ("y", "f8"), ("x", "f8"), ("size", "i8")]
)
TOUCH = np.dtype(
    [("axon_id", "u8"), ("dendrite_id", "u8"), ("z_faces", "i8"), ("y_faces", "i8"), ("x_faces", "i8"), ("area", "f8")]
)

# Half-open boxes (z, y, x), drawn in this order.
NEURITES = (
    (21, (0, 3, 0), (5, 7, 30)),  # a dendrite along x
    (21, (5, 3, 7), (7, 6, 10)),  # its spine, beside axon 11
    (22, (0, 9, 0), (5, 14, 30)),  # a dendrite along x
    (11, (5, 0, 4), (8, 24, 7)),  # an axon along y, over both dendrites
    (12, (5, 0, 14), (8, 15, 19)),  # an axon along y, that ends past dendrite 22
)
DENSITIES = (
    (101, (5, 3, 7), (7, 6, 8)),  # in the spine
    (102, (4, 10, 4), (5, 13, 7)),
    (103, (4, 10, 14), (5, 13, 18)),
)
HOLE = (1, 17, 9), (9, 22, 29)


@dataclass(frozen=True, eq=False)
class ToyBrain:
    """Two axons cross two dendrites: three crossings are synapses, one is only a touch, and the mask has a hole.

    From above (y down, x to the right, one character a voxel): ``-`` dendrites 21 (upper) and 22 (lower), ``|`` axons
    11 (left) and 12 (right) over them, ``+`` an axon over a dendrite, ``o`` the spine of dendrite 21 beside axon 11,
    ``1 2 3`` the postsynaptic densities of synapses 101, 102 and 103, ``:`` the hole in the mask.

    >>> print(toy().drawing())
    ····|||·······|||||···········
    ····|||·······|||||···········
    ····|||·······|||||···········
    ----+++1oo----+++++-----------
    ----+++1oo----+++++-----------
    ----+++1oo----+++++-----------
    ----+++-------+++++-----------
    ····|||·······|||||···········
    ····|||·······|||||···········
    ----+++-------+++++-----------
    ----222-------3333+-----------
    ----222-------3333+-----------
    ----222-------3333+-----------
    ----+++-------+++++-----------
    ····|||·······|||||···········
    ····|||·······················
    ····|||·······················
    ····|||··::::::::::::::::::::·
    ····|||··::::::::::::::::::::·
    ····|||··::::::::::::::::::::·
    ····|||··::::::::::::::::::::·
    ····|||··::::::::::::::::::::·
    ····|||·······················
    ····|||·······················

    From the side: the dendrites fill sections z 0 to 4, the axons 5 to 7, the spine 5 and 6, the hole 1 to 8.

    **Volume.** 10 x 24 x 30 = 7200 voxels of 100 x 50 x 50 nm = 0.00025 µm³: 1.8 µm³. The hole is 8 x 5 x 20 = 800
    voxels = 0.2 µm³, so 1.6 µm³ is tissue.

    **Density of synapses.** 3 / 1.6 µm³ = 1.875 per µm³. (Forgetting the hole gives 3 / 1.8 = 1.667.)

    **Touches.** A face across z is 50 x 50 = 2500 nm², one across y or x is 100 x 50 = 5000 nm².

    ==== ======== ============================================= ================= =======
    axon dendrite faces                                         area              synapse
    ==== ======== ============================================= ================= =======
    11   21       4 x 3 = 12 across z, spine 2 x 3 = 6 across x 30000 + 30000 nm² 101
    11   22       5 x 3 = 15 across z                           37500 nm²         102
    12   21       4 x 5 = 20 across z                           50000 nm²         none
    12   22       5 x 5 = 25 across z                           62500 nm²         103
    ==== ======== ============================================= ================= =======

    **Peter's rule.** 3 of the 4 touching pairs have a synapse: P(synapse | touch) = 0.75. By area, 160000 of 210000
    nm² of contact belong to pairs with a synapse: 16/21. If synapses fell on contacts in proportion to area, the
    pairs would expect 3 x area / 210000 = 6/7, 15/28, 5/7 and 25/28 of them, in the order of the table.

    **Degree.** Synapses made: axon 11 two, axon 12 one. Received: dendrite 21 one, dendrite 22 two. As an undirected
    graph: 4 nodes in one component, 3 edges, mean degree 2 x 3 / 4 = 1.5.

    **Centroids.** Density 101 fills z 5-7, y 3-6, x 7-8: centre (6 x 100, 4.5 x 50, 7.5 x 50) = (600, 225, 375) nm;
    102 fills z 4-5, y 10-13, x 4-7: (450, 575, 275); 103 fills z 4-5, y 10-13, x 14-18: (450, 575, 800).

    Attributes
    ----------
    image : ndarray of uint8, (10, 24, 30)
        Grey values, one each: outside 120, axon 190, dendrite 210, membrane 70 (a neurite's voxels that share a face
        with something else), density 30, hole 250.
    labels : ndarray of uint64, (10, 24, 30)
        Neurite ids; 0 outside.
    synapse_labels : ndarray of uint64, (10, 24, 30)
        Synapse id in each voxel of a postsynaptic density, which lies in the dendrite; 0 elsewhere.
    mask : ndarray of bool, (10, 24, 30)
        True where there is tissue.
    segments : structured ndarray
        `id`, `kind` ("axon" or "dendrite"), `size` [voxels].
    synapses : structured ndarray
        `id`, `pre_id`, `post_id`, centroid `z`, `y`, `x` [nm], `size` [voxels].
    touches : structured ndarray
        `axon_id`, `dendrite_id`, faces shared across each axis, `area` [nm²].
    calibration : Calibration
        Voxel size; the corner of voxel 0 is at 0 nm.

    Examples
    --------
    >>> brain = toy()
    >>> float(len(brain.synapses) / (brain.mask.sum() * 0.1 * 0.05 * 0.05))
    1.875
    """

    image: Array
    labels: Array
    synapse_labels: Array
    mask: Array
    segments: Array
    synapses: Array
    touches: Array
    calibration: Calibration

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """Voxel size [nm], (z, y, x)."""
        return self.calibration.voxel_size

    def volume(self, what: Literal["image", "labels", "synapse_labels", "mask"] = "image") -> Volume:
        """Open a copy of one of the arrays as a calibrated `Volume` in memory, which may be written to.

        Examples
        --------
        >>> toy().volume("labels").nm[450:550, 225:275, 250:350].read().tolist()
        [[[21, 21]]]
        """
        from ndlab.volume import Volume

        kind: Literal["image", "labels"] = "labels" if what in ("labels", "synapse_labels") else "image"
        return Volume.from_array(getattr(self, what).copy(), self.voxel_size, kind=kind, name=f"toy brain {what}")

    def drawing(self) -> str:
        """Draw the brain seen from above, a character a voxel."""
        axon, dendrite = np.isin(self.labels, (11, 12)).any(0), np.isin(self.labels, (21, 22)).any(0)
        spine = (self.labels[5:] == 21).any(0)
        density = self.synapse_labels.max(0)
        signs = np.full(SHAPE[1:], "·")
        for where, sign in (
            (~self.mask.all(0), ":"),
            (dendrite, "-"),
            (axon, "|"),
            (axon & dendrite, "+"),
            (spine, "o"),
            (density == 101, "1"),
            (density == 102, "2"),
            (density == 103, "3"),
        ):
            signs[where] = sign
        return "\n".join("".join(row) for row in signs)


@cache
def toy() -> ToyBrain:
    """Return the toy brain; see `ToyBrain` for its drawing and its answers. Its arrays cannot be written to.

    Examples
    --------
    >>> brain = toy()
    >>> brain.image.shape, brain.voxel_size
    ((10, 24, 30), (100.0, 50.0, 50.0))
    >>> for synapse in brain.synapses[["id", "pre_id", "post_id"]].tolist():
    ...     print(synapse)
    (101, 11, 21)
    (102, 11, 22)
    (103, 12, 22)
    """
    labels, synapse_labels = _filled(NEURITES), _filled(DENSITIES)
    mask = np.ones(SHAPE, bool)
    mask[tuple(map(slice, *HOLE))] = False
    # The tables are the hand-worked answers; the tests count them again in the arrays.
    segments = np.array([(11, "axon", 216), (12, "axon", 225), (21, "dendrite", 618), (22, "dendrite", 750)], SEGMENT)
    synapses = np.array(
        [
            (101, 11, 21, 600, 225, 375, 6),
            (102, 11, 22, 450, 575, 275, 9),
            (103, 12, 22, 450, 575, 800, 12),
        ],
        SYNAPSE,
    )
    touches = np.array(
        [
            (11, 21, 12, 0, 6, 60_000),
            (11, 22, 15, 0, 0, 37_500),
            (12, 21, 20, 0, 0, 50_000),
            (12, 22, 25, 0, 0, 62_500),
        ],
        TOUCH,
    )
    arrays = (_grey(labels, synapse_labels, mask), labels, synapse_labels, mask, segments, synapses, touches)
    for array in arrays:
        array.setflags(write=False)
    return ToyBrain(*arrays, Calibration(VOXEL_SIZE))


def _filled(boxes: tuple[tuple[int, tuple[int, int, int], tuple[int, int, int]], ...]) -> Array:
    out = np.zeros(SHAPE, np.uint64)
    for number, start, stop in boxes:
        out[tuple(map(slice, start, stop))] = number
    return out


def _grey(labels: Array, synapse_labels: Array, mask: Array) -> Array:
    image = np.full(SHAPE, GREY["outside"], np.uint8)
    image[np.isin(labels, (11, 12))] = GREY["axon"]
    image[np.isin(labels, (21, 22))] = GREY["dendrite"]
    image[_surface(labels)] = GREY["membrane"]
    image[synapse_labels > 0] = GREY["density"]
    image[~mask] = GREY["hole"]
    return image


def _surface(labels: Array) -> Array:
    """Labelled voxels that share a face with another label; the faces of the volume do not count."""
    out = np.zeros(labels.shape, bool)
    for axis in range(3):
        differs = np.diff(labels.astype(np.int64), axis=axis) != 0
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        out[tuple(low)] |= differs
        out[tuple(high)] |= differs
    return out & (labels > 0)
