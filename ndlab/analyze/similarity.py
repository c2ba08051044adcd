"""Whether synapses are alike that share their axon and their dendrite, against what shuffling their values gives.

Of two synapses, S or D says whether they are of the same or of different axons (A) and dendrites (D): SASD, SADD,
DASD, DADD. If activity sets the size of a synapse, an SASD pair has seen the same activity and should be alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.analyze.permutation import Null, draw, judged
from ndlab.errors import BadRequest, TooLarge

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PAIRS", "PairSimilarity", "pair_similarity"]

Array = np.ndarray[Any, Any]

PAIRS = ("SASD", "DASD", "SADD", "DADD")
# 50 million pairs: 800 MB.
_MOST_ROWS = 10_000


@dataclass(frozen=True)
class PairSimilarity:
    """How alike the pairs of one kind are, against those of another.

    Parameters
    ----------
    first, second : float
        Mean of both kinds: of the absolute difference, or the share of equal pairs.
    pairs : tuple of int
        How many pairs there are of each kind.
    null : Null
        Of ``second - first`` (of equal pairs ``first - second``), the values being shuffled.
    """

    first: float
    second: float
    pairs: tuple[int, int]
    null: Null

    @property
    def difference(self) -> float:
        """How much more alike the first kind is."""
        return self.null.observed

    @property
    def p_strict(self) -> float:
        """Share of draws that are larger than the difference; equal ones, which `null.p` counts, are not.

        Published p-values are often this. Flags make many draws equal, so that the two may be far apart; the strict one
        is too small a p-value, and may be 0.
        """
        slack = 1e-9 * max(abs(self.difference), 1e-3)
        return float((self.null.draws > self.difference + slack).mean())


def pair_similarity(
    table: pd.DataFrame,
    value: str,
    *,
    first: str | Sequence[str] = "SASD",
    second: str | Sequence[str] | None = None,
    axon: str = "axon",
    dendrite: str = "dendrite",
    log: bool = True,
    equal: bool = False,
    within: str | None = None,
    deal_pairs: bool = False,
    draws: int = 100_000,
    seed: int = 0,
    workers: int | None = None,
) -> PairSimilarity:
    """Test whether pairs of synapses of one kind are more alike than those of another.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each synapse. Rows whose value is missing (or not above 0, for logarithms) are left out.
    value : str
        The column that is compared.
    first, second : str or sequence of str
        Kinds of pairs, of `PAIRS`; `second` is by default all others.
    axon, dendrite : str
        Columns with the ids of both.
    log : bool
        Compare log10 of the values.
    equal : bool
        Compare flags or codes: what counts is the share of pairs that are equal, and `log` means nothing.
    within : str, optional
        A column; values are shuffled only among rows with the same entry in it, such as the dendrite.
    deal_pairs : bool
        Deal the kinds anew to the pairs, as the published analysis did, in place of shuffling the synapses' values. A
        synapse is in many pairs, so pairs are not independent, and these p-values are too small.
    draws, seed, workers : int
        Shuffles; the same seed gives the same ones.

    Returns
    -------
    PairSimilarity

    Raises
    ------
    BadRequest
        If there is no pair of one of the kinds.
    TooLarge
        If more than 10,000 rows have a value: each draw goes over all pairs of them.

    References
    ----------
    Kasthuri et al. (2015), Cell 162:648-661; Bartol et al. (2015), eLife 4:e10778.

    Examples
    --------
    >>> from ndlab.samples import kasthuri_sasd
    >>> table = kasthuri_sasd()
    >>> found = pair_similarity(table, "spine_volume_vx", axon="axon_id", dendrite="dendrite_id", draws=1000)
    >>> found.pairs, round(found.first, 4), round(found.second, 4)
    ((35, 1676), 0.2017, 0.3269)
    """
    from ndlab.analyze.kernels import pairs as kernel

    kinds = [(first,) if isinstance(first, str) else tuple(first)]
    rest = tuple(kind for kind in PAIRS if kind not in kinds[0])
    kinds.append(rest if second is None else (second,) if isinstance(second, str) else tuple(second))
    strange = sorted({kind for group in kinds for kind in group} - set(PAIRS))
    if strange:
        raise BadRequest(f"pairs of the kind {', '.join(strange)}", f"kinds are {', '.join(PAIRS)}")
    values, rows = _values(table, value, log and not equal, equal)
    if len(values) > _MOST_ROWS:
        raise TooLarge(
            f"all pairs of {len(values):,} rows with a value of {value}", f"up to {_MOST_ROWS:,} rows can be paired",
            "take a part of them: table.sample(10_000, random_state=0)", rows=len(values), limit=_MOST_ROWS,
        )  # fmt: skip
    kind = _kinds(table[axon].to_numpy()[rows], table[dendrite].to_numpy()[rows])
    i, j = np.triu_indices(len(values), 1)
    kind = kind[i, j]
    member = [np.isin(kind, [PAIRS.index(one) for one in group]) for group in kinds]
    for one, group in zip(member, kinds, strict=True):
        if not one.any():
            raise BadRequest(f"no pair is {' or '.join(group)}", f"{len(values)} synapses have a value of {value}")
    sides = [np.stack([i[one], j[one]], axis=1) for one in member]
    sums = [kernel.sum_difference(values, side, equal) for side in sides]
    means = [total / len(side) for total, side in zip(sums, sides, strict=True)]
    sign = -1.0 if equal else 1.0
    if deal_pairs:
        found = np.zeros(len(sides[0]) + len(sides[1]))
        kernel.differences(values, np.concatenate(sides), equal, found)
        drawn = draw(lambda rng, out: kernel.dealt(rng, found, len(sides[0]), out), draws, 1, seed, workers)
    else:
        blocks = _blocks(table, within, rows)
        few, many = sorted(sides, key=len)
        size, total = len(many), sum(sums)
        if len(few) + size == len(i) and not (member[0] & member[1]).any():
            many = many[:0]  # All pairs but the few: the kernel need not go over them.
        drawn = draw(
            lambda rng, out: kernel.shuffled(rng, values, *blocks, few, many, size, total, equal, out),
            draws, 1, seed, workers,
        )  # fmt: skip
        drawn *= 1.0 if few is sides[0] else -1.0
    others = "the others" if second is None else " or ".join(kinds[1])
    name = f"{value}: {' or '.join(kinds[0])} more alike than {others}"
    null = judged(name, sign * (means[1] - means[0]), sign * drawn[:, 0])
    return PairSimilarity(means[0], means[1], (len(sides[0]), len(sides[1])), null)


def _values(table: pd.DataFrame, value: str, log: bool, equal: bool) -> tuple[Array, Array]:
    if value not in table:
        raise BadRequest(f"no column {value!r}", f"the columns are {', '.join(map(str, table))}")
    found = table[value].astype("Float64").to_numpy(float, na_value=np.nan)
    rows = np.flatnonzero(~np.isnan(found) & ((found > 0) if log else (found >= 0) | ~equal))
    return (np.log10(found[rows]) if log else found[rows]), rows


def _kinds(axons: Array, dendrites: Array) -> Array:
    """Return for each pair of synapses which of `PAIRS` it is."""
    other_axon = axons[:, None] != axons[None, :]
    other_dendrite = dendrites[:, None] != dendrites[None, :]
    # As PAIRS is ordered: another axon counts 1, another dendrite 2.
    found: Array = other_axon * np.int8(1) + other_dendrite * np.int8(2)
    return found


def _blocks(table: pd.DataFrame, within: str | None, rows: Array) -> tuple[Array, Array]:
    """Return the rows sorted by block, and where each block begins."""
    if within is None:
        return np.arange(len(rows)), np.array([0, len(rows)])
    block = table[within].to_numpy()[rows]
    order = np.argsort(block, kind="stable")
    edges = np.flatnonzero(block[order][1:] != block[order][:-1]) + 1
    return order, np.concatenate([[0], edges, [len(rows)]])
