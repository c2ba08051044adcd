"""A small real electron-microscopy stack that the package ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ndlab.samples.shipped import shipped

__all__ = ["FIBSEM_VOXEL_SIZE", "fibsem_labels", "fibsem_slices"]

FIBSEM_VOXEL_SIZE = (10.0, 10.0, 10.0)
"""Voxel size of the shipped stack [nm], (z, y, x): about 10 nm each way."""


def fibsem_slices() -> Path:
    """Return the folder with a real stack as a microscope leaves it: 50 numbered PNG slices of 100 x 200 pixels.

    Focused-ion-beam scanning electron microscopy of the medulla of *Drosophila*, uint8, about 10 nm a voxel
    (`FIBSEM_VOXEL_SIZE`); membranes are dark. From the example data of gala, (c) 2012 HHMI, under the BSD-style licence
    that lies beside the slices.

    Examples
    --------
    >>> names = sorted(slice.name for slice in fibsem_slices().iterdir())
    >>> len(names), names[0], names[-1]
    (50, 'section_000.png', 'section_049.png')
    """
    return shipped("fibsem/slices")


def fibsem_labels() -> np.ndarray[Any, Any]:
    """Return the segmentation of the stack in `fibsem_slices`: (50, 100, 200) uint32, 87 ids, 0 unassigned.

    Examples
    --------
    >>> labels = fibsem_labels()
    >>> labels.shape, labels.dtype, int(labels.max())
    ((50, 100, 200), dtype('uint32'), 87)
    """
    with np.load(shipped("fibsem/labels.npz")) as file:
        return np.asarray(file["labels"])
