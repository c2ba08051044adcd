"""Probabilities of a volume of any size: computed where they are read, or written block by block."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.detect.model import Model
from ndlab.detect.working import Contrast, enlarged, factor_of, flat_view, reduced
from ndlab.errors import ReadOnly
from ndlab.geometry import Box, Calibration, Int3

if TYPE_CHECKING:
    from ndlab.volume import Volume

__all__ = ["ProbabilityArray", "probability", "voxels"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ProbabilityArray:
    """What a model makes of a volume, as an array that is computed where it is read.

    A voxel is a function of the grey values within the model's overlap, so it is the same whatever is read with it.

    Parameters
    ----------
    volume : Volume
        Grey values, (z, y, x).
    model : Model
    contrast : Contrast
        Of the whole volume.
    target : int or None
        Which class; None gives all of them, along a first axis.
    """

    volume: Volume = field(repr=False)
    model: Model = field(repr=False)
    contrast: Contrast
    target: int | None
    digest: str
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None = None
    codec: str = "computed"

    @classmethod
    def of(cls, volume: Volume, model: Model, contrast: Contrast, target: int | None) -> ProbabilityArray:
        """Put a model behind a volume."""
        factor = factor_of(volume.voxel_size, model.pixel, model.detector.finer)
        z, y, x = model.detector.piece
        piece = tuple(max(1, min(a, b)) for a, b in zip((z, y * factor, x * factor), volume.shape, strict=True))
        lead = () if target is not None else (len(model.classes),)
        return cls(volume, model, contrast, target, model.digest, (*lead, *piece))

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent along (c)zyx."""
        return self.volume.shape if self.target is not None else (len(self.model.classes), *self.volume.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always float32."""
        return np.dtype("f4")

    def read(self, start: Sequence[int], stop: Sequence[int], out: Array | None = None) -> Array:
        """Probabilities in the half-open box, piece by piece."""
        found = np.empty([b - a for a, b in zip(start, stop, strict=True)], "f4") if out is None else out
        first = start[-3:]
        for low, high in _pieces(first, stop[-3:], self.chunks[-3:]):
            where = tuple(slice(a - o, b - o) for a, b, o in zip(low, high, first, strict=True))
            classes = self._compute(low, high)
            if self.target is not None:
                found[where] = classes[self.target]
            else:
                found[(slice(None), *where)] = classes[start[0] : stop[0]]
        return found

    def write(self, start: Sequence[int], values: Array) -> None:
        """Raise `ReadOnly`: a probability is computed."""
        raise ReadOnly(f"a write of {values.shape} voxels at {tuple(start)} into probabilities",
                       "they are computed and have no place to be kept", "pass out= to keep them")  # fmt: skip

    def _compute(self, start: Int3, stop: Int3) -> Array:
        """All classes in a box that is small enough for memory."""
        model, n = self.model, self.volume.shape
        finer, align, reach = model.detector.finer, model.detector.align, model.detector.overlap
        factor = factor_of(self.volume.voxel_size, model.pixel, finer)
        low, high = [max(0, start[0] - reach[0])], [min(n[0], stop[0] + reach[0])]
        for axis in (1, 2):
            # Pixels that the voxels lie between, those that the model looks at beside them, and whole steps of it.
            first, last = (start[axis] // factor) - 1 - reach[axis], -(-stop[axis] // factor) + 1 + reach[axis]
            low.append(max(0, first // align * align))
            high.append(min(-(-n[axis] // factor), -(-last // align) * align))
        corner = self.volume.box.start
        box = Box([corner[0] + low[0], *(c + a * factor for c, a in zip(corner[1:], low[1:], strict=True))],
                  [corner[0] + high[0], *(min(c + m, c + b * factor) for c, b, m in
                                          zip(corner[1:], high[1:], n[1:], strict=True))],
                  self.volume.level_index)  # fmt: skip
        grey = self.contrast.apply(reduced(self.volume.read(box), factor // finer))
        found = model.detector.predict(grey)[:, start[0] - low[0] : stop[0] - low[0]]
        return enlarged(found, factor, (start[1], start[2]), (stop[1], stop[2]), (low[1], low[2]))


def _pieces(start: Sequence[int], stop: Sequence[int], piece: Sequence[int]) -> Iterator[tuple[Int3, Int3]]:
    """Boxes that cut a box at multiples of a piece."""
    ranges = [
        [(max(a, k * p), min(b, (k + 1) * p)) for k in range(a // p, -(-b // p))]
        for a, b, p in zip(start, stop, piece, strict=True)
    ]
    for one in product(*ranges):
        (z0, z1), (y0, y1), (x0, x1) = one
        yield (z0, y0, x0), (z1, y1, x1)


def probability(
    volume: Any,
    *,
    model: Model | str | os.PathLike[str] | None = None,
    target: str | None = None,
    out: str | os.PathLike[str] | None = None,
    block: int | Sequence[int] | None = None,
    overwrite: bool = False,
    workers: int | None = None,
    client: Any = None,
    progress: Any = None,
) -> Volume:
    """Return the probability that each voxel belongs to a synapse, as a `Volume` of float32.

    Parameters
    ----------
    volume : Volume
        Grey values, (z, y, x), calibrated. The model works on pixels of its own size: finer volumes are averaged.
    model : Model or path, optional
        Without it the one that ndlab ships. It was trained on the phantom and is not validated on electron
        microscopy: for real tissue train your own with `ndlab.detect.train`.
    target : str, optional
        Another class of the model than the one it looks for, e.g. ``"membrane"``.
    out : str or path, optional
        Where to keep it, block by block; a call that was stopped goes on where it was. Without it the volume is
        lazy: what is read is computed.
    block, overwrite, workers, client
        As for a `Run`.
    progress : bool or callable, optional
        A bar where somebody looks unless False; or a callback.

    Returns
    -------
    Volume
        The same for any blocks; ``provenance["probability"]`` names model, digest and contrast.

    Examples
    --------
    >>> from ndlab.samples import phantom
    >>> p = probability(phantom((8, 64, 64)).volume("image"))
    >>> p.shape, p[2:4, 10:20, 10:20].read().dtype
    ((8, 64, 64), dtype('float32'))
    """
    found = Model.of(model)
    number = len(found.classes) - 1 if target is None else found.number(target)
    return _made(volume, found, number, out, {"block": block, "overwrite": overwrite, "workers": workers,
                                              "client": client, "progress": progress})  # fmt: skip


def voxels(
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
    """Return the probabilities of every class of a model, as a `Volume` of float32 with a channel for each.

    Parameters
    ----------
    volume, model, out, block, overwrite, workers, client, progress
        As for `probability`.

    Returns
    -------
    Volume
        (c, z, y, x); channels are named by the classes, and add up to 1.

    Examples
    --------
    >>> from ndlab.samples import phantom
    >>> classes = voxels(phantom((8, 64, 64)).volume("image"))
    >>> [channel.name for channel in classes.channels][-1]
    'synapse'
    """
    return _made(volume, Model.of(model), None, out, {"block": block, "overwrite": overwrite, "workers": workers,
                                                      "client": client, "progress": progress})  # fmt: skip


def _made(volume: Any, model: Model, target: int | None, out: Any, how: dict[str, Any]) -> Volume:
    view = flat_view(volume)
    contrast = Contrast.of(view)
    from ndlab.pipeline import describe

    made = {
        "source": describe(view),
        "model": model.kind,
        "digest": model.digest,
        "class": "all" if target is None else model.classes[target],
        "contrast": [contrast.mean, contrast.deviation],
        "pixel": model.pixel,
        **{name: value for name, value in model.notes.items() if name in ("warning", "trained_on")},
    }
    lazy = _lazy(view, ProbabilityArray.of(view, model, contrast, target), made)
    return lazy if out is None else stored(lazy, made, out, how)


def _lazy(view: Volume, array: ProbabilityArray, made: dict[str, Any]) -> Volume:
    from ndlab.metadata import Channel
    from ndlab.store.arrays import Level, Stored
    from ndlab.volume import Volume

    axes = ("z", "y", "x") if array.target is not None else ("c", "z", "y", "x")
    names = array.model.classes if array.target is None else (array.model.classes[array.target],)
    channels = tuple(Channel(name=name, window=(0.0, 1.0)) for name in names)
    level = Level(array, Calibration(view.voxel_size, view.offset))
    name = f"{names[0] if array.target is not None else 'classes'} of {view.name}".strip()
    return Volume(
        Stored("", "computed", axes, (level,), "image", name, channels, attrs={"ndlab": {"probability": made}})
    )


def kept(found: Array, *, made: dict[str, Any]) -> Array:
    """Return what was computed for a block; `made` is here for the record to hold."""
    return found


def stored(lazy: Volume, made: dict[str, Any], out: Any, how: dict[str, Any]) -> Volume:
    from ndlab.pipeline import BlockStep, progress_bar
    from ndlab.volume import open as open_volume

    axes = "zyx" if "c" not in lazy.axes else "czyx"
    step = BlockStep("probability", kept, {"made": made}, inputs=lazy, output=out, axes=axes, dtype="f4", kind="image")
    plain = {name: how[name] for name in ("block", "workers", "client", "overwrite")}
    if callable(how["progress"]):
        step.plan(**plain, progress=how["progress"]).run()
    else:
        with progress_bar(how["progress"]) as callback:
            step.plan(**plain, progress=callback).run()
    found = open_volume(out)
    return found.update_levels() if len(found.levels) > 1 else found
