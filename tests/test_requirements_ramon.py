"""Requirements of the founding systems on RAMON objects over HTTP, by number: where each is proven."""

from __future__ import annotations

import pytest

from tests.test_requirements_volume import proof_is_there

CALLS, CLIENT, PLACES = "serve/test_ramon.py", "serve/test_client_ramon.py", "serve/test_ramon_places.py"
ACCESS, V1 = "serve/test_ramon_access.py", "serve/test_annotated.py"
MODEL = "test_calls_in_any_order_are_what_the_model_says"

PROOFS = {
    "R1": ["serve/test_grammar_objects.py::test_a_call_is_written_and_read_back_as_itself"],
    "R42": [
        f"{CALLS}::test_r42_every_type_comes_back_with_every_field",
        f"{CALLS}::test_any_text_survives_hdf5_and_json",
        f"{CALLS}::test_every_field_is_got_and_set_alone",
        f"{PLACES}::test_ids_beyond_32_bits_go_through_every_form",
    ],
    "R43": [f"{CALLS}::test_r43_derived_fields_are_computed_and_refuse_to_be_set"],
    "R44": [f"{CLIENT}::test_r44_3945_objects_take_few_requests"],
    "R45": [f"{CALLS}::test_r45_two_cubes_that_overlap", f"{CALLS}::{MODEL}"],
    "R46": [f"{CALLS}::test_r46_update_dataonly_and_reduce", f"{CALLS}::{MODEL}"],
    "R47": [f"{CALLS}::test_r47_reserved_ids_are_contiguous_and_nobody_elses"],
    "R48": [f"{CALLS}::test_r48_merged_ids_become_the_first_at_every_level", f"{CALLS}::{MODEL}"],
    "R49": [f"{CALLS}::test_r49_deleted_ids_are_gone_from_every_level", f"{CALLS}::{MODEL}"],
    "R50": [f"{CALLS}::test_r50_r51_the_forms_agree_and_equal_numpy"],
    "R51": [
        f"{CALLS}::test_r50_r51_the_forms_agree_and_equal_numpy",
        f"{CALLS}::test_cuboids_and_cutouts_are_posted_again_as_they_were_got",
        f"{PLACES}::test_paths_count_in_the_images_levels_wherever_the_labels_begin",
    ],
    "R52": [f"{CALLS}::test_r52_a_neurons_voxels_are_its_segments_under_its_id"],
    "R53": [f"{CALLS}::test_r53_queries_mean_every_predicate_at_once"],
    "R54": [f"{CALLS}::test_r54_top_keys_are_the_most_frequent_first"],
    "R55": [f"{CALLS}::test_r55_swc_comes_back_with_the_same_branches"],
    "R56": [
        "serve/test_nifti.py::test_r56_a_channel_is_made_of_a_file_and_comes_back_with_its_header",
        "serve/test_nifti.py::test_r56_a_file_is_written_over_a_channel_that_is_there",
    ],
    "R57": [f"{CALLS}::test_r57_an_object_as_csv"],
    "R64": [f"{CALLS}::test_what_was_acknowledged_is_there_after_a_restart"],
    "R70": [
        "explore/test_image_view.py::test_a_set_of_annotations_says_what_a_picked_id_is_now",
        "browser/test_image.py::test_the_object_of_a_picked_id_is_shown",
    ],
    "R104": [
        f"{CLIENT}::test_r104_the_calls_of_a_claims_notebook",
        f"{CLIENT}::test_r104_reserve_change_merge_and_delete",
    ],
    # What the founding store left open: who may change what, and mistakes that write nothing.
    "rights": [
        f"{ACCESS}::test_a_stranger_reads_what_is_public_and_changes_nothing",
        f"{ACCESS}::test_head_changes_nothing",
    ],
    "mistakes": [
        f"{ACCESS}::test_a_mistake_is_told_and_nothing_is_written",
        f"{V1}::test_whatever_is_posted_is_answered",
        "serve/test_ramon_fuzz.py::test_any_call_is_answered",
        "serve/test_ramon_fuzz.py::test_any_body_is_answered",
    ],
}


@pytest.mark.parametrize("requirement", PROOFS)
def test_each_proof_is_there(requirement: str) -> None:
    for proof in PROOFS[requirement]:
        assert proof_is_there(proof), proof
