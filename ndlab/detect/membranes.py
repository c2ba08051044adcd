"""Membranes: where cells end, learnt from a segmentation, and found in any volume of the kind."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from ndlab.detect.model import Model
from ndlab.detect.probability import probability
from ndlab.detect.training import train
from ndlab.detect.watershed import Array
from ndlab.detect.working import flat_view
from ndlab.errors import BadRequest
from ndlab.geometry import Box, Float3, NmBox

if TYPE_CHECKING:
    from ndlab.volume import Volume

__all__ = ["MEMBRANES", "borders", "membranes", "train_membranes"]

MEMBRANES = Path(__file__).resolve().parent / "models" / "membranes.npz"
"""The shipped model: it has seen the phantom and the shipped piece of a fly's medulla, and nothing else."""


def membranes(
    volume: Any,
    *,
    model: Model | str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    block: int | Sequence[int] | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    client: Any = None,
    progress: Any = None,
) -> Volume:
    """Return the probability that each voxel is membrane, as a `Volume` of float32.

    Parameters
    ----------
    volume : Volume
        Grey values (z, y, x), membranes dark.
    model : Model or path, optional
        One with a class ``"membrane"``. Without it the one that ndlab ships, which has seen the phantom and 50 small
        slices of a fly's brain: for other tissue train your own with `train_membranes`.
    out : str or path, optional
        Where to keep it, block by block. Without it the volume is lazy: what is read is computed.
    block, overwrite, workers, client, progress
        As for `ndlab.detect.probability`.

    Raises
    ------
    BadRequest
        If the model knows no membranes, or voxels are too coarse for it.

    Examples
    --------
    >>> from ndlab.samples import phantom
    >>> found = membranes(phantom((4, 64, 64), voxel_size=(8, 8, 8), seed=3).volume("image"))
    >>> found.shape, found.dtype
    ((4, 64, 64), dtype('float32'))
    """
    chosen = Model.of(MEMBRANES if model is None else model)
    return probability(
        volume, model=chosen, target="membrane", out=out, block=block, overwrite=overwrite, workers=workers,
        client=client, progress=progress,
    )  # fmt: skip


def train_membranes(
    volume: Any,
    segments: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    width: Annotated[float, "nm"] | None = None,
    unknown: Any = None,
    classes: Mapping[str, Any] | None = None,
    box: Box | NmBox | None = None,
    pixel: Annotated[float, "nm"] | None = None,
    notes: Mapping[str, Any] | None = None,
    seed: int = 0,
    **how: Any,
) -> Model:
    """Train a detector of membranes on a segmentation, and return the `Model`.

    Parameters
    ----------
    volume : Volume
        Grey values (z, y, x), calibrated.
    segments : Volume
        Ids of cells over the same voxels; 0 is between them.
    out : str or path, optional
        A file (``.npz``) to keep the model in.
    width : float, optional
        Voxels nearer than half of this to another cell are membrane [nm]; about three pixels unless given.
    unknown : Volume or array, optional
        Not 0 where nothing is to be learnt.
    classes, box, pixel, notes, seed, **how
        As for `ndlab.detect.train`.

    Raises
    ------
    BadRequest
        If shapes differ, or there is no border between cells.

    Examples
    --------
    >>> from ndlab.samples import phantom
    >>> brain = phantom((6, 96, 96), seed=2)
    >>> train_membranes(brain.volume("image"), brain.volume("labels"), first=2, second=2).classes
    ('background', 'membrane')
    """
    view = flat_view(volume).boxed(box)
    cells = flat_view(segments).boxed(box)
    if cells.shape != view.shape:
        raise BadRequest(f"segments of {cells.shape} for a volume of {view.shape} voxels",
                         "both cover the same voxels", "cut both alike")  # fmt: skip
    wide = 3 * min(view.voxel_size) if width is None else width
    truth = borders(cells.read(), view.voxel_size, wide)
    if hasattr(unknown, "boxed"):
        unknown = unknown.boxed(box).read()
    return train(
        view, truth, out=out, target="membrane", classes=classes, dont_care=unknown, pixel=pixel, notes=notes,
        seed=seed, **how,
    )  # fmt: skip


def borders(segments: Array, voxel_size: Float3, width: float) -> Array:
    """Truth of the voxels (z, y, x) within half of `width` [nm] of another cell, or that belong to none.

    Sections much thicker than `width` are looked at one by one.

    Examples
    --------
    >>> cells = np.array([[[1, 1, 1, 2, 2, 2]]])
    >>> borders(cells, (50, 10, 10), 30).astype(int).tolist()
    [[[0, 1, 1, 1, 1, 0]]]
    """
    from ndlab.detect.kernels.distance import distance

    flat = voxel_size[0] > width
    away = np.ones(segments.shape, bool)
    for axis in range(1 if flat else 0, 3):
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        same = segments[tuple(low)] == segments[tuple(high)]
        away[tuple(low)] &= same
        away[tuple(high)] &= same
    away &= segments != 0
    looked = np.array([math.inf if flat else voxel_size[0], *voxel_size[1:]])
    # The voxels on either side of a border are half a voxel away from it.
    return np.asarray(distance(away, looked, width) < max(width / 2 - min(voxel_size) / 2, 1e-6) + 1e-3)
