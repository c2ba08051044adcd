"""Requirements of the founding systems on serving and seeing volumes, by number: where each is proven."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.test_requirements_volume import proof_is_there

PLANES, CUTS, FORMATS = "serve/test_planes.py", "serve/test_cutouts.py", "serve/test_formats.py"
NAMES, SLABS, TILES = "serve/test_names.py", "serve/test_slabs.py", "serve/test_tiles.py"
BLEND, CHANNELS, PAGE = "render/test_blend.py", "render/test_channels.py", "browser/test_image_core.py"
VIEW, LAB, CONTROLS = "explore/test_image_view.py", "browser/test_image.py", "browser/test_image_controls.py"

BENCH = Path(__file__).parents[1] / "bench"

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
    "R7": [
        f"{FORMATS}::test_value_identical_formats",
        f"{FORMATS}::test_tiff_has_a_page_for_every_slice",
        f"{FORMATS}::test_hdf5_has_one_layout_for_every_channel",
        f"{FORMATS}::test_jpeg_is_the_slices_below_each_other",
    ],
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
    "R12": [
        f"{CUTS}::test_a_filter_keeps_ids_in_every_service",
        f"{PLANES}::test_a_plane_of_some_objects",
        f"{PLANES}::test_tiles_of_ids_are_colours_and_are_filtered",
        f"{PLANES}::test_overlay_filters_the_layer_that_has_ids",
    ],
    "R13": [f"{CUTS}::test_the_id_of_a_voxel_and_the_ids_of_a_box"],
    "R14": [f"{PLANES}::test_a_plane_of_some_objects", f"{PLANES}::test_side_planes_of_some_objects"],
    "R15": [
        f"{PLANES}::test_false_colours_add_up",
        f"{PLANES}::test_two_channels_in_one_colour_add_up_to_white_at_most",
        f"{CHANNELS}::test_each_colour_r15",
        f"{CHANNELS}::test_channels_in_order_add_up_and_saturate_r15",
    ],
    "R16": [f"{PLANES}::test_overlay_at_both_ends_and_half_way"],
    "R17": [f"{PLANES}::test_projections", f"{CHANNELS}::test_equals_numpy_over_any_range_of_any_axis_r17"],
    "R18": [f"{FORMATS}::test_diff_is_how_much_a_time_is_above_the_one_before"],
    "R19": [
        f"{CUTS}::test_times",
        f"{PLANES}::test_time_in_every_picture",
        "serve/test_synaptograms.py::test_a_time_and_a_level",
        "serve/test_writes.py::test_several_channels_and_times_in_one_write",
    ],
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
        "serve/test_synaptograms.py::test_rows_are_channels_and_columns_are_slices",
        "serve/test_synaptograms.py::test_each_row_is_drawn_to_its_brightest",
    ],
    "R61": [
        f"{PLANES}::test_tiles_are_the_cut_out_in_pieces",
        f"{PLANES}::test_tiles_of_ids_are_colours_and_are_filtered",
        f"{PLANES}::test_tiles_in_false_colours_are_the_picture_in_pieces",
        f"{PLANES}::test_tiles_of_a_projection",
        f"{PLANES}::test_time_in_every_picture",
        f"{TILES}::test_tiles_put_together_are_the_cut_out",
    ],
    "R62": [
        f"{SLABS}::test_beyond_95_percent_the_longest_unused_go_down_to_90",
        f"{SLABS}::test_readers_of_one_slab_read_it_once",
        f"{SLABS}::test_the_next_slab_is_there_before_the_scroll_is",
        f"{SLABS}::test_nobody_sees_less_than_was_written_before_they_asked",
        f"{TILES}::test_jpeg_shows_the_window",
        f"{PLANES}::test_a_tile_follows_a_write",
    ],
    "R63": ["test_requirements_view.py::test_r63_warm_tiles_are_fast_enough_and_faster_than_cold_ones"],
    "R66": ["test_requirements_view.py::test_r66_reads_of_every_size_by_every_number_of_threads"],
    "R68": [
        f"{CONTROLS}::test_keys_move_and_none_reaches_the_page",
        f"{CONTROLS}::test_drag_and_wheel_keep_what_is_under_the_pointer",
        f"{CONTROLS}::test_go_to_says_what_it_does_not_understand",
        f"{VIEW}::test_go_to_a_voxel_or_a_position",
        f"{PAGE}::test_the_plane_before_stays_until_the_next_one_is_there",
        f"{PAGE}::test_times_play",
        "browser/test_notebook.py::test_a_cell_shows_the_picture_and_keys_move_it",
    ],
    "R69": [f"{BLEND}::test_equals_the_formulas_pixel_by_pixel_r69", f"{PAGE}::test_pixels_are_voxels"],
    "R70": [f"{PAGE}::test_picks_are_exact", f"{LAB}::test_what_is_picked_is_exact_and_known"],
    "R71": [f"{BLEND}::test_a_plane_and_its_neighbour_in_another_colour_r71", f"{PAGE}::test_pixels_are_voxels"],
    "R72": [f"{VIEW}::test_a_state_restores_exactly", f"{VIEW}::test_a_project_opens_again_with_everything"],
    "R73": [
        "explore/test_image_links.py::test_any_view_is_a_neuroglancer_state",
        "browser/test_neuroglancer.py::test_every_voxel_of_the_plane_has_its_grey",
        "browser/test_neuroglancer.py::test_ids_beyond_what_a_float_holds_are_told_apart",
    ],
    "R74": [
        f"{CONTROLS}::test_the_histogram_of_the_kernel_sets_the_window",
        "explore/test_image_histogram.py::test_a_histogram_counts_the_channel_and_time_that_are_shown",
    ],
    "R104": ["serve/test_client.py::test_r104_cut_outs_are_x_y_z_in_the_data_sets_coordinates"],
}


@pytest.mark.parametrize("requirement", PROOFS)
def test_each_proof_is_there(requirement: str) -> None:
    for proof in PROOFS[requirement]:
        assert proof_is_there(proof), proof


# --- speeds: what the committed results of the benchmarks say, and that they still print it on little data -----------


def result(name: str, title: str) -> dict[str, dict[str, Any]]:
    """Return a table of the committed results of a benchmark."""
    found = json.loads((BENCH / "results" / f"{name}.json").read_text(encoding="utf-8"))
    rows: dict[str, dict[str, Any]] = next(one["rows"] for one in found["tables"] if one["title"].startswith(title))
    return rows


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what loads a benchmark's script, and what a quick run of it prints into."""
    monkeypatch.syspath_prepend(str(BENCH))
    harness = importlib.import_module("harness")
    return lambda name: (_script(name), harness.Bench(name, argparse.Namespace(quick=True, save=False)))


