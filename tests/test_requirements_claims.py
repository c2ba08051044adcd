"""Requirements of the founding paper's re-analysis of one piece of cortex, by number: where each is proven."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ndlab import analyze, samples
from ndlab.paper import run
from tests.test_requirements_volume import proof_is_there

TABLE, SIMILAR, RULE, LABS = (
    "samples/test_kasthuri.py",
    "analyze/test_similarity.py",
    "analyze/test_peters_rule.py",
    "analyze/test_other_labs.py",
)
HERE = "test_requirements_claims.py"
TWO = "pairs with ≥ 2 synapses"

PROOFS = {
    "R97": [
        *(
            f"{TABLE}::test_{name}"
            for name in ("cylinders", "kinds", "boutons", "partners", "digraph", "degree", "sizes", "correlations")
        ),
        f"{TABLE}::test_digraph_equals_the_published_one",
        f"{HERE}::test_r97_spines_belong_to_the_dendrites_that_two_sources_say",
        f"{HERE}::test_r97_r99_notebooks_have_every_number",
    ],
    "R98": [
        f"{SIMILAR}::test_r98_means_to_the_printed_digits_and_p_within_monte_carlo_error",
        f"{SIMILAR}::test_any_number_of_workers_draws_the_same",
    ],
    "R99": [
        f"{HERE}::test_r99_published_and_repaired_side_by_side",
        f"{HERE}::test_r97_r99_notebooks_have_every_number",
    ],
    "R102": [f"{HERE}::test_r102_every_claim_has_its_verdict"],
    "other laboratories": [
        f"{LABS}::test_a_dense_segmentation_is_a_touch_graph_with_statistics",
        f"{LABS}::test_peters_rule_from_labels_to_p",
        f"{LABS}::test_a_worms_table_of_contacts_becomes_its_connectome",
    ],
}


@pytest.mark.parametrize("requirement", PROOFS)
def test_each_proof_is_there(requirement: str) -> None:
    for proof in PROOFS[requirement]:
        assert proof_is_there(proof), proof


def test_r97_spines_belong_to_the_dendrites_that_two_sources_say() -> None:
    """852 spines with a list of touches, and all others with a number, by the annotators' hierarchy and the table."""
    table, objects = samples.kasthuri_synapses(), samples.kasthuri_objects().set_index("object_id")
    spines = table[(table.location == "spine") & table.spine_id.notna()].drop_duplicates("spine_id")
    agrees = objects.neurite_id.reindex(spines.spine_id.astype(int)).to_numpy() == spines.dendrite_id.to_numpy()
    listed = spines.spine_id.isin(samples.kasthuri_touches().spine_id - 1).to_numpy()
    assert (int(agrees[listed].sum()), int(listed.sum())) == (852, 852)
    assert agrees.all()


def test_r99_published_and_repaired_side_by_side() -> None:
    table = samples.kasthuri_synapses()
    on_spine = (table.location == "spine") & table.spine_id.notna()
    site = table.spine_id.where(on_spine).astype("Float64").fillna(-table.synapse_id).astype(int)
    synapses = pd.DataFrame({"site": site, "axon": table.axon_id, "target": table.dendrite_id})
    touches = samples.kasthuri_touches().rename(columns={"spine_id": "site", "axon_id": "axon"})

    ids = analyze.compare_ids(touches.assign(axon=touches.axon - 10_000), synapses)
    published = ids.offsets.query("site == 0 and axon == 0").iloc[0]
    assert (int(published.found), int(published.pairs)) == (155, 862)
    assert ids.suspicious
    assert ids.best == (-1, 0)
    raw = analyze.compare_ids(touches, synapses)
    assert raw.best == (-1, -10_000)

    repaired = raw.repair(touches)
    neurite = samples.kasthuri_objects().set_index("object_id").neurite_id
    repaired["target"] = neurite.reindex(repaired.site).to_numpy()
    found = analyze.peters_rule(repaired, synapses, draws=1000)
    assert (found.recall.found, found.recall.of) == (743, 868)
    null = found.null_a[TWO]
    assert null.observed == 51
    assert null.mean == pytest.approx(23.92, abs=5 * 4.37 * np.sqrt(2 / 1000))
    assert null.sd == pytest.approx(4.37, rel=0.1)
    assert null.p < 0.001


def test_r102_every_claim_has_its_verdict(tmp_path: Path) -> None:
    """The notebook of claims runs on what is shipped; each claim is there with both sides and a verdict."""
    assert run(tmp_path, only=["08_claims"], quiet=True) == 0
    (found,) = json.loads((tmp_path / "numbers.json").read_text())
    claims = {one["name"]: one for one in found["claims"]}
    assert list(claims) == ["0", *(f"1{c}" for c in "abcd"), *(f"2{c}" for c in "abcdefg"), *map(str, range(3, 11))]
    for one in claims.values():
        assert one["question"] and one["method"] and one["published"] and one["ours"]  # noqa: PT018
    # What only voxels tell is not said to be reproduced, and each claim that numbers can prove has some.
    assert {name for name, one in claims.items() if one["verdict"] == "not available"} == {
        "1c", "2e", "2g", "4", "6", "8",
    }  # fmt: skip
    numbered = {number["name"].split(":")[0] for number in found["numbers"]}
    assert {"1a", "1b", "1c", "1d", "2", "2d", "2e", "2f", "2g", "3", "4", "5", "6", "7", "9", "10"} <= numbered


@pytest.mark.soak
def test_r97_r99_notebooks_have_every_number(tmp_path: Path) -> None:
    assert run(tmp_path, only=["01_connectome", "04_peters_rule"], quiet=True) == 0
    found = {one["notebook"]: one["numbers"] for one in json.loads((tmp_path / "numbers.json").read_text())}
    assert len(found["01_connectome"]) >= 58
    assert sum(one["name"].endswith(": p") for one in found["04_peters_rule"]) == 30
