"""Partners: which two segments a synapse joins, and which way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from ndlab.detect.sides import LiesIn, Rule, around, chosen
from ndlab.detect.watershed import Array, probabilities
from ndlab.errors import BadRequest
from ndlab.geometry import Box, Calibration, NmBox
from ndlab.measure import Table
from ndlab.measure.blocks import Bound, How, blocks_of, part, watched, whole_numbers
from ndlab.pipeline import Run, Step
from ndlab.volume import Volume

if TYPE_CHECKING:
    from ndlab.annotations import Annotations

__all__ = ["PARTNERS", "partners"]

PARTNERS = np.dtype(
    [
        ("synapse", "u8"), ("pre_id", "u8"), ("post_id", "u8"), ("z", "f8"), ("y", "f8"), ("x", "f8"),
        ("size", "i8"), ("margin", "f8"), ("directed", "?"),
    ]
)  # fmt: skip


def partners(
    synapses: Annotations,
    segments: Any,
    *,
    objects: Any = None,
    threshold: float = 0.5,
    vesicles: Any = None,
    kinds: Mapping[int, str] | None = None,
    lies_in: LiesIn = "post",
    reach: Annotated[float, "nm"] = 40.0,
    write: bool = True,
    block: int | Sequence[int] | None = None,
    workers: int | None = None,
    client: Any = None,
    progress: Any = None,
) -> Table:
    """Find the segments before and after each synapse, write them to the annotations, and return them as a `Table`.

    A synapse's partners are among the segments that its voxels lie in or are within `reach` of. Which is which is
    told by the first of these that is known: the kinds of segments (the largest axon and the largest dendrite that it
    overlaps); vesicles (more of them on the side before it); or where a detection lies: a postsynaptic density in the
    cell after the synapse, a T-bar in the one before it. Of a detection that lies in the cleft between both, without
    vesicles, the direction stays unknown.

    Parameters
    ----------
    synapses : Annotations
        Those of kind synapse, with bounds, as `ndlab.detect.synapses` makes them.
    segments : Volume
        Labels, (z, y, x).
    objects : Volume, optional
        What the synapses were found in: their probability, whose voxels above `threshold` that fill a synapse's bounds
        are the synapse, or labels that hold their ids. Without it the ellipsoid inside the bounds stands for it.
    threshold : float
        As the synapses were found with.
    vesicles : Volume, optional
        Where vesicles are: probabilities, bytes, or truth values.
    kinds : mapping of int to str, optional
        ``"axon"`` or ``"dendrite"`` for segments of which it is known.
    lies_in : {"post", "pre", "cleft"}
        Where detections lie.
    reach : float
        How far around a synapse its partners are looked for [nm].
    write : bool
        Write `presegments` and `postsegments` (where the direction is unknown `segments`), and the key
        ``partner_margin``.
    block, workers, client, progress
        As for `ndlab.measure.regions`. A synapse belongs to the block of its centroid.

    Returns
    -------
    Table
        `synapse`, `pre_id`, `post_id` (0 where none was found), centroid `z`, `y`, `x` [nm], `size` [voxels],
        `margin` (how far the choice was from the next best, 0 to 1) and whether it is `directed`; by synapse.

    Examples
    --------
    >>> from ndlab.annotations import Annotations, Synapse
    >>> from ndlab.samples import toy
    >>> brain = toy()
    >>> ann = Annotations.temporary(brain.volume("image"))
    >>> bounds = NmBox((500, 150, 350), (700, 300, 400))
    >>> _ = ann.add([Synapse(id=101, centroid=(600, 225, 375), bounds=bounds)])
    >>> found = partners(ann, brain.volume("labels"), objects=brain.volume("synapse_labels"), reach=60)
    >>> found[0]["pre_id"], found[0]["post_id"], ann.get(101).presegments
    (np.uint64(11), np.uint64(21), (11,))
    """
    if lies_in not in ("post", "pre", "cleft"):
        raise BadRequest(f"lies_in={lies_in!r}", 'it is "post", "pre" or "cleft"')
    labels = whole_numbers(part(segments))
    rule = Rule(labels.voxel_size, lies_in, reach, threshold, dict(kinds or {}))
    sights = Sights(labels, _same(objects, labels), _same(vesicles, labels), rule)
    sites = _sites(synapses, labels)
    how = How(workers, client, progress).near(labels, sights.objects, sights.vesicles)
    step = Step("partners", Bound(_in_block, {"sites": sites, "sights": sights}), {}, {}, identity="partners")
    with watched(how.progress) as callback:
        run = Run(step, blocks_of(labels, block), workers=how.workers, client=how.client, progress=callback)
        rows = run.reduce(_together, np.empty(0, PARTNERS))
    rows = rows[np.argsort(rows["synapse"], kind="stable")]
    if write and len(rows):
        _write(synapses, rows)
    return Table(rows, {"z": "nm", "y": "nm", "x": "nm", "size": "voxels"})


@dataclass(frozen=True)
class Sights:
    """What is looked at."""

    labels: Volume
    objects: Volume | None
    vesicles: Volume | None
    rule: Rule


def _same(volume: Any, labels: Volume) -> Volume | None:
    if volume is None:
        return None
    view = part(volume)
    if view.shape != labels.shape:
        raise BadRequest(f"a volume of {view.shape} voxels beside segments of {labels.shape}",
                         "they have to cover the same voxels", "cut both alike")  # fmt: skip
    return view


def _sites(synapses: Annotations, labels: Volume) -> Array:
    """Id, centroid and bounds of each synapse [nm], those that lie in the volume."""
    rows = [
        (one.id, *one.position, *one.bounds.start, *one.bounds.stop)
        for one in synapses.where(kind="synapse")
        if one.position is not None and one.bounds is not None
    ]
    kind = np.dtype([("id", "u8"), ("at", "f8", 3), ("low", "f8", 3), ("high", "f8", 3)])
    found = np.zeros(len(rows), kind)
    for name, columns in (("at", slice(1, 4)), ("low", slice(4, 7)), ("high", slice(7, 10))):
        if rows:
            found[name] = np.array([row[columns] for row in rows], float)
    found["id"] = [row[0] for row in rows]
    return found


def _in_block(block: Box, sites: Array, sights: Sights) -> Array | None:
    """Partners of the synapses whose centroid lies in a block."""
    calibration = sights.labels.calibration
    voxel = np.floor((sites["at"] - calibration.offset) / calibration.voxel_size)
    voxel = np.clip(voxel, sights.labels.box.start, np.array(sights.labels.box.stop) - 1)
    mine = sites[((voxel >= block.start) & (voxel < block.stop)).all(1)]
    rows = [row for site in mine if (row := _one(site, sights, calibration)) is not None]
    return np.array(rows, PARTNERS) if rows else None


def _one(site: Any, sights: Sights, calibration: Calibration) -> tuple[Any, ...] | None:
    """Partners of one synapse."""
    own = NmBox(site["low"], site["high"]).voxels(calibration) & sights.labels.box
    if not own.size:
        return None
    margin = [int(np.ceil(sights.rule.reach / size)) for size in sights.rule.voxel_size]
    start = [max(a - m, b) for a, m, b in zip(own.start, margin, sights.labels.box.start, strict=True)]
    stop = [min(a + m, b) for a, m, b in zip(own.stop, margin, sights.labels.box.stop, strict=True)]
    box = Box(start, stop, sights.labels.level_index)
    shape = tuple(b - a for a, b in zip(own.start, own.stop, strict=True))
    mask = np.zeros(box.shape, bool)
    where = tuple(slice(a - o, b - o) for a, b, o in zip(own.start, own.stop, box.start, strict=True))
    mask[where] = _mask(_read(sights.objects, sights.labels, own), int(site["id"]), sights.rule.threshold, shape)
    vesicles = _read(sights.vesicles, sights.labels, box)
    seen = around(mask, sights.labels.boxed(box).read(), sights.rule, vesicles)
    pre, post, sure, directed = chosen(seen, sights.rule, vesicles is not None)
    return int(site["id"]), pre, post, *site["at"].tolist(), int(mask.sum()), sure, directed


def _read(volume: Volume | None, labels: Volume, box: Box) -> Array | None:
    """Voxels of another volume in a box of the labels."""
    if volume is None:
        return None
    there = box.shift([a - b for a, b in zip(volume.box.start, labels.box.start, strict=True)])
    return volume.boxed(Box(there.start, there.stop, volume.level_index)).read()


def _mask(values: Array | None, one: int, threshold: float, shape: tuple[int, ...]) -> Array:
    """Voxels of a synapse inside its bounds."""
    if values is None:
        axes = np.ogrid[tuple(slice(0, n) for n in shape)]
        far = sum(((a - (n - 1) / 2) / (n / 2)) ** 2 for a, n in zip(axes, shape, strict=True))
        return np.asarray(far <= 1)
    if values.dtype.kind in "ui" and values.dtype != np.uint8:
        return np.asarray(values == one)
    from scipy import ndimage

    pieces, count = ndimage.label(probabilities(values) > threshold, ndimage.generate_binary_structure(3, 2))
    if count == 0:
        return np.ones(shape, bool)
    return np.asarray(pieces == np.bincount(pieces.ravel())[1:].argmax() + 1)


def _together(a: Array, b: Array) -> Array:
    return np.concatenate([a, b])


def _write(synapses: Annotations, rows: Array) -> None:
    from ndlab.annotations import Synapse

    of = {int(row["synapse"]): row for row in rows}
    changed: list[Synapse] = []
    for one in synapses.where(kind="synapse"):
        row = of.get(one.id)
        if row is None or not isinstance(one, Synapse):
            continue
        pre, post = ([int(row[name])] if row[name] else [] for name in ("pre_id", "post_id"))
        keys = {**one.keys, "partner_margin": round(float(row["margin"]), 4)}
        if row["directed"]:
            changed.append(replace(one, presegments=pre, postsegments=post, segments=(), keys=keys))
        else:
            both = [(i, "unknown") for i in (*pre, *post)]
            changed.append(replace(one, presegments=(), postsegments=(), segments=both, keys=keys))
    if changed:
        synapses.update(changed, note="detect.partners")
