"""A step over volumes: a function of arrays, block by block, each with its overlap."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ndlab.errors import BadRequest
from ndlab.geometry import Box, Int3
from ndlab.pipeline.planning import BlockRun, plan
from ndlab.pipeline.step import Step, Task, describe, fingerprint, source_digest
from ndlab.pipeline.window import Window, read

__all__ = ["BlockStep"]

_PREVIEW = 32


@dataclass(frozen=True)
class BlockStep(Step):
    """A function of arrays, called once for each block of volumes; what it returns is written, or combined.

    Parameters
    ----------
    name : str
        What it is called in records, receipts and messages.
    function : callable
        Called as ``function(*arrays, **params)``, or with the arrays by name if `inputs` names them. It sees each
        block grown by `overlap`, clipped at the borders of the volume, and returns an array of the same extent (the
        overlap is cut off) or of the block's own; without an `output`, anything that the Run can reduce.
    params : mapping
        Further keyword arguments.
    inputs : volume, sequence of volumes, or mapping of name to volume
        What it reads, all of the same extent (z, y, x). A view counts as a volume of its own.
    output : str, path, volume or None
        An address, where a store like the first input is made, or a volume of the same extent.
    overlap : int or sequence of 3 int
        Voxels (z, y, x) that the function looks at around a voxel: its reach.
    axes : {"zyx", "czyx", "tzyx", "tczyx"}
        What the function sees of volumes that have more; it is called for each of the others.
    dtype, kind, options : optional
        Of a store that is made: what the function returns on a small piece, the kind of the first input, and further
        keywords of `ndlab.derived.like`.
    scratch : float, optional
        Bytes a voxel that the function needs besides inputs and result, for the estimate of memory.
    seed : int, optional
        Of the random numbers of ``window.rng``.

    Examples
    --------
    >>> import numpy as np
    >>> from ndlab.volume import Volume
    >>> vol = Volume.from_array(np.arange(4 * 6 * 8, dtype="u1").reshape(4, 6, 8), voxel_size=(8, 8, 8))
    >>> step = BlockStep("brightest", np.max, inputs=vol)
    >>> int(step.plan(block=(2, 3, 4)).reduce(max))
    191
    """

    inputs: Any = field(default_factory=dict)
    overlap: int | Sequence[int] = 0
    axes: str = "zyx"
    dtype: Any = None
    kind: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    scratch: float | None = None

    def __post_init__(self) -> None:
        if not self.volumes:
            raise BadRequest(f"step {self.name!r} without inputs", "a step over volumes reads at least one")
        first, *others = self.volumes
        for other in others:
            if other.box.shape != first.box.shape:
                raise BadRequest(
                    f"step {self.name!r} over volumes of {first.box.shape} and {other.box.shape}",
                    "all inputs have the same extent (z, y, x)",
                    "cut one of them, or take the levels that fit: volume.nearest(voxel=...)",
                )
        if set(self.axes) - set("tczyx") or self.axes[-3:] != "zyx" or len(set(self.axes)) < len(self.axes):
            raise BadRequest(f"axes={self.axes!r}", 'a function sees "zyx", "czyx", "tzyx" or "tczyx"')
        if min(self.margin) < 0:
            raise BadRequest(f"overlap={self.overlap!r}", "an overlap is 0 or more voxels")

    # --- what it is -------------------------------------------------------------------------------------------

    @functools.cached_property
    def named(self) -> dict[str, Any]:
        """Inputs by name; those without one by their place."""
        if isinstance(self.inputs, Mapping):
            return dict(self.inputs)
        found = self.inputs if isinstance(self.inputs, list | tuple) else (self.inputs,)
        return {str(i): volume for i, volume in enumerate(found)}

    @property
    def volumes(self) -> list[Any]:
        """Inputs in order."""
        return list(self.named.values())

    @property
    def margin(self) -> Int3:
        """The overlap along (z, y, x)."""
        z, y, x = (self.overlap,) * 3 if isinstance(self.overlap, int) else self.overlap
        return int(z), int(y), int(x)

    @property
    def home(self) -> Box:
        """The voxels that blocks are counted in: the output's if there is one already."""
        box: Box = self.volumes[0].box if self.sink is None else self.sink.box
        return box

    @property
    def sink(self) -> Any:
        """The output, once it is there to be written to."""
        return self.output if hasattr(self.output, "open_record") else None

    @property
    def fingerprint(self) -> str:
        """Digest of all that decides the voxels: equal for Runs that would write the same."""
        return fingerprint([self.name, describe(self.function), *self.about().values()])

    @property
    def code(self) -> str | None:
        """Digest of the function's source."""
        return source_digest(self.function)

    def described_inputs(self) -> dict[str, Any]:
        """Return the inputs by name, as JSON holds them."""
        return {name: describe(volume) for name, volume in self.named.items()}

    def about(self) -> dict[str, Any]:
        """Return what, beside the function, decides the voxels."""
        return {
            "params": describe(self.params), "inputs": self.described_inputs(), "overlap": list(self.margin),
            "axes": self.axes, "seed": self.seed,
        }  # fmt: skip

    def lead(self) -> dict[str, range | None]:
        """Time points and channels that the function is called for one by one."""
        first = self.volumes[0]
        extents = dict(zip(first.axes, first.shape, strict=True))
        return {a: range(extents[a]) if a in extents and a not in self.axes else None for a in "tc"}

    # --- one block --------------------------------------------------------------------------------------------

    def __call__(self, task: Task) -> Any:
        """Do one block: read it with its overlap, call the function, write or return what comes."""
        block = task.block.shift([-a for a in self.home.start])
        found = self._apply(block, task.t, task.c)
        if self.sink is None:
            return found
        self.sink.write(task.block, self._cut(found, self._window(block, task.t, task.c)), t=task.t, c=task.c)
        return None

    def _apply(self, block: Box, t: int | None, c: int | None) -> Any:
        window = self._window(block, t, c)
        arrays = {name: read(volume, window) for name, volume in self.named.items()}
        more = {"window": window} if self._takes_window else {}
        if isinstance(self.inputs, Mapping):
            return self.function(**arrays, **self.params, **more)
        return self.function(*arrays.values(), **self.params, **more)

    def _window(self, block: Box, t: int | None, c: int | None) -> Window:
        grown = block.grow(self.margin, within=self.volumes[0].box.shape) if block.size else block
        return Window(block, grown, t, c, self.seed or 0)

    @functools.cached_property
    def _takes_window(self) -> bool:
        try:
            return "window" in inspect.signature(self.function).parameters
        except (TypeError, ValueError):
            return False

    def _cut(self, found: Any, window: Window) -> np.ndarray[Any, Any]:
        array = np.asarray(found)
        if array.shape[-3:] == window.read.shape and array.ndim >= 3:
            return array[(..., *window.inner)]
        if array.shape[-3:] == window.block.shape and array.ndim >= 3:
            return array
        raise BadRequest(
            f"step {self.name!r} returned an array of shape {array.shape} for a block of {window.block.shape}",
            f"it saw {window.read.shape} (z, y, x) with the overlap",
            "return an array of either extent; for anything else leave the output out and call run.reduce(combine)",
        )

    def preview(self, box: Box | None = None, *, t: int | None = None, c: int | None = None) -> Any:
        """Return what the function gives on a box (z, y, x of the first input's view); nothing is written.

        Without a box it is a small one in the middle.
        """
        shape = self.volumes[0].box.shape
        if box is None:
            middle = [max(0, n // 2 - _PREVIEW // 2) for n in shape]
            box = Box(middle, [min(n, a + _PREVIEW) for n, a in zip(shape, middle, strict=True)])
        lead = self.lead()
        at = {"t": t, "c": c}
        t, c = (0 if lead[a] is not None and at[a] is None else at[a] for a in "tc")
        block = Box(box.start, box.stop).check(shape)
        found = self._apply(block, t, c)
        return found if self.output is None else self._cut(found, self._window(block, t, c))

    # --- all blocks -------------------------------------------------------------------------------------------

    def plan(self, **options: Any) -> BlockRun:
        """Return the Run over all blocks, its output made; nothing is computed yet but a small piece.

        Options are those of `ndlab.pipeline.planning.plan` (block, workers, client, memory, overwrite, check) and of
        `Run`.
        """
        return plan(self, **options)
