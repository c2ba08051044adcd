"""Displacement fields: composed, inverted, kept, and their Jacobian, each against numpy, scipy or a closed form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ndlab.errors import BadMetadata, BadRequest
from ndlab.geometry import Calibration
from ndlab.preprocess import DisplacementField, Mapping
from ndlab.volume import Volume
from tests.preprocess.brains import SIZE, as_field, smooth_field

SHAPE = (14, 16, 18)


def inner_points(n: int = 200, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return rng.uniform(0.3, 0.7, (n, 3)) * np.array(SHAPE) * np.array(SIZE)


def test_a_field_is_interpolated_as_scipy_does() -> None:
    voxels = smooth_field(SHAPE, 1.0, width=2)
    points = np.random.default_rng(0).uniform(-200, 2000, (300, 3))
    found = as_field(voxels).at(points)
    places = (points / 100 - 0.5).T
    for axis in range(3):
        whole = ndimage.map_coordinates(voxels[..., axis], places, order=1, mode="nearest") * 100
        np.testing.assert_allclose(found[:, axis], whole, atol=1e-3)


@settings(max_examples=15)
@given(seed=st.integers(0, 20), rms=st.floats(0.1, 1.5))
def test_a_field_and_its_inverse_are_the_identity(seed: int, rms: float) -> None:
    field = as_field(smooth_field(SHAPE, rms, seed, width=3))
    back = field.inverse()
    points = inner_points(seed=seed)
    assert np.abs(field.points(back.points(points)) - points).max() < 10, "a tenth of a voxel"
    assert np.median(np.abs(back.points(field.points(points)) - points)) < 2


def test_composition_is_one_after_the_other() -> None:
    first, second = (as_field(smooth_field(SHAPE, 0.8, seed, width=3)) for seed in (1, 2))
    points = inner_points()
    both = second.after(first)
    assert np.abs(both.points(points) - second.points(first.points(points))).max() < 8
    centres = np.array([first.calibration.centre((5, 6, 7)), first.calibration.centre((8, 8, 8))])
    np.testing.assert_allclose(both.points(centres), second.points(first.points(centres)), atol=1e-2)


def test_the_jacobian_of_a_linear_map_is_its_determinant() -> None:
    matrix = np.array([[0.1, 0.02, 0], [0, -0.05, 0.03], [0.01, 0, 0.2]])
    calibration = Calibration((40, 10, 10), (5, 5, 5))
    index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1)
    positions = np.array(calibration.offset) + (index + 0.5) * np.array(calibration.voxel_size)
    field = DisplacementField(positions @ matrix.T, calibration)
    np.testing.assert_allclose(field.jacobian(), np.linalg.det(np.eye(3) + matrix), rtol=1e-3)


def test_a_fold_has_no_inverse_and_is_named() -> None:
    voxels = np.zeros((*SHAPE, 3))
    voxels[..., 2] = 4 * np.sin(np.arange(SHAPE[2]))
    field = as_field(voxels)
    assert field.jacobian().min() < 0
    with pytest.raises(BadRequest, match="folds"):
        field.inverse()


def test_a_field_of_one_section_is_inverted_in_its_plane() -> None:
    voxels = smooth_field((1, 20, 24), 1.0, width=4)
    voxels[..., 0] = 0
    field = as_field(voxels)
    points = np.array([[50.0, 900.0, 1100.0], [50.0, 1000.0, 1300.0]])
    np.testing.assert_allclose(field.points(field.inverse().points(points)), points, atol=5)


def test_a_field_is_kept_as_ome_zarr(tmp_path: Path) -> None:
    field = DisplacementField(smooth_field(SHAPE, 1.0) * 40, Calibration((40, 4, 4), (80, -12, 0)))
    url = str(tmp_path / "field.ome.zarr")
    field.save(url, made={"why": "a test"})
    again = DisplacementField.load(url)
    np.testing.assert_array_equal(again.values, field.values)
    assert again.calibration == field.calibration
    Volume.from_array(np.zeros((3, 4, 5, 6), "f4"), (1, 1, 1)).like(tmp_path / "other.zarr", levels=1)
    with pytest.raises(BadMetadata, match="displacement field"):
        DisplacementField.load(str(tmp_path / "other.zarr"))


@settings(max_examples=8)
@given(seed=st.integers(0, 10))
def test_mappings_compose_and_invert(seed: int) -> None:
    rng = np.random.default_rng(seed)
    affine = np.concatenate([np.eye(3) + 0.05 * rng.standard_normal((3, 3)), rng.uniform(-300, 300, (3, 1))], 1)
    one = Mapping(as_field(smooth_field(SHAPE, 0.7, seed, width=3)), after=affine)
    points = inner_points(seed=seed)
    assert np.abs(one.inverse().points(one.points(points)) - points).max() < 10
    other = Mapping(
        as_field(smooth_field(SHAPE, 0.5, seed + 1, width=3)),
        before=np.linalg.inv(np.vstack([affine, [0, 0, 0, 1]]))[:3],
    )
    assert np.abs(one.then(other).points(points) - other.points(one.points(points))).max() < 10
