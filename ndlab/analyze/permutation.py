"""Null distributions drawn in parallel: the same numbers for the same seed, however many threads draw them."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.errors import BadRequest

__all__ = ["Null", "draw", "judged"]

Array = np.ndarray[Any, Any]

# Draws of one generator; part of the result, so it never depends on the machine.
_PART = 500


@dataclass(frozen=True)
class Null:
    """What was observed beside what a null model draws.

    Parameters
    ----------
    name : str
        The statistic.
    observed : float
        Its value in the data.
    draws : ndarray, shape (n,)
        Its values under the null model.
    p : float
        Share of draws at least as large (or, for ``two-sided``, as far from their mean) as what was observed, the
        observed one counted among them, so it is never 0.
    """

    name: str
    observed: float
    draws: Array
    p: float

    @property
    def mean(self) -> float:
        """Mean of the draws."""
        return float(self.draws.mean())

    @property
    def sd(self) -> float:
        """Standard deviation of the draws."""
        return float(self.draws.std(ddof=1))

    @property
    def z(self) -> float:
        """Standard deviations between the observed value and the mean of the draws."""
        return (self.observed - self.mean) / self.sd if self.sd else float("nan")

    @property
    def ratio(self) -> float:
        """Observed value over the mean of the draws."""
        return self.observed / self.mean if self.mean else float("inf")

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Range that holds the middle `level` of the draws."""
        low, high = np.quantile(self.draws, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def effect(self, level: float = 0.95) -> tuple[float, float, float]:
        """How many times what chance gives was observed: over the mean, and over both ends of `interval`.

        The range says how sure the ratio is in so far as chance draws anew; nan where chance gives nothing.
        """
        low, high = self.interval(level)
        over = [self.observed / one if one else float("nan") for one in (self.mean, high, low)]
        return over[0], over[1], over[2]

    def __str__(self) -> str:
        return f"{self.name}: {self.observed:g} observed, {self.mean:.4g} ± {self.sd:.3g} by chance, p = {self.p:.2g}"


def judged(name: str, observed: float, draws: Array, side: str = "greater") -> Null:
    """Return the null with its p-value; `side` is ``greater``, ``less`` or ``two-sided``.

    Examples
    --------
    >>> judged("pairs", 3.0, np.array([0.0, 1, 2, 3])).p
    0.4
    """
    draws = np.asarray(draws, float)
    if side == "two-sided":
        middle = draws.mean()
        extreme = np.abs(draws - middle) >= abs(observed - middle) * (1 - 1e-12)
    elif side in ("greater", "less"):
        # Sums of the same numbers in another order may differ in the last digit.
        slack = 1e-12 * abs(observed)
        extreme = draws >= observed - slack if side == "greater" else draws <= observed + slack
    else:
        raise BadRequest(f"a test to the side {side!r}", "sides are greater, less and two-sided")
    return Null(name, float(observed), draws, (1 + int(extreme.sum())) / (1 + len(draws)))


def draw(
    fill: Callable[[np.random.Generator, Array], None], draws: int, columns: int, seed: int, workers: int | None = None
) -> Array:
    """Return an array (draws, columns) that `fill` filled part by part, on threads.

    Parameters
    ----------
    fill : callable
        Takes a random generator and a view of some rows.
    draws, columns : int
        Shape of the result.
    seed : int
        The parts' generators are its children, so the result does not depend on `workers`.
    workers : int, optional
        Threads; by default one for each core.
    """
    out = np.zeros((draws, columns))
    parts = [out[i : i + _PART] for i in range(0, draws, _PART)]
    seeds = np.random.SeedSequence(seed).spawn(len(parts))
    generators = map(np.random.default_rng, seeds)
    if len(parts) == 1:  # A thread for it would only cost its start.
        fill(next(generators), parts[0])
        return out
    with ThreadPoolExecutor(min(len(parts), workers or os.cpu_count() or 1)) as pool:
        list(pool.map(fill, generators, parts))
    return out
