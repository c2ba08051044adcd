"""Requirements of the founding systems on registration, by number: where each is proven."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent

PROOFS = {
    "R87": [
        "test_register.py::test_a_planted_warp_is_found_to_a_fraction_of_a_voxel",
        "test_register.py::test_it_folds_nothing_and_its_inverse_takes_back",
        "test_warped.py::test_blocks_equal_the_whole_bit_for_bit",
        "test_warped.py::test_only_the_source_box_is_read",
        "test_warped.py::test_the_same_on_threads_processes_and_with_a_killed_worker",
        "test_warped.py::test_killed_with_kill_9_it_goes_on",
    ],
    "R88": [
        "test_register.py::test_contrast_may_be_reversed_and_tissue_missing",
        "test_register.py::test_missing_tissue_is_told_from_tissue_that_moved",
    ],
    "R90": [
        "test_fields.py::test_mappings_compose_and_invert",
        "test_register.py::test_points_and_tables_go_both_ways",
        "test_register.py::test_labels_and_images_overlap_afterwards",
    ],
}


@pytest.mark.parametrize("proof", sorted({one for proofs in PROOFS.values() for one in proofs}))
def test_each_proof_is_there(proof: str) -> None:
    file, _, name = proof.partition("::")
    found = {node.name for node in ast.parse((HERE / file).read_text()).body if isinstance(node, ast.FunctionDef)}
    assert name in found
