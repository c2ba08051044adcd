"""Gradient-domain fusion against exact solutions, in blocks and as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndlab.errors import BadRequest
from ndlab.measure.blocks import How
from ndlab.preprocess import fuse_seams
from ndlab.preprocess.poisson import Equation, direct
from ndlab.preprocess.relax import multigrid
from ndlab.volume import Volume
from tests.preprocess.stacks import VOXEL, Array, stored, texture, volume

ALONE = How(workers=1, client=False, progress=False)


def dense(equation: Equation, shape: tuple[int, int, int]) -> Array:
    """The matrix of the equation, face by face."""
    n = int(np.prod(shape))
    number = np.arange(n).reshape(shape)
    matrix = np.eye(n) * equation.screen
    for axis, weight in enumerate(equation.weights):
        for a, b in zip(np.delete(number, -1, axis).ravel(), np.delete(number, 0, axis).ravel(), strict=True):
            matrix[a, a] += weight
            matrix[b, b] += weight
            matrix[a, b] -= weight
            matrix[b, a] -= weight
    return matrix


def mosaic(shape: tuple[int, int], count: int, seed: int) -> Array:
    """Tiles of any shape: nearest of some points."""
    points = np.random.default_rng(seed).uniform(0, 1, (count, 2)) * shape
    at = np.moveaxis(np.indices(shape), 0, -1)[..., None, :]
    found: Array = ((at - points) ** 2).sum(-1).argmin(-1) + 1
    return found


weights = st.tuples(st.sampled_from([0.0, 0.01, 0.3, 1.0]), st.sampled_from([0.5, 1.0]), st.just(1.0))


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)),
    weights,
    st.floats(1e-4, 1.0),
    st.integers(0, 99),
)
def test_cosines_solve_the_equation(
    shape: tuple[int, int, int], w: tuple[float, float, float], screen: float, seed: int
) -> None:
    equation = Equation(w, screen)
    f = np.random.default_rng(seed).normal(size=shape)
    expected = np.linalg.solve(dense(equation, shape), f.ravel()).reshape(shape)
    np.testing.assert_allclose(direct(f, equation), expected, rtol=1e-8, atol=1e-8)


@settings(max_examples=8)
@given(
    st.tuples(st.integers(1, 9), st.integers(3, 90), st.integers(3, 90)), weights,
    st.floats(2, 500), st.tuples(st.integers(1, 9), st.integers(1, 70), st.integers(1, 70)), st.integers(0, 99),
)  # fmt: skip
def test_multigrid_is_the_exact_solution_and_no_block_shows(
    shape: tuple[int, int, int], w: tuple[float, float, float], width: float, block: tuple[int, int, int], seed: int
) -> None:
    equation = Equation(w, width**-2)
    values = np.random.default_rng(seed).normal(size=shape)
    f = np.zeros(shape, np.float32)
    for axis in range(3):
        if w[axis] and shape[axis] > 1:  # what steps of a few grey levels across faces make of the right side
            step = np.diff(values, axis=axis) * 5 * w[axis]
            pad = [(0, 0)] * 3
            pad[axis] = (0, 1)
            f += np.pad(step, pad).astype(np.float32)
            pad[axis] = (1, 0)
            f -= np.pad(step, pad).astype(np.float32)

    def right(box: object) -> Array:
        return f[box.slices].copy()  # type: ignore[attr-defined]

    found = multigrid(right, shape, equation, block, ALONE).values
    whole = multigrid(right, shape, equation, shape, ALONE).values
    np.testing.assert_array_equal(found, whole)
    np.testing.assert_allclose(found, direct(f.astype(float), equation), atol=0.01)


def test_a_manufactured_solution_is_found() -> None:
    """Tiles with offsets and ramps: what makes them one picture is the change that was planted."""
    y, x = np.mgrid[:96, :128]
    tiles = np.where(x < 60, 1, 2)
    offset = np.where(x < 60, 12.0 * np.exp(-(59.5 - x) / 10), -12.0 * np.exp(-(x - 59.5) / 10))
    scene = 100 + 0.0 * y
    found = fuse_seams(volume((scene + offset)[None].astype("f4")), tiles, filter_width=40.0, progress=False).read()[0]
    # Along x the screened equation's own shape is exponential, of the filter's width: 40 nm are 10 pixels.
    # On pixels the step is closed but for half a pixel of that shape, a twentieth.
    assert np.abs(found - scene).max() < 0.05 * 12
    assert abs(found[48, 60] - found[48, 59]) < 0.05 * 24


@pytest.mark.parametrize("across", ["zero", "expected"])
def test_steps_go_and_gradients_within_tiles_stay(across: str) -> None:
    truth = texture((2, 128, 160)).astype("f4")
    tiles = mosaic((128, 160), 6, 1)
    damaged = truth + np.random.default_rng(0).normal(0, 15, 7)[tiles]
    found = fuse_seams(volume(damaged), tiles, filter_width=400.0, across=across, progress=False).read()  # type: ignore[arg-type]
    seam = np.diff(tiles, axis=1) != 0
    off = [
        np.abs(np.diff(values - truth, axis=2)[:, seam].reshape(2, -1).mean(1)).mean() for values in (damaged, found)
    ]
    assert off[1] < 2
    inner = (np.diff(tiles, axis=1) == 0) & (np.diff(tiles, axis=1) == 0)
    before, after = (np.diff(values, axis=2)[:, inner] for values in (damaged, found))
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.98
    assert 0.95 < (after**2).mean() / (before**2).mean() < 1.05


def test_a_step_of_two_flat_tiles_is_below_a_twentieth() -> None:
    values = np.where(np.arange(200) < 90, 80.0, 120.0)[None, None].repeat(120, 1)
    tiles = np.where(np.arange(200) < 90, 1, 2)[None].repeat(120, 0)
    found = fuse_seams(volume(values), tiles, filter_width=400.0, progress=False).read()
    assert abs(np.diff(found[0, 60])[89]) < 0.05 * 40


@pytest.mark.parametrize("together", [False, True])
def test_blocks_from_a_store_are_the_exact_solution_within_a_hundredth(tmp_path: Path, together: bool) -> None:
    values = texture((6, 70, 101)).astype("f4")
    tiles = np.stack([mosaic((70, 101), 5, z // 2) for z in range(6)]).astype("u2")
    values += np.random.default_rng(0).normal(0, 12, 6)[tiles].astype("f4")
    stack = stored(values, tmp_path / "stack")
    labels = Volume.from_array(tiles, VOXEL, kind="labels")
    exact = fuse_seams(stack, labels, filter_width=300.0, together=together, progress=False).read()
    found = fuse_seams(
        stack, labels, filter_width=300.0, together=together, at_once=1, block=(2, 32, 32), out=str(tmp_path / "out"),
        progress=False,
    )  # fmt: skip
    assert np.abs(found.read() - exact).max() < 0.01
    assert found.provenance["made"]["params"]["filter_width"] == 300.0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "stack"], "nothing is left of the passes"
    in_memory = fuse_seams(
        stack, labels, filter_width=300.0, together=together, at_once=1, block=(4, 50, 101), progress=False
    )
    np.testing.assert_array_equal(in_memory.read(), found.read())


def test_low_frequencies_come_from_another_stack() -> None:
    values = texture((4, 96, 96)).astype("f4")
    exposed = values + np.array([20, -10, 5, -15], "f4")[:, None, None]
    even = volume(exposed - exposed.mean((1, 2), keepdims=True) + 128)
    tiles = np.ones((96, 96), int)
    found = fuse_seams(volume(exposed), tiles, filter_width=200.0, towards=even, progress=False).read()
    np.testing.assert_allclose(found.mean((1, 2)), 128, atol=1e-3)
    np.testing.assert_allclose(np.diff(found, axis=2), np.diff(values, axis=2), atol=1e-3)


def test_nothing_changes_where_there_is_no_tile() -> None:
    values = texture((1, 64, 64)).astype("f4")
    tiles = np.ones((64, 64), int)
    tiles[:, 40:], tiles[:10] = 2, 0
    damaged = values + 20 * (tiles == 2)
    found = fuse_seams(volume(damaged), tiles, filter_width=100.0, progress=False).read()
    np.testing.assert_array_equal(found[0, :10], damaged[0, :10])
    assert np.abs(found - damaged).max() > 5


def test_what_does_not_fit_is_said() -> None:
    stack = volume(texture((3, 32, 32)))
    with pytest.raises(BadRequest, match="length in nm"):
        fuse_seams(stack, np.ones((32, 32), int), filter_width=0.0)
    with pytest.raises(BadRequest, match="same voxels"):
        fuse_seams(stack, np.ones((2, 32, 32), int))
    with pytest.raises(BadRequest, match="towards="):
        fuse_seams(stack, np.ones((32, 32), int), towards=volume(texture((2, 32, 32))))
    with pytest.raises(BadRequest, match="across="):
        fuse_seams(stack, np.ones((32, 32), int), across="none")  # type: ignore[arg-type]
