"""Requirements of the founding systems on serving and seeing volumes, by number: where each is proven."""

from __future__ import annotations

import pytest

from tests.test_requirements_volume import proof_is_there

PLANES, CUTS, FORMATS = "serve/test_planes.py", "serve/test_cutouts.py", "serve/test_formats.py"
NAMES, SLABS, TILES = "serve/test_names.py", "serve/test_slabs.py", "serve/test_tiles.py"
BLEND, CHANNELS, PAGE = "render/test_blend.py", "render/test_channels.py", "browser/test_image_core.py"
VIEW, LAB, CONTROLS = "explore/test_image_view.py", "browser/test_image.py", "browser/test_image_controls.py"

PROOFS = {
    "R1": ["serve/test_grammar.py::test_a_request_is_written_and_read_back_as_itself"],
    "R2": [
        "serve/test_grammar.py::test_the_papers_own_address",
        f"{PLANES}::test_the_papers_own_address_is_a_picture_of_500_by_500",
    ],
    "R3": [
        f"{CUTS}::test_the_first_and_the_last_slice_are_read",
        f"{CUTS}::test_a_slice_past_either_end_is_told_the_extent",
    ],
    "R4": [f"{CUTS}::test_sizes_and_offsets_scale_with_the_level"],
    "R5": [f"{CUTS}::test_a_bad_range_is_404_and_told_what_exists"],
    "R6": [
        f"{PLANES}::test_planes_lie_as_their_names_say",
        "render/test_planes.py::test_z_is_stretched_by_the_voxel_ratio_r6",
    ],
    "R7": [f"{FORMATS}::test_value_identical_formats", f"{FORMATS}::test_jpeg_is_the_slices_below_each_other"],
    "R8": [f"{FORMATS}::test_hdf5_has_one_layout_for_every_channel"],
    "R9": [
        f"{CUTS}::test_channels_lead_in_the_order_asked_and_0_skips",
        f"{CUTS}::test_channels_of_two_types_are_refused_together",
    ],
    "R10": [f"{PLANES}::test_a_window_maps_its_ends_to_0_and_255", f"{PLANES}::test_a_float_image_is_windowed"],
    "R11": [
        f"{PLANES}::test_the_default_window_is_the_channels_own_else_percentiles",
        "render/test_window.py::test_sixteen_bits_without_a_window_are_not_black_r11",
    ],
    "R12": [f"{CUTS}::test_a_filter_keeps_ids_in_every_service"],
    "R13": [f"{CUTS}::test_the_id_of_a_voxel_and_the_ids_of_a_box"],
    "R14": [f"{PLANES}::test_a_plane_of_some_objects", f"{PLANES}::test_side_planes_of_some_objects"],
    "R15": [f"{PLANES}::test_false_colours_add_up", f"{CHANNELS}::test_each_colour_r15"],
    "R16": [f"{PLANES}::test_overlay_at_both_ends_and_half_way"],
    "R17": [f"{PLANES}::test_projections", f"{CHANNELS}::test_equals_numpy_over_any_range_of_any_axis_r17"],
    "R18": [f"{FORMATS}::test_diff_is_how_much_a_time_is_above_the_one_before"],
    "R19": [f"{CUTS}::test_times", f"{PLANES}::test_time_in_every_picture"],
    "R20": [f"{NAMES}::test_r20_pairs_of_type_and_dtype_are_the_founding_ones"],
    "R21": [f"{PLANES}::test_packed_colours"],
    "R23": [
        f"{CUTS}::test_a_level_that_is_not_stored_equals_the_built_one",
        f"{CUTS}::test_finer_than_the_finest_level_replicates",
    ],
    "R24": [f"{NAMES}::test_r24_create_read_delete_with_the_documented_statuses"],
    "R25": [f"{NAMES}::test_r25_info_has_every_field_and_sizes_are_ends"],
    "R26": [
        f"{NAMES}::test_r26_public_names_are_listed_and_the_others_are_not",
        "serve/test_client.py::test_what_is_refused_comes_back_in_the_servers_words",
    ],
    "R60": [
        f"{PLANES}::test_a_synaptogram_has_every_slice_of_every_channel",
        "render/test_synaptogram.py::test_a_grid_of_channels_and_planes_around_a_point_r60",
    ],
    "R61": [f"{PLANES}::test_tiles_are_the_cut_out_in_pieces", f"{TILES}::test_tiles_put_together_are_the_cut_out"],
    "R62": [
        f"{SLABS}::test_beyond_95_percent_the_longest_unused_go_down_to_90",
        f"{SLABS}::test_readers_of_one_slab_read_it_once",
        f"{SLABS}::test_the_next_slab_is_there_before_the_scroll_is",
        f"{SLABS}::test_nobody_sees_less_than_was_written_before_they_asked",
    ],
    "R68": [f"{CONTROLS}::test_keys_move_and_none_reaches_the_page", f"{PAGE}::test_times_play"],
    "R69": [f"{BLEND}::test_equals_the_formulas_pixel_by_pixel_r69", f"{PAGE}::test_pixels_are_voxels"],
    "R70": [f"{PAGE}::test_picks_are_exact", f"{LAB}::test_what_is_picked_is_exact_and_known"],
    "R71": [f"{BLEND}::test_a_plane_and_its_neighbour_in_another_colour_r71"],
    "R72": [f"{VIEW}::test_a_state_restores_exactly", f"{VIEW}::test_a_project_opens_again_with_everything"],
    "R73": ["explore/test_image_links.py::test_any_view_is_a_neuroglancer_state"],
    "R74": [f"{CONTROLS}::test_the_histogram_of_the_kernel_sets_the_window"],
    "R104": ["serve/test_client.py::test_r104_cut_outs_are_x_y_z_in_the_data_sets_coordinates"],
}
# Speeds are measured by a benchmark, not asserted by a test: R63 by bench/tiles.py and bench/stream.py, R66 by
# bench/read.py.


@pytest.mark.parametrize("requirement", PROOFS)
def test_each_proof_is_there(requirement: str) -> None:
    for proof in PROOFS[requirement]:
        assert proof_is_there(proof), proof
