"""Labels as NIfTI: the numbers and the affine are nibabel's, the ids and their objects come back."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import ndlab
from ndlab.annotations import Annotations, Segment
from ndlab.annotations.exchange import nifti
from ndlab.annotations.paint import Paint
from ndlab.errors import BadMetadata, BadRequest, Conflict, Unsupported
from ndlab.geometry import Box
from ndlab.volume import Volume

TURNED = np.array([[0.0, -2.0, 0.0, 10.0], [3.0, 0.1, 0.0, 20.0], [0.0, 0.0, 4.0, 30.0], [0.0, 0.0, 0.0, 1.0]])
STRAIGHT = np.array([[2.0, 0, 0, -7.5], [0, 3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1]])


def image(path: Path, affine: np.ndarray[Any, Any], dtype: str = "i2", shape: Any = (9, 10, 11)) -> nibabel.Nifti1Image:
    """Save an image as another program would, with everything that a header says."""
    rng = np.random.default_rng(0)
    made = nibabel.Nifti1Image(rng.integers(0, 40, shape).astype(dtype), affine)
    made.header.set_xyzt_units("mm", "sec")
    made.header["descrip"], made.header["aux_file"] = b"atlas, by hand", b"lut.txt"
    made.header.set_intent("label", name="regions")
    made.set_sform(affine, code="mni")
    made.set_qform(affine, code="aligned")
    nibabel.save(made, path)
    return nibabel.load(path)


def volume(values: Any, **options: Any) -> Volume:
    return Volume.from_array(np.asarray(values), voxel_size=(40, 4, 8), kind="labels", **options)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("affine", [TURNED, STRAIGHT], ids=["turned", "straight"])
@pytest.mark.parametrize("through", ["file", "store", "painted"])
def test_r56_header_and_affine_come_back(tmp_path: Path, suffix: str, affine: Any, through: str) -> None:
    source = image(tmp_path / f"in{suffix}", affine)
    vol = ndlab.open(tmp_path / f"in{suffix}")
    if through != "file":
        vol = ndlab.ingest(tmp_path / f"in{suffix}", tmp_path / "in.zarr")
    if through == "painted":  # new labels over what was scanned
        with Paint(vol.like(tmp_path / "paint.zarr", dtype="u4", kind="labels")) as paint:
            paint.write_labels(Box((0, 0, 0), vol.shape), np.asarray(source.dataobj).T)
            paint.flush()
        vol = ndlab.open(tmp_path / "paint.zarr")
    found = nibabel.load(nifti.write(vol, tmp_path / f"out{suffix}"))
    assert np.array_equal(found.dataobj, source.dataobj)
    assert np.array_equal(found.affine, source.affine)
    np.testing.assert_allclose(found.header.get_qform(), source.header.get_qform(), rtol=1e-6)
    names = ["sform_code", "qform_code", "descrip", "aux_file", "pixdim", "xyzt_units", "magic"]
    names += [] if through == "painted" else ["intent_code", "intent_name"]
    for name in names:
        assert np.array_equal(found.header[name], source.header[name]), name
    assert ndlab.open(tmp_path / f"out{suffix}").offset == vol.offset


@pytest.mark.parametrize("affine", [TURNED, STRAIGHT], ids=["turned", "straight"])
def test_r56_the_affine_of_a_box_and_of_a_level_is_of_its_voxels(tmp_path: Path, affine: Any) -> None:
    source = image(tmp_path / "in.nii", affine, shape=(160, 150, 140))
    vol = ndlab.ingest(tmp_path / "in.nii", tmp_path / "in.zarr")
    box = nibabel.load(vol[3:50, 4:60, 5:70].export(tmp_path / "box.nii"))
    assert np.array_equal(box.dataobj, np.asarray(source.dataobj)[5:70, 4:60, 3:50])
    np.testing.assert_allclose(box.affine, source.slicer[5:70, 4:60, 3:50].affine, rtol=1e-6)
    coarse = vol.level(1)
    found = nibabel.load(coarse.export(tmp_path / "coarse.nii.gz"))
    factors = [a / b for a, b in zip(coarse.voxel_size, vol.voxel_size, strict=True)][::-1]
    assert max(factors) == 2
    # The centre of a coarse voxel is where the middle of those that it covers is.
    for at in ([0, 0, 0], [3, 4, 5]):
        middle = [(i + 0.5) * f - 0.5 for i, f in zip(at, factors, strict=True)]
        np.testing.assert_allclose(found.affine @ [*at, 1], source.affine @ [*middle, 1], rtol=1e-5)
    again = vol[3:50, 4:60, 5:70].like(tmp_path / "like.zarr")
    np.testing.assert_allclose(nibabel.load(again.export(tmp_path / "like.nii")).affine, box.affine, rtol=1e-6)


def test_a_header_that_is_no_longer_true_is_left_behind(tmp_path: Path) -> None:
    image(tmp_path / "in.nii", STRAIGHT)
    vol = ndlab.ingest(tmp_path / "in.nii", tmp_path / "in.zarr", voxel_size=(40, 4, 4))
    found = nibabel.load(vol.export(tmp_path / "out.nii"))
    np.testing.assert_allclose(found.header.get_zooms(), [4e-6, 4e-6, 4e-5], rtol=1e-6)
    assert found.header["descrip"] == b""


def test_r56_colours_of_a_fa_map_come_back_as_channels(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 256, (5, 6, 7, 3)).astype(np.uint8)
    record = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(values.copy().view(record)[..., 0], TURNED), tmp_path / "fa.nii.gz")
    vol = ndlab.ingest(tmp_path / "fa.nii.gz", tmp_path / "fa.zarr")
    assert [one.name for one in vol.channels] == ["red", "green", "blue"]
    found = nibabel.load(vol.export(tmp_path / "out.nii.gz"))
    assert np.array_equal(np.squeeze(found.dataobj), values)
    np.testing.assert_allclose(found.affine, TURNED, rtol=1e-6)


def test_r56_the_table_says_which_object_a_number_is(tmp_path: Path) -> None:
    ids = np.zeros((4, 5, 6), np.uint64)
    ids[1, 2:4, 3], ids[0, 0, 0], ids[3] = 2**63 + 1, 7, 2**40
    ann = Annotations.temporary(author="ada")
    ann.add(
        [Segment(id=7, neuron=2**64 - 1, keys={"name": "Größe"}), Segment(id=2**40, segmentclass="axon"), Segment(id=9)]
    )
    vol = volume(ids)
    path = nifti.write(vol, tmp_path / "cells.nii.gz", ann.where(kind="segment"), renumber=True)
    found = nibabel.load(path)
    assert found.get_data_dtype() == np.uint8
    rows = table(tmp_path / "cells.tsv")
    assert {int(row["index"]): int(row["id"]) for row in rows} == {1: 7, 2: 2**40, 3: 2**63 + 1}
    back = np.array([0, 7, 2**40, 2**63 + 1], np.uint64)[np.asarray(found.dataobj).T]
    assert np.array_equal(back, ids)
    again = Annotations.temporary(author="ben")
    again.load(path)
    assert sorted(again.where().ids().tolist()) == [7, 2**40, 2**63 + 1]
    for one in (7, 2**40):
        before, after = ann.get(one), again.get(one)
        assert (after.neuron, after.segmentclass, after.keys, after.author, after.time) == (
            before.neuron, before.segmentclass, before.keys, before.author, before.time,
        )  # fmt: skip
    assert again.get(2**63 + 1).bounds == Box.nm((40, 8, 24), (80, 16, 32))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["cells.nii.gz", "cells.tsv"]


@settings(max_examples=15, phases=[Phase.generate], deadline=None)
@given(
    made=st.lists(st.integers(1, 2**64 - 1), min_size=1, max_size=5, unique=True), renumber=st.booleans(),
    start=st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)),
)  # fmt: skip
def test_r56_any_ids_go_out_and_in_or_are_refused(
    tmp_path_factory: Any, made: list[int], renumber: bool, start: tuple[int, int, int]
) -> None:
    folder = tmp_path_factory.mktemp("nifti")
    values = np.array([0, *made], np.uint64)[np.random.default_rng(0).integers(0, len(made) + 1, (6, 7, 8))]
    view = volume(values)[start[0] :, start[1] :, start[2] :]
    there = np.unique(view.read())
    there = there[there > 0]
    if not renumber and there.max(initial=0) >= 2**31:
        with pytest.raises(BadRequest, match="renumber=True"):
            nifti.write(view, folder / "a.nii")
        assert list(folder.iterdir()) == []
        wide = nibabel.load(nifti.write(view, folder / "a.nii", dtype="uint64"))
        assert np.array_equal(np.asarray(wide.dataobj).T, view.read())
        return
    nifti.write(view, folder / "a.nii", renumber=renumber)
    ann = Annotations.temporary()
    assert sorted(ann.load(folder / "a.nii", "segment").tolist()) == there.tolist()
    for one in ann:
        inside = np.argwhere(view.read() == np.uint64(one.id))
        size, offset = np.array(view.voxel_size), np.array(view.offset)
        assert one.bounds is not None
        np.testing.assert_allclose(one.bounds.start, offset + size * inside.min(0), rtol=1e-6)
        np.testing.assert_allclose(one.bounds.stop, offset + size * (inside.max(0) + 1), rtol=1e-6)
    ann.close()


def test_what_does_not_fit_is_said_before_a_byte_is_written(tmp_path: Path) -> None:
    vol = volume(np.full((2, 3, 4), 300, "u2"))
    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (tmp_path / "a.tif", {}, r"ends in \.nii"),
        (tmp_path / "a.nii", {"dtype": "uint8"}, "uint8 holds up to 255"),
        (tmp_path / "a.nii", {"dtype": "float32"}, "labels in NIfTI are"),
    ]
    for path, options, said in wrong:
        with pytest.raises(BadRequest, match=said):
            nifti.write(vol, path, **options)
    with pytest.raises(BadRequest, match="label -3"):
        nifti.write(volume(np.full((2, 2, 2), -3, "i4")), tmp_path / "a.nii")
    with pytest.raises(Unsupported, match="float32 along z y x"):
        nifti.write(Volume.from_array(np.ones((2, 2, 2), "f4"), voxel_size=(1, 1, 1)), tmp_path / "a.nii")
    assert list(tmp_path.iterdir()) == []
    nifti.write(vol, tmp_path / "a.nii")
    with pytest.raises(Conflict, match="overwrite=True"):
        nifti.write(vol, tmp_path / "a.nii")
    (tmp_path / "a.nii").unlink()
    with pytest.raises(Conflict, match=r"a\.tsv"):
        nifti.write(vol, tmp_path / "a.nii")
    nifti.write(vol, tmp_path / "a.nii", overwrite=True)
    (tmp_path / "a.tsv").write_text("index\tid\n5\t300\n")
    ann = Annotations.temporary()
    with pytest.raises(BadMetadata, match="of another image"):
        ann.load(tmp_path / "a.nii", "segment")
    (tmp_path / "a.tsv").unlink()
    assert ann.load(tmp_path / "a.nii", "segment").tolist() == [300]


def test_r56_the_atlases_of_a_child_and_of_the_template(shared_data: Path, tmp_path: Path) -> None:
    for name in ("PEDS012_20100813_AAL", "PTBP_T1_AAL"):
        path = shared_data / "brain_mri" / "template_pair" / f"{name}.nii.gz"
        source = nibabel.load(path)
        values = np.asarray(source.dataobj)
        vol = ndlab.open(path)
        if vol.dtype.kind not in "iu":
            with pytest.raises(Unsupported, match="whole numbers"):
                nifti.write(vol, tmp_path / f"{name}.nii.gz")
            continue
        found = nibabel.load(nifti.write(vol, tmp_path / f"{name}.nii.gz"))
        assert np.array_equal(found.dataobj, values)
        np.testing.assert_array_equal(found.affine, source.affine)
        ann = Annotations.temporary()
        assert sorted(ann.load(tmp_path / f"{name}.nii.gz", "roi").tolist()) == sorted(set(np.unique(values)) - {0})
