"""One call from a volume to its synapses: probabilities, objects, annotations with a receipt."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from ndlab.detect.model import Model
from ndlab.detect.object_classifier import ObjectClassifier, features_of
from ndlab.detect.object_labels import in_memory, object_labels
from ndlab.detect.objects import Rules
from ndlab.detect.probability import probability
from ndlab.detect.working import flat_view
from ndlab.errors import BadRequest
from ndlab.geometry import NmBox

if TYPE_CHECKING:
    from ndlab.annotations import Annotations
    from ndlab.volume import Volume

__all__ = ["synapses", "tuned"]

_THRESHOLD, _VOLUME = 0.5, 1.5e6  # a probability; nm³, about 110 nm across
_IN_MEMORY = 1 << 27  # voxels
_ROUND = 1e-6  # of a voxel: what is lost when a number of voxels goes through nm


def synapses(
    volume: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    model: Model | str | os.PathLike[str] | None = None,
    threshold: float | None = None,
    min_volume: Annotated[float, "nm³"] | None = None,
    min_sections: int | None = None,
    min_area: Annotated[float, "nm²"] | None = None,
    max_area: Annotated[float, "nm²"] | None = None,
    work: str | os.PathLike[str] | None = None,
    block: int | Sequence[int] | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    client: Any = None,
    progress: Any = None,
) -> Annotations:
    """Find synapses and return them as `Annotations`: centroid, bounds, confidence, number of voxels.

    Objects are those of `objects` by the same rules, joined over the faces of blocks: the same ones for any blocks.

    Parameters
    ----------
    volume : Volume
        Grey values (z, y, x), or probabilities: a volume of a floating-point type from 0 to 1.
    out : str or path, optional
        Where the annotations are made. Without it they are gone with the last reference to them.
    model : Model or path, optional
        As for `probability`; without it one that has seen the phantom only, and the annotations say so. Of
        probabilities the one that made them, for what its notes say.
    threshold : float, optional
        Voxels above it are part of a synapse; what the model's notes say, or else 0.5.
    min_volume : float, optional
        Pieces, connected by faces, have at least this volume [nm³]; what the model's notes say, or else that of a ball
        of 140 nm. Those left that touch by an edge, too, are one object.
    min_sections : int, optional
        Pieces appear in at least so many sections; what the model's notes say, or else 1.
    min_area, max_area : float, optional
        What is smaller or larger than this in a single section [nm²] is dropped before all else; what the model's notes
        say, or else nothing is.
    work : str or path, optional
        A folder in which probabilities and labels are kept, so that a call that was stopped goes on; one with other
        rules needs another. Without it they are beside `out` if the volume is large, else in memory.
    block, overwrite, workers, client, progress
        As for `probability`.

    Returns
    -------
    Annotations
        `confidence` is the mean probability of an object's voxels. Every object has the keys ``voxel_count``, ``peak``
        (the highest probability) and ``model`` (its digest); the history says what was chosen.

    Raises
    ------
    BadRequest
        If nothing could be above the threshold, or of an area within the limits.

    Notes
    -----
    A model's ``notes["rules"]`` may hold the fields of `Rules`, in voxels of the volume that it was trained on, and
    `min_volume` [nm³] in place of `min_size`. Its ``notes["classifier"]`` may hold an `ObjectClassifier`, which then
    says which of the pieces are synapses, unless rules are given here: it knows the pieces that its own rules make.

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
    chosen = None if ready and model is None else Model.of(model)
    given = {"threshold": threshold, "min_volume": min_volume, "min_sections": min_sections, "min_area": min_area,
             "max_area": max_area}  # fmt: skip
    settings = _settings(chosen, given)
    rules = _rules(settings, view)
    folder = _folder(view, out, work)
    if ready:
        # What is computed where it is read would be computed for each of three passes.
        chance = in_memory(view) if view.codec == "computed" and view.size <= _IN_MEMORY else view
    else:
        place = None if folder is None else f"{folder}/probability.ome.zarr"
        chance = probability(view, model=chosen, out=place, block=block, overwrite=overwrite, **how)
        chance = in_memory(chance) if place is None else chance
    labels = object_labels(chance, rules, folder, overwrite=overwrite, block=block, **how)
    rows: Any = measure.regions(labels, chance, **how)
    classifier = _classifier(chosen, given)
    if classifier is not None and len(rows):
        rows = [row for row, score in zip(rows, classifier.scores(features_of(rows)), strict=True) if score > 0]
    note = _note(settings, chosen, classifier)
    return _annotated(rows, view, chosen, note, out, overwrite)


