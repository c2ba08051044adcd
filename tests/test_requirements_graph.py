"""Requirements of the founding systems on graphs, touches and densities, by number: where each is proven.

Numbers are those of the catalogue of what the Open Connectome Project's systems did; the proofs that stand only here
are those that take several rooms at once.
"""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from ndlab import analyze, samples
from ndlab.analyze.communities import METHODS
from ndlab.analyze.invariants import WHOLE
from ndlab.analyze.layouts import LAYOUTS
from ndlab.analyze.vertices import VERTEX
from ndlab.graph import Graph, read

TESTS = Path(__file__).parent
ROOM = "analyze/"

PROOFS = {
    "R58": [
        ROOM + "test_connectivity.py::test_r58_the_sheet_of_kasthuri_through_objects_and_files",
        ROOM + "test_connectivity.py::test_directions_and_parallel_edges",
        ROOM + "test_connectivity.py::test_undirected_graphs_join_each_pair_once_a_synapse",
        ROOM + "test_connectivity.py::test_conditions_and_boxes_restrict_the_graph",
        "test_requirements_graph.py::test_r58_lists_keep_the_sheet_as_far_as_they_can",
        "serve/test_graphs.py::test_the_founding_grammar_of_graphs",
    ],
    "R75": [
        "graph/test_founding.py::test_r75_text_formats",
        "graph/test_founding.py::test_r75_graphdb_is_binary",
        "graph/test_founding.py::test_r75_graphml_and_gml_of_networkx_and_a_zip_of_all",
        "graph/test_founding.py::test_r75_a_pickle_is_never_read_nor_written_and_says_what_to_take",
        "graph/test_files.py::test_the_files_of_other_laboratories",
        "serve/test_graphs.py::test_every_whole_format_gives_the_graph_back",
        "serve/test_graphs.py::test_a_zip_takes_the_memory_of_one_graph",
    ],
    "R76": [
        ROOM + "test_generators.py::test_r76_there_are_21_kinds_each_the_same_for_a_seed",
        ROOM + "test_generators.py::test_r76_identities",
        ROOM + "test_generators.py::test_chances_are_kept",
    ],
    "R77": [
        ROOM + "test_graph_statistics.py::test_reference_values_of_connectomes",
        ROOM + "test_graph_statistics.py::test_whole_graph_numbers_are_those_of_networkx",
        ROOM + "test_communities.py::test_the_order_of_the_nodes_decides_which_of_equal_unions_is_first",
        ROOM + "test_densest.py::test_no_part_of_a_small_graph_is_denser",
        ROOM + "test_spectrum.py::test_sparse_graphs",
    ],
    "R78": [
        ROOM + "test_graph_statistics.py::test_node_numbers_are_those_of_networkx",
        ROOM + "test_graph_statistics.py::test_spectral_numbers_solve_their_equations",
        ROOM + "test_graph_statistics.py::test_diversity_is_the_entropy_of_parallel_edges",
        ROOM + "test_edge_cases.py::test_what_is_iterated_is_that_of_dense_algebra",
        "test_requirements_graph.py::test_r78_igraphs_numbers_of_a_small_graph",
    ],
    "R79": [
        ROOM + "test_communities.py::test_r79_there_are_eleven",
        ROOM + "test_communities.py::test_r79_planted_blocks_are_found",
        ROOM + "test_communities.py::test_variation_of_information_is_a_metric",
        ROOM + "test_communities.py::test_all_pairs_are_compared",
    ],
    "R80": [
        ROOM + "test_layouts.py::test_r80_places_are_finite_and_the_same_for_a_seed",
        ROOM + "test_layouts.py::test_there_are_sixteen",
    ],
    "R81": [
        "browser/test_graph_views.py::test_r81_matrix_groups_plots_table_and_files",
        "browser/test_graph.py::test_page_and_kernel_select_for_each_other",
    ],
    "R82": [
        ROOM + "test_generators.py::test_r82_three_blocks_are_recovered",
        ROOM + "test_generators.py::test_embeddings_reproduce_the_chances",
    ],
    "R100": [
        ROOM + "test_touch.py::test_r100_near_labels_are_those_of_brute_force",
        ROOM + "test_touch.py::test_r100_the_graph_is_the_same_for_any_chunking",
        ROOM + "test_touch.py::test_labels_keep_their_ids_where_a_dilation_would_add_one",
        ROOM + "test_touch.py::test_peters_rule_from_a_label_volume",
        "test_requirements_graph.py::test_r100_the_phantom_touches_where_it_says",
    ],
    "R101": [
        ROOM + "test_density.py::test_the_numbers_of_the_public_counts",
        ROOM + "test_density.py::test_blocks_hold_what_was_planted_for_any_chunking",
        ROOM + "test_density.py::test_counts_equal_brute_force_on_random_labels",
        ROOM + "test_density.py::test_densities_in_cubic_micrometres_with_intervals_that_know_of_neighbours",
    ],
}  # fmt: skip


