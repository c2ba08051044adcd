"""Peter's rule, that who touches whom is enough to tell who is connected, held against what was found.

A *site* is a place that can receive a synapse, such as a spine; a *target* is the cell it belongs to. A *touch* is an
axon close enough to a site to have made a synapse there. The rule says that synapses are made in proportion to touches.
Asked here are how often a touch is a synapse, whether more touches make a synapse likelier, and whether axons have
several synapses with one target more often than picking among the touches would give.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ndlab.analyze.identity import IdAgreement, IdsDisagreeWarning, compare_ids
from ndlab.analyze.intervals import Share, average_precision, roc_auc, wilson
from ndlab.analyze.permutation import Null, draw, judged
from ndlab.errors import BadRequest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Chain", "PetersRule", "degree_preserving", "peters_rule"]

Array = np.ndarray[Any, Any]

STATISTICS = ("pairs with ≥ 2 synapses", "pairs with ≥ 3 synapses", "pairs of synapses")


@dataclass(frozen=True)
class Chain:
    """How well a swap chain has mixed.

    Parameters
    ----------
    steps : int
        Exchanges that were proposed, all chains together.
    moved : float
        Share of them that were made.
    autocorrelation : float
        Between a draw and the next, of the first statistic.
    effective : float
        How many independent draws the draws are worth.
    r_hat : float
        Spread of all draws over that within the chains, which began apart; near 1 where they agree.
    """

    steps: int
    moved: float
    autocorrelation: float
    effective: float
    r_hat: float


@dataclass(frozen=True)
class PetersRule:
    """What `peters_rule` found.

    Parameters
    ----------
    ids : IdAgreement
        Whether touches and synapses speak of the same things.
    touches, sites, axons, targets, synapses : int
        How many there are; touches and synapses are pairs of site and axon.
    touches_per_site : ndarray, shape (sites,)
        Axons that touch each site.
    recall : Share
        Synapses, at sites with a list of touches, that are touches.
    conversion : Share
        Touches that are synapses.
    conversion_at_synapses : Share
        The same, among the touches at sites with a synapse.
    pairs : pandas.DataFrame
        A row for each axon and target that touch: ``axon, target, touches, synapses``; `synapses` counts those at the
        target's sites with a list of touches, whether their own touch was found or not.
    curve : pandas.DataFrame
        For each number of touches: ``touches, pairs, connected, share, low, high, independent`` (what the share would
        be if each touch were a synapse by itself). The last row is of pairs with that many touches or more.
    connected : Share
        Pairs that touch and have a synapse.
    auc, average_precision : float
        How well the number of touches tells the connected pairs from the others.
    again : tuple of two Share
        Touches that are synapses, of axons that have a synapse with the target at another site, and of others.
    null_a : dict of str to Null
        Each synapse picks one of the axons that touch its site; of `STATISTICS`.
    null_b : dict of str to Null
        The same, and every axon keeps its number of synapses.
    chain : Chain
        Whether the chain that drew `null_b` can be trusted.
    """

    ids: IdAgreement
    touches: int
    sites: int
    axons: int
    targets: int
    synapses: int
    touches_per_site: Array
    recall: Share
    conversion: Share
    conversion_at_synapses: Share
    pairs: pd.DataFrame
    curve: pd.DataFrame
    connected: Share
    auc: float
    average_precision: float
    again: tuple[Share, Share]
    null_a: Mapping[str, Null]
    null_b: Mapping[str, Null]
    chain: Chain

    def to_pandas(self) -> pd.DataFrame:
        """Return the findings, a row each: what, value, interval, what chance gives, how many times that, p."""
        import pandas as pd

        shares = {
            "synapses that are touches": self.recall, "touches that are synapses": self.conversion,
            "touches at sites with a synapse that are synapses": self.conversion_at_synapses,
            "touching pairs with a synapse": self.connected,
            "touches that are synapses, connected elsewhere": self.again[0],
            "touches that are synapses, not connected elsewhere": self.again[1],
        }  # fmt: skip
        rows: list[dict[str, Any]] = [
            {"finding": name, "value": s.share, "low": s.low, "high": s.high, "count": s.found, "of": s.of}
            for name, s in shares.items()
        ]
        rows.append({"finding": "AUC of the number of touches", "value": self.auc})
        for name, nulls in (("A", self.null_a), ("B", self.null_b)):
            for one in nulls.values():
                times, least, most = one.effect()
                rows.append({"finding": f"{one.name}, null {name}", "value": one.observed, "by_chance": one.mean,
                             "sd": one.sd, "times": times, "times_low": least, "times_high": most,
                             "p": one.p})  # fmt: skip
        return pd.DataFrame(rows)


def peters_rule(
    touches: pd.DataFrame,
    synapses: pd.DataFrame,
    *,
    draws: int = 5000,
    seed: int = 0,
    weight: str | None = None,
    most_touches: int = 8,
    workers: int | None = None,
) -> PetersRule:
    """Hold Peter's rule against touches and synapses.

    Parameters
    ----------
    touches : pandas.DataFrame
        ``site``, ``axon``, ``target`` (int), a row for each axon that touches a site; repeated rows count once.
    synapses : pandas.DataFrame
        ``site``, ``axon``, ``target``, a row for each synapse; those elsewhere than at a listed site, on shafts for
        instance, may have any other number as site. They count only where an axon is asked to be connected elsewhere.
    draws : int
        Of each null model.
    seed : int
        The same gives the same draws on any machine.
    weight : str, optional
        A column of `touches`, such as the area of contact: axons are picked in proportion to it. By default each
        axon at a site is as likely.
    most_touches : int
        The curve's last row gathers pairs with that many touches or more.
    workers : int, optional
        Threads.

    Returns
    -------
    PetersRule

    Raises
    ------
    BadRequest
        If a column is missing, a site has two targets, or no synapse is a touch.

    Warns
    -----
    IdsDisagreeWarning
        If the ids of the two tables do not seem to name the same things. What was found is still that of the tables
        as they are; ``result.ids.repair(touches)`` gives what would agree.

    References
    ----------
    Braitenberg V, Schüz A (1998). Cortex: Statistics and Geometry of Neuronal Connectivity, chapter 20. The test
    against touches is that of Kasthuri et al. (2015), Cell 162:648-661, with two null models made explicit.

    Examples
    --------
    >>> import pandas as pd
    >>> touches = pd.DataFrame({"site": [1, 1, 2, 2], "axon": [8, 9, 8, 9], "target": [5, 5, 5, 5]})
    >>> synapses = touches.iloc[[0, 2]]
    >>> found = peters_rule(touches, synapses, draws=200)
    >>> print(found.conversion)
    2 of 4 = 50.00% [15.00%, 85.00%]
    >>> round(found.null_a["pairs with ≥ 2 synapses"].mean, 1)  # Both pick axon 8, or both 9, half of the time.
    0.5
    """
    touches, synapses = _checked(touches, "touches", weight), _checked(synapses, "synapses", None)
    ids = compare_ids(touches, synapses)
    if ids.suspicious:
        warnings.warn(f"{ids}. Nothing was changed; see .ids.repair(touches)", IdsDisagreeWarning, stacklevel=2)
    touches = touches.drop_duplicates(["site", "axon"]).sort_values(["site", "axon"]).reset_index(drop=True)
    _one_target(touches, synapses)
    unique = synapses.drop_duplicates(["site", "axon"])
    made = touches.merge(unique[["site", "axon"]], on=["site", "axon"], how="left", indicator=True)
    is_synapse = (made["_merge"] == "both").to_numpy()
    if not is_synapse.any():
        raise BadRequest("Peter's rule where no synapse is a touch", str(ids), "touches = ids.repair(touches)", ids=ids)
    listed = unique[unique["site"].isin(touches["site"].unique())]
    with_synapse = touches["site"].isin(unique["site"])
    pairs = _pairs(touches, synapses[synapses["site"].isin(touches["site"])])
    connected = (pairs["synapses"] > 0).to_numpy()
    null_a, null_b, chain = _nulls(touches, is_synapse, weight, draws, seed, workers)
    return PetersRule(
        ids, len(touches), touches["site"].nunique(), touches["axon"].nunique(), touches["target"].nunique(),
        len(unique), touches.groupby("site").size().to_numpy(), wilson(int(is_synapse.sum()), len(listed)),
        wilson(int(is_synapse.sum()), len(touches)), wilson(int(is_synapse.sum()), int(with_synapse.sum())),
        pairs, _curve(pairs, most_touches), wilson(int(connected.sum()), len(pairs)),
        roc_auc(pairs["touches"].to_numpy(), connected), average_precision(pairs["touches"].to_numpy(), connected),
        _again(touches, synapses, is_synapse, with_synapse.to_numpy()), null_a, null_b, chain,
    )  # fmt: skip


def _checked(table: pd.DataFrame, what: str, weight: str | None) -> pd.DataFrame:
    needed = ["site", "axon", "target", *([weight] if weight else [])]
    lacking = [name for name in needed if name not in table]
    if lacking:
        there = ", ".join(map(str, table))
        remedy = "rename yours with table.rename(columns={...})"
        raise BadRequest(f"{what} without the column {', '.join(lacking)}", f"the columns are {there}", remedy)
    empty = [name for name in needed if table[name].isna().any()]
    if empty:
        raise BadRequest(
            f"{what} with empty cells in {', '.join(empty)}", "", "drop those rows with dropna(subset=...)"
        )
    whole = table[needed].astype(dict.fromkeys(needed[:3], np.int64))
    if weight and (whole[weight] < 0).any():
        raise BadRequest(f"negative weights in {weight}", "an axon is picked in proportion to its weight")
    return whole


def _one_target(touches: pd.DataFrame, synapses: pd.DataFrame) -> None:
    both = touches[["site", "target"]].drop_duplicates()
    twice = both[both["site"].duplicated(keep=False)]
    if len(twice):
        site = int(twice["site"].iloc[0])
        targets = sorted(twice["target"][twice["site"] == site])
        raise BadRequest(f"the site {site} with the targets {targets}", "a site belongs to one target")


def _pairs(touches: pd.DataFrame, synapses: pd.DataFrame) -> pd.DataFrame:
    """Return touches and synapses of each axon and target that touch."""
    touching = touches.groupby(["axon", "target"]).size().rename("touches")
    made = synapses.groupby(["axon", "target"]).size().rename("synapses")
    return touching.to_frame().join(made).fillna({"synapses": 0}).astype({"synapses": np.int64}).reset_index()


def _curve(pairs: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the share of connected pairs by their number of touches."""
    import pandas as pd

    number = np.minimum(pairs["touches"].to_numpy(), most)
    has = (pairs["synapses"] > 0).to_numpy()
    single = _single_rate(pairs["touches"].to_numpy(), has)
    rows = []
    for n in np.unique(number):
        share = wilson(int(has[number == n].sum()), int((number == n).sum()))
        alone = float(np.mean(1 - (1 - single) ** pairs["touches"].to_numpy()[number == n]))
        rows.append((int(n), share.of, share.found, share.share, share.low, share.high, alone))
    names = ["touches", "pairs", "connected", "share", "low", "high", "independent"]
    return pd.DataFrame(rows, columns=names)


