"""Registration finds warps that were planted, refuses what makes no sense, and carries points and labels both ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ndlab import measure
from ndlab.errors import BadRequest, Conflict, NotFound
from ndlab.preprocess import Registration, register
from ndlab.preprocess.registration.contrast import fit
from ndlab.preprocess.registration.quality import dice
from ndlab.preprocess.registration.similarity import local_correlation, mutual_information
from ndlab.preprocess.registration.velocity import Smoothing, match
from ndlab.volume import Volume
from tests.preprocess.brains import SIZE, brain, planted, pulled, smooth_field


@pytest.fixture(scope="module")
def case() -> tuple[Volume, Volume, Any]:
    return planted(rms=2.0)


@pytest.fixture(scope="module")
def found(case: tuple[Volume, Volume, Any]) -> Registration:
    return register(case[0], case[1])


def error(registration: Registration, field: Any, fixed: Any, size: tuple[float, float, float] = SIZE) -> Any:
    """End-point error [voxels] over the brain."""
    grid = np.stack(np.meshgrid(*map(np.arange, field.shape[:3]), indexing="ij"), -1)
    there = registration.forward.points((grid + 0.5) * np.array(size)) / np.array(size) - 0.5
    return np.linalg.norm(there - grid - field, axis=-1)[fixed > 0.2]


def test_a_planted_warp_is_found_to_a_fraction_of_a_voxel(case: Any, found: Registration) -> None:
    _, fixed, field = case
    before = np.linalg.norm(field, axis=-1)[fixed.read() > 0.2].mean()
    after = error(found, field, fixed.read())
    assert before > 1
    assert after.mean() < 0.3 * before
    assert np.percentile(after, 95) < 1


def test_it_folds_nothing_and_its_inverse_takes_back(found: Registration) -> None:
    quality = found.quality()
    assert quality.jacobian[0] > 0
    assert quality.folds == 0
    assert quality.inverse_error[0] < 0.01
    assert quality.inverse_error[1] < 0.15
    assert "0 folded voxels" in repr(quality)


def test_points_and_tables_go_both_ways(found: Registration) -> None:
    points = np.random.default_rng(0).uniform(1000, 2300, (100, 3))
    there = found.points(points)
    assert np.linalg.norm(there - points, axis=1).mean() > 50, "it moves them"
    assert np.abs(found.inverse.points(there) - points).max() < 10, "a tenth of a voxel"
    table = pd.DataFrame(points, columns=["z", "y", "x"]).assign(cell=range(100))
    moved = found.points(table)
    np.testing.assert_allclose(moved[["z", "y", "x"]].to_numpy(), there)
    assert list(moved.columns) == list(table.columns)
    with pytest.raises(BadRequest, match="z, y and x"):
        found.points(pd.DataFrame({"a": [1]}))


def test_labels_and_images_overlap_afterwards(case: Any, found: Registration) -> None:
    moving, _, field = case
    labels = (moving.read() > 0.5).astype("u2")
    truth = pulled(labels, field, order=0)
    carried = found.apply(Volume.from_array(labels, SIZE, kind="labels"))
    assert carried.kind == "labels"
    before, after = dice(labels, truth)[1], dice(carried.read(), truth)[1]
    assert after > 0.93
    assert after > before + 0.08
    quality = found.quality(
        labels=(Volume.from_array(labels, SIZE, kind="labels"), Volume.from_array(truth, SIZE, kind="labels"))
    )
    assert quality.dice == {1: pytest.approx(after)}
    back = found.inverse.apply(carried).read()
    assert dice(back, labels)[1] > 0.9


def test_landmarks_are_measured(case: Any, found: Registration) -> None:
    _, _, field = case
    index = np.random.default_rng(1).integers(10, 20, (30, 3))
    fixed = (index + 0.5) * 100
    moving = fixed + field[tuple(index.T)] * 100
    quality = found.quality(landmarks=(moving, fixed))
    assert quality.landmark_error[0] < 50 < quality.landmark_error_affine[0]
    with pytest.raises(BadRequest, match="the same places"):
        found.quality(landmarks=(moving[:3], fixed))


def test_the_energy_and_what_was_chosen_are_told(found: Registration) -> None:
    assert found.found["measure"] in ("correlation", "information")
    levels = found.found["energy"]
    assert [level["voxel"][0] for level in levels][-1] == 100
    for level in levels:
        costs = [step["roughness"] - step.get("correlation", step.get("information")) for step in level["steps"]]
        assert costs[-1] < costs[0]
    json.dumps(found.found)
    assert "start" in repr(found)


@pytest.mark.parametrize("missing", [False, True])
def test_contrast_may_be_reversed_and_tissue_missing(missing: bool) -> None:
    moving, fixed, field = planted(rms=1.5, seed=4)
    values = fixed.read()
    reversed_values = 1 - values
    counted = values.copy()
    if missing:
        reversed_values[6:16, 6:16, 20:32] = 1.0
        counted[4:18, 4:18, 18:34] = 0
    found = register(moving, Volume.from_array(reversed_values, SIZE))
    assert error(found, field, counted).mean() < 0.5
    assert found.quality().folds == 0


def test_missing_tissue_is_told_from_tissue_that_moved() -> None:
    moving, fixed, _ = planted(rms=0.3)
    f, m = fixed.read(), moving.read()
    f[8:20, 8:20, 8:20] = 0
    f, m = ((v - v.mean()) / v.std() for v in (f, m))
    weight = fit(f, m, np.ones_like(f), np.array([2, 2, 2])).weight
    hole, whole = weight[10:18, 10:18, 10:18], weight[21:25, 12:24, 24:30]
    assert hole.mean() < 0.3
    assert whole.mean() > 0.8


def test_other_voxel_sizes_offsets_and_turns_are_handled() -> None:
    from scipy import ndimage

    values = brain((24, 28, 32), seed=7)
    finer = ndimage.zoom(values, (1, 1.5, 1.5), order=1, grid_mode=True, mode="nearest")
    turned = np.ascontiguousarray(finer.transpose(1, 0, 2)[::-1])  # a turn, no mirror image
    fixed = Volume.from_array(values, SIZE)
    moving = Volume.from_array(turned, (100 / 1.5, 100, 100 / 1.5), offset=(5e3, -7e3, 0))
    found = register(moving, fixed)
    assert found.found["affine"]["start"].startswith("turned")
    points = np.array([[1200.0, 1400, 1600], [1000, 1100, 1900], [1500, 1600, 1300]])
    expected = np.stack([5e3 + 2800 - points[:, 1], -7e3 + points[:, 0], points[:, 2]], -1)
    assert np.abs(found.forward.points(points) - expected).max() < 100
    shown = found.apply(moving)
    assert shown.shape == fixed.shape
    assert np.corrcoef(shown.read().ravel(), values.ravel())[0, 1] > 0.97


def test_a_section_is_registered_in_its_plane() -> None:
    values = brain((9, 60, 70), seed=2)[4:5]
    field = smooth_field((1, 60, 70), 1.5, 3, width=6)
    field[..., 0] = 0
    found = register(Volume.from_array(values, SIZE), Volume.from_array(pulled(values, field), SIZE))
    assert error(found, field, pulled(values, field)).mean() < 0.5
    assert np.abs(found.forward.field.values[..., 0]).max() == 0


def test_a_folder_keeps_it_and_gives_it_back(tmp_path: Path, case: Any) -> None:
    moving, fixed, _ = case
    url = str(tmp_path / "registration")
    kept = register(moving, fixed, out=url, voxel=200)
    points = np.random.default_rng(0).uniform(500, 2500, (50, 3))
    again = Registration.load(url)
    np.testing.assert_array_equal(again.points(points), kept.points(points))
    np.testing.assert_array_equal(again.inverse.points(points), kept.inverse.points(points))
    assert again.found["fingerprint"] == kept.found["fingerprint"]
    assert register(moving, fixed, out=url, voxel=200).found["seconds"] == kept.found["seconds"], "not done again"
    with pytest.raises(Conflict, match="other volumes"):
        register(fixed, moving, out=url, voxel=200)
    with pytest.raises(Conflict, match="already"):
        kept.save(url)
    with pytest.raises(NotFound, match="no registration"):
        Registration.load(str(tmp_path / "elsewhere"))
    assert not list(tmp_path.rglob("*.pkl")), "nothing that could run code"


def test_regions_come_back_with_volumes_and_counts(case: Any, found: Registration) -> None:
    moving, fixed, _ = case
    x = np.arange(fixed.shape[2]) >= fixed.shape[2] // 2
    sides = ((fixed.read() > 0.3) * (1 + x)).astype("u4")
    parcellation = Volume.from_array(sides, SIZE, kind="labels")
    points = np.random.default_rng(0).uniform(0, 3600, (500, 3))
    table = found.regions(parcellation, names={1: "left", 2: "right", 9: "none"}, points=points)
    carried = found.inverse.apply(parcellation).read()
    assert carried.shape == moving.shape
    assert table["name"].tolist() == ["left", "right"]
    np.testing.assert_array_equal(table["size"], [(carried == 1).sum(), (carried == 2).sum()])
    np.testing.assert_allclose(table["volume"], table["size"] * 1e6 / 1e9)
    index = np.floor(points / 100).astype(int)
    inside = (index < moving.shape).all(1)
    at = carried[tuple(index[inside].T)]
    np.testing.assert_array_equal(table["count"], [(at == 1).sum(), (at == 2).sum()])
    assert isinstance(table, measure.Table)
    with pytest.raises(BadRequest, match="ids of regions"):
        found.regions(fixed)


@pytest.mark.parametrize(
    ("moving", "fixed", "options", "message"),
    [
        (np.ones((8, 8, 8)), None, {}, "wrap it"),
        (Volume.from_array(np.zeros((8, 8, 8), "f4"), SIZE), None, {}, "one single value"),
        (Volume.from_array(brain(), (1, 1, 1)), None, {}, "voxel sizes"),
        (Volume.from_array(np.zeros((2, 8, 8, 8), "f4"), SIZE), None, {}, "several of c"),
        (Volume.from_array(brain()[5:6], SIZE), None, {}, "one is a plane"),
        (None, None, {"voxel": -1}, "positive"),
        (None, None, {"contrast": "polynomal"}, "one of"),
        (Volume.from_array(np.full((8, 8, 8), np.nan, "f4"), SIZE), None, {}, "not finite"),
    ],
)
def test_what_makes_no_sense_is_refused(moving: Any, fixed: Any, options: Any, message: str) -> None:
    good = Volume.from_array(brain(), SIZE)
    with pytest.raises(BadRequest, match=message):
        register(good if moving is None else moving, good if fixed is None else fixed, **options)


def test_an_unknown_voxel_size_is_refused_with_the_remedy(tmp_path: Path) -> None:
    import tifffile

    from ndlab.volume import open as open_volume

    tifffile.imwrite(tmp_path / "stack.tif", (brain() * 200).astype("u1"))
    with pytest.raises(BadRequest, match="voxel_size="):
        register(open_volume(tmp_path / "stack.tif"), Volume.from_array(brain(), SIZE))


@pytest.mark.parametrize("measure", [local_correlation, mutual_information])
def test_gradients_are_those_of_finite_differences(measure: Any) -> None:
    rng = np.random.default_rng(0)
    fixed, moved = (smooth_field((20, 22, 24), 1.7, s, width=1.5)[..., 0].astype("f4") for s in (1, 2))
    weight = rng.uniform(0.5, 1, fixed.shape).astype("f4")
    more = (np.array([2, 2, 2]),) if measure is local_correlation else ()
    gradient = measure(fixed, moved, weight, *more)[1].astype(float)
    inner = moved.copy()
    direction = rng.standard_normal(fixed.shape).astype("f4")
    # The extremes say where bins lie, so they stay.
    direction[(moved == moved.min()) | (moved == moved.max())] = 0
    step = 1e-3
    up, down = (measure(fixed, inner + s * step * direction, weight, *more)[0] for s in (1, -1))
    assert (up - down) / (2 * step) == pytest.approx((gradient * direction).sum(), rel=0.05, abs=1e-4)


def test_smoothing_is_its_own_adjoint_and_knows_the_voxel_size() -> None:
    from ndlab.preprocess.registration.velocity import _filter

    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 8, 9, 10, 3)).astype("f4")
    root = Smoothing((8, 9, 10), (100, 50, 50), 300).root
    assert float((_filter(a, root) * b).sum()) == pytest.approx(float((a * _filter(b, root)).sum()), rel=1e-3)
    assert (Smoothing((1, 9, 10), (100, 50, 50), 300).scale == [0, 1, 1]).all()


def test_an_image_that_already_lies_right_is_left_alone() -> None:
    values = brain((20, 22, 24))
    unit = ((values - values.mean()) / values.std()).astype("f4")
    flow = match(unit, unit, (1, 1, 1), np.eye(3), np.zeros(3), reach=2, stiffness=0.001, radius=2, steps=10)
    assert np.abs(flow.velocity).max() < 0.01, "nothing is gained by stretching faint ends"


def test_brains_of_two_people_overlap_better_afterwards(shared_data: Path) -> None:
    import nibabel

    folder = shared_data / "brain_mri" / "slab_subjects"

    def volume(name: str, kind: Any) -> Volume:
        values = np.asarray(nibabel.load(folder / f"{name}.nii.gz").dataobj)
        return Volume.from_array(values.astype("u1") if kind == "labels" else values, (1e6,) * 3, kind=kind)

    found = register(volume("ilist1", "image"), volume("ilist2", "image"), voxel=2.5e6)
    one, two = volume("slist1", "labels"), volume("slist2", "labels")
    quality = found.quality(labels=(one, two))
    before = np.mean(list(dice(one.read(), two.read()).values()))
    assert np.mean(list(quality.dice.values())) > before + 0.01
    assert quality.folds == 0
