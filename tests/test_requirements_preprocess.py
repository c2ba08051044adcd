"""Requirements of the founding systems on colour correction, alignment and registration: where each is proven."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndlab import samples
from ndlab.annotations import Annotations
from ndlab.preprocess import align, correct, fuse_seams, register
from ndlab.volume import Volume
from tests.preprocess import brains, making, stacks
from tests.test_requirements_volume import proof_is_there

HERE = "test_requirements_preprocess.py"
SEAMS, CORRECT, CONTRAST, REGISTER, WARPED = (
    f"preprocess/test_{name}.py" for name in ("fuse_seams", "correct", "contrast", "register", "warped")
)

PROOFS = {
    "R85": [
        f"{SEAMS}::test_cosines_solve_the_equation",
        f"{SEAMS}::test_a_step_of_two_flat_tiles_is_below_a_twentieth",
        f"{SEAMS}::test_steps_go_and_gradients_within_tiles_stay",
        f"{SEAMS}::test_blocks_from_a_store_are_the_exact_solution_within_a_hundredth",
        f"{HERE}::test_r85_offsets_and_ramps_of_a_mosaic_are_closed",
    ],
    "R86": [
        f"{CORRECT}::test_planted_exposure_is_undone",
        f"{CORRECT}::test_exposure_of_isbi_sections_is_evened_and_detail_stays",
        f"{HERE}::test_r86_jumps_between_sections_go_and_gradients_keep_their_energy",
    ],
    "R87": [
        f"{REGISTER}::test_a_planted_warp_is_found_to_a_fraction_of_a_voxel",
        f"{REGISTER}::test_it_folds_nothing_and_its_inverse_takes_back",
        f"{WARPED}::test_blocks_equal_the_whole_bit_for_bit",
        f"{WARPED}::test_only_the_source_box_is_read",
        f"{WARPED}::test_the_same_on_threads_processes_and_with_a_killed_worker",
        f"{WARPED}::test_killed_with_kill_9_it_goes_on",
    ],
    "R88": [
        f"{REGISTER}::test_contrast_may_be_reversed_and_tissue_missing",
        f"{REGISTER}::test_missing_tissue_is_told_from_tissue_that_moved",
        f"{HERE}::test_r88_a_real_brain_with_bright_and_dark_swapped",
    ],
    "R89": [
        f"{CONTRAST}::test_n4_takes_a_bias_field_out",
        f"{CONTRAST}::test_histograms_are_matched_as_scikit_image_does",
        f"{CONTRAST}::test_moments_take_gain_and_offset_back",
        "preprocess/test_orientation.py::test_there_are_48_that_differ",
        "preprocess/test_orientation.py::test_there_and_back",
    ],
    "R90": [
        "preprocess/test_fields.py::test_mappings_compose_and_invert",
        f"{REGISTER}::test_points_and_tables_go_both_ways",
        f"{REGISTER}::test_labels_and_images_overlap_afterwards",
        "preprocess/test_align.py::test_points_go_there_and_back",
        "preprocess/test_align.py::test_labels_keep_their_ids",
        f"{HERE}::test_r90_a_skeleton_goes_both_ways",
    ],
}


@pytest.mark.parametrize("requirement", PROOFS)
def test_each_proof_is_there(requirement: str) -> None:
    for proof in PROOFS[requirement]:
        assert proof_is_there(proof), proof


def test_r85_offsets_and_ramps_of_a_mosaic_are_closed() -> None:
    """Each tile has an offset and a slope of its own: its steps go, what is inside keeps its gradients."""
    y, x = np.mgrid[:120, :160].astype(float)
    tiles = (1 + (y >= 55) + 2 * (x >= 70)).astype(int)
    scene = 100 + 12 * np.sin(x / 25) * np.cos(y / 30)
    rng = np.random.default_rng(0)
    offset, slope = rng.uniform(-25, 25, 5), rng.uniform(-0.1, 0.1, 5)
    damaged = scene + offset[tiles] + slope[tiles] * x
    fused = fuse_seams(stacks.volume(damaged[None]), tiles, filter_width=1e5, across="expected", progress=False)
    found = fused.read()[0]
    for axis in (0, 1):
        seam = np.diff(tiles, axis=axis) != 0
        own = np.diff(scene, axis=axis)
        before, after = (np.diff(values, axis=axis) - own for values in (damaged, found))
        assert np.abs(after[seam]).mean() < 0.05 * np.abs(before[seam]).mean()
        assert np.abs(after[~seam] - before[~seam]).max() < 0.1, "gradients inside are those of the tile"


def test_r86_jumps_between_sections_go_and_gradients_keep_their_energy() -> None:
    truth = stacks.texture((12, 192, 192)).astype(float)
    rng = np.random.default_rng(0)
    gain, offset = rng.uniform(0.85, 1.15, (12, 1, 1)), rng.normal(0, 12, (12, 1, 1))
    damaged = np.clip(np.rint((truth - 128) * gain + 128 + offset), 0, 255).astype("u1")
    after = correct(stacks.volume(damaged), progress=False).read().astype(float)
    assert after.mean((1, 2)).var() < damaged.mean((1, 2)).var() / 100

    def energy(values: Any) -> float:
        return float(sum((np.diff(values, axis=axis) ** 2).mean() for axis in (1, 2)))

    assert 0.95 < energy(after) / energy(truth) < 1.05
    assert np.corrcoef(np.diff(after).ravel(), np.diff(truth).ravel())[0, 1] > 0.99


def test_r88_a_real_brain_with_bright_and_dark_swapped() -> None:
    """Bright is dark inside the atlas's brain, and the ground stays dark: no negative of the picture, and no gain."""
    from scipy import ndimage

    brain = samples.mouse_brain()
    sample, atlas = brain["sample"], brain["atlas"]
    values = atlas.read().astype(float)
    inside = ndimage.binary_fill_holes(values > 20)
    high = np.percentile(values, 99.9)
    swapped = np.where(inside, high * 1.1 - np.clip(values, 0, high), 0).astype("f4")
    found = register(sample, Volume.from_array(swapped, atlas.voxel_size), voxel=4e5)
    shown = found.apply(sample).read().astype(float)
    both = tuple(slice(0, min(pair)) for pair in zip(sample.shape, atlas.shape, strict=True))
    before = np.corrcoef(sample[both].read().ravel(), atlas[both].read().ravel())[0, 1]
    assert before < 0.6
    assert np.corrcoef(shown.ravel(), values.ravel())[0, 1] > 0.95, "it shows what the true atlas shows"
    assert found.quality().folds == 0