def _single_rate(touches: Array, has: Array) -> float:
    """Return the chance of one touch that makes as many connected pairs as there are, touches being independent."""
    from scipy.optimize import brentq

    total = float(has.sum())
    if total in (0.0, float(len(has))):
        return total / len(has)
    return float(brentq(lambda p: float(np.sum(1 - (1 - p) ** touches)) - total, 0.0, 1.0))


def _again(touches: pd.DataFrame, synapses: pd.DataFrame, made: Array, at_synapse: Array) -> tuple[Share, Share]:
    """Split the touches at sites with a synapse by whether the axon has a synapse with the target elsewhere."""
    all_ = synapses.groupby(["axon", "target"])["site"].size().rename("all")
    here = synapses.groupby(["site", "axon"]).size().rename("here")
    table = touches.join(all_, on=["axon", "target"]).join(here, on=["site", "axon"]).fillna({"all": 0, "here": 0})
    elsewhere = (table["all"] - table["here"] > 0).to_numpy()
    first, second = (at_synapse & elsewhere, at_synapse & ~elsewhere)
    return wilson(int(made[first].sum()), int(first.sum())), wilson(int(made[second].sum()), int(second.sum()))


def _nulls(
    touches: pd.DataFrame, made: Array, weight: str | None, draws: int, seed: int, workers: int | None
) -> tuple[dict[str, Null], dict[str, Null], Chain]:
    from ndlab.analyze.kernels import partners

    some = touches[touches["site"].isin(touches["site"][made].unique())]
    made = made[some.index.to_numpy()]
    _, site = np.unique(some["site"], return_inverse=True)
    _, axon = np.unique(some["axon"], return_inverse=True)
    # Of their numbers, not their ids: those of 64 bits, multiplied, run over.
    targets, target = np.unique(some["target"], return_inverse=True)
    _, pair = np.unique(axon * len(targets) + target, return_inverse=True)
    at = np.searchsorted(site, np.arange(site.max() + 2))
    has = np.bincount(site[made], minlength=len(at) - 1)
    weights = np.ones(len(some)) if weight is None else some[weight].to_numpy(np.float64)
    n_pairs = int(pair.max()) + 1
    observed = partners.statistics(np.bincount(pair[made], minlength=n_pairs))
    a = draw(lambda rng, out: partners.uniform(rng, at, pair, weights, has, n_pairs, out), draws, 3, seed, workers)
    # Null B never gives a synapse to an axon that has none, so its candidates are the others.
    busy = np.isin(axon, axon[made])
    at_busy = np.searchsorted(site[busy], np.arange(len(at)))
    state, numbered = np.flatnonzero(made[busy]), np.unique(axon[busy], return_inverse=True)[1]
    b, chain = _swapped(
        partners.swap_chain, at_busy, pair[busy], numbered, site[made], state, n_pairs, draws, seed, workers
    )
    return _named(observed, a), _named(observed, b), chain


