"""Which threshold to merge at: tried on a piece whose cells are known, all thresholds in one pass."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ndlab.detect.agglomeration import leave_segments, regions
from ndlab.detect.fragments import cut_blocks, join_blocks, write_segments
from ndlab.detect.scores_segmentation import count_pairs, score_counts
from ndlab.detect.segments import agglomerated, planned
from ndlab.geometry import Box, NmBox
from ndlab.measure import Table
from ndlab.measure.blocks import How, Voxels, part, volume_of
from ndlab.measure.labelling import number_pieces
from ndlab.measure.labels_out import check_memory, memory_out
from ndlab.store.memory import MemoryArray
from ndlab.volume import Volume

__all__ = ["tune_segments"]

_DEFAULTS = {"membrane": 0.4, "gap": None, "smooth": None, "small": 1e6, "sections": "auto", "link": 0.3}


def tune_segments(
    membranes: Voxels,
    truth: Voxels,
    *,
    thresholds: Sequence[float] = tuple(np.round(np.arange(0.05, 1.0, 0.05), 2)),
    ignore: int | None = 0,
    box: Box | NmBox | None = None,
    workers: int | None = None,
    **settings: Any,
) -> Table:
    """Score `segments` at many thresholds and return a `Table`: `threshold`, `split`, `merge` and `vi` [bits].

    The first row is the best. The volume is cut into fragments once, and compared with the truth once.

    Parameters
    ----------
    membranes : Volume or DataArray
        As for `segments`; tune on another piece than the model of membranes has learnt from.
    truth : Volume or DataArray
        Ids of cells over the same voxels.
    thresholds : sequence of float
    ignore : int or None
        Voxels where the truth has this id do not count.
    box : Box or NmBox, optional
        Only these voxels.
    workers : int, optional
        Threads.
    **settings
        membrane, gap, smooth, small, sections, link: as for `segments`.

    Examples
    --------
    >>> from ndlab.samples import phantom
    >>> brain = phantom((16, 64, 64), seed=3)
    >>> table = tune_segments(brain.volume("membranes"), brain.volume("labels"), thresholds=(0.01, 0.5, 0.9))
    >>> bool(table[0]["vi"] <= table[1]["vi"] <= table[2]["vi"])
    True
    """
    view = part(volume_of(membranes), box)
    work = planned(view, {**_DEFAULTS, **settings, "threshold": 0.0}, None)
    check_memory(view, "fragments", 12)
    folder = tempfile.mkdtemp(prefix="ndlab-tune-")
    how = How(workers, False)
    try:
        work, stored = replace(work, scratch=folder), memory_out(view, "fragments", np.uint64)
        kept = MemoryArray(np.empty(view.shape, np.uint32))
        cut_blocks(work, None, how, kept)
        join_blocks(work, None, how)
        found = regions(work, number_pieces(work))
        leave_segments(work, np.arange(len(found.sizes)))
        write_segments(work, stored.levels[0].array, None, how, kept)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    fragments, objects, counts = count_pairs(Volume(stored), part(truth, box), ignore, how)
    rows = []
    for threshold in thresholds:
        roots = agglomerated(found, {**work.settings, "threshold": threshold}, view.voxel_size)
        score = score_counts(roots[fragments.astype(np.intp) - 1], objects, counts)
        rows.append((threshold, score.split, score.merge, score.vi))
    table = np.array(sorted(rows, key=lambda row: row[3]), [(n, "f8") for n in ("threshold", "split", "merge", "vi")])
    return Table(table, dict.fromkeys(("split", "merge", "vi"), "bits"))
