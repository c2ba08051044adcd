"""Train a detector on a volume and what is known of it: labels, classes, or marks that somebody made."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from ndlab.annotations import Annotations
from ndlab.detect.model import Model
from ndlab.detect.working import Contrast, flat_view, reduced
from ndlab.errors import BadRequest
from ndlab.geometry import Box, NmBox

if TYPE_CHECKING:
    from ndlab.volume import Volume

__all__ = ["Lesson", "train"]

Array = np.ndarray[Any, Any]
Method = Literal["trees", "network", "vesicle"]
_PIXEL = 8.0  # nm: finer, nothing is gained; coarser, T-bars and vesicles are lost
_VESICLE = 40.0  # nm across
_HALF = 0.5
_FEWEST = 20


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is learnt from: grey values at a model's pixels, the class of each, and where it is known.

    Parameters
    ----------
    image : ndarray of float32, (z, y, x)
        Of mean 0 and deviation 1; may be finer than the rest, a whole number of times in y and x.
    classes : ndarray of uint8, (z, y, x)
        The last is what is looked for.
    weight : ndarray of float32, (z, y, x)
        0 where nobody knows.
    names : tuple of str
    """

    image: Array
    classes: Array
    weight: Array
    names: tuple[str, ...]


def train(
    volume: Any,
    truth: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    method: Method = "trees",
    classes: Mapping[str, Any] | None = None,
    dont_care: Any = None,
    box: Box | NmBox | None = None,
    pixel: Annotated[float, "nm"] | None = None,
    radius: Annotated[float, "nm"] = 120.0,
    notes: Mapping[str, Any] | None = None,
    start: Model | str | os.PathLike[str] | None = None,
    target: str = "synapse",
    seed: int = 0,
    **how: Any,
) -> Model:
    """Train a detector of synapses, or of something else that is marked, and return the `Model`.

    Parameters
    ----------
    volume : Volume
        Grey values, (z, y, x), calibrated; all of it, or of its `box`, is read.
    truth : Volume, array or Annotations
        Not 0 inside of what is looked for, over the same voxels. Or annotations: each object with a place is a ball of
        `radius`; one whose status is ``"ignored"`` marks a place where nothing is; further from any mark than three
        radii nothing is known, but that most of it is background.
    out : str or path, optional
        A file (``.npz``) to keep the model in; one that is there is replaced.
    method : {"trees", "network", "vesicle"}
        Boosted trees with auto-context (about a minute); a small network (minutes; needs ``ndlab[ml]``, and only
        for this); or VESICLE-RF, which needs ``classes={"membrane": ...}``.
    classes : mapping of str to Volume or array, optional
        More that is known: masks of membranes, mitochondria …, which keep the detector from taking them for synapses.
    dont_care : Volume or array, optional
        Not 0 where nobody knows.
    box : Box or NmBox, optional
        Train on this part only.
    pixel : float, optional
        Side of the pixels that the model tells of [nm]; about 8, a whole multiple of a voxel, unless given. A network
        sees twice as fine where voxels are.
    radius : float
        Of the balls around annotations [nm].
    notes : mapping, optional
        Kept with the model: data, licence, scores.
    start : Model or path, optional
        Go on from this network, of the same classes and pixels, instead of from nothing.
    target : str
        What is looked for.
    seed : int
    **how
        Fields of `ndlab.detect.Growth` for trees, of `ndlab.detect.Recipe` for the network, of `grow_vesicle`.

    Raises
    ------
    BadRequest
        If nothing is marked, shapes differ, or a `start` is no network of these classes and pixels.
    Unsupported
        If a network is to be trained without PyTorch.

    Examples
    --------
    >>> from ndlab.samples import phantom
    >>> brain = phantom((10, 160, 160), voxel_size=(40, 8, 8), seed=2)
    >>> model = train(brain.volume("image"), brain.volume("psd"), first=2, second=2)
    >>> model.classes, model.pixel
    (('background', 'synapse'), 8.0)
    """
    view = flat_view(volume).boxed(box)
    view = view.boxed(view.box)
    side = (view.voxel_size[1] * view.voxel_size[2]) ** 0.5
    factor = max(1, round((pixel or _PIXEL) / side)) if method != "vesicle" else 1
    if start is not None:
        begin = Model.of(start)
        how["start"] = _start(begin, method, ("background", *(classes or {}), target), side * factor)
        how["finer"] = how["start"].finer
        notes = {"went_on_from": begin.digest, **(notes or {})}
    finer = int(how.setdefault("finer", _finer(factor))) if method == "network" else 1
    if factor % finer:
        raise BadRequest(f"finer={finer} where a pixel of the model is {factor} voxels wide", "it has to divide that",
                         "leave finer out, or pass another pixel")  # fmt: skip
    lesson = lesson_of(view, truth, factor, classes or {}, dont_care, radius, target, box, finer)
    detector = _trained(method, lesson, view, side * factor, seed, how)
    names = lesson.names if method != "vesicle" else ("background", target)
    said = {"trained_on": view.url or view.name or "a volume in memory", "voxels": int(view.size), **(notes or {})}
    model = Model(detector, names, view.voxel_size, side * factor, said)
    if out is not None:
        model.save(out)
    return model


