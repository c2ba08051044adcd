"""Readers on files that other programs wrote, against the libraries those programs use."""

from __future__ import annotations

from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from ndlab.errors import BadMetadata, BadRequest, Problems
from ndlab.geometry import Calibration
from ndlab.store.files import check_slices, open_file
from tests.store.reading import assert_reads, whole


@pytest.mark.parametrize(
    ("name", "dtype", "kind"),
    [("train-image.h5", "u1", "image"), ("train-gt.lzf.h5", "i4", "labels"), ("train-ws.lzf.h5", "i4", "labels")],
)
def test_gala_hdf5(shared_data: Path, name: str, dtype: str, kind: str) -> None:
    path = shared_data / "gala_fibsem_mini" / name
    with h5py.File(path) as file:
        expected = file["stack"][:]
    stored = open_file(path)
    assert_reads(stored, expected, "zyx")
    assert (expected.dtype, stored.kind) == (np.dtype(dtype), kind)


def test_fib25_hdf5_lists_its_three_volumes(shared_data: Path) -> None:
    path = shared_data / "fib25_medulla" / "fib25_ts2_z000-089.h5"
    with pytest.raises(BadRequest, match="holds 3 volumes") as caught:
        open_file(path)
    assert caught.value.datasets == ["/gray", "/groundtruth", "/supervoxels"]
    for dataset in caught.value.datasets:
        with h5py.File(path) as file:
            assert_reads(open_file(f"{path}:{dataset}"), file[dataset][:], "zyx")


@pytest.mark.filterwarnings("ignore:Found an empty list of filters")  # What the store's writer put there.
def test_the_same_mri_stack_as_imagej_tiff_and_ome_zarr(shared_data: Path) -> None:
    """The TIFF is the stack of the OME-Zarr after a threshold, which leaves no doubt about order or place."""
    stored = open_file(shared_data / "stores" / "imagej__tiff_stack" / "mri-stack-calibrated.tif")
    grey = np.asarray(zarr.open_array(shared_data / "stores" / "mobie__mri_stack_ome_zarr_0.4" / "s0", mode="r")[:])
    assert 0.05 < np.mean(grey >= 75) < 0.95
    assert_reads(stored, np.where(grey >= 75, 255, 0).astype("u1"), "zyx")
    assert stored.levels[0].calibration == Calibration((5000, 1000, 1000))
    np.testing.assert_array_equal(whole(stored), tifffile.imread(stored.url))


@pytest.mark.parametrize(
    ("name", "shape"),
    [("multi-channel-z-series.ome.tif", (3, 5, 167, 439)), ("viv-multi-channel.ome.tif", (3, 1, 167, 439))],
)
def test_ome_tiff_of_bio_formats(shared_data: Path, name: str, shape: tuple[int, ...]) -> None:
    path = shared_data / "stores" / "ome_tiff" / name
    stored = open_file(path)
    assert_reads(stored, tifffile.imread(path).reshape(shape), "czyx")
    assert stored.format == "OME-TIFF"
    assert [c.name for c in stored.channels] == ["0", "1", "2"]


@pytest.mark.parametrize(
    "name",
    [
        "mouse_brain_registration/volume_100um/downsampled_brain.tiff",
        "mouse_brain_registration/volume_100um/registered_hemispheres.tiff",
        "mouse_brain_registration/section_2d/registered_atlas.tiff",
        "mouse_brain_registration/section_2d/deformation_field_0.tiff",
        "mouse_brain_registration/section_2d/Atlas_Hipp.tif",
        "array_tomo_synapses/PSD95_z8_y200-711_x200-711.tif",
        "array_tomo_tiles/TIF/A1_0_2.tif",
    ],
)
def test_tiff_of_several_writers(shared_data: Path, name: str) -> None:
    expected = tifffile.imread(shared_data / name)
    stored = open_file(shared_data / name)
    assert_reads(stored, expected if expected.ndim == 3 else expected[None], "zyx")
    assert stored.kind == ("labels" if "atlas" in name else "image")


