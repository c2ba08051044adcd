"""Segments: every voxel's cell, from membrane probabilities, in a volume of any size."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np

from ndlab.detect.agglomeration import Regions, leave_segments, regions
from ndlab.detect.fragments import Work, cut_blocks, join_blocks, write_segments
from ndlab.detect.watershed import Array, Heights
from ndlab.errors import BadRequest
from ndlab.geometry import Box, Float3, Grid, NmBox
from ndlab.measure.blocks import How, Voxels, identity_of, part, sides, volume_of
from ndlab.measure.labelling import number_pieces
from ndlab.measure.labels_out import Destination, check_memory, memory_out, with_attrs
from ndlab.pipeline import Receipt, Record, fingerprint
from ndlab.pipeline.progress import ProgressCallback
from ndlab.store.layout import plan
from ndlab.store.memory import MemoryArray
from ndlab.volume import Volume

__all__ = ["agglomerated", "planned", "segments"]

_FLAT = 2.5  # sections that are this many times thicker than a pixel is wide are segmented one by one


def segments(
    membranes: Voxels,
    *,
    membrane: float = 0.4,
    gap: Annotated[float, "nm"] | None = None,
    smooth: Annotated[float, "nm"] | None = None,
    threshold: float = 0.8,
    small: Annotated[float, "nm³"] = 1e6,
    sections: Literal["auto", "alone", "together"] = "auto",
    link: float = 0.3,
    box: Box | NmBox | None = None,
    out: str | None = None,
    block: int | Sequence[int] | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    client: Any = None,
    progress: bool | ProgressCallback | None = None,
) -> Volume:
    """Segment a volume of membrane probabilities and return a label `Volume` (uint64): every voxel's cell.

    Basins of the distance to the nearest membrane are fragments; fragments are merged, those with the least
    membrane between them first, up to a threshold. Sections much thicker than a pixel is wide are cut one by one,
    merged within each, and then linked to the next where they overlap. The result is the same for any block size,
    scheduler and restart point: nothing in it depends on where the volume was cut. Memory holds a few blocks, and for
    all pairs of fragments that touch about 100 bytes each.

    Parameters
    ----------
    membranes : Volume or DataArray
        (z, y, x): probabilities from 0 to 1, bytes from 0 to 255, or truth values.
    membrane : float
        Probability from which a voxel is membrane.
    gap : float, optional
        Holes in a membrane up to this wide [nm] are closed. 140 nm, or four pixels if that is more, unless given.
    smooth : float, optional
        Standard deviation [nm] by which distances are smoothed. One pixel unless given.
    threshold : float
        Fragments are merged while the mean membrane probability between them is at most this, 0 to 1. It depends on
        what a model calls probable: `ndlab.detect.tune_segments` finds it on a piece whose cells are known.
    small : float
        Fragments smaller than this [nm³] are merged more readily, the smaller the more; 0 treats all alike.
    sections : {"auto", "alone", "together"}
        Whether sections are cut one by one; by default where z is 2.5 times as coarse as x.
    link : float
        A piece goes on in the piece of the next section that it overlaps most, if that overlaps none more, and by this
        share of the smaller one at least.
    box : Box or NmBox, optional
        Segment only these voxels, as if the volume ended there.
    out : str, optional
        Where the result is stored, as OME-Zarr with all its levels: a local folder, ``s3://`` or ``gs://``. A call
        that was stopped goes on where it was when it is made again. Without it, the result is in memory.
    block : int or sequence of 3 int, optional
        Voxels of one task (z, y, x), and of one shard of the result; about 16 million unless said.
    overwrite : bool
        Remove what is at `out` first.
    workers, client, progress
        As for `ndlab.measure.regions`.

    Returns
    -------
    Volume
        Segments are numbered 1, 2, … by their first voxel in C order.

    Raises
    ------
    BadRequest
        If values are no probabilities, or a parameter makes no sense.
    Conflict
        If something else is at `out`, or another run holds it.
    RunFailed
        If blocks failed; the same call resumes.

    Examples
    --------
    >>> from ndlab.samples import phantom
    >>> found = segments(phantom((16, 64, 64), seed=3).volume("membranes"))
    >>> found.shape, found.dtype, found.kind
    ((16, 64, 64), dtype('uint64'), 'labels')
    """
    settings = {"membrane": membrane, "gap": gap, "smooth": smooth, "threshold": threshold, "small": small,
                "sections": sections, "link": link}  # fmt: skip
    work = planned(part(volume_of(membranes), box), settings, block)
    view, settings = work.view, dict(work.settings)
    how = How(workers, client, progress).near(view)
    if out is None:
        return _in_memory(work, replace(how, client=False))
    identity = fingerprint([settings, identity_of(view)])
    with Destination.open(out, view, settings, identity, overwrite, "segments") as dest:
        if not dest.complete:
            found = replace(work, identity=identity, scratch=dest.scratch)
            receipts, facts = _prepared(found, dest.record, how)
            stored = dest.create(facts["segments"], work.grid.block, {**settings, **facts}, np.uint64)
            receipts.append(write_segments(found, stored.levels[0].array, dest.record, how))
            dest.finish(stored, receipts, how)
        return Volume(dest.stored())


def planned(view: Volume, given: Mapping[str, Any], block: int | Sequence[int] | None) -> Work:
    """Choose what was not given, and say what every task has to know."""
    flat = given["sections"] == "alone" or (
        given["sections"] == "auto" and view.voxel_size[0] >= _FLAT * view.voxel_size[2]
    )
    pixel = min(view.voxel_size[1:]) if flat else max(view.voxel_size)
    grid = Grid(view.shape, plan(view.shape, 8, (1, 1, 1))[0].unit if block is None else sides(block))
    settings = {
        **given,
        "gap": max(140.0, 4 * pixel) if given["gap"] is None else given["gap"],
        "smooth": pixel if given["smooth"] is None else given["smooth"],
        "sections": "alone" if flat else "together",
        "block": list(grid.block),
        "source": view.url or view.name,
        "box": [list(view.box.start), list(view.box.stop), view.level_index],
    }
    _check(view, settings)
    heights = Heights(view.voxel_size, settings["membrane"], settings["gap"], settings["smooth"], flat)
    return Work(view, grid, heights, settings)


def _prepared(
    work: Work, record: Record | None, how: How, kept: MemoryArray | None = None
) -> tuple[list[Receipt], dict[str, Any]]:
    """Do everything but write, and say what was found."""
    receipts = [cut_blocks(work, record, how, kept), join_blocks(work, record, how)]
    fragments = number_pieces(work)
    roots = agglomerated(regions(work, fragments), work.settings, work.view.voxel_size)
    return receipts, {"fragments": fragments, "segments": leave_segments(work, roots)}


def agglomerated(found: Regions, settings: Mapping[str, Any], voxel_size: Float3) -> Array:
    """Smallest fragment of the segment of each fragment."""
    small, threshold = float(settings["small"]), float(settings["threshold"])
    if settings["sections"] == "together":
        return found.tree(small / math.prod(voxel_size)).cut(threshold)
    # A piece of one section is as small as the face of a cube of that volume.
    pieces = found.only(found.rows[:, 0] == 0).tree(small ** (2 / 3) / math.prod(voxel_size[1:]))
    return _linked(found, pieces.cut(threshold), settings["link"])


def _linked(found: Regions, within: Array, link: float) -> Array:
    """Join each piece to the one of the next section that it overlaps most, where that is so the other way, too."""
    from ndlab.measure.kernels.labelling import unite

    kept, number = np.unique(within, return_inverse=True)
    pieces = found.merged(within)
    over = pieces.rows[:, 0] > 0
    ends, overlap = pieces.ends[over], pieces.rows[over, 0]
    most = np.zeros((len(kept), 2), np.int64)
    for side in (0, 1):  # pieces are numbered section by section, so the first end is the upper one
        np.maximum.at(most[:, side], ends[:, side], overlap)
    chosen = ends[
        (overlap >= link * np.minimum(*pieces.sizes[ends].T))
        & (overlap == most[ends[:, 0], 0])
        & (overlap == most[ends[:, 1], 1])
    ]
    roots = unite(np.ascontiguousarray(chosen[:, 0]), np.ascontiguousarray(chosen[:, 1]), len(kept))
    return np.asarray(kept[roots][number])


def _in_memory(work: Work, how: How) -> Volume:
    check_memory(work.view, "segments", 12)
    folder = tempfile.mkdtemp(prefix="ndlab-segments-")
    try:
        work, stored = replace(work, scratch=folder), memory_out(work.view, "segments", np.uint64)
        kept = MemoryArray(np.empty(work.view.shape, np.uint32))
        _, facts = _prepared(work, None, how, kept)
        write_segments(work, stored.levels[0].array, None, how, kept)
        return Volume(with_attrs(stored, {**work.settings, **facts}, "segments"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check(view: Volume, settings: Mapping[str, Any]) -> None:
    if view.dtype.kind != "f" and view.dtype not in (np.dtype(bool), np.dtype("u1")):
        raise BadRequest(
            f"segments of {view.dtype} voxels", "membranes are probabilities (float), bytes, or truth values",
            "make them first: ndlab.detect.membranes(volume)",
        )  # fmt: skip
    for name, high in {"membrane": 1, "threshold": 1, "link": 1, "gap": 1e6, "smooth": 1e6, "small": 1e18}.items():
        if not 0 <= settings[name] <= high:
            raise BadRequest(f"{name}={settings[name]}", f"it is 0 to {high:g}")
    if 0 in view.shape:
        raise BadRequest(f"segments of {view.shape} voxels", "there are none", "choose a larger box")
