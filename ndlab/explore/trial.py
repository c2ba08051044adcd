"""A step tried on one box: what it would write is caught, and nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Box, NmBox
from ndlab.pipeline import BlockStep, Step, Task
from ndlab.volume import Volume

__all__ = ["attempt"]


class _Caught:
    """Stands for a volume: reads go to it, writes are kept here."""

    def __init__(self, volume: Volume, box: Box) -> None:
        self._volume, self._box = volume, box
        self.values: np.ndarray[Any, Any] | None = None

    def write(self, box: Box | NmBox | None, values: Any, **_: Any) -> None:
        array = self.values
        if array is None:
            array = self.values = np.zeros(self._box.shape, self._volume.dtype)
        target = self._volume.calibration.covering(box) if isinstance(box, NmBox) else box or self._volume.box
        inside = target & self._box
        if inside.size:
            full = np.broadcast_to(np.asarray(values), target.shape)
            part = full[inside.shift([-a for a in target.start]).slices]
            array[inside.shift([-a for a in self._box.start]).slices] = part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._volume, name)

    def __getitem__(self, key: Any) -> Any:
        return self._volume[key]


def attempt(step: Step, box: Box) -> tuple[np.ndarray[Any, Any], str]:
    """Return what a step makes of a box, (z, y, x), and ``"image"`` or ``"labels"``; its volumes stay as they are.

    Parameters
    ----------
    step : Step
        A `BlockStep`; or one that writes to volumes among its parameters, or returns the voxels of its block.
    box : Box
        In voxels of the level that it works on.

    Raises
    ------
    BadRequest
        If it neither writes to a volume nor returns voxels.

    Examples
    --------
    >>> volume = Volume.from_array(np.zeros((4, 4, 4), "u1"), (8, 8, 8))
    >>> fill = Step("fill", lambda block, target: target.write(block, 7), {"target": volume})
    >>> attempt(fill, Box((0, 0, 0), (1, 2, 2)))[0].tolist(), int(volume.read().max())
    ([[[7, 7], [7, 7]]], 0)
    """
    if isinstance(step, BlockStep):
        found = np.asarray(step.preview(box))
        if found.ndim < 3:
            raise BadRequest(f"step {step.name!r} was previewed", "what it returns is no voxels", "run it")
        return found.reshape(-1, *found.shape[-3:])[0], step.kind or step.volumes[0].kind
    caught = {name: _Caught(value, box) for name, value in step.params.items() if isinstance(value, Volume)}
    returned = Step(step.name, step.function, _with(step.params, caught))(Task(box))
    for one in caught.values():
        if one.values is not None:
            return one.values, one._volume.kind
    if isinstance(returned, np.ndarray) and returned.ndim >= 3 and returned.shape[-3:] == box.shape:
        return returned.reshape(-1, *box.shape)[0], "image"
    raise BadRequest(
        f"step {step.name!r} was previewed on {box.start} to {box.stop}",
        f"it wrote to no volume among its parameters and returned {type(returned).__name__}",
        "run it, or let its function return the voxels of its block",
    )


def _with(params: Mapping[str, Any], caught: Mapping[str, Any]) -> dict[str, Any]:
    return {**params, **caught}
