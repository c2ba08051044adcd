"""Connected components of a volume of any size: labelled in blocks, joined at their faces, written once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from ndlab.errors import BadRequest
from ndlab.geometry import Box, Grid, NmBox
from ndlab.measure.blocks import How, Voxels, identity_of, part, sides, volume_of, whole_numbers
from ndlab.measure.labelling import Work, join_pieces, label_blocks, number_pieces, renumber, write_labels
from ndlab.measure.labels_out import Destination, check_count, check_memory, memory_out, with_attrs
from ndlab.pipeline import fingerprint
from ndlab.pipeline.progress import ProgressCallback
from ndlab.store.layout import plan
from ndlab.volume import Volume

__all__ = ["components"]


def components(
    volume: Voxels,
    *,
    connectivity: int = 1,
    within: Literal["sections"] | None = None,
    threshold: float | None = None,
    by_label: bool | None = None,
    box: Box | NmBox | None = None,
    out: str | None = None,
    block: int | Sequence[int] | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    client: Any = None,
    progress: bool | ProgressCallback | None = None,
) -> Volume:
    """Label the connected components of a volume and return them as a label `Volume`.

    Components are numbered 1, 2, … by their first voxel in C order (z, then y, then x), so the result is the same
    for any block size, scheduler and restart point, and equal to that of `scipy.ndimage.label`, number by number. The
    volume is read twice, or once where the result is in memory, and the result written once. Memory holds a few
    blocks, the pieces of one layer of blocks (8 bytes each), and the pieces that touch a face of their block (24
    bytes each).

    Parameters
    ----------
    volume : Volume or DataArray
        (z, y, x); a volume with time points or channels is narrowed with `isel` first.
    connectivity : {1, 2, 3}
        Voxels belong together that share a face (6 neighbours), also an edge (18), or also a corner (26).
    within : "sections", optional
        Keep to single sections: voxels of different z never belong together, and of the neighbours above those in the
        section are left (4, or 8 with an edge).
    threshold : float, optional
        Label the voxels above it. Without it, those that are not 0.
    by_label : bool, optional
        Whether touching voxels must have the same value to belong together, which finds the pieces of each label. By
        default so for label volumes and whole numbers of 32 bits or more, unless there is a threshold.
    box : Box or NmBox, optional
        Label only these voxels, as if the volume ended there.
    out : str, optional
        Where the result is stored, as OME-Zarr with all its levels: a local folder, ``s3://`` or ``gs://``. A call
        that was stopped goes on where it was when it is made again. Without it, the result is in memory.
    block : int or sequence of 3 int, optional
        Voxels of one task (z, y, x), and of one shard of the result; about 16 million unless said.
    overwrite : bool
        Remove what is at `out` first.
    workers, client, progress
        As for `regions`.

    Returns
    -------
    Volume
        uint32, or uint64 where there are too many; it lies where `volume`, or its `box`, does.
        ``provenance["components"]`` is their number.

    Raises
    ------
    BadRequest
        If the connectivity is not 1 to 3, `within` is something else, or values with a fraction are to be told apart by
        label.
    Conflict
        If something else is at `out`, or another run holds it.
    TooLarge
        If there is no room in memory, or more than 2^32 - 1 components, and `out` is not given.
    RunFailed
        If blocks failed; the same call resumes.

    Examples
    --------
    >>> from ndlab.samples import toy
    >>> found = components(toy().volume("synapse_labels"))
    >>> found.provenance["components"], int(found.read()[4, 11, 5])
    (3, 1)
    >>> components(toy().volume("image"), threshold=180).provenance["components"]
    5
    >>> components(toy().volume("synapse_labels"), within="sections").provenance["components"]
    4
    """
    volume = volume_of(volume)
    view = part(volume, box)
    if by_label is None:
        ids = volume.dtype.kind in "ui" and (volume.kind == "labels" or volume.dtype.itemsize >= 4)
        by_label = ids and threshold is None
    _check(view, connectivity, within, threshold, by_label)
    grid = Grid(view.shape, _side(view, block))
    settings = {
        "connectivity": connectivity,
        "threshold": threshold,
        "by_label": by_label,
        "block": list(grid.block),
        "source": view.url or view.name,
        "box": [list(view.box.start), list(view.box.stop), view.level_index],
        **({} if within is None else {"within": within}),
    }
    how = How(workers, client, progress).near(view)
    work = Work(view, grid, connectivity, threshold, by_label, settings, within is not None)
    if out is None:
        return _in_memory(work, replace(how, client=False))
    identity = fingerprint([settings, identity_of(view)])
    with Destination.open(out, view, settings, identity, overwrite) as dest:
        if not dest.complete:
            found = replace(work, identity=identity, scratch=dest.scratch)
            receipts = [label_blocks(found, dest.record, how), join_pieces(found, dest.record, how)]
            count = number_pieces(found)
            stored = dest.create(count, grid.block, {**settings, "components": count})
            receipts.append(write_labels(found, stored.levels[0].array, dest.record, how))
            dest.finish(stored, receipts, how)
        return Volume(dest.stored())


def _side(view: Volume, block: int | Sequence[int] | None) -> Sequence[int]:
    """Block of one task, which is also a shard of the result: of at most 128 MiB with 64-bit labels."""
    return plan(view.shape, 8, (1, 1, 1))[0].unit if block is None else sides(block)


def _check(view: Volume, connectivity: int, within: str | None, threshold: float | None, by_label: bool) -> None:
    if connectivity not in (1, 2, 3):
        raise BadRequest(
            f"connectivity={connectivity!r}",
            "neighbours share a face (1), at most an edge (2) or at most a corner (3)",
            "pass connectivity=1, 2 or 3 for 6, 18 or 26 neighbours",
        )
    if within not in (None, "sections"):
        raise BadRequest(f"components within {within!r}", "they are those of the volume, or of each section",
                         'leave within out, or pass within="sections"')  # fmt: skip
    if by_label and threshold is not None:
        raise BadRequest("by_label=True with a threshold", "above a threshold voxels are no longer told apart",
                         "leave one of them out")  # fmt: skip
    if by_label:
        whole_numbers(view)
    if 0 in view.shape:
        raise BadRequest(f"components of {view.shape} voxels", "there are none", "choose a larger box")


def _in_memory(work: Work, how: How) -> Volume:
    check_memory(work.view)
    folder = tempfile.mkdtemp(prefix="ndlab-components-")
    try:
        work, stored = replace(work, scratch=folder), memory_out(work.view)
        label_blocks(work, None, how, kept=stored.levels[0].array)
        join_pieces(work, None, how)
        count = number_pieces(work)
        check_count(count)
        renumber(work, stored.levels[0].array, how)
        return Volume(with_attrs(stored, {**work.settings, "components": count}))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
