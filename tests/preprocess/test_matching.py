"""The parts of an alignment, each against what it is the fast form of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from scipy.interpolate import BSpline

from ndlab.preprocess.alignment.bands import normalized, pooled
from ndlab.preprocess.alignment.flow import SPACING, Picture, ladder, refine
from ndlab.preprocess.alignment.maps import PlaneMap, affine_inverse, affine_product, identity, rotation
from ndlab.preprocess.alignment.rigid import overlap_peak, place
from ndlab.preprocess.alignment.settling import Link, components, settle_rigid, turn_of
from ndlab.preprocess.kernels.meshing import mesh
from ndlab.preprocess.kernels.relaxing import add_bending, relax
from ndlab.preprocess.kernels.sampling import warp
from tests.preprocess.making import texture


def test_splines_are_scipys() -> None:
    rng = np.random.default_rng(0)
    plane = PlaneMap.over(identity(), (0, 0), (60, 60), 12.0)
    bent = plane.moved(np.asarray(rng.normal(size=plane.nodes.shape)))
    points = rng.uniform(0, 59, (100, 2))
    knots = [plane.first[i] + 12.0 * np.arange(-2, plane.nodes.shape[i] + 2) for i in range(2)]
    rows = BSpline.design_matrix(points[:, 0], knots[0], 3).toarray()
    columns = BSpline.design_matrix(points[:, 1], knots[1], 3).toarray()
    wanted = points + np.einsum("ni,nj,ijc->nc", rows, columns, bent.nodes)
    np.testing.assert_allclose(bent(points), wanted, atol=1e-9)
    grid = bent.locate((3, 5), (4, 6), (1, 1), (0.25, 0.5))
    there = np.moveaxis(np.mgrid[3:7, 5:11], 0, -1).reshape(-1, 2) + np.array([0.25, 0.5])
    np.testing.assert_allclose(grid.reshape(-1, 2), bent(there), atol=1e-9)


def test_cubic_sampling_is_exact_on_parabolas_and_at_pixels() -> None:
    y, x = np.mgrid[:20, :30].astype(np.float32)
    image = 0.5 * y * y - 0.3 * x * x + y - 2 * x
    places = np.random.default_rng(1).uniform((3, 3), (16, 26), (5, 7, 2))
    out, inside = np.empty((5, 7), np.float32), np.empty((5, 7), bool)
    warp(image, np.zeros(2, np.int64), np.array(image.shape), places, 3, out, inside)
    a, b = places[..., 0], places[..., 1]
    np.testing.assert_allclose(out, 0.5 * a * a - 0.3 * b * b + a - 2 * b, atol=1e-3)
    assert inside.all()
    whole = np.floor(places)
    warp(image, np.zeros(2, np.int64), np.array(image.shape), whole, 3, out, inside)
    np.testing.assert_array_equal(out, image[whole[..., 0].astype(int), whole[..., 1].astype(int)])


def dense(shape: tuple[int, int]) -> Any:
    """The bending matrix, column by column."""
    count = shape[0] * shape[1] * 2
    columns = []
    for i in range(count):
        u, out = np.zeros((*shape, 2)), np.zeros((*shape, 2))
        u.flat[i] = 1
        add_bending(u, 1.0, out)
        columns.append(out.ravel())
    return np.array(columns).T


def test_bending_is_symmetric_and_leaves_affine_fields_alone() -> None:
    matrix = dense((5, 6))
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    assert np.linalg.eigvalsh(matrix).min() > -1e-9
    y, x = np.mgrid[:5, :6]
    straight = np.stack([2 * y - x + 3.0, 0.5 * x + y], -1)
    np.testing.assert_allclose(matrix @ straight.ravel(), 0, atol=1e-9)


def test_relaxing_is_the_direct_solution() -> None:
    rng = np.random.default_rng(2)
    roots = rng.normal(size=(5, 6, 2, 2))
    blocks = np.einsum("yxij,yxkj->yxik", roots, roots) + 0.1 * np.eye(2)
    a = np.stack([blocks[..., 0, 0], blocks[..., 0, 1], blocks[..., 1, 1]], -1)
    b, u = rng.normal(size=(5, 6, 2)), rng.normal(size=(5, 6, 2))
    bending = dense((5, 6))
    matrix = 0.7 * bending + 0.01 * np.eye(60)
    for i in range(30):
        matrix[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] += blocks.reshape(30, 2, 2)[i]
    wanted = np.linalg.solve(matrix, b.ravel() - 0.7 * bending @ u.ravel())
    np.testing.assert_allclose(relax(a, b, u, 0.7, 0.01, 500).ravel(), wanted, atol=2e-3)


def test_the_mesh_is_the_direct_solution() -> None:
    rng = np.random.default_rng(3)
    n, shape = 60, (3, 5, 5, 2)
    one = rng.integers(0, 2, n)
    other = one + 1
    from_, to = rng.uniform(1, 2.99, (n, 2)), rng.uniform(1, 2.99, (n, 2))
    gap, weights = rng.normal(size=(n, 2)), rng.uniform(0.1, 1, n)
    rows = np.zeros((n, 75))
    for sign, sections, places in ((1, one, from_), (-1, other, to)):
        knots = np.arange(-2.0, 7.0)
        y, x = (BSpline.design_matrix(places[:, i], knots, 3).toarray() for i in range(2))
        both = np.einsum("ni,nj->nij", y, x).reshape(n, 25)
        for k in range(n):
            rows[k, 25 * sections[k] : 25 * sections[k] + 25] += sign * both[k]
    bending = dense((5, 5))[::2, ::2]
    normal = rows.T @ (weights[:, None] * rows) + np.kron(np.eye(3), 0.05 * bending) + 0.01 * np.eye(75)
    wanted = np.linalg.solve(normal, rows.T @ (weights[:, None] * gap)).reshape(3, 5, 5, 2)
    u = np.zeros(shape)
    mesh(one, other, from_, to, gap, weights, 0.05, 0.01, 500, u)
    np.testing.assert_allclose(u, wanted, atol=1e-3)


@given(st.floats(-170, 170), st.floats(-30, 30), st.floats(-30, 30))
def test_affine_maps_multiply_and_invert(turn: float, y: float, x: float) -> None:
    matrix = rotation(turn, (10, 20), (y, x))
    points = np.array([[0.0, 0], [3, 4], [-5, 9]])
    there = PlaneMap.affine(matrix)(points)
    np.testing.assert_allclose(PlaneMap.affine(affine_inverse(matrix))(there), points, atol=1e-9)
    np.testing.assert_allclose(affine_product(affine_inverse(matrix), matrix), identity(), atol=1e-9)
    assert np.degrees(turn_of(matrix)) == pytest.approx(turn, abs=1e-6)


@pytest.mark.parametrize(("dy", "dx"), [(0, 0), (17, -30), (-40, 8)])
def test_a_shift_is_found_where_it_is(dy: int, dx: int) -> None:
    whole = texture((200, 220), 5).astype(np.float32)
    near, far = whole[50:150, 60:160], whole[50 - dy : 150 - dy, 60 - dx : 160 - dx]
    shift, score, ncc = overlap_peak(normalized(near, 12), normalized(far, 12))
    np.testing.assert_allclose(shift, (dy, dx), atol=0.2)
    assert score > 10
    assert ncc > 0.9


@pytest.mark.parametrize("turn", [0.0, 11.0, 75.0, 180.0])
def test_any_rotation_is_found(turn: float) -> None:
    whole = texture((256, 256), 6).astype(float)
    matrix = rotation(turn, (127.5, 127.5), (7.0, -4.0))
    points = np.moveaxis(np.mgrid[:256, :256], 0, -1).reshape(-1, 2).astype(float)
    moved = ndimage.map_coordinates(whole, PlaneMap.affine(affine_inverse(matrix))(points).T, order=1, mode="wrap")
    found = place(whole.astype("f4"), moved.reshape(256, 256).astype("f4"))
    inner = np.array([[80.0, 80], [80, 170], [170, 80], [170, 170]])
    apart = PlaneMap.affine(found.matrix)(inner) - PlaneMap.affine(matrix)(inner)
    assert np.linalg.norm(apart, axis=1).max() < 3


def test_unrelated_pictures_do_not_stand_out() -> None:
    assert place(texture((128, 128), 7).astype("f4"), texture((128, 128), 8).astype("f4")).score < 6


def test_the_flow_does_not_depend_on_the_deformation() -> None:
    """What is found to a deformed picture is the deformation after what is found to the plain one."""
    rng = np.random.default_rng(9)
    common, own = texture((160, 160), 1).astype(float), [texture((160, 160), 20 + i).astype(float) for i in range(2)]
    fixed, moving = (Picture.of((0.75 * common + 0.25 * one).astype("f4")) for one in own)
    field = np.stack([ndimage.gaussian_filter(rng.normal(size=(160, 160)), 30) for _ in range(2)])
    field *= 2.5 / np.sqrt((field**2).sum(0).mean())
    grid = np.mgrid[:160, :160].astype(float)
    drawn = ndimage.map_coordinates(moving.pixels, grid + field, order=3, mode="mirror").astype("f4")
    start = PlaneMap.over(identity(), (0, 0), (160, 160), SPACING)
    plain, onto = (refine(fixed, one, start, ladder((160, 160))) for one in (moving, Picture.of(drawn)))
    points = np.moveaxis(np.mgrid[40:120:8, 40:120:8], 0, -1).reshape(-1, 2).astype(float)
    there = onto(points)
    back = there + np.stack([ndimage.map_coordinates(one, there.T, order=1, mode="nearest") for one in field], -1)
    assert np.median(np.linalg.norm(plain(points) - points, axis=1)) < 1.0
    assert np.median(np.linalg.norm(back - plain(points), axis=1)) < 0.3


def test_rigid_maps_are_settled_by_the_links_that_agree() -> None:
    rng, centre = np.random.default_rng(4), np.array([50.0, 50.0])
    truth = [rotation(rng.uniform(-5, 5), centre, rng.uniform(-20, 20, 2)) for _ in range(8)]
    pairs = [(a, a + k) for k in (1, 2, 3) for a in range(8 - k)]
    links = [Link(a, b, affine_product(affine_inverse(truth[b]), truth[a]), 1.0) for a, b in pairs]
    wrong = 5
    links[wrong] = Link(*pairs[wrong], rotation(40, centre, (30, 30)), 1.0)
    maps, far = settle_rigid(8, links, 2, centre, 50.0)
    base = affine_inverse(truth[2])
    for one, real in zip(maps, truth, strict=True):
        np.testing.assert_allclose(one, affine_product(base, real), atol=0.3)
    assert int(np.argmax(far)) == wrong
    assert np.delete(far, wrong).max() < 1


def test_small_things() -> None:
    assert components(5, [(0, 3), (4, 1), (1, 0)]) == [[0, 1, 3, 4], [2]]
    image = np.random.default_rng(5).normal(100, 20, (64, 80)).astype("f4")
    flat = normalized(image, 10, grain=0)
    assert abs(float(flat[12:-12, 12:-12].mean())) < 0.05
    assert float(flat[12:-12, 12:-12].std()) == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(normalized(3 * image + 50, 10), normalized(image, 10), atol=1e-3)
    assert pooled(image, 3).shape == (21, 26)
    assert Picture.of(np.zeros((20, 20))).blank
    assert Picture.of(np.full((20, 20), 7)).blank
    assert not Picture.of(image).blank