def _start(model: Model, method: str, names: tuple[str, ...], pixel: float) -> Any:
    if method != "network" or model.kind != "network":
        raise BadRequest(f'going on from a model of {model.kind} with method="{method}"',
                         "only a network goes on, from a network", 'pass method="network", or no start')  # fmt: skip
    if model.classes != names or not np.isclose(model.pixel, pixel):
        raise BadRequest(f"going on to {', '.join(names)} at {pixel:g} nm", f"it is {model}",
                         "pass the same classes and pixel as it was trained with")  # fmt: skip
    return model.detector


def lesson_of(
    view: Volume,
    truth: Any,
    factor: int,
    classes: Mapping[str, Any],
    dont_care: Any,
    radius: float,
    target: str,
    box: Any,
    finer: int = 1,
) -> Lesson:
    """Read what is learnt from, at a model's pixels, the grey values `finer` times as fine."""
    image = reduced(Contrast.of(view).apply(view.read()), factor // finer)
    shape = (len(image), *(-(-n // factor) for n in view.shape[1:]))
    found, weight = np.zeros(shape, "u1"), np.ones(shape, "f4")
    names = ["background"]
    for name, mask in classes.items():
        names.append(name)
        found[_share(mask, view, factor, box) >= _HALF] = len(names) - 1
    names.append(target)
    if isinstance(truth, Annotations):
        wanted, weight = _marked(truth, view, factor, radius, shape)
    else:
        wanted = _share(truth, view, factor, box) >= _HALF
    found[wanted] = len(names) - 1
    if dont_care is not None:
        weight = np.where(_share(dont_care, view, factor, box) > 0, 0, weight).astype("f4")
    known = int((wanted & (weight > 0)).sum())
    if known < _FEWEST:
        raise BadRequest(f"training on {known} pixels of {target}", f"{_FEWEST} are the fewest that say anything",
                         "mark more, or give a volume whose labels are not 0 there")  # fmt: skip
    return Lesson(image, found, weight, tuple(names))


def _finer(factor: int) -> int:
    """How many times finer a network sees than it tells, of pixels so many voxels wide."""
    return 2 if factor % 2 == 0 else 1


def _share(mask: Any, view: Volume, factor: int, box: Any) -> Array:
    """How much of each pixel a mask covers."""
    values = flat_view(mask).boxed(box).read() if hasattr(mask, "boxed") else np.asarray(mask)
    if values.shape != view.shape:
        raise BadRequest(f"a truth of {values.shape} for a volume of {view.shape} voxels",
                         "both cover the same voxels", "cut both alike")  # fmt: skip
    return reduced((values != 0).astype("u1"), factor)


def _marked(marks: Any, view: Volume, factor: int, radius: float, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Balls around marks, and how much each pixel is known."""
    pixel = np.array(view.voxel_size) * (1, factor, factor)
    positive: list[Any] = []
    negative: list[Any] = []
    for one in marks.where(kind="synapse"):
        if one.position is not None:
            (negative if one.status == 3 else positive).append(one.position)
    around, beside = (near(places, view, pixel, shape) for places in (positive, negative))
    # A voxel between two marks goes to the nearer one.
    wanted, wrong = (around <= radius) & (around <= beside), (beside <= radius) & (beside < around)
    # Between a ball and the open nobody knows.
    weight = (wanted | wrong | (around > 3 * radius)).astype("f4")
    return wanted, weight


def near(points: Sequence[Any], view: Volume, pixel: Array, shape: tuple[int, ...]) -> Array:
    """Distance [nm] of each pixel from the nearest point; infinite without points."""
    from scipy.spatial import cKDTree

    if not points:
        return np.full(shape, np.inf, "f4")
    centres = np.indices(shape).reshape(3, -1).T
    place = np.array(view.offset) + (centres + 0.5) * pixel
    found: Array = cKDTree(np.array(points, float)).query(place)[0].astype("f4").reshape(shape)
    return found


def _trained(method: str, lesson: Lesson, view: Volume, pixel: float, seed: int, how: dict[str, Any]) -> Any:
    from ndlab.detect.trees import Growth, grow

    if method == "trees":
        return grow(lesson.image, lesson.classes, lesson.weight, Growth(seed=seed, **how))
    if method == "network":
        from ndlab.detect.network.training import fit

        return fit(lesson.image, lesson.classes, lesson.weight, seed=seed, **how)
    if method == "vesicle":
        return _vesicle(lesson, view, pixel, seed, how)
    raise BadRequest(f"method={method!r}", 'there are "trees", "network" and "vesicle"')


def _vesicle(lesson: Lesson, view: Volume, pixel: float, seed: int, how: dict[str, Any]) -> Any:
    from ndlab.detect.trees import Growth, grow
    from ndlab.detect.vesicle import grow_vesicle

    if "membrane" not in lesson.names:
        raise BadRequest('method="vesicle" without membranes', "VESICLE looks near membranes only",
                         'pass classes={"membrane": mask}')  # fmt: skip
    number = lesson.names.index("membrane")
    coarse = reduced((lesson.classes == number).astype("u1"), 2) >= _HALF
    synapse = lesson.classes == len(lesson.names) - 1
    # What is looked for lies on membranes, so a detector of membranes has to find it too.
    coarse |= reduced(synapse.astype("u1"), 2) >= _HALF
    weight = reduced(lesson.weight, 2) >= 1
    membranes = grow(reduced(lesson.image, 2), coarse.astype("u1"), weight.astype("f4"), Growth(seed=seed))
    shape = view.voxel_size
    return grow_vesicle(lesson.image, synapse, lesson.weight, membranes, anisotropy=shape[0] / pixel,
                        diameter=_VESICLE / pixel, seed=seed, **how)  # fmt: skip
