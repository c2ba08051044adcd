"""Peter's rule: by hand on a few touches, planted, and on the tables of Kasthuri et al. (2015)."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ndlab import samples
from ndlab.analyze import (
    IdsDisagreeWarning,
    PetersRule,
    compare_ids,
    degree_preserving,
    peters_rule,
)
from ndlab.errors import BadRequest

TWO = "pairs with ≥ 2 synapses"


def planted(
    seed: int, boost: float = 1.0, sites: int = 60, axons: int = 25, targets: int = 6
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each site picks one of the axons that touch it; `boost` times as likely one that its target has already."""
    rng = np.random.default_rng(seed)
    touching = [np.sort(rng.choice(axons, rng.integers(3, 9), replace=False)) for _ in range(sites)]
    target = rng.integers(0, targets, sites)
    touches = [(s, a, target[s]) for s in range(sites) for a in touching[s]]
    made: list[tuple[int, int, int]] = []
    connected: set[tuple[int, int]] = set()
    for site in range(sites):
        weight = np.array([boost if (int(a), int(target[site])) in connected else 1.0 for a in touching[site]])
        axon = int(rng.choice(touching[site], p=weight / weight.sum()))
        connected.add((axon, int(target[site])))
        made.append((site, axon, int(target[site])))
    columns = ["site", "axon", "target"]
    return pd.DataFrame(touches, columns=columns), pd.DataFrame(made, columns=columns)