def test_r90_a_skeleton_goes_both_ways(tmp_path: Path) -> None:
    """An SWC file goes through a registration and through an alignment, and comes back with its branches."""
    rng = np.random.default_rng(0)
    nodes = np.cumsum(rng.uniform(-60, 60, (40, 3)), 0) + 1400
    rows = [f"{k + 1} 2 {x:.3f} {y:.3f} {z:.3f} 5 {k if k else -1}" for k, (z, y, x) in enumerate(nodes)]
    file = tmp_path / "cell.swc"
    file.write_text("\n".join(rows) + "\n")
    moving, fixed, _ = brains.planted(rms=1.0)
    kept = Annotations.create(str(tmp_path / "kept"), space=moving)
    kept.load(file, "skeleton")
    table = kept.where(kind="node").to_pandas()
    np.testing.assert_allclose(table[["z", "y", "x"]], nodes, atol=1e-3)

    registered = register(moving, fixed, voxel=200.0)
    there = registered.points(table)
    back = registered.inverse.points(there)
    apart = np.linalg.norm(back[["z", "y", "x"]].to_numpy() - nodes, axis=1)
    assert np.linalg.norm(there[["z", "y", "x"]].to_numpy() - nodes, axis=1).mean() > 20, "it moves them"
    assert apart.max() < 20, "a tenth of a voxel of 200 nm"
    assert (there.parent == table.parent).all()

    sections, _ = making.stack(4)
    alignment = align(Volume.from_array(sections, (700.0, 14.0, 14.0)), workers=1)
    here = table[["z", "y", "x"]].to_numpy()
    moved = alignment.points(here)
    assert np.linalg.norm(moved - here, axis=1).mean() > 10, "it moves them"
    np.testing.assert_allclose(alignment.points(moved, inverse=True), here, atol=0.01)

    again = Annotations.create(str(tmp_path / "moved"), space=fixed)
    new = "\n".join(f"{k + 1} 2 {x:.3f} {y:.3f} {z:.3f} 5 {k if k else -1}" for k, (z, y, x) in enumerate(moved))
    (tmp_path / "moved.swc").write_text(new + "\n")
    again.load(tmp_path / "moved.swc", "skeleton")
    np.testing.assert_allclose(again.where(kind="node").to_pandas()[["z", "y", "x"]], moved, atol=1e-3)