def tuned(model: Model) -> dict[str, float]:
    """Return the keywords of `synapses` that a model's notes speak of: they were tuned with it.

    Examples
    --------
    >>> from dataclasses import asdict, replace
    >>> model = replace(Model.load(), voxel_size=(40, 8, 8), notes={"rules": asdict(Rules(0.6, 10, 500, 100, 2))})
    >>> {name: float(value) for name, value in tuned(model).items()}
    {'threshold': 0.6, 'min_volume': 256000.0, 'min_sections': 2.0, 'min_area': 640.0, 'max_area': 32000.0}
    """
    rules = dict(model.notes.get("rules", {}))
    z, y, x = model.voxel_size
    if "min_size" in rules:
        rules.setdefault("min_volume", rules["min_size"] * z * y * x)
    units = {"threshold": 1, "min_volume": 1, "min_sections": 1, "min_area": y * x, "max_area": y * x}
    return {name: rules[name] * unit for name, unit in units.items() if name in rules}


def _settings(model: Model | None, given: dict[str, Any]) -> dict[str, float]:
    """Choose what was not given."""
    usual = {"threshold": _THRESHOLD, "min_volume": _VOLUME, "min_sections": 1, "min_area": 0, "max_area": math.inf}
    chosen = {**usual, **({} if model is None else tuned(model))}
    settings = {name: float(chosen[name] if given[name] is None else given[name]) for name in usual}
    if not 0 <= settings["threshold"] < 1:
        raise BadRequest(f"threshold={settings['threshold']:g}",
                         "a probability is from 0 to 1, and some are to be above it")  # fmt: skip
    low, high = settings["min_area"], settings["max_area"]
    if not 0 <= low <= high:
        raise BadRequest(f"pieces of {low:g} to {high:g} nm² in a section", "no piece is so",
                         "let min_area be 0 or more, and max_area no smaller")  # fmt: skip
    return settings


def _classifier(model: Model | None, given: dict[str, Any]) -> ObjectClassifier | None:
    """Return the model's own, where its own rules make the pieces."""
    about = None if model is None else model.notes.get("classifier")
    return ObjectClassifier.read(about) if about and all(one is None for one in given.values()) else None


def _rules(settings: dict[str, float], view: Volume) -> Rules:
    """Say the same in whole voxels."""
    z, y, x = view.voxel_size
    least, volume = (math.ceil(settings[name] / unit - _ROUND)
                     for name, unit in (("min_area", y * x), ("min_volume", z * y * x)))  # fmt: skip
    most = min(settings["max_area"] / (y * x) + _ROUND, max(least, math.prod(view.shape[1:])))
    return Rules(settings["threshold"], least, math.floor(most), volume, math.ceil(settings["min_sections"]))


def _folder(view: Volume, out: Any, work: Any) -> str | None:
    if work is not None:
        return str(os.fspath(work)).rstrip("/")
    if out is not None and view.size > _IN_MEMORY and "://" not in os.fspath(out):
        return f"{os.fspath(out).rstrip('/')}.work"
    return None


def _annotated(
    rows: Iterable[Any], view: Volume, model: Model | None, note: str, out: Any, overwrite: bool
) -> Annotations:
    from ndlab.annotations import Annotations, Synapse

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
        made.add(objects, note=note)
    return made


def _note(settings: dict[str, float], model: Model | None, classifier: ObjectClassifier | None) -> str:
    """Say what found them."""
    by = "given probabilities" if model is None else f"model {model.kind} {model.digest}"
    warning = "" if model is None or "warning" not in model.notes else f", {model.notes['warning']}"
    unlimited = {"min_area": 0, "max_area": math.inf}
    chosen = ", ".join(f"{name} {value:g}" for name, value in settings.items() if value != unlimited.get(name))
    last = "" if classifier is None else "; pieces by the model's classifier"
    return f"detect.synapses by {by}{warning}; {chosen}{last}"