def kasthuri() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Touches with the ids that were published, and all synapses; a shaft is a site of its own."""
    table = samples.kasthuri_synapses()
    on_spine = (table.location == "spine") & table.spine_id.notna()
    site = table.spine_id.where(on_spine).astype("Float64").fillna(-table.synapse_id).astype(int)
    synapses = pd.DataFrame({"site": site, "axon": table.axon_id, "target": table.dendrite_id})
    touches = samples.kasthuri_touches().rename(columns={"spine_id": "site", "axon_id": "axon"})
    return touches, synapses


@pytest.fixture(scope="module")
def found() -> PetersRule:
    touches, synapses = kasthuri()
    repaired = compare_ids(touches, synapses).repair(touches)
    neurite = samples.kasthuri_objects().set_index("object_id").neurite_id
    repaired["target"] = neurite.reindex(repaired.site).to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return peters_rule(repaired, synapses, draws=2000, seed=1)


def test_ids_that_mean_other_things_are_found_out_and_never_changed() -> None:
    touches, synapses = kasthuri()
    before = touches.copy()
    ids = compare_ids(touches, synapses)
    pd.testing.assert_frame_equal(touches, before)
    assert ids.suspicious
    assert ids.best == (-1, -10000)
    top = ids.offsets.iloc[0]
    assert (top.found, top.pairs) == (743, 868)
    sites = ids.offsets[ids.offsets.axon == -10000].set_index("site").agreement
    published = {3: 0.078, 2: 0.093, 1: 0.115, 0: 0.180, -1: 0.856, -2: 0.215, -3: 0.112}
    for shift, share in published.items():
        assert sites[shift] == pytest.approx(share, abs=0.0006)
    assert "+10000" not in str(ids)
    assert "-1 added to the sites and -10000 to the axons" in str(ids)
    assert not compare_ids(ids.repair(touches), synapses).suspicious


def test_the_tables_as_they_are_give_a_warning_and_no_number() -> None:
    touches, synapses = kasthuri()
    with (
        pytest.warns(IdsDisagreeWarning, match="do not name the same things"),
        pytest.raises(BadRequest, match="no synapse is a touch"),
    ):
        peters_rule(touches.assign(target=0), synapses, draws=10)
    # With the axons' offset alone the analysis runs: the numbers that were published.
    half = touches.assign(axon=touches.axon - 10000, target=0)
    with pytest.warns(IdsDisagreeWarning):
        as_published = peters_rule(half, synapses, draws=10)
    assert (as_published.recall.found, as_published.recall.of) == (155, 862)


def test_the_numbers_of_the_repaired_graph(found: PetersRule) -> None:
    assert not found.ids.suspicious
    assert (found.touches, found.sites, found.axons) == (15680, 917, 1325)
    assert found.touches_per_site.mean() == pytest.approx(17.10, abs=0.005)
    assert np.median(found.touches_per_site) == 16
    assert (found.recall.found, found.recall.of) == (743, 868)
    assert found.conversion.share == pytest.approx(0.0474, abs=5e-5)
    assert (found.conversion_at_synapses.found, found.conversion_at_synapses.of) == (743, 14922)
    assert len(found.pairs) == 9507
    assert found.connected.found == 724  # 791 pairs have a synapse at these spines; 67 of them do not touch.
    curve = found.curve.set_index("touches")
    assert curve.pairs.tolist() == [6134, 1966, 718, 355, 171, 82, 30, 51]
    np.testing.assert_allclose(
        curve.share, [0.0585, 0.0880, 0.1156, 0.1155, 0.1579, 0.2439, 0.1667, 0.3137], atol=5.1e-5
    )
    assert (found.again[0].found, found.again[0].of) == (143, 1221)
    assert (found.again[1].found, found.again[1].of) == (600, 13701)
    assert (found.pairs.synapses >= 2).sum() == 63
    assert (found.pairs.synapses >= 3).sum() == 10
    assert found.pairs.synapses.max() == 4
    correlation = np.corrcoef(found.pairs.touches, found.pairs.synapses)[0, 1]
    assert correlation == pytest.approx(0.168, abs=0.0005)
    assert found.auc == pytest.approx(0.59, abs=0.005)


def test_the_null_models_of_the_repaired_graph(found: PetersRule) -> None:
    a, b = found.null_a[TWO], found.null_b[TWO]
    assert a.observed == b.observed == 51
    assert a.mean == pytest.approx(23.92, abs=0.5)
    assert a.sd == pytest.approx(4.37, abs=0.25)
    assert a.p < 0.001
    assert found.null_a["pairs with ≥ 3 synapses"].observed == 8
    assert found.null_a["pairs with ≥ 3 synapses"].mean == pytest.approx(1.01, abs=0.1)
    assert b.mean == pytest.approx(35.5, abs=1)
    assert b.sd == pytest.approx(4.5, abs=0.4)
    assert b.p < 0.005
    assert found.chain.r_hat < 1.02
    assert found.chain.effective > 500
    assert len(found.to_pandas()) == 13


def test_partners_without_geometry() -> None:
    table = samples.kasthuri_synapses().rename(columns={"axon_id": "axon", "dendrite_id": "target"})
    null = degree_preserving(table, draws=2000)
    assert null[TWO].observed == 122
    assert null[TWO].mean == pytest.approx(32.8, abs=0.6)
    assert null[TWO].sd == pytest.approx(5.1, abs=0.35)
    assert null["pairs with ≥ 3 synapses"].observed == 15
    assert null["pairs of synapses"].observed == 165
    assert null["pairs of synapses"].mean == pytest.approx(36.4, abs=0.6)


def test_shuffles_are_every_dealing_alike_and_do_not_depend_on_the_threads() -> None:
    axon, target = np.array([1, 1, 1, 2, 2, 3, 4]), np.array([7, 7, 8, 8, 9, 9, 7])
    table = pd.DataFrame({"axon": axon, "target": target})
    every = [tuple(one) for one in set(itertools.permutations(target.tolist()))]
    expected: dict[tuple[int, int, int], float] = {}
    for one in every:
        c = np.unique(axon * 10 + np.array(one), return_counts=True)[1]
        key = int((c >= 2).sum()), int((c >= 3).sum()), int((c * (c - 1) // 2).sum())
        expected[key] = expected.get(key, 0) + 1 / len(every)
    found = degree_preserving(table, draws=20_000, workers=1)
    drawn = [tuple(row) for row in np.stack([null.draws for null in found.values()], axis=1).astype(int).tolist()]
    assert set(drawn) == set(expected)
    times = np.array([drawn.count(key) for key in expected])
    assert stats.chisquare(times, 20_000 * np.array(list(expected.values()))).pvalue > 1e-3
    for name, null in degree_preserving(table, draws=20_000, workers=3).items():
        np.testing.assert_array_equal(null.draws, found[name].draws)


def test_shuffles_repeat_as_many_synapses_as_degrees_foretell() -> None:
    """Any two synapses get the same axon and the same target as often as pairs of each do: in closed form."""
    table = samples.kasthuri_synapses().rename(columns={"axon_id": "axon", "dendrite_id": "target"})
    null = degree_preserving(table, draws=3000)["pairs of synapses"]
    both = [(c * (c - 1) / 2).sum() for c in (table[end].value_counts().to_numpy() for end in ("axon", "target"))]
    mean = both[0] * both[1] / (len(table) * (len(table) - 1) / 2)
    assert abs(null.mean - mean) < 4 * null.sd / np.sqrt(3000)


def test_the_result_is_the_same_for_any_order_number_of_threads_and_repeated_rows() -> None:
    touches, synapses = planted(5)
    first = peters_rule(touches, synapses, draws=700, workers=1)
    mixed = pd.concat([touches, touches.head(20)]).sample(frac=1, random_state=0)
    second = peters_rule(mixed, synapses.sample(frac=1, random_state=1), draws=700, workers=3)
    pd.testing.assert_frame_equal(first.to_pandas(), second.to_pandas())
    pd.testing.assert_frame_equal(first.curve, second.curve)
    assert first.chain == second.chain


def test_nulls_are_those_of_every_possible_outcome() -> None:
    """Six sites, all outcomes listed: null A uniform over them, null B over those that keep the axons' numbers."""
    cands = {1: [1, 2], 2: [1, 2], 3: [1, 3], 4: [2, 3], 5: [1, 2, 3], 6: [2, 3]}
    target = {1: 7, 2: 7, 3: 7, 4: 8, 5: 8, 6: 8}
    chosen = {1: 1, 2: 1, 3: 3, 4: 2, 5: 2, 6: 3}
    touches = pd.DataFrame(
        [(s, a, target[s]) for s, axons in cands.items() for a in axons], columns=["site", "axon", "target"]
    )
    synapses = pd.DataFrame([(s, a, target[s]) for s, a in chosen.items()], columns=["site", "axon", "target"])

    def twos(outcome: tuple[int, ...]) -> int:
        pairs = list(zip(outcome, [target[s] for s in cands], strict=True))
        return sum(pairs.count(p) >= 2 for p in set(pairs))

    outcomes = list(itertools.product(*cands.values()))
    kept = [o for o in outcomes if sorted(o) == sorted(chosen.values())]
    result = peters_rule(touches, synapses, draws=20000)
    for null, possible in ((result.null_a, outcomes), (result.null_b, kept)):
        expected = np.bincount([twos(o) for o in possible], minlength=4) / len(possible)
        drawn = np.bincount(null[TWO].draws.astype(int), minlength=4) / 20000
        np.testing.assert_allclose(drawn, expected, atol=0.02)
    assert result.null_a[TWO].observed == twos(tuple(chosen.values()))


