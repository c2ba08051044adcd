"""How many synapses a volume holds, and how evenly: densities in blocks with intervals that know that blocks are alike.

Neighbouring blocks have seen the same sections, the same layer and the same detector. An interval that takes them for
independent is far too narrow, so blocks are drawn anew here in tiles of many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np

from ndlab.analyze.intervals import Share
from ndlab.errors import BadRequest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BlockCounts", "Density", "Dispersion", "IntensityFit", "Profile"]

Array = np.ndarray[Any, Any]


class Density(NamedTuple):
    """Objects per µm³ with two intervals of 95 %."""

    value: float
    low: float
    high: float
    poisson_low: float
    poisson_high: float
    blocks: int
    tile_um: float


class Dispersion(NamedTuple):
    """Whether counts vary as those of random objects do; `ratio` is chi-squared over df, 1 where they do."""

    chi2: float
    df: int
    p: float
    ratio: float


class Profile(NamedTuple):
    """Density along one axis, and its slope in objects per µm³ for each 100 µm."""

    table: pd.DataFrame
    slope: float
    slope_low: float
    slope_high: float


@dataclass(frozen=True, eq=False)
class BlockCounts:
    """Counts of objects in the blocks of a grid.

    Parameters
    ----------
    counts : ndarray of int, shape (n,)
        Objects in each block.
    volume : ndarray, shape (n,)
        Volume of each block in which they were looked for [µm³].
    index : ndarray of int, shape (n, 3)
        Place of each block in the grid, (z, y, x).
    centre : ndarray, shape (n, 3)
        Its centre, (z, y, x) [µm].
    block : float
        Volume of a whole block [µm³].
    precision, recall : float, Share or None
        Of the detector that found the objects; without them all densities are of *detections*. As ``wilson(found, of)``
        gives them they say how many were looked at, and intervals are as much wider as that makes them.

    Examples
    --------
    >>> from ndlab.samples import bock_density
    >>> table = bock_density()
    >>> blocks = BlockCounts.from_table(
    ...     table, counts="synapses", unmasked="unmasked_vx", centre=("z_section", "y_px", "x_px"),
    ...     voxel_size=(45, 128, 128), block=(111, 39, 39))
    >>> some = blocks.covered(0.5)
    >>> len(some.counts), round(some.density(draws=200).value, 2)
    (42236, 1.7)
    """

    counts: Array
    volume: Array
    index: Array
    centre: Array
    block: float
    precision: float | Share | None = None
    recall: float | Share | None = None

    @classmethod
    def from_table(
        cls, table: pd.DataFrame, *, counts: str, unmasked: str, centre: Sequence[str],
        voxel_size: Sequence[float], block: Sequence[int], precision: float | Share | None = None,
        recall: float | Share | None = None,
    ) -> BlockCounts:  # fmt: skip
        """Take blocks from a table.

        Parameters
        ----------
        table : pandas.DataFrame
            A row for each block.
        counts, unmasked : str
            Columns of the number of objects, and of the voxels in which they were looked for.
        centre : three str
            Columns of the centre (z, y, x) in voxels.
        voxel_size, block : (z, y, x)
            Size of a voxel [nm]; sides of a block in voxels, by which the grid is found.
        precision, recall : float or Share, optional
            Of the detector.
        """
        voxel = np.asarray(voxel_size, float) / 1000
        where = table[list(centre)].to_numpy(float)
        place = np.rint((where - where.min(axis=0)) / block).astype(np.int64)
        if (np.abs(where - where.min(axis=0) - place * block) > 0.51).any():
            raise BadRequest(f"blocks of {tuple(block)} voxels", "the centres are not on a grid of that step",
                             "give the step between centres as block=")  # fmt: skip
        return cls(
            table[counts].to_numpy(np.int64), table[unmasked].to_numpy(float) * float(np.prod(voxel)), place,
            where * voxel, float(np.prod(np.asarray(block) * voxel)), precision, recall,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def coverage(self) -> Array:
        """Share of each block in which objects were looked for."""
        return self.volume / self.block

    @property
    def of_what(self) -> str:
        """What is counted: ``detections``, unless the detector's errors are known and densities corrected for them."""
        return "detections" if self.precision is None or self.recall is None else "objects, corrected for the detector"

    @property
    def correction(self) -> float:
        """What a density of detections is multiplied by: precision over recall."""
        return 1.0 if self.precision is None or self.recall is None else _value(self.precision) / _value(self.recall)

    def _corrections(self, draws: int, seed: int) -> Array:
        """Return what densities may have to be multiplied by, for each draw: shares of what was looked at vary."""
        if self.precision is None or self.recall is None:
            return np.ones(draws)
        rng = np.random.default_rng([seed, 2])
        return _varied(self.precision, draws, rng) / _varied(self.recall, draws, rng)

    def where(self, keep: Array) -> BlockCounts:
        """Return some of the blocks, by a mask."""
        return BlockCounts(
            self.counts[keep], self.volume[keep], self.index[keep], self.centre[keep], self.block, self.precision,
            self.recall,
        )  # fmt: skip

    def covered(self, share: float) -> BlockCounts:
        """Return the blocks of which more than `share` was looked at; little ones are biased."""
        return self.where(self.coverage > share) if share < 1 else self.where(self.coverage >= share)

    def densities(self) -> Array:
        """Return the objects per µm³ of each block, nan where nothing was looked at."""
        nothing = np.full(len(self), np.nan)
        found: Array = np.divide(self.counts, self.volume, out=nothing, where=self.volume > 0) * self.correction
        return found

    def to_pandas(self) -> pd.DataFrame:
        """Return a row for each block: its place in the grid, centre [µm], count, volume [µm³] and density per µm³."""
        import pandas as pd

        found = {name: self.index[:, i] for i, name in enumerate("zyx")}
        found |= {f"{axis}_um": self.centre[:, i] for i, axis in enumerate("zyx")}
        return pd.DataFrame(found | {"count": self.counts, "volume": self.volume, "density": self.densities()})

    def density(self, *, tile_um: Annotated[float, "µm"] = 65.0, draws: int = 2000, seed: int = 0) -> Density:
        """Return all objects over all volume, with an interval from drawing tiles of `tile_um` with replacement.

        With a detector's precision and recall as shares of what was looked at, these are drawn anew, too. The interval
        of independent counts (Poisson) stands beside it, to show how much too narrow it is.
        """
        tiles = self._tiles(tile_um)
        counts, volume = (np.bincount(tiles, one) for one in (self.counts, self.volume))
        rng = np.random.default_rng(seed)
        drawn = np.empty(draws)
        for i in range(draws):
            chosen = rng.integers(0, len(counts), len(counts))
            drawn[i] = counts[chosen].sum() / volume[chosen].sum()
        low, high = (float(one) for one in np.quantile(drawn * self._corrections(draws, seed), [0.025, 0.975]))
        scale = self.correction / volume.sum()
        value, half = float(counts.sum() * scale), float(1.96 * np.sqrt(counts.sum()) * scale)
        return Density(value, low, high, value - half, value + half, len(self), tile_um)

    def _tiles(self, tile_um: float) -> Array:
        low = self.centre.min(axis=0)
        place = np.floor((self.centre - low) / tile_um + 1e-9).astype(np.int64)
        return np.unique(place, axis=0, return_inverse=True)[1].ravel()

    def coverage_bias(self, edges: Sequence[float] = (0, 0.05, 0.2, 0.4, 0.6, 0.8, 1.01)) -> pd.DataFrame:
        """Return the density of the blocks of each range of coverage: where it rises with it, little ones mislead."""
        import pandas as pd

        bins = np.digitize(self.coverage, edges) - 1
        rows = []
        for k in range(len(edges) - 1):
            some = bins == k
            volume = self.volume[some].sum()
            value = self.counts[some].sum() / volume * self.correction if volume else np.nan
            rows.append((edges[k], edges[k + 1], int(some.sum()), float(value)))
        return pd.DataFrame(rows, columns=["from", "to", "blocks", "density"])

    def dispersion(self) -> Dispersion:
        """Test whether the counts vary as random ones with one density (chi-squared, Poisson).

        Blocks in which nothing was looked at say nothing.
        """
        from scipy.stats import chi2

        seen = self.volume > 0
        expected = self.volume[seen] * (self.counts[seen].sum() / self.volume.sum())
        value = float(((self.counts[seen] - expected) ** 2 / expected).sum())
        df = int(seen.sum()) - 1
        return Dispersion(value, df, float(chi2.sf(value, df)), value / df)

    def profile(
        self, axis: str = "y", *, bins: int | None = None, tile_um: float = 65.0, draws: int = 1000, seed: int = 0
    ) -> Profile:
        """Return the density along an axis; by default one row for each layer of blocks.

        The slope is of a line through the layers, weighted by their volume; its interval is from drawing columns of
        tiles across the other axes.
        """
        import pandas as pd

        i = "zyx".index(axis)
        layers = self.index[:, i] if bins is None else np.minimum(
            (self.index[:, i] * bins) // (self.index[:, i].max() + 1), bins - 1
        )  # fmt: skip
        where = np.bincount(layers, self.centre[:, i] * self.volume) / np.maximum(
            np.bincount(layers, self.volume), 1e-300
        )
        flat = self.centre.copy()
        flat[:, i] = 0
        tiles = BlockCounts(self.counts, self.volume, self.index, flat, self.block)._tiles(tile_um)
        shape = (tiles.max() + 1, layers.max() + 1)
        counts, volume = (np.zeros(shape) for _ in range(2))
        np.add.at(counts, (tiles, layers), self.counts)
        np.add.at(volume, (tiles, layers), self.volume)
        slope = _slope(counts.sum(axis=0), volume.sum(axis=0), where) * self.correction
        chosen = np.random.default_rng(seed).integers(0, shape[0], (draws, shape[0]))
        drawn = (
            np.array([_slope(counts[c].sum(axis=0), volume[c].sum(axis=0), where) for c in chosen])
        ) * self._corrections(draws, seed)
        low, high = np.nanquantile(drawn, [0.025, 0.975])
        total = volume.sum(axis=0)
        there = total > 0
        table = pd.DataFrame({
            f"{axis}_um": where[there], "blocks": np.bincount(layers, minlength=shape[1])[there],
            "volume": total[there], "density": counts.sum(axis=0)[there] / total[there] * self.correction,
        })  # fmt: skip
        return Profile(table, 100 * slope, 100 * float(low), 100 * float(high))

    def kernel_density(self, sigma_um: float) -> tuple[Array, Array]:
        """Return the density smoothed by a Gaussian and the volume that it rests on, both on the grid (z, y, x).

        Counts and volumes are smoothed alike, so what is masked neither adds nor takes away.
        """
        from scipy.ndimage import gaussian_filter

        shape = self.index.max(axis=0) + 1
        counts, volume = np.zeros(shape), np.zeros(shape)
        counts[tuple(self.index.T)], volume[tuple(self.index.T)] = self.counts, self.volume
        spacing = self._spacing()
        smooth = [gaussian_filter(one, sigma_um / spacing, mode="constant") for one in (counts, volume)]
        density = np.divide(smooth[0], smooth[1], out=np.full(shape, np.nan), where=smooth[1] > 1e-9 * self.block)
        return density * self.correction, smooth[1]

    def _spacing(self) -> Array:
        """Return the distance between blocks along each axis [µm]."""
        found = []
        for i in range(3):
            span = self.index[:, i].max() - self.index[:, i].min()
            found.append(np.ptp(self.centre[:, i]) / span if span else 1.0)
        return np.array(found)

    def morans_i(self, *, values: Array | None = None, draws: int = 199, seed: int = 0) -> tuple[float, float]:
        """Return Moran's I of the densities over blocks that share a face, and p from shuffling them.

        Blocks without a value, for nothing was looked at, are left out.

        Parameters
        ----------
        values : ndarray, shape (n,), optional
            Other values, such as the residuals of a fit.
        draws, seed : int

        References
        ----------
        Moran PAP (1950). Notes on continuous stochastic phenomena. Biometrika 37:17-23.
        """
        from ndlab.analyze.permutation import judged

        value = self.densities() if values is None else np.asarray(values, float)
        if np.isnan(value).any():
            there = ~np.isnan(value)
            return self.where(there).morans_i(values=value[there], draws=draws, seed=seed)
        pairs = self._neighbours(1)
        observed = _moran(value, pairs)
        rng = np.random.default_rng(seed)
        drawn = np.array([_moran(rng.permutation(value), pairs) for _ in range(draws)])
        return observed, judged("Moran's I", observed, drawn).p

    def _neighbours(self, step: int) -> Array:
        """Return the pairs of blocks `step` apart along one axis, (m, 2)."""
        shape = self.index.max(axis=0) + step + 1
        row = np.full(shape, -1, np.int64)
        row[tuple(self.index.T)] = np.arange(len(self))
        found = []
        for i in range(3):
            moved = self.index.copy()
            moved[:, i] += step
            other = row[tuple(moved.T)]
            found.append(np.stack([np.flatnonzero(other >= 0), other[other >= 0]], axis=1))
        return np.concatenate(found)

    def correlogram(self, most: int = 5, *, values: Array | None = None) -> pd.DataFrame:
        """Return the correlation of blocks 1, 2, … apart along an axis, with how far that is [µm] on average."""
        import pandas as pd

        value = self.densities() if values is None else np.asarray(values, float)
        if np.isnan(value).any():
            there = ~np.isnan(value)
            return self.where(there).correlogram(most, values=value[there])
        rows = []
        for step in range(1, most + 1):
            pairs = self._neighbours(step)
            gap = np.linalg.norm(self.centre[pairs[:, 0]] - self.centre[pairs[:, 1]], axis=1).mean()
            rows.append((step, float(gap), len(pairs), _moran(value, pairs)))
        return pd.DataFrame(rows, columns=["step", "distance_um", "pairs", "correlation"])

    def fit(self, axes: str = "zyx", knots: int = 5) -> IntensityFit:
        """Fit an uneven density: the log of it a sum of smooth curves of the axes (Poisson, B-splines)."""
        return _fitted(self, axes, knots)


