"""Pairs of synapses by what they share: the published table, brute force, and draws that anybody can repeat."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ndlab import samples
from ndlab.analyze.similarity import PAIRS, pair_similarity
from ndlab.errors import BadRequest

ENDS: Any = {"axon": "axon_id", "dendrite": "dendrite_id"}
FLAGS = ("spine_apparatus", "mitochondria")
MEASURES = ("spine_volume_vx", "psd_px", "vesicles", *FLAGS)
SHARED = ("SASD", "DASD", "SADD")

# Both means and p of each measure as printed in SASDPairs-Permutation.tex and its log, and the draws of that test.
PUBLISHED: dict[tuple[Any, Any, int], str] = {
    ("SASD", None, 100_000): "0.2016551 0.3268879 .00032  0.2875861 0.3379041 .11093  0.2896035 0.3476072 .08442"
    "  0.5142857 0.6789976 .01474  0.4000000 0.4355609 .27793",
    (SHARED, "DADD", 100_000): "0.2505206 0.3345960 .00000  0.3116203 0.3403889 .05289  0.3283516 0.3489350 .1306"
    "  0.6172249 0.6837550 .02326  0.3636364 0.4447403 .01078",
    ("SASD", "DASD", 100_000): "0.2016551 0.2562536 .03762  0.2875861 0.3112707 .27266  0.2896035 0.3276086 .17516"
    "  0.5142857 0.6385542 .05989  0.4000000 0.3493976 .64803",
    ("DASD", "DADD", 10_000): "0.2562536 0.3345960 .0001  0.3112707 0.3403889 .0724  0.3276086 0.3489350 .147"
    "  0.6385542 0.6837550 .1029  0.3493976 0.4447403 .0064",
    ("SASD", "SADD", 10_000): "0.202 0.345 .0364  0.288 0.424 .0585  0.290 0.513 .0039"
    "  0.514 0.625 .167  0.4 0.5 .1796",
    ("SADD", "DADD", 10_000): "0.345 0.335 .5681  0.424 0.340 .8173  0.513 0.349 .9608"
    "  0.625 0.684 .2316  0.5 0.445 .494",
}  # fmt: skip
CASES = [
    (first, second, draws, value, printed.split()[3 * k : 3 * k + 3])
    for (first, second, draws), printed in PUBLISHED.items()
    for k, value in enumerate(MEASURES)
]


@pytest.mark.parametrize(("first", "second", "draws", "value", "printed"), CASES)
def test_r98_means_to_the_printed_digits_and_p_within_monte_carlo_error(
    first: Any, second: Any, draws: int, value: str, printed: list[str]
) -> None:
    flag = value in FLAGS
    found = pair_similarity(
        samples.kasthuri_sasd(), value, first=first, second=second, equal=flag, deal_pairs=True, draws=100_000, **ENDS
    )
    for mean, word in zip((found.first, found.second), printed, strict=False):
        assert (1 - mean if flag else mean) == pytest.approx(float(word), abs=0.5001 * 10.0 ** -len(word.split(".")[1]))
    p = float(printed[2])
    error = np.sqrt(max(p, 1e-5) * (1 - p) * (1e-5 + 1 / draws))
    assert found.p_strict == pytest.approx(p, abs=4 * error + 0.5 / draws)


def values(seed: int = 0, n: int = 25) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"axon": rng.integers(0, 5, n), "dendrite": rng.integers(0, 4, n), "size": rng.lognormal(size=n),
         "flag": rng.integers(0, 2, n)}
    )  # fmt: skip


@pytest.mark.parametrize("groups", [("SASD", None), ("DASD", ("SADD", "SASD")), (("SASD", "SADD"), "DADD")])
@pytest.mark.parametrize("value", ["size", "flag"])
def test_means_are_those_over_all_pairs_of_rows(groups: tuple[Any, Any], value: str) -> None:
    table = values()
    kinds: dict[str, list[float]] = {kind: [] for kind in PAIRS}
    rows = zip(*(table[name].tolist() for name in ("axon", "dendrite", value)), strict=True)
    for (axon, dendrite, x), (other_axon, other_dendrite, y) in itertools.combinations(rows, 2):
        kind = f"{'SD'[axon != other_axon]}A{'SD'[dendrite != other_dendrite]}D"
        kinds[kind].append(float(x == y) if value == "flag" else abs(np.log10(x) - np.log10(y)))
    first, second = groups
    first = (first,) if isinstance(first, str) else first
    second = [k for k in PAIRS if k not in first] if second is None else [second] if isinstance(second, str) else second
    expected = [np.concatenate([kinds[kind] for kind in group]) for group in (first, second)]
    found = pair_similarity(table, value, first=groups[0], second=groups[1], equal=value == "flag", draws=50)
    assert found.pairs == tuple(map(len, expected))
    assert (found.first, found.second) == pytest.approx([one.mean() for one in expected])


@pytest.mark.parametrize("groups", [("SASD", "DADD"), ("DADD", "SASD")])
def test_dealt_pairs_have_the_moments_of_sampling_without_replacement(groups: tuple[str, str]) -> None:
    """Whichever group is smaller, whose pairs are drawn."""
    table = values(3)
    found = pair_similarity(table, "size", first=groups[0], second=groups[1], deal_pairs=True, draws=40_000)
    log = np.log10(table["size"].to_numpy())
    i, j = np.triu_indices(len(table), 1)
    axon, dendrite = (table[name].to_numpy() for name in ("axon", "dendrite"))
    kept = (axon[i] == axon[j]) == (dendrite[i] == dendrite[j])
    each = np.abs(log[i] - log[j])[kept]
    n, m = found.pairs
    assert len(each) == n + m
    sd = np.sqrt(each.var(ddof=1) * (1 / n + 1 / m))
    assert found.null.mean == pytest.approx(0, abs=5 * sd / np.sqrt(40_000))
    assert found.null.sd == pytest.approx(sd, rel=0.02)


@pytest.mark.parametrize("deal_pairs", [True, False])
def test_any_number_of_workers_draws_the_same(deal_pairs: bool) -> None:
    def draws(workers: int, seed: int = 7) -> list[float]:
        how: Any = {"deal_pairs": deal_pairs, "draws": 1700, "seed": seed, "workers": workers}
        return pair_similarity(values(), "size", **how).null.draws.tolist()  # type: ignore[no-any-return]

    assert draws(1) == draws(2) == draws(5)
    assert draws(1) != draws(1, seed=8)


@pytest.mark.parametrize("value", ["size", "flag"])
@pytest.mark.parametrize("within", [None, "dendrite"])
def test_groups_that_are_all_pairs_are_shuffled_like_any(value: str, within: str | None) -> None:
    """With one more kind on either side the kernel goes over both groups; the draws are those of the shortcut."""
    table, how = values(5), {"equal": value == "flag", "within": within, "draws": 600, "seed": 3}
    rest = [kind for kind in PAIRS if kind != "SASD"]
    short = pair_similarity(table, value, first="SASD", second=rest, **how)  # type: ignore[arg-type]
    turned = pair_similarity(table, value, first=rest, second="SASD", **how)  # type: ignore[arg-type]
    np.testing.assert_allclose(turned.null.draws, -short.null.draws, atol=1e-12)
    parts = [pair_similarity(table, value, first="SASD", second=kind, **how) for kind in rest]  # type: ignore[arg-type]
    size = np.array([one.pairs[1] for one in parts])
    each = np.stack([one.null.draws for one in parts])
    # The difference from the rest is the mean of those from its parts, weighted by their numbers of pairs.
    np.testing.assert_allclose(short.null.draws, size @ each / size.sum(), atol=1e-12)


def test_p_counts_ties_and_p_strict_does_not() -> None:
    found = pair_similarity(values(1), "flag", equal=True, deal_pairs=True, draws=5000)
    ties = np.isclose(found.null.draws, found.difference, rtol=0, atol=1e-9).sum()
    assert ties > 50, "flags make ties, or the test tells nothing"
    assert (found.null.p * 5001 - 1) - found.p_strict * 5000 == pytest.approx(ties)


def test_shuffles_stay_in_their_block_and_are_uniform_under_the_null() -> None:
    rng = np.random.default_rng(0)
    ps = []
    for seed in range(60):
        table = pd.DataFrame({"axon": rng.integers(0, 8, 30), "dendrite": rng.integers(0, 3, 30)})
        # The dendrites differ; axons do not matter.
        table["size"] = rng.lognormal(size=30) * (1 + 20 * table.dendrite)
        same = {"first": "SASD", "second": "DASD", "within": "dendrite", "draws": 300, "seed": seed}
        ps.append(pair_similarity(table, "size", **same).null.p)  # type: ignore[arg-type]
    assert stats.kstest(ps, "uniform").pvalue > 0.01
    with pytest.raises(BadRequest, match="no pair is SASD"):
        pair_similarity(pd.DataFrame({"axon": [1, 2], "dendrite": [1, 2], "size": [1.0, 2]}), "size")
    with pytest.raises(BadRequest, match="kinds are SASD"):
        pair_similarity(table, "size", first="XXXX")
    with pytest.raises(BadRequest, match=r"no column 'volume'.*axon, dendrite, size"):
        pair_similarity(table, "volume")
