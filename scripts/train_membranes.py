"""Train the model of membranes that ndlab ships: on the phantom, and on the first half of the shipped FIB-SEM slices.

    python scripts/train_membranes.py ndlab/detect/models/membranes.npz

The other half of the slices is what `bench/segments.py` judges it on.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from skimage.io import imread

from ndlab.detect import train_membranes
from ndlab.samples import FIBSEM_VOXEL_SIZE, fibsem_labels, fibsem_slices, phantom
from ndlab.volume import Volume

SEEDS = (21, 22)
HALF = 100  # pixels along x


def lesson() -> tuple[Volume, Volume]:
    """Grey values of like contrast and ids of cells, one piece of tissue after the other along z."""
    real = np.stack([imread(one) for one in sorted(fibsem_slices().glob("*.png"))])[:, :, :HALF]
    shape = (24, 100, HALF)
    made = [phantom(shape, voxel_size=(8, 8, 8), seed=seed) for seed in SEEDS]
    thick = phantom(shape, voxel_size=(40, 8, 8), seed=SEEDS[0])
    images = [real, *(one.image() for one in (*made, thick))]
    even = [(one - one.mean()) / one.std() * 45 + 128 for one in images]
    labels = [fibsem_labels()[:, :, :HALF].astype("u8"), *(one.labels() for one in (*made, thick))]
    grey = np.concatenate([np.clip(one, 0, 255).astype("u1") for one in even])
    return (
        Volume.from_array(grey, FIBSEM_VOXEL_SIZE, name="phantom and FIB-SEM slices"),
        Volume.from_array(np.concatenate(labels), FIBSEM_VOXEL_SIZE, kind="labels"),
    )


def main(target: str) -> None:
    """Train and write."""
    notes = {
        "trained_on": f"ndlab.samples.phantom, seeds {SEEDS}, and half of ndlab.samples.fibsem_slices",
        "licence": "Apache-2.0; the slices are of gala's example data, (c) 2012 HHMI, BSD-style",
        "warning": "phantom- and FIB-SEM-trained, not validated on other tissue",
    }
    volume, labels = lesson()
    model = train_membranes(volume, labels, out=target, notes=notes, first=30, second=40, leaves=24, samples=30_000)
    print(model, Path(target).stat().st_size, "bytes")


if __name__ == "__main__":
    main(sys.argv[1])