def test_weights_are_followed() -> None:
    touches = pd.DataFrame({"site": [1, 1, 2, 2], "axon": [8, 9, 8, 9], "target": 5, "area": [3.0, 1, 3, 1]})
    result = peters_rule(touches, touches.iloc[[0, 2]], weight="area", draws=20000)
    assert result.null_a[TWO].mean == pytest.approx((9 + 1) / 16, abs=0.01)


def test_p_values_are_uniform_where_the_rule_holds_and_small_where_it_does_not() -> None:
    def p_values(boost: float, null: str) -> list[float]:
        found = []
        for seed in range(60):
            null_ = getattr(peters_rule(*planted(seed, boost), draws=400), null)["pairs of synapses"]
            # Ties are split at random, without which p-values of counts cannot be uniform.
            above, equal = (null_.draws > null_.observed).mean(), (null_.draws == null_.observed).mean()
            found.append(above + equal * np.random.default_rng(seed).random())
        return found

    assert stats.kstest(p_values(1.0, "null_a"), "uniform").pvalue > 0.01
    assert stats.kstest(p_values(1.0, "null_b"), "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values(6.0, "null_a")) < 0.05) > 0.8


def test_what_is_wrong_is_said() -> None:
    touches, synapses = planted(1)
    with pytest.raises(BadRequest, match=r"touches without the column target.*rename"):
        peters_rule(touches.drop(columns="target"), synapses)
    with pytest.raises(BadRequest, match=r"site \d+ with the targets"):
        peters_rule(touches.assign(target=range(len(touches))), synapses)
    with pytest.raises(BadRequest, match="empty cells in axon"):
        peters_rule(touches, synapses.assign(axon=pd.array([None] * len(synapses), "Int64")))
    with pytest.raises(BadRequest, match="negative weights"):
        peters_rule(touches.assign(area=-1.0), synapses, weight="area")