@pytest.mark.parametrize(
    "name", ["stores/nifti/standard.nii", "stores/nifti/standard.nii.gz", "stores/nifti/example_nifti2.nii.gz",
             "brain_mri/slab_subjects/ilist1.nii.gz", "brain_mri/template_pair/PTBP_T1_AAL.nii.gz"]
)  # fmt: skip
def test_nifti_of_several_writers(shared_data: Path, name: str) -> None:
    image = nibabel.load(shared_data / name)
    expected = np.asanyarray(image.dataobj)
    stored = open_file(shared_data / name)
    assert_reads(stored, expected.T, "tzyx" if expected.ndim == 4 else "zyx")
    calibration = stored.levels[0].calibration
    assert calibration is not None
    assert calibration.voxel_size == pytest.approx([1e6 * v for v in image.header.get_zooms()[2::-1]], rel=1e-6)


def test_nifti_offset_is_the_corner_of_the_first_voxel(shared_data: Path) -> None:
    stored = open_file(shared_data / "stores" / "nifti" / "standard.nii")
    # Its affine is diag(1, 3, 2) mm with the centre of the first voxel at 0.
    assert stored.levels[0].calibration == Calibration((2e6, 3e6, 1e6), (-1e6, -1.5e6, -0.5e6))


@pytest.mark.parametrize(
    ("folder", "shape"),
    [
        ("isbi2012_vnc/image", (20, 512, 512)),
        ("isbi2012_vnc/label", (20, 512, 512)),
        ("vnc_larva_sstem/stack1/raw", (14, 1024, 1024)),
        ("vnc_larva_sstem/stack1/labels", (14, 1024, 1024)),
        ("vnc_larva_sstem/stack1/membranes", (14, 1024, 1024)),
        ("lung_sem_sections", (6, 800, 800)),
    ],
)
def test_folders_of_slices_equal_pil_in_number_order(shared_data: Path, folder: str, shape: tuple[int, ...]) -> None:
    path = shared_data / folder
    files = sorted(p for p in path.iterdir() if p.suffix in (".png", ".tif"))
    expected = np.stack([np.asarray(Image.open(p)) for p in files]).astype("u1")
    assert expected.shape == shape
    stored = open_file(path)
    np.testing.assert_array_equal(whole(stored), expected, strict=True)
    assert check_slices(str(path), decode=True) == []


def test_a_real_folder_with_two_encodings_is_caught(shared_data: Path) -> None:
    """vnc_larva's synapse masks are 1-bit but for section 02, as its authors note."""
    path = shared_data / "vnc_larva_sstem" / "stack1" / "synapses"
    assert check_slices(str(path)) == ["02.png: 8-bit grey pixels, most have 1-bit grey"]
    array = open_file(path).levels[0].array
    with pytest.raises(BadMetadata, match=r"02\.png differs"):
        array.read((0, 0, 0), array.shape)


def test_temca_jpeg_tiles_are_put_together(shared_data: Path) -> None:
    path = shared_data / "temca_tiles" / "temca2_zrc"
    stored = open_file(path)
    assert stored.levels[0].array.shape == (2, 2048, 2048)
    assert stored.attrs["first"] == {"z": 1, "row": 60, "col": 140}
    for z in (1, 2):
        rows = [np.hstack([np.asarray(Image.open(path / f"{z}/{r}/{c}.jpg")) for c in (140, 141)]) for r in (60, 61)]
        got = stored.levels[0].array.read((z - 1, 0, 0), (z, 2048, 2048))
        np.testing.assert_array_equal(got[0], np.vstack(rows))
    across = stored.levels[0].array.read((0, 1000, 1000), (1, 1050, 1050))
    np.testing.assert_array_equal(across[0], whole(stored)[0, 1000:1050, 1000:1050])


def test_sections_and_tiles_by_pattern(shared_data: Path) -> None:
    path = shared_data / "array_tomo_tiles" / "TIF"
    with pytest.raises(Problems, match="names of 2 kinds"):
        open_file(path)
    stored = open_file(path, pattern="{c}1_{z}_2.tif", missing="skip")
    assert stored.levels[0].array.shape == (2, 4, 1040, 1376)
    np.testing.assert_array_equal(whole(stored)[1, 2], tifffile.imread(path / "B1_12_2.tif"))
    assert check_slices(str(path), "{c}1_{z}_2.tif") == [
        f"10 slices missing of c={c}: 2-11 (numbers run from 0 to 13)" for c in "AB"
    ]


def test_pictures_of_different_people_are_no_stack(shared_data: Path) -> None:
    problems = check_slices(str(shared_data / "brain_mri" / "slices2d"))
    assert problems == ["64 slices missing: 17-26, 28-29, 31-61, 63, 65-84 (numbers run from 16 to 85)"]
