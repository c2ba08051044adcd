"""`align`: sections of a stack brought together, every pair compared by itself and all pairs settled at once."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ndlab.errors import BadRequest, Conflict
from ndlab.geometry import Grid
from ndlab.measure.blocks import How, part, watched
from ndlab.pipeline import Run, Step, fingerprint
from ndlab.preprocess.alignment.alignment import INSIDE, Alignment
from ndlab.preprocess.alignment.matching import match_pair, place_pair, read_matches, read_placements
from ndlab.preprocess.alignment.rendering import Drawing, written
from ndlab.preprocess.alignment.sections import Sections
from ndlab.preprocess.alignment.solving import Solved, rigid_starts, solve
from ndlab.preprocess.alignment.stack import alignment_of
from ndlab.store.create import exists
from ndlab.store.kv import Kv, join, local_path, normal_url, refuse_read_only
from ndlab.store.records import record_path
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

__all__ = ["BrokenStackWarning", "align"]

_REACH = 3
_PLACE, _MATCH = "align: place", "align: match"

Model = Literal["elastic", "affine", "rigid"]


class BrokenStackWarning(UserWarning):
    """A section or a pair of neighbours could not be aligned by what is seen in it."""


def align(
    volume: Volume,
    *,
    out: str | os.PathLike[str] | None = None,
    model: Model = "elastic",
    reference: int | None = None,
    canvas: Literal["whole", "same"] = "whole",
    broken: Literal["refuse", "keep"] = "refuse",
    reach: int = _REACH,
    overwrite: bool = False,
    workers: int | None = None,
    client: Any = None,
    progress: Any = None,
) -> Alignment:
    """Align the sections of a stack and return the `Alignment`.

    Each section is compared with the next three, by itself: a sweep of rotations finds a rigid placement, and from
    there the map is refined from coarse to fine by the slope of the local correlation. Then all pairs together settle
    one rigid map for each section, one affine map, and an elastic grid, so that errors do not add up along the stack;
    what all sections share over a hundred or so is held where it was. Pairs that contradict the others are left out,
    and told. Sections larger than 2048 pixels are looked at on a coarser level. Nothing has to be set.

    Parameters
    ----------
    volume : Volume
        Sections along z; pixels are square. Areas that are 0 count as missing.
    out : str or path, optional
        Where the aligned volume is written, with the alignment inside. A call that was stopped goes on where it was
        when it is made again. Without it the result stays in memory, and voxels are drawn when they are read.
    model : {"elastic", "affine", "rigid"}
        How far sections may be deformed.
    reference : int, optional
        The section that stays where it is; the middle one unless said.
    canvas : {"whole", "same"}
        Whether the aligned plane holds all of each section, or is that of the volume.
    broken : {"refuse", "keep"}
        What to do about a stack that nothing holds together: say where, or keep its parts as they lie to each other.
    reach : int
        How many sections further a section is compared with.
    overwrite : bool
        Remove what is at `out` first.
    workers, client, progress
        As for `ndlab.pipeline.Run`; the result does not depend on them.

    Returns
    -------
    Alignment
        Its ``volume`` is the aligned one.

    Raises
    ------
    BadRequest
        If pixels are not square, there are fewer than two sections, or nothing holds the stack together.
    Conflict
        If something else is at `out`, or another call writes there.

    Warns
    -----
    BrokenStackWarning
        About blank sections, neighbours that are unlike, and pairs that contradict the others.

    Examples
    --------
    >>> import numpy as np
    >>> from ndlab.samples import phantom
    >>> still = phantom((6, 96, 96)).volume("image").read()
    >>> moved = np.stack([np.roll(one, 3 * (z % 2), 1) for z, one in enumerate(still)])
    >>> found = align(Volume.from_array(moved, (40, 8, 8)), model="rigid", reference=0)
    >>> (found.sections()["shift_x"] / 8).round().astype(int).tolist()
    [0, -3, 0, -3, 0, -3]
    """
    if model not in ("elastic", "affine", "rigid"):
        raise BadRequest(f"model={model!r}", "sections may be deformed rigid, affine or elastic", "pass one of those")
    task = _Task(part(volume), model, reference, canvas, broken, reach)
    how = How(workers, client, progress).near(task.view)
    if out is None:
        found = _estimated(task, replace(how, client=how.client or False), None)
        return replace(found, volume=found.render(task.view))
    return _stored(task, normal_url(out), how, overwrite)


@dataclass(frozen=True)
class _Task:
    """What was asked."""

    view: Volume
    model: Model
    reference: int | None
    canvas: str
    broken: str
    reach: int

    @property
    def sections(self) -> Sections:
        return Sections.of(self.view)

    @property
    def about(self) -> dict[str, Any]:
        return {"model": self.model, "reference": self.reference, "canvas": self.canvas, "broken": self.broken,
                "reach": self.reach}  # fmt: skip


def _stored(task: _Task, url: str, how: How, overwrite: bool) -> Alignment:
    """Align into a store: records first, then the alignment, then the voxels."""
    _check_place(url, task.view.url)
    if overwrite:
        _clear(url)
    found = _before(task, url) if exists(url) else _estimated(task, how, url).save(join(url, INSIDE))
    drawing = Drawing.of(found, task.view, None)
    made = written(drawing, url, None, False, how.workers, how.client, how.progress, {"asked": _identity(task)})
    return replace(found, volume=made)


def _check_place(url: str, source: str) -> None:
    """Refuse a place that holds the source, or something that ndlab did not make."""
    refuse_read_only(url)
    a, b = url.rstrip("/") + "/", source.rstrip("/") + "/"
    if source and (a.startswith(b) or b.startswith(a)):
        raise BadRequest(f"out={url} for a volume at {source}", "one would be inside the other",
                         "choose a place beside it")  # fmt: skip
    path = local_path(url)
    begun = exists(url) or record_path(url, _PLACE).exists()  # before the store, its records are there
    if path is None or not path.exists() or begun:
        return
    if not path.is_dir() or any(path.iterdir()):
        raise Conflict(f"something is at {url} already", "ndlab does not write over what it did not make",
                       "choose another out=", url=url)  # fmt: skip


def _clear(url: str) -> None:
    """Remove what an earlier call left, finished or not."""
    if exists(url):
        Kv.open(url).delete_all()
    for name in (_PLACE, _MATCH):
        record_path(url, name).unlink(missing_ok=True)


def _before(task: _Task, url: str) -> Alignment:
    """Return the alignment that an earlier call with the same arguments left."""
    made = open_volume(url).provenance.get("made", {})
    if made.get("asked") != _identity(task):
        raise Conflict(f"{url} is there already", "it was made from something else, and ndlab does not overwrite",
                       "pass overwrite=True to remove it, or another address", url=url)  # fmt: skip
    return Alignment.load(url)


def _identity(task: _Task) -> str:
    return fingerprint([task.view, task.about])


def _estimated(task: _Task, how: How, url: str | None) -> Alignment:
    sections = task.sections
    count = len(sections)
    grid = Grid((count, min(task.reach, count - 1), 1), (1, 1, 1))
    placements = read_placements(_results(_PLACE, place_pair, {"sections": sections}, grid, how, url))
    reference = count // 2 if task.reference is None else task.reference
    if not 0 <= reference < count:
        raise BadRequest(f"reference={reference}", f"there are sections 0 to {count - 1}", "pass one of those")
    starts = rigid_starts(count, placements, sections.shape, reference)
    more = {"sections": sections, "starts": {f"{a} {b}": m.ravel().tolist() for (a, b), m in starts.items()}}
    matches = read_matches(_results(_MATCH, match_pair, more, grid, how, url))
    solved = solve(count, placements, matches, sections.shape, task.model, reference, task.broken)
    _say(solved)
    return alignment_of(task.view, sections, solved, task.canvas, {**task.about, "reference": reference})


def _results(name: str, function: Any, params: dict[str, Any], grid: Grid, how: How, url: str | None) -> Sequence[Any]:
    """Do one task for each pair; with an address, records there keep what is done."""
    record = None if url is None else record_path(url, name)
    if record is not None:
        record.parent.mkdir(parents=True, exist_ok=True)
    step = Step(name, function, params, {"volume": params["sections"].volume})
    with watched(how.progress) as callback:
        run = Run(step, grid, record, workers=how.workers, client=how.client, progress=callback)
        run.run()
    return [one.result for one in run.outcomes()]


def _say(solved: Solved) -> None:
    for text in solved.complaints:
        warnings.warn(text, BrokenStackWarning, stacklevel=5)