def _value(share: float | Share) -> float:
    return share.share if isinstance(share, Share) else share


def _varied(share: float | Share, draws: int, rng: np.random.Generator) -> Array:
    """Draw from what a share of so many cases leaves possible (Jeffreys's prior); a bare number does not vary."""
    if isinstance(share, Share):
        return rng.beta(share.found + 0.5, share.of - share.found + 0.5, draws)
    return np.full(draws, share)


def _slope(counts: Array, volume: Array, where: Array) -> float:
    some = volume > 0
    weight = volume[some] / volume[some].sum()
    x = where[some] - (where[some] * weight).sum()
    y = counts[some] / volume[some]
    return float((weight * x * y).sum() / (weight * x * x).sum())


def _moran(values: Array, pairs: Array) -> float:
    deviation = values - values.mean()
    return float((deviation[pairs[:, 0]] * deviation[pairs[:, 1]]).mean() / (deviation**2).mean())


@dataclass(frozen=True, eq=False)
class IntensityFit:
    """An uneven density, fitted.

    Parameters
    ----------
    expected : ndarray, shape (n,)
        Objects that the fit expects in each block.
    explained : dict of str to float
        Share of the deviance that each axis explains alone, and ``all`` that they explain together.
    dispersion : float
        Pearson's chi-squared of what is left, over its degrees of freedom; 1 if the rest is random.
    residuals : ndarray, shape (n,)
        Pearson's.
    """

    expected: Array
    explained: dict[str, float]
    dispersion: float
    residuals: Array


