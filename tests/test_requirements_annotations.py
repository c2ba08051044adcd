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

PROOFS = {
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