def _named(observed: tuple[int, ...], drawn: Array) -> dict[str, Null]:
    return {name: judged(name, observed[i], drawn[:, i]) for i, name in enumerate(STATISTICS)}


_CHAINS = 4


def _swapped(
    kernel: Callable[..., int], at: Array, pair: Array, axon: Array, site: Array, state: Array, n_pairs: int,
    draws: int, seed: int, workers: int | None,
) -> tuple[Array, Chain]:  # fmt: skip
    """Draw null B by chains that first walk away from what was observed, each its own way."""
    from concurrent.futures import ThreadPoolExecutor

    n = len(state)
    every, burn = 10 * n, 500 * n
    each = -(-draws // _CHAINS)
    outs = [np.zeros((each, 3)) for _ in range(_CHAINS)]
    seeds = np.random.SeedSequence([seed, 1]).spawn(_CHAINS)
    with ThreadPoolExecutor(min(_CHAINS, workers or _CHAINS)) as pool:
        moved = list(
            pool.map(
                lambda i: kernel(
                    np.random.default_rng(seeds[i]), at, pair, axon, site, state.copy(), n_pairs, burn, every, outs[i]
                ),
                range(_CHAINS),
            )
        )
    steps = _CHAINS * (burn + every * each)
    return np.concatenate(outs)[:draws], _diagnosed(np.stack([out[:, 0] for out in outs]), steps, sum(moved))


def _diagnosed(series: Array, steps: int, moved: int) -> Chain:
    """Judge chains (chains, draws) by Gelman and Rubin's ratio and their autocorrelation."""
    n = series.shape[1]
    within = float(series.var(axis=1, ddof=1).mean())
    if within == 0:
        return Chain(steps, moved / steps, 0.0, float(series.size), 1.0)
    between = n * float(series.mean(axis=1).var(ddof=1))
    r_hat = float(np.sqrt(((n - 1) / n * within + between / n) / within))
    centred = series - series.mean(axis=1, keepdims=True)
    lags = [float((centred[:, k:] * centred[:, : n - k]).mean() / within) for k in range(1, max(2, n // 4))]
    # Sokal's window: beyond the first lag that chance alone would give, more lags add noise only.
    end = next((i for i, one in enumerate(lags) if one < 2 / np.sqrt(series.size)), len(lags))
    return Chain(steps, moved / steps, lags[0], series.size / (1 + 2 * sum(lags[:end])), r_hat)


def degree_preserving(
    synapses: pd.DataFrame, *, draws: int = 5000, seed: int = 0, workers: int | None = None
) -> dict[str, Null]:
    """Test how often the same axon and target have several synapses, against dealing the targets anew.

    Geometry plays no part: each axon keeps its number of synapses and each target its own.

    Parameters
    ----------
    synapses : pandas.DataFrame
        ``axon`` and ``target``, a row for each synapse.
    draws, seed, workers : int
        As for `peters_rule`.

    Returns
    -------
    dict of str to Null
        Of `STATISTICS`.

    Examples
    --------
    >>> from ndlab.samples import kasthuri_synapses
    >>> table = kasthuri_synapses().rename(columns={"axon_id": "axon", "dendrite_id": "target"})
    >>> found = degree_preserving(table, draws=500)["pairs with ≥ 2 synapses"]
    >>> int(found.observed), round(found.mean)
    (122, 33)
    """
    from ndlab.analyze.kernels import partners

    _, axon, busy = np.unique(synapses["axon"], return_inverse=True, return_counts=True)
    targets, target = np.unique(synapses["target"], return_inverse=True)
    counts = np.unique(axon * len(targets) + target, return_counts=True)[1]
    observed = partners.statistics(counts)
    # Axons of many synapses first: at those of one, nothing can be repeated.
    rank = np.argsort(-busy, kind="stable")
    at = np.concatenate([[0], np.cumsum(busy[rank][busy[rank] > 1])])
    dealt = target[np.argsort(np.argsort(rank)[axon], kind="stable")]
    drawn = draw(lambda rng, out: partners.shuffle(rng, at, dealt, len(targets), out), draws, 3, seed, workers)
    return _named(observed, drawn)