def _fitted(blocks: BlockCounts, axes: str, knots: int) -> IntensityFit:
    strange = set(axes) - set("zyx")
    if strange or not axes:
        raise BadRequest(f"a fit along {axes!r}", "axes are letters of zyx")
    bases = {axis: _basis(blocks.centre[:, "zyx".index(axis)], knots) for axis in axes}
    constant = np.ones((len(blocks), 1))
    _, least = _poisson(constant, blocks)
    explained = {}
    for axis, basis in bases.items():
        explained[axis] = 1 - _poisson(np.hstack([constant, basis]), blocks)[1] / least
    design = np.hstack([constant, *bases.values()])
    expected, deviance = _poisson(design, blocks)
    explained["all"] = 1 - deviance / least
    residuals = (blocks.counts - expected) / np.sqrt(np.maximum(expected, 1e-12))
    df = len(blocks) - np.linalg.matrix_rank(design)
    return IntensityFit(expected, explained, float((residuals**2).sum() / df), residuals)


def _basis(x: Array, knots: int) -> Array:
    """Return cubic B-splines over the range of `x`, the first left out, for a constant stands for all of them."""
    from scipy.interpolate import BSpline

    if np.ptp(x) == 0:
        return np.zeros((len(x), 0))
    inner = np.quantile(x, np.linspace(0, 1, knots)[1:-1])
    t = np.concatenate([[x.min()] * 4, inner, [x.max()] * 4])
    return np.asarray(BSpline.design_matrix(x, t, 3).toarray()[:, 1:])


def _poisson(design: Array, blocks: BlockCounts) -> tuple[Array, float]:
    """Fit log density by reweighted least squares; return what it expects, and the deviance."""
    counts, offset = blocks.counts.astype(float), np.log(np.maximum(blocks.volume, 1e-12))
    eta = np.full(len(counts), np.log(counts.sum() / blocks.volume.sum())) + offset
    before = np.inf
    for _ in range(100):
        mean = np.exp(eta)
        root = np.sqrt(mean)
        target = (eta - offset + (counts - mean) / mean) * root
        beta = np.linalg.lstsq(design * root[:, None], target, rcond=None)[0]
        eta = design @ beta + offset
        mean = np.exp(eta)
        with np.errstate(divide="ignore", invalid="ignore"):
            deviance = 2 * float((np.where(counts > 0, counts * np.log(counts / mean), 0) - (counts - mean)).sum())
        if abs(before - deviance) < 1e-9 * max(1.0, abs(deviance)):
            break
        before = deviance
    return mean, deviance
