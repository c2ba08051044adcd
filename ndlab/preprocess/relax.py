"""Multigrid out of core: V-cycles as passes over blocks, each voxel the same as if there were one block.

A pass reads one array and writes another, so it can be done again. Blocks read as many voxels around them as red-black
sweeps carry an error inward, so where blocks end does not show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ndlab.geometry import Box, Calibration, Grid, Int3
from ndlab.measure.blocks import Bound, How
from ndlab.metadata import Multiscale, Scale
from ndlab.pipeline import Run, Step
from ndlab.preprocess.poisson import Equation
from ndlab.store.create import create, exists
from ndlab.store.memory import memory_stored
from ndlab.store.multiscale import open_store

__all__ = ["multigrid"]

Array = np.ndarray[Any, Any]
RightSide = Callable[[Box], Array]
"""Gives the right side of the equation on a box of the finest grid."""
_CYCLES = 5
_HALO = 6
_COARSEST = 1024
"""Voxels that are solved for by elimination, without anything coarser."""


@dataclass(frozen=True)
class _Level:
    """One grid: its equation, blocks, right side (None on the finest), and two arrays that passes alternate between."""

    equation: Equation
    grid: Grid
    last: tuple[float, float, float]
    right: Any
    one: Any
    other: Any

    def sizes(self, box: Box) -> Array:
        """(3, voxels): size of the voxels of a box along each axis; the last of an axis may be cut."""
        found = np.ones((3, max(box.shape)), np.float32)
        for axis, (stop, n) in enumerate(zip(box.stop, self.grid.shape, strict=True)):
            if stop == n:
                found[axis, box.shape[axis] - 1] = self.last[axis]
        return found

    def arms(self, box: Box) -> Array:
        """(6, voxels): weights of the faces before and after each voxel of a box along z, y and x."""
        sizes, found = self.sizes(box).astype(float), np.zeros((6, max(box.shape)))
        for axis, (weight, n) in enumerate(zip(self.equation.weights, box.shape, strict=True)):
            size = sizes[axis, :n]
            face = weight * 2 / (size[1:] + size[:-1])
            found[2 * axis, 1:n], found[2 * axis + 1, : n - 1] = face / size[1:], face / size[:-1]
        return found.astype(np.float32)


def multigrid(
    right: RightSide,
    shape: Int3,
    equation: Equation,
    block: Int3,
    how: How,
    *,
    scratch: str | None = None,
    cycles: int = _CYCLES,
) -> Any:
    """Solve block by block and return the array of the solution.

    Each V(2, 2) cycle leaves about a fifteenth of the error.

    Parameters
    ----------
    right : callable
        ``right(box)`` is the right side on a box of the grid, float32; it is called often.
    shape : (int, int, int)
    equation : Equation
    block : (int, int, int)
        Of one task; even.
    how : How
    scratch : str, optional
        Address below which arrays are kept; in memory without it.
    cycles : int
    """
    levels = _levels(shape, equation, block, scratch)
    for cycle in range(cycles):
        _cycle(levels, 0, right, cycle == 0, how, f"{cycle}")
    return levels[0].one


def _levels(shape: Int3, equation: Equation, block: Int3, scratch: str | None) -> list[_Level]:
    shapes, equations, lasts = [shape], [equation], [(1.0, 1.0, 1.0)]
    while _coupled(shapes[-1], equations[-1]) > _COARSEST:
        factors = equations[-1].factors()
        z, y, x = (-(-n // f) for n, f in zip(shapes[-1], factors, strict=True))
        coarser = (z, y, x)
        if coarser == shapes[-1]:
            break
        # An axis of odd length ends in half a voxel of the coarser grid.
        dz, dy, dx = ((last if n % f else 1 + last) / f if f > 1 else last
               for n, f, last in zip(shapes[-1], factors, lasts[-1], strict=True))  # fmt: skip
        lasts.append((dz, dy, dx))
        shapes.append(coarser)
        equations.append(equations[-1].coarser())
    # Whole coarse voxels at every level: a block is divided with the grid.
    whole = [1 << sum(a[k] != b[k] for a, b in pairwise(shapes)) for k in range(3)]
    side = [-(-b // k) * k for b, k in zip(block, whole, strict=True)]
    found = []
    for number, (level, one, last) in enumerate(zip(shapes, equations, lasts, strict=True)):
        z, y, x = (max(1, min(b, n)) for b, n in zip(side, level, strict=True))
        here = (z, y, x)
        arrays = [
            _array(level, here, None if scratch is None else f"{scratch}/{number}-{name}")
            if name != "right" or number else None
            for name in ("right", "one", "other")
        ]  # fmt: skip
        found.append(_Level(one, Grid(level, here), last, *arrays))
        side = [max(1, b // f) for b, f in zip(side, one.factors(), strict=True)]
    return found


def _coupled(shape: Sequence[int], equation: Equation) -> int:
    """Voxels that depend on each other."""
    return int(shape[1] * shape[2] * (shape[0] if equation.weights[0] > 0 else 1))


def _array(shape: Int3, block: Int3, url: str | None) -> Any:
    if url is None:
        return memory_stored(np.zeros(shape, np.float32), Calibration((1, 1, 1))).levels[0].array
    if not exists(url):
        about = Multiscale(("z", "y", "x"), (Scale("0", Calibration((1, 1, 1))),), name="scratch", kind="image")
        create(url, about, [shape], np.float32, chunks=[block], shards=[None], codec=None)
    return open_store(url).levels[0].array


def _cycle(levels: list[_Level], number: int, right: RightSide, fresh: bool, how: How, name: str) -> None:
    """Do one V-cycle from `number` down: from nothing if `fresh`, else from what ``one`` holds; into ``one``."""
    level = levels[number]
    source = right if number == 0 else _Stored(level.right)
    if number == len(levels) - 1:
        _solve(level, source)
        return
    below = levels[number + 1]
    factor = np.array([-(-a // b) for a, b in zip(level.grid.shape, below.grid.shape, strict=True)])
    params = {"level": level, "source": source, "below": below, "factor": factor}
    _pass("down", _down, {**params, "fresh": fresh}, level, how, f"{name}.{number}")
    _cycle(levels, number + 1, right, True, how, name)
    _pass("up", _up, params, level, how, f"{name}.{number}")


def _pass(kind: str, function: Any, params: dict[str, Any], level: _Level, how: How, name: str) -> None:
    step = Step(f"fuse: {kind} {name}", Bound(function, params), {}, {}, identity=f"{kind} {name}")
    Run(step, level.grid, workers=how.workers, client=how.client).run()


@dataclass(frozen=True)
class _Stored:
    """A right side that is kept."""

    array: Any

    def __call__(self, box: Box) -> Array:
        found: Array = self.array.read(box.start, box.stop)
        return found


def _down(block: Box, level: _Level, source: RightSide, below: _Level, factor: Array, fresh: bool) -> None:
    """Two sweeps from ``one`` into ``other``, and what they leave to the coarser grid."""
    from ndlab.preprocess.kernels.multigrid import mean_residual, sweep

    grown = _grown(block, level)
    f = source(grown)
    c = np.zeros(grown.shape, np.float32) if fresh else level.one.read(grown.start, grown.stop)
    arms, screen = level.arms(grown), np.float32(level.equation.screen)
    for _ in range(2):
        sweep(c, f, arms, screen, sum(grown.start) % 2)
    left = np.empty([-(-n // k) for n, k in zip(grown.shape, factor, strict=True)], np.float32)
    mean_residual(c, f, arms, level.sizes(grown), screen, factor, left)
    level.other.write(block.start, c[_inside(block, grown)])
    start = [a // int(k) for a, k in zip(block.start, factor, strict=True)]
    stop = [-(-b // int(k)) for b, k in zip(block.stop, factor, strict=True)]
    cut = tuple(
        slice(a - g // int(k), b - g // int(k)) for a, b, g, k in zip(start, stop, grown.start, factor, strict=True)
    )
    below.right.write(start, np.ascontiguousarray(left[cut]))


def _up(block: Box, level: _Level, source: RightSide, below: _Level, factor: Array) -> None:
    """Add the coarser grid's solution to ``other``, sweep twice, into ``one``."""
    from ndlab.preprocess.kernels.multigrid import add_coarse, sweep

    grown = _grown(block, level)
    c = level.other.read(grown.start, grown.stop)
    begin = [max(0, a // int(k) - 1) for a, k in zip(grown.start, factor, strict=True)]
    end = [min(n, -(-b // int(k)) + 1) for b, k, n in zip(grown.stop, factor, below.grid.shape, strict=True)]
    add_coarse(c, below.one.read(begin, end), np.array(grown.start), np.array(begin), factor)
    f, arms, screen = source(grown), level.arms(grown), np.float32(level.equation.screen)
    for _ in range(2):
        sweep(c, f, arms, screen, sum(grown.start) % 2)
    level.one.write(block.start, np.ascontiguousarray(c[_inside(block, grown)]))


def _solve(level: _Level, source: RightSide) -> None:
    """Solve the coarsest grid by elimination: all of it, or section by section."""
    from scipy.sparse import csc_array
    from scipy.sparse.linalg import splu

    whole = Box((0, 0, 0), level.grid.shape)
    f, arms = source(whole).astype(float), level.arms(whole).astype(float)
    apart = level.equation.weights[0] == 0
    section = (1, *level.grid.shape[1:]) if apart else level.grid.shape
    number = np.arange(int(np.prod(section))).reshape(section)
    diagonal = np.full(section, float(level.equation.screen))
    rows, columns, values = [], [], []
    for axis in range(3):
        n = section[axis]
        line = [n if a == axis else 1 for a in range(3)]
        for side, step in ((0, -1), (1, 1)):
            weight = np.broadcast_to(arms[2 * axis + side, :n].reshape(line), section)
            diagonal = diagonal + (weight if n > 1 else 0)
            here = np.take(number, np.arange(max(0, -step), n - max(0, step)), axis)
            rows.append(here.ravel())
            columns.append(np.take(number, np.arange(max(0, step), n + min(0, step)), axis).ravel())
            values.append(-weight.reshape(-1)[here.ravel()])
    rows.append(number.ravel())
    columns.append(number.ravel())
    values.append(diagonal.ravel())
    matrix = csc_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))))
    found = splu(matrix).solve(f.reshape(-1, number.size).T)
    level.one.write((0, 0, 0), np.ascontiguousarray(found.T.reshape(f.shape), np.float32))


def _grown(block: Box, level: _Level) -> Box:
    """Return the block with what sweeps need around it; along z only where sections are coupled."""
    reach = [_HALO if w > 0 else 0 for w in level.equation.weights]
    return block.grow(reach, within=level.grid.shape)


def _inside(block: Box, grown: Box) -> tuple[slice, ...]:
    return tuple(slice(a - g, b - g) for a, b, g in zip(block.start, block.stop, grown.start, strict=True))
