"""Data to learn and test with: the toy brain, a phantom of any size, and real data small enough to ship."""

from __future__ import annotations

from ndlab.samples.connectomes import connectomes
from ndlab.samples.drawing import kasthuri_drawing
from ndlab.samples.images import FIBSEM_VOXEL_SIZE, fibsem_labels, fibsem_slices, mouse_brain
from ndlab.samples.phantom import Phantom, PhantomArray, phantom
from ndlab.samples.tables import (
    bock_density,
    founding_throughput,
    kasthuri_objects,
    kasthuri_sasd,
    kasthuri_spreadsheet,
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
    "connectomes",
    "fibsem_labels",
    "fibsem_slices",
    "founding_throughput",
    "kasthuri_drawing",
    "kasthuri_objects",
    "kasthuri_sasd",
    "kasthuri_spreadsheet",
    "kasthuri_synapses",
    "kasthuri_touches",
    "mouse_brain",
    "phantom",
    "toy",
    "weiler_synapses",
]
