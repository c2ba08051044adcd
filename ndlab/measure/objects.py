"""Objects from labels: rows of a set of annotations filled from what a volume holds, and compared with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import NmBox
from ndlab.measure.blocks import Voxels, part
from ndlab.measure.keyed import Array
from ndlab.measure.regions import regions
from ndlab.measure.table import Table

if TYPE_CHECKING:
    from ndlab.annotations import Annotation, Annotations
    from ndlab.annotations.writing import Write

__all__ = ["differences", "objects"]

# The free keys of an object whose kind has no field for them.
COUNT, CENTRE = "voxel_count", ("centroid_z", "centroid_y", "centroid_x")
_PIECE = 5_000
_ASKED = 900
_COLUMNS = (("z0", "y0", "x0"), ("z1", "y1", "x1"), ("z_index", "y_index", "x_index"))
_DIFFERENCES = [("id", "u8"), ("row", "?"), ("labels", "?"), ("voxel_count", "?"), ("bounds", "?"), ("centroid", "?")]


def objects(
    ann: Annotations, labels: Voxels | None = None, kind: Any = "segment", *, note: str = "", **how: Any
) -> np.ndarray[Any, Any]:
    """Let a set of annotations have a row for each label, which says what its voxels do; return the ids written.

    Labels without a row are given one. Rows that are there keep everything but what is measured. All of it is one
    transaction of the history, and nothing is written where all rows say so already.

    Parameters
    ----------
    ann : Annotations
    labels : Volume or DataArray, optional
        Whole numbers, (z, y, x), calibrated; each is the id of an object. Without it the label volume that belongs to
        the set, with all that was painted there.
    kind : str
        Of new rows.
    note : str
        For the history.
    **how
        `background`, `block`, `workers`, `client` and `progress` as for `regions`.

    Returns
    -------
    numpy.ndarray
        Ids, uint64, ascending, of rows that were made or changed. Written are `bounds` [nm]; the number of voxels as
        the key ``voxel_count``; and the mean of the voxels' centres [nm] as the kind's point (`centroid` of a synapse
        or an organelle), or else as the keys ``centroid_z``, ``centroid_y``, ``centroid_x``.

    Raises
    ------
    BadRequest
        If labels are no whole numbers, or negative, or the volume is not calibrated.

    Examples
    --------
    >>> from ndlab.annotations import Annotations
    >>> from ndlab.samples import toy
    >>> ann = Annotations.temporary(voxel_size=(100, 50, 50))
    >>> objects(ann, toy().volume("labels")).tolist(), ann.get(11).keys["voxel_count"], ann.get(11).bounds.start
    ([11, 12, 21, 22], 216, (500.0, 0.0, 200.0))
    >>> objects(ann, toy().volume("labels")).tolist(), ann.version
    ([], 1)
    """
    from ndlab.annotations.kinds import kind_of

    ann._writable()
    found, new = _measured(ann, labels, how), kind_of(kind)
    pieces = [range(i, min(i + _PIECE, len(found.ids))) for i in range(0, len(found.ids), _PIECE)]
    with ann._ledger.writing("measure", ann.author, note) as write:
        written = [_write(write, found, piece, new) for piece in pieces]
    return np.sort(np.concatenate([np.zeros(0, "u8"), *written]))


def differences(ann: Annotations, labels: Voxels | None = None, **how: Any) -> Table:
    """Compare rows of a set of annotations with the labels of a volume, and return a `Table` of those that differ.

    Parameters
    ----------
    ann : Annotations
        As it is, or ``ann.as_of(...)``.
    labels, **how
        As for `objects`.

    Returns
    -------
    Table
        `id`; `row`, whether there is one; `labels`, whether there are any; and whether the row says something else of
        `voxel_count`, `bounds` and `centroid`. A row that says nothing of one of them says nothing else.
        An object without labels is listed only if its row declares a number of voxels.

    Examples
    --------
    >>> from ndlab.annotations import Annotations
    >>> from ndlab.samples import toy
    >>> ann = Annotations.temporary(voxel_size=(100, 50, 50))
    >>> _ = objects(ann, toy().volume("labels"))
    >>> len(differences(ann, toy().volume("labels")))
    0
    >>> _ = ann.update(11, voxel_count=3); _ = ann.delete(12)
    >>> [(int(d["id"]), bool(d["row"]), bool(d["voxel_count"])) for d in differences(ann, toy().volume("labels"))]
    [(11, True, True), (12, False, False)]
    """
    found = _measured(ann, labels, how)
    told: list[tuple[Any, ...]] = []
    for start in range(0, len(found.ids), _ASKED):
        chosen = range(start, min(start + _ASKED, len(found.ids)))
        known = {one.id: one for one in ann.where(id__in=found.ids[chosen].tolist())}
        for i in chosen:
            one = known.get(int(found.ids[i]))
            other = (False,) * 3 if one is None else _other(one, found, i)
            if one is None or any(other):
                told.append((found.ids[i], one is not None, True, *other))
    lost = np.setdiff1d(ann.where(keys={f"{COUNT}__isnull": False}).ids(), found.ids)
    told += [(one, True, False, True, False, False) for one in lost]
    return Table(np.array(sorted(told), np.dtype(_DIFFERENCES)))


@dataclass(frozen=True)
class _Measured:
    """What labels say of each id: number of voxels, box and mean of the centres, (n, 3) [nm]."""

    ids: Array
    size: Array
    low: Array
    high: Array
    centre: Array


def _measured(ann: Annotations, labels: Voxels | None, how: dict[str, Any]) -> _Measured:
    behind: list[tuple[int, tuple[int, int, int]]] = []
    if labels is None:
        paint = ann.paint
        if ann._at is not None:
            raise BadRequest(f"objects of {ann.url} as of transaction {ann._at}", "labels are measured as they are now",
                             "pass the labels that are meant")  # fmt: skip
        paint.flush(levels=False)
        labels = paint.volume
        behind = [(one, voxel) for voxel, ids in paint.exceptions() for one in ids]
    view = part(labels)
    table = regions(view, **how)
    if len(table) and int(table["id"].min()) < 1:
        raise BadRequest(f"labels down to {int(table['id'].min())}", "an id is a whole number from 1 on",
                         "leave background=0, and renumber what is negative")  # fmt: skip
    size, offset = (np.array(one) for one in (view.calibration.voxel_size, view.calibration.offset))
    low, high, centre = (np.stack([table[name] for name in names], 1) for names in _COLUMNS)
    found = _Measured(table["id"].astype("u8"), table["size"], low, high, centre)
    found = _with(found, behind) if behind else found
    places = (offset + found.low * size, offset + found.high * size, offset + (found.centre + 0.5) * size)
    return _Measured(found.ids, found.size, *places)


def _with(found: _Measured, behind: Sequence[tuple[int, tuple[int, int, int]]]) -> _Measured:
    """Add voxels at which an id stands behind the label, in voxels still."""
    ids = np.array([one for one, _ in behind], "u8")
    at = np.array([voxel for _, voxel in behind], "i8")
    every, where = np.unique(np.concatenate([found.ids, ids]), return_inverse=True)
    size = np.zeros(len(every), "i8")
    low, high = np.full((len(every), 3), 1 << 62), np.full((len(every), 3), -1)
    sums = np.zeros((len(every), 3))
    np.add.at(size, where, np.concatenate([found.size, np.ones(len(ids), "i8")]))
    np.minimum.at(low, where, np.concatenate([found.low, at]))
    np.maximum.at(high, where, np.concatenate([found.high, at + 1]))
    np.add.at(sums, where, np.concatenate([found.centre * found.size[:, None], at]))
    return _Measured(every, size, low, high, sums / size[:, None])


def _write(write: Write, found: _Measured, chosen: range, kind: type[Annotation]) -> Array:
    """Write the rows of some ids that do not say what their labels do, and return these ids."""
    from ndlab.annotations import changes
    from ndlab.annotations.ids import signed_array
    from ndlab.annotations.rows import from_row

    rows = write.rows(signed_array(found.ids[chosen]).tolist())
    known = {one.id: one for one in map(from_row, rows.values())}
    made: list[Annotation] = []
    changed: list[Annotation] = []
    for i in chosen:
        one = known.get(int(found.ids[i]))
        said = _saying(kind(id=int(found.ids[i])) if one is None else one, found, i)
        if one is None:
            made.append(said)
        elif said != one:
            changed.append(said)
    changes.create(write, made)
    changes.update_objects(write, changed)
    return np.array([one.id for one in (*made, *changed)], "u8")


def _saying(one: Annotation, found: _Measured, i: int) -> Annotation:
    """Return an object that says what its labels do."""
    centre = found.centre[i].tolist()
    new: dict[str, Any] = {"bounds": NmBox(found.low[i].tolist(), found.high[i].tolist())}
    keys = {**one.keys, COUNT: int(found.size[i])}
    point = type(one).point()
    if point is None:
        keys |= dict(zip(CENTRE, centre, strict=True))
    else:
        new[point] = tuple(centre)
    return replace(one, keys=keys, **new)


def _other(one: Annotation, found: _Measured, i: int) -> tuple[bool, bool, bool]:
    """Tell whether a row says something else of number, bounds and centre."""
    box, count = one.bounds, one.keys.get(COUNT)
    centre = one.position if type(one).point() else [one.keys.get(name) for name in CENTRE]
    ends = None if box is None else [*box.start, *box.stop]
    given = centre is not None and not any(value is None for value in centre)
    return (
        count is not None and count != found.size[i],
        ends is not None and not np.allclose(ends, [*found.low[i], *found.high[i]], 1e-9, 1e-6),
        given and not np.allclose(np.array(centre, "f8"), found.centre[i], 1e-9, 1e-6),
    )
