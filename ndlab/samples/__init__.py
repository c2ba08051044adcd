"""Data to learn and test with: the toy brain, a phantom of any size, and real data small enough to ship."""

from __future__ import annotations

from ndlab.samples.images import FIBSEM_VOXEL_SIZE, fibsem_labels, fibsem_slices
from ndlab.samples.phantom import Phantom, PhantomArray, phantom
from ndlab.samples.tables import (
    bock_density,
    kasthuri_objects,
    kasthuri_sasd,
    kasthuri_synapses,
    kasthuri_touches,
    weiler_synapses,
)
from ndlab.samples.tomography import Tomogram, array_tomography
from ndlab.samples.toy import ToyBrain, toy

__all__ = [
    "FIBSEM_VOXEL_SIZE",
    "Phantom",
    "PhantomArray",
    "Tomogram",
    "ToyBrain",
    "array_tomography",
    "bock_density",
    "fibsem_labels",
    "fibsem_slices",
    "kasthuri_objects",
    "kasthuri_sasd",
    "kasthuri_synapses",
    "kasthuri_touches",
    "phantom",
    "toy",
    "weiler_synapses",
]
