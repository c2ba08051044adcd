"""Streamlines: planted tracts, in files that nibabel wrote, in a space that is turned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel import affines

from ndlab import detect
from ndlab.detect.streamlines import affine_of
from ndlab.errors import BadMetadata, BadRequest, NotFound
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

Array = np.ndarray[Any, Any]
TURNED = affines.from_matvec(np.array([[0, -2.0, 0], [2.5, 0, 0], [0, 0, 3.0]]), [-10, 20, 5])


def regions() -> Array:
    labels = np.zeros((20, 24, 30), "i2")  # x, y, z
    labels[:5], labels[15:], labels[8:12, :6] = 1, 2, 3
    return labels


def tracts() -> list[Array]:
    """Three from 1 to 2, two from 1 to 3, one inside 1, one that ends nowhere."""
    voxels = [[(2, 3, 4), (9, 3, 4), (17, 3, 4)]] * 3 + [[(10, 3, 4), (2, 3, 4)]] * 2
    voxels += [[(2, 3, 4), (3, 3, 4)], [(2, 3, 4), (7, 20, 4)]]
    return [affines.apply_affine(TURNED, np.array(one)) for one in voxels]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tracts")
    image = nib.Nifti1Image(regions(), TURNED)
    image.header.set_xyzt_units("mm")
    image.set_sform(TURNED, 1)
    nib.save(image, made / "regions.nii.gz")
    lines = nib.streamlines.Tractogram(tracts(), affine_to_rasmm=np.eye(4))
    nib.streamlines.save(lines, str(made / "a.tck"))
    header = {
        "voxel_to_rasmm": TURNED.astype("f4"), "dimensions": np.array((20, 24, 30), "i2"),
        "voxel_sizes": np.array((2.5, 2.0, 3.0), "f4"), "voxel_order": "PLS",
    }  # fmt: skip
    nib.streamlines.save(nib.streamlines.TrkFile(lines, header=header), str(made / "a.trk"))
    return made


@pytest.mark.parametrize("name", ["a.tck", "a.trk"])
def test_planted_tracts_are_counted(folder: Path, name: str) -> None:
    found = detect.streamlines(folder / name, open_volume(folder / "regions.nii.gz"))
    expected = np.array([[0, 3, 2], [3, 0, 0], [2, 0, 0]])
    assert found.ids.tolist() == [1, 2, 3]
    assert np.array_equal(found.adjacency("count").toarray(), expected), "symmetric"
    assert found.attributes["streamlines"] == 7
    assert found.attributes["outside"] == 1
    assert found.attributes["returning"] == 1
    lengths = found.weights("length")
    assert lengths == pytest.approx([15 * 2.5e6, 8 * 2.5e6], rel=1e-6), "nm, in a space of turned and unlike voxels"


def test_ends_near_a_region_belong_to_it_and_loops_can_be_kept(folder: Path) -> None:
    volume = open_volume(folder / "regions.nii.gz")
    found = detect.streamlines(folder / "a.tck", volume, reach=8e6, loops=True)
    assert found.attributes["outside"] == 0
    assert found.adjacency("count").toarray()[0, 0] == 2


def test_a_cut_of_a_volume_lies_where_it_was(folder: Path) -> None:
    volume = open_volume(folder / "regions.nii.gz")
    assert np.abs(affine_of(volume) - TURNED).max() < 1e-6
    cut = volume[2:, 1:, 1:]
    assert np.allclose(affine_of(cut) @ [0, 0, 0, 1], TURNED @ [1, 1, 2, 1])
    found = detect.streamlines(tracts(), cut)
    assert found.adjacency("count").toarray()[0].tolist() == [0, 3, 2]


def test_without_a_header_axes_are_those_of_the_volume() -> None:
    values = np.zeros((4, 4, 10), "u1")
    values[..., :3], values[..., 7:] = 1, 2
    volume = Volume.from_array(values, (1e6, 1e6, 1e6), offset=(0, 0, 5e6), kind="labels")
    line = [(5.5, 2.0, 2.0), (13.5, 2.0, 2.0)]
    assert detect.streamlines([line], volume).n_edges == 1
    moved = np.eye(4)
    moved[0, 3] = 100
    assert detect.streamlines([line], volume, affine=moved).attributes["outside"] == 1


def test_nobody_is_told_of_what_is_no_streamline(folder: Path) -> None:
    volume = open_volume(folder / "regions.nii.gz")
    with pytest.raises(NotFound, match="no streamlines at"):
        detect.streamlines(folder / "b.trk", volume)
    with pytest.raises(BadMetadata, match="holds no streamlines"):
        detect.streamlines(folder / "regions.nii.gz", volume)
    with pytest.raises(BadRequest, match="an array"):
        detect.streamlines([[1, 2, 3]], volume)
    with pytest.raises(BadRequest, match="invertible"):
        detect.streamlines([], volume, affine=np.zeros((4, 4)))
    assert detect.streamlines([], volume).n_edges == 0
