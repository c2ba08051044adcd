"""Precision and recall over a grid of rules, each grid's expensive half done once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.detect.matching import Overlaps, match
from ndlab.detect.objects import Rules, sized_in_sections

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GRID", "Grid", "Sweep", "sweep"]

Array = np.ndarray[Any, Any]
# An 18-neighbour that is no 6-neighbour; the other half of them are seen from the other side.
_EDGES = ((0, 1, 1), (0, 1, -1), (1, 0, 1), (1, 0, -1), (1, 1, 0), (1, -1, 0))


@dataclass(frozen=True)
class Grid:
    """Rules to try, every combination of these."""

    threshold: tuple[float, ...]
    min_area: tuple[int, ...]
    max_area: tuple[int, ...]
    min_size: tuple[int, ...]
    min_sections: tuple[int, ...]

    def __len__(self) -> int:
        return len(list(product(*asdict(self).values())))


GRID = Grid(
    (0.5, 0.6, *(round(0.7 + 0.025 * i, 3) for i in range(13))), (0, 50, 200), (2500, 5000, 10_000),
    (100, 500, 1000, 2000), (1, 3, 5),
)  # fmt: skip
"""The grid of VESICLE's `pr_evaluate_full`."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """What every combination of rules found.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each: the rules, `tp`, `fp`, `fn`, `precision`, `recall`, `f1`.
    """

    table: pd.DataFrame

    def best(self) -> tuple[Rules, float]:
        """Return the rules of the highest F1, and that F1; among equals those in the middle of the list."""
        top = np.flatnonzero(self.table["f1"] >= self.table["f1"].max() - 1e-12)
        return self.rules(int(top[len(top) // 2])), float(self.table["f1"].max())

    def steady(self) -> Rules:
        """Return the rules that do best together with those one step beside them in each number.

        One object more or less makes the highest point of a curve; what it is surrounded by says more about another
        volume.
        """
        from scipy.ndimage import convolve1d

        names = list(asdict(GRID))
        ordered = self.table.reset_index(drop=True).sort_values(names)
        f1 = ordered["f1"].to_numpy().reshape([ordered[name].nunique() for name in names])
        for axis in range(f1.ndim):
            f1 = convolve1d(f1, [0.25, 0.5, 0.25], axis=axis, mode="nearest")
        return self.rules(int(ordered.index[int(np.argmax(f1))]))

    def rules(self, row: int) -> Rules:
        """Return the rules of a row."""
        one = self.table.iloc[row]
        return Rules(float(one["threshold"]), *(int(one[name]) for name in list(asdict(GRID))[1:]))

    def frontier(self) -> pd.DataFrame:
        """Return the rows that no other beats in both precision and recall, by recall: the curve that is drawn."""
        ordered = self.table.sort_values(["recall", "precision"], ascending=[False, False])
        keep = ordered["precision"] > ordered["precision"].cummax().shift(fill_value=-1.0)
        return ordered[keep].sort_values("recall").reset_index(drop=True)

    def __add__(self, other: Sweep) -> Sweep:
        """Add the counts of another part of the volume under the same rules."""
        table = self.table.copy()
        for name in ("tp", "fp", "fn"):
            table[name] += other.table[name]
        return Sweep(_scored(table))


def sweep(
    probability: Array,
    truth: Array,
    grid: Grid = GRID,
    *,
    overlap: int = 10,
    iou: float | None = None,
    ignore_below: int = 0,
    dont_care: Array | None = None,
) -> Sweep:
    """Try every combination of rules of a grid, and count what each finds.

    Parameters
    ----------
    probability : ndarray, (z, y, x)
    truth : ndarray of int, (z, y, x)
        Labels of the true objects.
    grid : Grid
        VESICLE's own, 1,620 combinations, unless another is given.
    overlap, iou, ignore_below, dont_care
        As for `match` and `Overlaps.of`.

    Examples
    --------
    >>> p = np.zeros((4, 20, 20), "f4"); p[1:3, 2:12, 2:12] = 0.8
    >>> rules, f1 = sweep(p, (p > 0).astype(int)).best()
    >>> rules.threshold < 0.8, f1
    (True, 1.0)
    """
    import pandas as pd

    rows = []
    for t, low, high in product(grid.threshold, grid.min_area, grid.max_area):
        pieces = _Pieces.of(sized_in_sections(probability > t, low, high), truth, dont_care)
        for size, sections in product(grid.min_size, grid.min_sections):
            found = match(pieces.objects(size, sections), overlap=overlap, iou=iou, ignore_below=ignore_below)
            rows.append((t, low, high, size, sections, found.tp, found.fp, found.fn))
    return Sweep(_scored(pd.DataFrame(rows, columns=[*asdict(grid), "tp", "fp", "fn"])))


def _scored(table: pd.DataFrame) -> pd.DataFrame:
    table["precision"] = table["tp"] / np.maximum(table["tp"] + table["fp"], 1)
    table["recall"] = table["tp"] / np.maximum(table["tp"] + table["fn"], 1)
    table["f1"] = 2 * table["tp"] / np.maximum(2 * table["tp"] + table["fp"] + table["fn"], 1)
    return table


@dataclass(frozen=True, eq=False)
class _Pieces:
    """6-connected pieces, how they lie on the truth, and which touch by an edge."""

    overlaps: Overlaps
    sections: Array
    touching: Array

    @classmethod
    def of(cls, above: Array, truth: Array, dont_care: Array | None) -> _Pieces:
        from scipy.ndimage import label

        pieces, count = label(above)
        sections = np.zeros(count + 1, int)
        for section in pieces:
            sections[np.unique(section)] += 1
        pairs = [np.zeros((0, 2), int), *_edges(pieces)]
        return cls(Overlaps.of(pieces, truth, dont_care), sections[1:], np.unique(np.concatenate(pairs), axis=0))

    def objects(self, min_size: int, min_sections: int) -> Overlaps:
        """Join what touches of the pieces that are large enough."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        o, n = self.overlaps, len(self.sections)
        good = (o.detection_size >= min_size) & (self.sections >= min_sections)
        some = self.touching[good[self.touching].all(axis=1)] if len(self.touching) else self.touching
        count, number = connected_components(coo_array((np.ones(len(some)), some.T), (n, n)), directed=False)
        names = np.unique(number[good])
        place = np.full(max(count, 1), -1)
        place[names] = np.arange(len(names))
        to = np.where(good, place[number], -1)
        kept = to[o.detection] >= 0
        pairs, where = np.unique(to[o.detection[kept]] * max(1, len(o.truths)) + o.truth[kept], return_inverse=True)
        shared = np.bincount(where, o.voxels[kept], len(pairs)).astype(int)
        sizes, careless = (np.bincount(to[good], one[good], len(names)).astype(int)
                           for one in (o.detection_size, o.careless))  # fmt: skip
        return Overlaps(*np.divmod(pairs, max(1, len(o.truths))), shared, names + 1, o.truths, sizes, o.truth_size,
                        careless)  # fmt: skip


def _edges(pieces: Array) -> Iterator[Array]:
    """Pairs of different pieces that touch by an edge."""
    for step in _EDGES:
        a, b = pieces[_cut(step, pieces.shape, 1)], pieces[_cut(step, pieces.shape, -1)]
        both = (a > 0) & (b > 0) & (a != b)
        yield np.stack([a[both], b[both]], 1).astype(int) - 1


def _cut(step: Sequence[int], shape: Sequence[int], sign: int) -> tuple[slice, ...]:
    moved = [s * sign for s in step]
    return tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(moved, shape, strict=True))
