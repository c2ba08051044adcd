"""The exposure of a stack, estimated: brightness and contrast of each tile in each section, vignetting, shading.

Taken as ``grey = offset + gain * V(r) * (tissue + low)`` with one vignetting ``V`` for all tiles, an `offset` and a
`gain` for each tile in each section, and in each section a few slow waves `low`. Three things tell exposure from
tissue: it is new in each section where tissue goes on; tissue goes on across a seam where exposure does not; and finer
detail, which exposure hardly touches, says how much tissue varies. All variances come from the data, so that nothing
is done where nothing is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ndlab.preprocess import series
from ndlab.preprocess.layout import Layout
from ndlab.preprocess.solving import Model, pairs_of, solve
from ndlab.preprocess.survey import Survey

__all__ = ["Exposure", "estimate"]

Array = np.ndarray[Any, Any]
_ROUNDS = 2
_WAVES = [(i, j) for i in range(3) for j in range(3) if 0 < i * i + j * j < 6.5]
_FEWEST = 4
_GREY = ("brightness", "tissue", "seam_left")
"""What of that which is chosen is in grey levels."""
_SLOWER = 3.0
"""How many times longer tissue persists at the scale of tiles than at that of 8 to 16 cells."""


@dataclass(frozen=True)
class Exposure:
    """What was found; see the module.

    Attributes
    ----------
    layout : Layout
    gain, offset : ndarray
        (z, tiles) float32.
    fall : float
        Vignetting in the corner of a tile: -0.2 is 20 % darker.
    low : ndarray
        (z, waves) float32, amplitudes [grey].
    chosen : dict
        The variances, lengths and weights that were found, as JSON holds them.
    """

    layout: Layout
    # Not compared: what was found follows from the voxels and the layout, but for the last bits of another machine.
    gain: Array = field(compare=False)
    offset: Array = field(compare=False)
    fall: float = field(compare=False)
    low: Array = field(compare=False)
    chosen: dict[str, Any] = field(default_factory=dict)

    def waves(self, axis: int, start: int, stop: int) -> Array:
        """(3, pixels): waves of each order along y (0) or x (1)."""
        at = (np.arange(start, stop) + 0.5) / self.layout.shape[axis]
        return np.stack([_wave(order, at) for order in range(3)]).astype(np.float32)

    def amplitudes(self, start: int, stop: int) -> Array:
        """(z, orders y, orders x) of the slow waves of some sections."""
        found = np.zeros((stop - start, 3, 3), np.float32)
        for k, (i, j) in enumerate(_WAVES):
            found[:, i, j] = self.low[start:stop, k]
        return found

    def on_cells(self) -> tuple[Array, Array, Array]:
        """Return (gain times vignetting, offset, low) over the cells, each (z, cells y, cells x)."""
        shares, (ny, nx) = self.layout.shares, self.layout.cells
        fall = 1 + self.fall * self.layout.cell_radius2
        middle = [(np.arange(n) + 0.5) / n for n in (ny, nx)]
        waves = [_wave(i, middle[0])[:, None] * _wave(j, middle[1]) for i, j in _WAVES]
        low = np.tensordot(self.low, np.stack(waves), 1)
        return np.tensordot(self.gain, shares, 1) * fall, np.tensordot(self.offset, shares, 1), low


def _wave(order: int, at: Array) -> Array:
    found: Array = np.cos(np.pi * order * at) * (np.sqrt(2.0) if order else 1.0)
    return found


def estimate(found: Survey, layout: Layout) -> Exposure:
    """Estimate the exposure of a stack from its survey."""
    # In units in which tissue deviates by about 40, as in 8 bits: no number here depends on the type.
    unit = float(np.sqrt(np.median(found.variance))) / 40 or 1.0
    found = Survey(found.mean / unit, found.variance / unit**2, *(part / unit for part in found.parts[2:]))
    exposure = _estimated(found, layout)
    chosen = {name: _times(value, unit) if name in _GREY else value for name, value in exposure.chosen.items()}
    return replace(exposure, offset=(exposure.offset * unit).astype(np.float32),
                   low=(exposure.low * unit).astype(np.float32), chosen=_rounded(chosen))  # fmt: skip


def _times(value: Any, unit: float) -> Any:
    return {name: one * unit for name, one in value.items()} if isinstance(value, dict) else value * unit


def _estimated(found: Survey, layout: Layout) -> Exposure:
    n = len(found.mean)
    blank = np.median(found.variance.reshape(n, -1), axis=1) <= 1e-6
    exposure = Exposure(
        layout, np.ones((n, layout.tiles)), np.zeros((n, layout.tiles)), 0.0, np.zeros((n, len(_WAVES)))
    )
    kept = _Kept(found, layout, ~blank)
    if kept.use.sum() == 0:
        return exposure
    exposure = replace(exposure, fall=kept.vignetting(kept.tissue(exposure)))
    for _ in range(_ROUNDS):
        exposure = kept.contrast(exposure)
        exposure = kept.brightness(exposure)
    return kept.whole(exposure)


@dataclass
class _Kept:
    """Sections that are not blank, and what is learnt from them."""

    survey: Survey
    layout: Layout
    use: Array
    length: float = 0.0
    prior: Array | None = None

    def tissue(self, exposure: Exposure) -> Array:
        """Cell means (z, cells y, cells x) with `exposure` taken out."""
        seen, offset, low = exposure.on_cells()
        found: Array = ((self.survey.mean - offset) / seen - low)[self.use]
        return found

    @property
    def pure(self) -> Array:
        """(tiles, cells y, cells x): cells that are one tile's alone."""
        return self.layout.shares > 1 - 1e-9

    def tile_means(self, cells: Array) -> Array:
        """(z, tiles) of cell values (z, cells y, cells x), by their own cells."""
        weights = np.where(np.any(self.pure, axis=(1, 2), keepdims=True), self.pure, self.layout.shares)
        weights = weights / weights.sum((1, 2), keepdims=True)
        found: Array = np.tensordot(cells, weights, ((1, 2), (1, 2)))
        return found

    def vignetting(self, cells: Array) -> float:
        """Fall of light towards the corners, in brightness and in contrast, if other shapes do not show as much.

        Contrast falls like brightness, but what is bright in the middle of tiles by chance has no more contrast there.
        """
        contrast = 0.5 * np.log(np.maximum(self.survey.variance[self.use], 1e-6)).mean(0)
        brightness = cells.mean(0)
        falls, chances = [], []
        for profile in (brightness, contrast):
            found = self.shapes(profile, relative=profile is brightness)
            if not len(found):
                return 0.0
            falls.append(found[:, 3].mean() / max(found[:, 0].mean(), 0.1))
            chances.append(max(float((found[:, 4:] ** 2).mean()) / len(found), 1e-9))
        chance = 1 / sum(1 / c for c in chances)
        fall = chance * sum(f / c for f, c in zip(falls, chances, strict=True))
        # About the 99 % point of F with 1 and 4 degrees of freedom a tile; no lens makes corners brighter, and what
        # shows in one of the two alone is tissue.
        if fall >= 0 or fall * fall < (5 + 16 / len(found)) * chance or max(falls) > 0.4 * fall:
            return 0.0
        return float(max((1 - chance / fall**2) * fall, -0.7))

    def shapes(self, profile: Array, relative: bool) -> Array:
        """(tiles, 6): constant, slopes, fall with the squared radius, two other shapes of second order."""
        frames, (cy, cx) = self.layout.frames.astype(float), np.indices(self.layout.cells)
        rows = []
        for t, pure in enumerate(self.pure):
            if pure.sum() < 16:
                continue
            half = np.sqrt(frames[t, 2])
            y, x = (((c[pure] + 0.5) * self.layout.cell - frames[t, k]) / half for k, c in enumerate((cy, cx)))
            shape = np.stack([np.ones_like(y), y, x, y * y + x * x, y * y - x * x, 2 * y * x], 1)
            values = (
                profile[pure] / max(profile[pure].mean(), 1e-6)
                if relative
                else profile[pure] - profile[pure].mean() + 1
            )
            rows.append(np.linalg.lstsq(shape, values, rcond=None)[0])
        return np.array(rows)

    def contrast(self, exposure: Exposure) -> Exposure:
        """Let every tile have the contrast of its tissue, which changes slowly along z."""
        cells = self.tissue(exposure)
        if len(cells) < _FEWEST:
            return exposure
        if not self.length:
            self.length = series.length_of(self.modes(cells, 1 / 8, 1 / 4))
        seen, _, _ = exposure.on_cells()
        logs, most = self.log_contrast(cells, self.survey.variance[self.use] / seen[self.use] ** 2)
        white, slow = series.fit(logs, self.length * _SLOWER, most)
        change = logs - series.smooth(logs, self.length * _SLOWER, white, slow)
        # What was brighter by more contrast is not made darker: the mean of a tile stays.
        means = self.tile_means(cells) + self.tile_means(exposure.on_cells()[2][self.use])
        before, after = exposure.gain[self.use], exposure.gain[self.use] * np.exp(change)
        light = self.tile_means((1 + exposure.fall * self.layout.cell_radius2)[None])
        gain, offset = exposure.gain.copy(), exposure.offset.copy()
        gain[self.use] = after
        offset[self.use] += means * light * (before - after)
        chosen = exposure.chosen or {"contrast": {"exposure": white**0.5, "tissue": slow**0.5}}
        return replace(exposure, gain=gain, offset=offset, chosen=chosen)

    def log_contrast(self, cells: Array, variance: Array) -> tuple[Array, float]:
        """(z, tiles): logarithm of the deviation within squares of four cells; and how much tissue can vary it."""
        side = [max(1, min(4, n // 2)) for n in cells.shape[1:]]
        ny, nx = (n // k for n, k in zip(cells.shape[1:], side, strict=True))

        def squares(a: Array) -> Array:
            cut = a[..., : ny * side[0], : nx * side[1]]
            return cut.reshape(*a.shape[:-2], ny, side[0], nx, side[1])

        within = squares(variance).mean((-3, -1)) + squares(cells).var((-3, -1))
        shares = squares(self.layout.shares).mean((-3, -1))
        weights = np.where(shares > 0.99, shares, shares * 1e-3)
        tile = np.tensordot(within, weights / weights.sum((1, 2), keepdims=True), ((1, 2), (1, 2)))
        logs, free = 0.5 * np.log(np.maximum(tile, 1e-6)), []
        for t in range(self.layout.tiles):
            own = weights[t] > 0.9
            if own.sum() >= 4:
                each = 0.5 * np.log(np.maximum(within[:, own], 1e-6))
                free.append(2 * (each - each.mean(1, keepdims=True)).var(0, ddof=1).mean() / own.sum())
        return logs, float(np.mean(free)) if free else np.inf

    def modes(self, cells: Array, least: float, most: float) -> Array:
        """(z, modes): cosines of the cells whose order is between two parts of their number."""
        found, order = _cosines(cells)
        chosen = (order >= least * min(cells.shape[1:])) & (order < most * min(cells.shape[1:]))
        return found[:, chosen] if chosen.any() else found[:, 1:2, 0]

    def brightness(self, exposure: Exposure) -> Exposure:
        """Find what of the brightness of tiles and of the slow waves is exposure."""
        cells = self.tissue(exposure)
        jumps, variances = self.jumps(exposure)
        few = len(cells) < _FEWEST
        model = Model(self.layout, _WAVES, self.length * _SLOWER or 6.0, few)
        offsets, low, self.prior, chosen = solve(model, cells, jumps, variances, self.prior)
        light = self.tile_means((1 + exposure.fall * self.layout.cell_radius2)[None])
        offset, waves = exposure.offset.copy(), exposure.low.copy()
        offset[self.use] += offsets * exposure.gain[self.use] * light
        waves[self.use] += low
        return replace(exposure, offset=offset, low=waves, chosen={**chosen, **exposure.chosen})

    def jumps(self, exposure: Exposure) -> tuple[Array, Array]:
        """(z, seams): the steps across seams that are left, and what tissue alone would make of each (variance)."""
        seams, layout = self.layout.seams, self.layout
        pairs = pairs_of(layout)
        if not len(pairs):
            return np.zeros((int(self.use.sum()), 0)), np.zeros(0)
        which = pair_of_runs(layout, pairs)
        weight = seams["count"] / np.bincount(which, seams["count"], len(pairs))[which]
        spread = np.zeros((len(seams["low"]), len(pairs)))
        spread[np.arange(len(which)), which] = weight * np.where(seams["low"] < seams["high"], 1.0, -1.0)
        beside = np.tensordot(self.survey.beside[self.use], spread, ((1,), (0,)))
        length = np.bincount(which, seams["count"], len(pairs))
        per_pixel = float((beside**2).mean((0, 1)) @ length / len(pairs))
        return (self.steps(exposure) @ spread)[self.use], np.maximum(per_pixel / length, 1e-4)

    def left(self, exposure: Exposure) -> float:
        """Deviation of the steps along seams [grey] that gain and offset leave and tissue does not explain."""
        seams = self.layout.seams
        if not len(seams["low"]):
            return 0.0
        steps = self.steps(exposure)[self.use]
        beside = self.survey.beside[self.use]
        # Four runs of a seam together, as far as they are one seam's.
        along = np.where(seams["across"] == 1, seams["ry"], seams["rx"]) // (4 * self.layout.cell)
        which = np.stack([seams["across"], seams["low"], seams["high"], along])
        group = np.unique(which, axis=1, return_inverse=True)[1].reshape(-1)
        share = np.zeros((len(group), group.max() + 1))
        share[np.arange(len(group)), group] = seams["count"] / np.bincount(group, seams["count"])[group]
        tissue = (np.tensordot(beside, share, ((1,), (0,))) ** 2).mean()
        return float(np.sqrt(max(0.0, ((steps @ share) ** 2).mean() - tissue)))

    def steps(self, exposure: Exposure) -> Array:
        """(z, runs): the steps across seams that `exposure` leaves."""
        seams, layout = self.layout.seams, self.layout
        waves = np.stack([_wave(i, seams["ry"] / layout.shape[0]) * _wave(j, seams["rx"] / layout.shape[1])
                          for i, j in _WAVES])  # fmt: skip
        low = exposure.low @ waves
        sides = []
        for values, tile in ((self.survey.low, seams["low"]), (self.survey.high, seams["high"])):
            light = 1 + exposure.fall * layout.radius2(seams["ry"], seams["rx"], tile)
            sides.append((values - exposure.offset[:, tile]) / (exposure.gain[:, tile] * light) - low)
        found: Array = sides[1] - sides[0]
        return found

    def whole(self, exposure: Exposure) -> Exposure:
        """Round to what is kept, and say what was chosen."""
        chosen = {
            **exposure.chosen,
            "tissue_length_sections": self.length,
            "vignetting": exposure.fall,
            "tiles": self.layout.tiles,
            "cell": self.layout.cell,
            "seam_left": self.left(exposure),
            "blank_sections": int((~self.use).sum()),
        }
        return replace(exposure, gain=exposure.gain.astype(np.float32), offset=exposure.offset.astype(np.float32),
                       low=exposure.low.astype(np.float32), chosen=chosen)  # fmt: skip


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _cosines(cells: Array) -> tuple[Array, Array]:
    from scipy.fft import dctn

    found = dctn(cells, axes=(1, 2), norm="ortho") / np.sqrt(cells.shape[1] * cells.shape[2])
    return found, np.hypot(*np.indices(cells.shape[1:]))


def pair_of_runs(layout: Layout, pairs: Array) -> Array:
    """Which seam each run is of."""
    seams = layout.seams
    key = np.minimum(seams["low"], seams["high"]) * layout.tiles + np.maximum(seams["low"], seams["high"])
    found: Array = np.searchsorted(pairs[:, 0] * layout.tiles + pairs[:, 1], key)
    return found
