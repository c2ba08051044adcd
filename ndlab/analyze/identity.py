"""Tell whether two tables mean the same things by the same ids, and if not, by what offset they would.

A touch graph says which sites an axon touches, a synapse table at which of them it has a synapse. Where both are
right, nearly every synapse is a touch. Where hardly any is, the ids are not those of the same things.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.errors import BadRequest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["IdAgreement", "IdsDisagreeWarning", "compare_ids"]

Array = np.ndarray[Any, Any]

# An agreement below this part of the best one that an offset gives is no accident of the data.
_SUSPICIOUS = 0.5
_SHIFTS = 5
_MOST_OFFSETS = 3


class IdsDisagreeWarning(UserWarning):
    """Ids of two tables do not seem to name the same things; an offset makes them agree."""


@dataclass(frozen=True)
class IdAgreement:
    """How many synapses are touches, with the ids as they are and with offsets added to those of the touches.

    Parameters
    ----------
    agreement : float
        Share of the synapses at sites with a list of touches that are among those, ids as they are.
    chance : float
        What that share would be if ids meant nothing: touches over all pairs of site and axon.
    offsets : pandas.DataFrame
        ``site``, ``axon`` (what is added to the ids of the touches), ``pairs``, ``found`` and ``agreement``,
        the best first.
    """

    agreement: float
    chance: float
    offsets: pd.DataFrame

    @property
    def best(self) -> tuple[int, int]:
        """What to add to the site and to the axon ids of the touches so that most synapses are touches."""
        row = self.offsets.iloc[0]
        return int(row["site"]), int(row["axon"])

    @property
    def suspicious(self) -> bool:
        """Whether another offset gives an agreement so much better that the ids must be wrong."""
        top = float(self.offsets["agreement"].iloc[0])
        return self.best != (0, 0) and self.agreement < _SUSPICIOUS * top and top > 3 * self.chance

    def repair(self, touches: pd.DataFrame) -> pd.DataFrame:
        """Return the touches with the best offsets added to their ids. Nothing calls this but you."""
        site, axon = self.best
        return touches.assign(site=touches["site"] + site, axon=touches["axon"] + axon)

    def __str__(self) -> str:
        if not self.suspicious:
            return f"the ids agree: {self.agreement:.1%} of the synapses are touches (by chance {self.chance:.1%})"
        site, axon = self.best
        top = self.offsets.iloc[0]
        second = self.offsets["agreement"].iloc[1] if len(self.offsets) > 1 else 0.0
        return (
            f"ids do not name the same things: {self.agreement:.1%} of the synapses are touches (by chance "
            f"{self.chance:.1%}), but {top['agreement']:.1%} are with {site:+d} added to the sites and {axon:+d} to "
            f"the axons of the touches; the next best offset gives {second:.1%}"
        )


def compare_ids(touches: pd.DataFrame, synapses: pd.DataFrame) -> IdAgreement:
    """Find out whether the ids of touches and of synapses name the same things.

    Parameters
    ----------
    touches, synapses : pandas.DataFrame
        With integer columns ``site`` and ``axon``.

    Returns
    -------
    IdAgreement
        With all offsets that were tried: up to 5 either way, around 0 and around those that bring most ids together.

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> touches = pd.DataFrame({"site": rng.integers(0, 200, 2000), "axon": rng.integers(0, 300, 2000)})
    >>> synapses = touches.drop_duplicates().sample(200, random_state=1)
    >>> print(compare_ids(touches, synapses))
    the ids agree: 100.0% of the synapses are touches (by chance 3.3%)
    >>> wrong = touches.assign(site=touches.site + 1, axon=touches.axon + 10_000)
    >>> compare_ids(wrong, synapses).best
    (-1, -10000)
    """
    import pandas as pd

    for table, what in ((touches, "touches"), (synapses, "synapses")):
        lacking = {"site", "axon"} - set(table)
        if lacking or not len(table):
            there = ", ".join(map(str, table)) or "none"
            raise BadRequest(f"{what} without {', '.join(sorted(lacking)) or 'rows'}", f"the columns are {there}")
    have = {end: touches[end].to_numpy(np.int64) for end in ("site", "axon")}
    want = synapses[["site", "axon"]].drop_duplicates().to_numpy(np.int64)
    low = min(have["axon"].min(), want[:, 1].min())
    span = max(have["axon"].max(), want[:, 1].max()) - low + 1
    near = {i: _offsets(have[end], want[:, i]) for i, end in enumerate(("site", "axon"))}
    pairs = np.sort(np.unique(have["site"] * span + (have["axon"] - low)))
    sites = np.unique(have["site"])
    rows = [(int(s), int(a), *_agree(pairs, sites, want, span, low, s, a)) for s in near[0] for a in near[1]]
    found = pd.DataFrame(rows, columns=["site", "axon", "pairs", "found"])
    found["agreement"] = found["found"] / np.maximum(found["pairs"], 1)
    here = found[(found["site"] == 0) & (found["axon"] == 0)].iloc[0]
    found = found.sort_values(["found", "agreement"], ascending=False, kind="stable").reset_index(drop=True)
    chance = len(pairs) / (len(sites) * len(np.unique(have["axon"])))
    return IdAgreement(float(here["agreement"]), float(chance), found)


def _offsets(have: Array, want: Array) -> list[int]:
    """Return offsets worth trying: around 0, and around those that bring most ids together."""
    mine, its = np.unique(have), np.unique(want)
    size = int(max(mine.max(), its.max()) - min(mine.min(), its.min())) + 1
    tops = [0]
    if size <= 1 << 24:
        base = min(mine.min(), its.min())
        marks = [np.bincount(ids - base, minlength=size).astype(np.float32) for ids in (mine, its)]
        spectra = [np.fft.rfft(mark, 2 * size) for mark in marks]
        together = np.fft.irfft(spectra[0].conj() * spectra[1], 2 * size)
        best = np.argsort(-together)[:_MOST_OFFSETS]
        tops += [int(one) if one < size else int(one) - 2 * size for one in best]
    around = {top + shift for top in tops for shift in range(-_SHIFTS, _SHIFTS + 1)}
    return sorted(around, key=lambda one: (abs(one), one))


def _agree(pairs: Array, sites: Array, want: Array, span: int, low: int, site: int, axon: int) -> tuple[int, int]:
    """Return how many synapses are at sites with a list of touches, and how many are in it, under an offset."""
    there = np.isin(want[:, 0] - site, sites)
    asked = want[there]
    keys = (asked[:, 0] - site) * span + (asked[:, 1] - axon - low)
    fits = (asked[:, 1] - axon >= low) & (asked[:, 1] - axon < low + span)
    return int(there.sum()), int(np.isin(keys[fits], pairs).sum())
