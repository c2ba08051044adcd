"""One call from a volume to its synapses: probabilities, objects, annotations with a receipt."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from ndlab.detect.model import Model
from ndlab.detect.probability import probability
from ndlab.detect.working import flat_view
from ndlab.errors import BadRequest
from ndlab.geometry import NmBox

if TYPE_CHECKING:
    from ndlab.annotations import Annotations
    from ndlab.measure import Table
    from ndlab.volume import Volume

__all__ = ["synapses"]

_THRESHOLD, _VOLUME = 0.5, 1.5e6  # a probability; nm³, about 110 nm across
_IN_MEMORY = 1 << 27  # voxels


def synapses(
    volume: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    model: Model | str | os.PathLike[str] | None = None,
    threshold: float | None = None,
    min_volume: Annotated[float, "nm³"] | None = None,
    min_sections: int | None = None,
    work: str | os.PathLike[str] | None = None,
    block: int | Sequence[int] | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    client: Any = None,
    progress: Any = None,
) -> Annotations:
    """Find synapses and return them as `Annotations`: centroid, bounds, confidence, number of voxels.

    Objects are joined over the faces of blocks, so there are the same ones for any blocks.

    Parameters
    ----------
    volume : Volume
        Grey values (z, y, x), or probabilities: a volume of a floating-point type from 0 to 1.
    out : str or path, optional
        Where the annotations are made. Without it they are gone with the last reference to them.
    model : Model or path, optional
        As for `probability`; without it one that has seen the phantom only, and the annotations say so.
    threshold : float, optional
        Voxels above it are part of a synapse; what the model's notes say, or else 0.5.
    min_volume : float, optional
        Objects have at least this volume [nm³]; what the model's notes say, or else that of a ball of 140 nm.
    min_sections : int, optional
        Objects appear in at least so many sections; what the model's notes say, or else 1.
    work : str or path, optional
        A folder in which probabilities and labels are kept, so that a call that was stopped goes on. Without it they
        are beside `out` if the volume is large, else in memory.
    block, overwrite, workers, client, progress
        As for `probability`.

    Returns
    -------
    Annotations
        `confidence` is the mean probability of an object's voxels. Every object has the keys ``voxel_count``, ``peak``
        (the highest probability) and ``model`` (its digest); the history says what was chosen.

    Examples
    --------
    >>> from ndlab.samples import phantom
    >>> found = synapses(phantom((12, 160, 160), voxel_size=(40, 8, 8), seed=5).volume("image"))
    >>> found.count() == len(found.where(kind="synapse", confidence__gt=0.3).ids())
    True
    """
    from ndlab import measure

    view = flat_view(volume)
    how = {"workers": workers, "client": client, "progress": progress}
    ready = view.dtype.kind == "f"
    chosen = None if ready else Model.of(model)
    settings = _settings(chosen, threshold, min_volume, min_sections)
    folder = _folder(view, out, work)
    if ready:
        # What is computed where it is read would be computed for each of three passes.
        chance = _held(view) if view.codec == "computed" and view.size <= _IN_MEMORY else view
    else:
        place = None if folder is None else f"{folder}/probability.ome.zarr"
        chance = probability(view, model=chosen, out=place, block=block, overwrite=overwrite, **how)
        chance = _held(chance) if place is None else chance
    labels = measure.components(
        chance, connectivity=2, threshold=settings["threshold"], overwrite=overwrite, block=block,
        out=None if folder is None else f"{folder}/pieces.ome.zarr", **how,
    )  # fmt: skip
    table = measure.regions(labels, chance, **how)
    return _annotated(table, view, settings, chosen, out, overwrite)


def _settings(model: Model | None, threshold: Any, min_volume: Any, min_sections: Any) -> dict[str, float]:
    """Choose what was not given: as the model's notes say, for they were tuned with it."""
    tuned = dict(model.notes.get("rules", {})) if model is not None else {}
    found = {
        "threshold": (threshold, _THRESHOLD),
        "min_volume": (min_volume, _VOLUME),
        "min_sections": (min_sections, 1),
    }
    settings = {name: float(given if given is not None else tuned.get(name, usual))
                for name, (given, usual) in found.items()}  # fmt: skip
    if not 0 <= settings["threshold"] < 1:
        raise BadRequest(f"threshold={threshold!r}", "a probability is from 0 to 1, and some are to be above it")
    return settings


def _folder(view: Volume, out: Any, work: Any) -> str | None:
    if work is not None:
        return str(os.fspath(work)).rstrip("/")
    if out is not None and view.size > _IN_MEMORY and "://" not in os.fspath(out):
        return f"{os.fspath(out).rstrip('/')}.work"
    return None


def _held(volume: Volume) -> Volume:
    """Compute a lazy volume once, into memory."""
    from ndlab.volume import Volume as Made

    return Made.from_array(volume.read(), volume.voxel_size, offset=volume.offset, name=volume.name)


def _annotated(
    table: Table, view: Volume, settings: dict[str, float], model: Model | None, out: Any, overwrite: bool
) -> Annotations:
    from ndlab.annotations import Annotations, Synapse

    large = table["size"] * float(np.prod(view.voxel_size)) >= settings["min_volume"]
    rows = table[large & (table["z1"] - table["z0"] >= settings["min_sections"])]
    size, offset = np.array(view.voxel_size), np.array(view.offset)
    made = Annotations.temporary(view) if out is None else Annotations.create(out, view, overwrite=overwrite)
    digest = "" if model is None else model.digest
    objects = []
    for row in rows:
        low, high = (offset + np.array([row[f"{axis}{end}"] for axis in "zyx"]) * size for end in "01")
        keys: dict[str, Any] = {"voxel_count": int(row["size"]), "peak": float(row["max"]), "model": digest}
        objects.append(Synapse(
            centroid=tuple(float(row[name]) for name in "zyx"), confidence=float(np.clip(row["mean"], 0, 1)),
            bounds=NmBox(low.tolist(), high.tolist()), keys=keys,
        ))  # fmt: skip
    if objects:
        made.add(objects, note=_note(settings, model))
    return made


def _note(settings: dict[str, float], model: Model | None) -> str:
    """Say what found them."""
    by = "given probabilities" if model is None else f"model {model.kind} {model.digest}"
    warning = "" if model is None or "warning" not in model.notes else f", {model.notes['warning']}"
    chosen = ", ".join(f"{name} {value:g}" for name, value in settings.items())
    return f"detect.synapses by {by}{warning}; {chosen}"
