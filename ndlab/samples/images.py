"""Small real images that the package ships: a stack of electron microscopy, a mouse brain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ndlab.samples.shipped import shipped
from ndlab.volume import Volume

__all__ = ["FIBSEM_VOXEL_SIZE", "fibsem_labels", "fibsem_slices", "mouse_brain"]

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


def mouse_brain() -> dict[str, Volume]:
    """Return one mouse brain as it was imaged and as it lies in the Allen atlas, at 200 µm, with its halves.

    uint8. ``"sample"`` is as imaged, ``"hemispheres"`` are the halves of it as brainreg found them (1
    and 2, 0 outside), ``"atlas"`` is the same brain resampled into Allen space by brainreg. From the test data of
    brainreg, (c) 2020 University College London, under the BSD 3-clause licence that lies beside it.

    Examples
    --------
    >>> brain = mouse_brain()
    >>> {name: volume.shape for name, volume in brain.items()}
    {'sample': (67, 38, 54), 'atlas': (66, 40, 57), 'hemispheres': (67, 38, 54)}
    """
    size = (200_000.0,) * 3
    with np.load(shipped("mouse_brain/brain.npz")) as file:
        return {
            name: Volume.from_array(file[name], size, kind="labels" if name == "hemispheres" else "image", name=name)
            for name in ("sample", "atlas", "hemispheres")
        }