def proof_is_there(proof: str) -> bool:
    """Whether a file of the tests has the test that ``file::name`` names."""
    file, _, name = proof.partition("::")
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("requirement", PROOFS)
def test_each_proof_is_there(requirement: str) -> None:
    """A test that is renamed or removed takes its requirement with it."""
    for proof in PROOFS[requirement]:
        assert proof_is_there(proof), proof


def test_the_catalogue_counts_as_many() -> None:
    assert len(list(WHOLE)[:21]) == 21
    assert set(list(WHOLE)[21:]) == {"max_average_degree", "spectral_radius"}
    assert list(VERTEX)[13:] == ["coreness", "triangles", "clustering", "scan"]
    assert (len(METHODS), len(LAYOUTS)) == (11, 16)


@pytest.mark.parametrize("suffix", [".edgelist", ".adjlist", ".net", ".csv", ".attredge"])
def test_r58_lists_keep_the_sheet_as_far_as_they_can(tmp_path: Path, suffix: str) -> None:
    """Formats without a place for units or node properties still keep who is connected with whom, and how often."""
    table = samples.kasthuri_synapses()
    ends = [table.axon_id.to_numpy(np.int64), 100_000 + table.dendrite_id.to_numpy(np.int64)]
    graph = Graph.from_edges(*ends).simple({}, count="weight")
    found = read(graph.write(tmp_path / f"sheet{suffix}", lossy=True), directed=True)
    assert (found.n_nodes, found.n_edges) == (1029, 1559)

    def pairs(one: Graph) -> dict[tuple[int, int], float]:
        weights = one.edges["weight"].tolist() if "weight" in one.edges else [0.0] * one.n_edges
        rows = zip(one.ids[one.source].tolist(), one.ids[one.target].tolist(), weights, strict=True)
        return {(u, v): float(w) for u, v, w in rows}

    if suffix == ".adjlist":
        assert pairs(found).keys() == pairs(graph).keys()
    else:
        assert pairs(found) == pairs(graph)
        assert np.bincount(list(map(int, pairs(found).values()))).tolist() == [0, 1437, 107, 12, 2, 1]


# Of python-igraph 1.0.0, on the karate club.
IGRAPH: dict[str, dict[int, float]] = {
    "constraint": {0: 0.15542329764660498, 1: 0.27953510802469134, 16: 0.78125, 33: 0.1564186851211073},
    "pagerank": {0: 0.09699728538829475, 1: 0.05287692406114573, 16: 0.016784005444189665, 33: 0.1009191823326258},
    "closeness": {0: 0.5689655172413793, 1: 0.4852941176470588, 16: 0.28448275862068967, 33: 0.55},
    "betweenness": {0: 231.0714285714286, 1: 28.478571428571424, 16: 0.0, 33: 160.5515873015873},
    "eigenvector": {0: 0.9521323664766568, 1: 0.71233513912022, 16: 0.06330460793644102, 33: 1.0},
    "neighbor_degree": {0: 4.3125, 1: 5.777777777777778, 16: 4.0, 33: 3.823529411764706},
    "coreness": {0: 4, 1: 4, 16: 2, 33: 4},
}


def test_r78_igraphs_numbers_of_a_small_graph() -> None:
    graph = analyze.generate("famous", name="karate_club")
    found = analyze.vertex_statistics(graph, list(IGRAPH))
    for name, values in IGRAPH.items():
        for node, value in values.items():
            assert found[name][node] == pytest.approx(value, rel=1e-9), (name, node)


@pytest.mark.parametrize("block", [None, 24, (64, 16, 48)])
def test_r100_the_phantom_touches_where_it_says(block: int | tuple[int, int, int] | None) -> None:
    """By shifting the whole array against itself, whatever blocks it is read in."""
    brain = samples.phantom(shape=(48, 64, 64), seed=3)
    labels = brain.labels()
    found = analyze.touch(brain.volume("labels"), block=block)
    expected = set[tuple[int, int]]()
    for axis in range(3):
        low, high = (np.take(labels, range(*r), axis) for r in ((0, labels.shape[axis] - 1), (1, labels.shape[axis])))
        differ = (low != high) & (low != 0) & (high != 0)
        both = np.sort(np.stack([low[differ], high[differ]], axis=1), axis=1)
        expected |= {(int(a), int(b)) for a, b in np.unique(both, axis=0)}
    ids = found.ids.tolist()
    assert {(ids[a], ids[b]) for a, b in zip(found.source.tolist(), found.target.tolist(), strict=True)} == expected