def _script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCH / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_r63_warm_tiles_are_fast_enough_and_faster_than_cold_ones(bench: Any, tmp_path: Path) -> None:
    rows = result("tiles", "fresh planes of 1024²")
    warm, cold = (rows[f"service, {state}"]["planes/CPU s"] for state in ("warm", "cold"))
    assert warm >= 60, "frames of 1024² a second of one core"
    assert warm > cold
    script, quick = bench("tiles")
    volume = script.new_store(tmp_path / "em.ome.zarr", (18, 1024, 1024), "u1")
    voxels = np.random.default_rng(0).integers(0, 255, volume.shape, "u1")
    script.array_of(volume, flush=False).write((0, 0, 0), voxels)
    script.rates(quick, volume, tmp_path / "em.ome.zarr")
    (table,) = quick.tables
    assert table["title"].startswith("fresh planes of 1024²")
    assert {"warm scroll: planes per CPU second", "warm scroll: times the cold one"} <= {
        one["text"] for one in quick.aims
    }


def test_r66_reads_of_every_size_by_every_number_of_threads(bench: Any, tmp_path: Path) -> None:
    rows = result("read", "total MB/s by read size and threads")
    rates = {float(size.split()[0]): float(row["1 thr"].split()[0]) for size, row in rows.items()}
    assert sorted(rates) == [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert all({"1 thr", "2 thr", "4 thr", "8 thr"} <= set(row) for row in rows.values())
    assert rates[256] >= 600, "MB/s of one thread"
    assert rates[256] > rates[0.25], "it rises with size"
    assert 0.5 < rates[256] / rates[64] < 2, "and then stays"
    script, quick = bench("read")
    voxels = np.random.default_rng(0).integers(0, 255, (128, 256, 256), "u1")
    script.store(tmp_path, "uncompressed-sharded", voxels, (128, 128, 128), None)
    script.throughput(quick, tmp_path)
    (table,) = quick.tables
    assert table["title"].startswith("total MB/s by read size and threads")
    assert list(table["rows"]) == ["0.25 MB", "0.5 MB", "1 MB", "2 MB", "4 MB"]
    assert quick.aims
