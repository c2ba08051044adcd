"""Requirements of the founding systems on annotations, by number: where each is proven; some proofs stand here."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ndlab.annotations import Annotations
from ndlab.samples import phantom
from tests.test_requirements_volume import proof_is_there

EXCHANGE, LAYERS = "annotations/test_exchange.py", "annotations/test_precomputed.py"
NIFTI, FLAT, PROPERTIES = (
    "annotations/test_nifti.py",
    "annotations/test_flat.py",
    "annotations/test_segment_properties.py",
)

KINDS, QUERY = "annotations/test_kinds.py", "annotations/test_query.py"
PAINT, BULK, ATTACHED = "annotations/test_paint.py", "annotations/test_bulk.py", "annotations/test_attached.py"
DURABLE, KILLED = "annotations/test_durability.py", "annotations/test_killed.py"
DISK, TAIL = "annotations/test_full_disk.py", "annotations/test_journal_tail.py"

PROOFS = {
    "R42": [
        f"{KINDS}::test_r42_there_are_nine_kinds_with_exactly_these_fields",
        f"{KINDS}::test_r42_codes_are_the_founding_ones",
        f"{KINDS}::test_r42_every_object_comes_back_as_it_was",
        f"{KINDS}::test_r42_unknown_fields_become_key_values",
        f"{KINDS}::test_r42_what_is_no_value_is_refused_before_it_is_stored",
    ],
    "R43": [f"{KINDS}::test_r43_derived_fields_equal_brute_force_and_cannot_be_set"],
    # The ratio itself is measured by bench/annotations.py: a test counts what makes it.
    "R44": [
        f"{DURABLE}::test_r44_a_batch_takes_few_round_trips",
        f"{DURABLE}::test_r44_a_batch_that_is_wrong_leaves_nothing",
    ],
    "R45": [f"{PAINT}::test_two_overlapping_cubes_r45"],
    "R46": [
        f"{PAINT}::test_shave_removes_exactly_what_is_listed_r46",
        f"{ATTACHED}::test_r46_metadata_alone_paint_alone_both_and_reduce",
    ],
    "R47": [
        f"{DURABLE}::test_r47_reserved_ids_are_contiguous_and_disjoint_among_processes",
        f"{DURABLE}::test_r47_reserved_ids_are_disjoint_among_threads_and_from_those_given",
    ],
    "R48": [
        f"{PAINT}::test_merged_objects_are_one_at_all_levels_r48",
        f"{ATTACHED}::test_r48_r49_all_levels_index_and_metadata",
    ],
    "R49": [
        f"{PAINT}::test_deleted_objects_are_gone_at_all_levels_r49",
        f"{ATTACHED}::test_r48_r49_all_levels_index_and_metadata",
    ],
    "R50": [f"{PAINT}::test_the_index_answers_without_a_scan_r50"],
    "R51": [f"{PAINT}::test_six_forms_agree_r51"],
    "R52": [
        f"{PAINT}::test_a_neuron_is_the_union_of_its_segments_r52",
        f"{ATTACHED}::test_r52_a_neuron_is_the_union_of_its_segments",
    ],
    "R53": [
        f"{QUERY}::test_r53_fields_compare_as_python_does",
        f"{QUERY}::test_r53_keys_compare_values_of_their_own_sort",
        f"{QUERY}::test_r53_several_predicates_are_anded_across_keys",
        f"{QUERY}::test_r53_text_lists_sets_and_absence",
        f"{QUERY}::test_r53_boxes_in_nm_equal_brute_force",
        f"{QUERY}::test_r53_boxes_of_voxels_are_half_open_at_every_level",
        f"{ATTACHED}::test_r53_objects_in_a_box_by_their_voxels",
    ],
    "R54": [f"{QUERY}::test_r54_top_keys_descend"],
    "R55": [
        f"{EXCHANGE}::test_r55_swc_round_trip_keeps_the_tree",
        f"{EXCHANGE}::test_r55_a_bad_swc_is_named_line_by_line",
        f"{EXCHANGE}::test_r55_hemibrain_skeletons_and_synapses",
    ],
    "R56": [
        f"{NIFTI}::test_r56_header_and_affine_come_back",
        f"{NIFTI}::test_r56_the_affine_of_a_box_and_of_a_level_is_of_its_voxels",
        f"{NIFTI}::test_r56_colours_of_a_fa_map_come_back_as_channels",
        f"{NIFTI}::test_r56_the_table_says_which_object_a_number_is",
        f"{NIFTI}::test_r56_any_ids_go_out_and_in_or_are_refused",
    ],
    "R57": [
        "test_requirements_annotations.py::test_r57_the_table_of_claim_10_from_a_brain_of_known_synapses",
        "test_requirements_annotations.py::test_r57_the_published_table_goes_in_and_comes_out",
        f"{EXCHANGE}::test_r57_a_file_brings_back_every_object",
        f"{EXCHANGE}::test_r57_csv_with_an_independent_reader",
        f"{LAYERS}::test_r57_a_layer_brings_back_every_object",
        f"{PROPERTIES}::test_r57_segments_come_back",
        f"{FLAT}::test_r57_positions_and_roots_of_any_size_come_through",
    ],
    "R64": [
        f"{KILLED}::test_r64_killed_at_random_moments",
        f"{KILLED}::test_r64_a_thousand_small_writes_are_replayed",
        f"{DURABLE}::test_r64_a_killed_writer_loses_no_acknowledged_batch_and_leaves_none_partly",
        f"{DISK}::test_r64_a_disk_that_fills_up_at_any_step",
        f"{TAIL}::test_r64_a_journal_damaged_at_any_byte",
    ],
    # The ratio itself is measured by bench/annotate.py.
    "R65": [f"{BULK}::test_r65_a_shard_is_written_once_however_many_objects_touch_it"],
}


@pytest.mark.parametrize("requirement", PROOFS)
def test_each_proof_is_there(requirement: str) -> None:
    """A test that is renamed or removed takes its requirement with it."""
    for proof in PROOFS[requirement]:
        assert proof_is_there(proof), proof


# The founding paper's claim 10 was a table of synapses: number, the two segments, where in µm.
CLAIM_10 = {"id": "SynapseID", "presegments": "FromSegmentID", "postsegments": "ToSegmentID", "x": "xPosition",
            "y": "yPosition", "z": "zPosition"}  # fmt: skip


def claim_10(ann: Annotations, path: Path) -> list[dict[str, str]]:
    """Write the table as a notebook would, and read it as any program would."""
    frame = ann.where(kind="synapse").columns(*CLAIM_10).to_pandas()
    for name in ("presegments", "postsegments"):
        frame[name] = [one[0] for one in frame[name]]
    for axis in "xyz":
        frame[axis] = (frame[axis] / 1000).round(2)
    frame.rename(columns=CLAIM_10).to_csv(path, index=False)
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_r57_the_table_of_claim_10_from_a_brain_of_known_synapses(tmp_path: Path) -> None:
    truth = phantom((128, 128, 128), voxel_size=(40, 40, 40)).synapses()
    assert len(truth) > 20
    ann = Annotations.temporary()
    names = {"pre_id": "presegments", "post_id": "postsegments"}
    ann.add_table({names.get(name, name): truth[name] for name in truth.dtype.names or ()}, "synapse")
    rows = claim_10(ann, tmp_path / "claim10.csv")
    assert list(rows[0]) == list(CLAIM_10.values())
    assert [[int(v) for v in list(row.values())[:3]] for row in rows] == [
        [int(one["id"]), int(one["pre_id"]), int(one["post_id"])] for one in truth
    ]
    for row, one in zip(rows, truth, strict=True):
        for axis in "xyz":
            assert float(row[f"{axis}Position"]) == pytest.approx(one[axis] / 1000, abs=0.0051)
    # The same objects as one file, without a DataFrame between.
    path = ann.where(kind="synapse").columns(*CLAIM_10).export(tmp_path / "objects.csv")
    with path.open(newline="") as file:
        for row, one in zip(csv.DictReader(file), truth, strict=True):
            assert [row[name] for name in ("id", "presegments", "postsegments")] == [
                str(one[name]) for name in ("id", "pre_id", "post_id")
            ]
            assert [float(row[axis]) for axis in "zyx"] == [float(one[axis]) for axis in "zyx"]


def test_r57_the_published_table_goes_in_and_comes_out(shared_data: Path, tmp_path: Path) -> None:
    table = shared_data / "kasthuri2015" / "kasthuri2015_synapse_table.csv"
    names = {"SynapseID": "id", "FromSegmentID": "pre_root_id", "ToSegmentID": "post_root_id", "xPosition": "x",
             "yPosition": "y", "zPosition": "z"}  # fmt: skip
    ann = Annotations.temporary()
    ann.load(table, "synapse", unit="um", rename=names, rows=1700)
    with table.open(newline="") as file:
        source = list(csv.DictReader(file))
    assert [{k: float(v) for k, v in row.items()} for row in claim_10(ann, tmp_path / "again.csv")] == [
        {k: float(v) for k, v in row.items()} for row in source
    ]
