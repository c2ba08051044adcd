from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.errors import BadRequest, OutOfBounds
from ndlab.geometry import (
    Box,
    Calibration,
    Grid,
    NmBox,
    chunk_shape,
    level_shape,
    morton_decode,
    morton_encode,
    pyramid_factors,
)
from ndlab.volume import Volume

# The bock11 volume of the Open Connectome Project, (z, y, x): its first slice has number 2917.
BOCK11 = (1239, 119808, 135424)
BOCK11_FIRST = 2917
BOCK11_VOXEL = (40.0, 4.0, 4.0)

small = st.integers(-50, 50)
corner = st.tuples(small, small, small)
extent = st.tuples(*[st.integers(0, 12)] * 3)
boxes = st.builds(lambda a, n: Box(a, [i + k for i, k in zip(a, n, strict=True)]), corner, extent)
sizes = st.tuples(*[st.floats(0.1, 1000)] * 3)
calibrations = st.builds(Calibration, sizes, st.tuples(*[st.floats(-1e6, 1e6)] * 3))


def voxels(box: Box) -> set[tuple[int, ...]]:
    """The definition of a half-open box, written out."""
    return set(itertools.product(*(range(a, b) for a, b in zip(box.start, box.stop, strict=True))))


# --- boxes --------------------------------------------------------------------------------------------------------


@given(boxes, boxes)
def test_common_part_is_the_common_voxels(a: Box, b: Box) -> None:
    assert voxels(a & b) == voxels(a) & voxels(b)
    assert (a & b).size == len(voxels(a) & voxels(b))


@given(boxes, boxes)
def test_hull_is_the_smallest_box_around_both(a: Box, b: Box) -> None:
    hull = a | b
    assert a in hull
    assert b in hull
    assert hull.start == tuple(map(min, a.start, b.start))
    assert hull.stop == tuple(map(max, a.stop, b.stop))


@given(boxes, corner)
def test_shift_moves_every_voxel(box: Box, by: tuple[int, int, int]) -> None:
    moved = {tuple(i + k for i, k in zip(one, by, strict=True)) for one in voxels(box)}
    assert voxels(box.shift(by)) == moved


@given(st.tuples(*[st.integers(0, 8)] * 3), st.integers(0, 3), st.tuples(*[st.integers(9, 12)] * 3))
def test_grow_is_a_dilation_clipped_to_the_array(at: tuple[int, int, int], margin: int, shape: Any) -> None:
    box = Box(at, [i + 1 for i in at])
    near = {
        one
        for one in itertools.product(*map(range, shape))
        if max(abs(i - k) for i, k in zip(one, at, strict=True)) <= margin
    }
    assert voxels(box.grow(margin, shape)) == near
    assert box.grow((margin, 0, 0)).shape == (1 + 2 * margin, 1, 1)


@given(boxes)
def test_slices_cut_the_box_out_of_an_array(box: Box) -> None:
    inside = box & Box((0, 0, 0), (20, 20, 20))
    whole = np.zeros((20, 20, 20), bool)
    whole[inside.slices] = True
    assert {tuple(map(int, one)) for one in np.argwhere(whole)} == voxels(inside)
    assert inside.shape == whole[inside.slices].shape or inside.size == 0


def test_half_open_in_dataset_coordinates_with_an_offset() -> None:
    """The originals' requirement 3: with an offset of 2917, slice 2917 is the first, 4155 the last, 4156 an error."""
    values = np.arange(BOCK11[0], dtype=np.uint16)[:, None, None]
    offset = (BOCK11_FIRST * BOCK11_VOXEL[0], 0.0, 0.0)
    volume = Volume.from_array(values, BOCK11_VOXEL, offset=offset)

    def slice_of(number: int) -> Box:
        """The nm space of an original slice number, without an end on the voxel border."""
        return Box.nm((number * 40.0, 0, 0), ((number + 1) * 40.0, 4, 4)).voxels(volume.calibration)

    assert slice_of(2917) == Box((0, 0, 0), (1, 1, 1))
    assert volume.read(Box.nm((2917 * 40, 0, 0), (2918 * 40, 4, 4))).item() == 0
    assert volume.nm[4155 * 40.0].read().item() == 1238
    assert volume.nm[2917 * 40.0 : 4156 * 40.0].shape == (1239, 1, 1)  # 4156 is the end, not a slice
    for outside in (2916 * 40.0, 4156 * 40.0):
        with pytest.raises(OutOfBounds, match="the view spans 116680 to 166240 nm along z"):
            _ = volume.nm[outside]
    with pytest.raises(OutOfBounds):
        volume.read(Box.nm((4156 * 40, 0, 0), (4157 * 40, 4, 4)))


@pytest.mark.parametrize("level", range(10))
def test_size_rule_on_the_bock11_shape(level: int) -> None:
    """The originals' requirement 4: ((n - 1) >> l) + 1, worked out here by counting voxels."""
    factor = 2**level
    for n in BOCK11:
        (found,) = level_shape((n,), (factor,))
        assert found == ((n - 1) >> level) + 1
        assert (found - 1) * factor < n <= found * factor  # the last voxel covers something, and all are covered
    assert level_shape(BOCK11, (1, 16, 16)) == (1239, 7488, 8464)


@given(st.integers(0, 9), st.integers(0, 5000), calibrations)
def test_offset_of_a_level_floor_shifts(level: int, first: int, c: Calibration) -> None:
    """A first voxel `first` at level 0 lies in voxel ``first >> l`` of level l; the corner stays in nm."""
    coarse = c.coarser((2**level,) * 3)
    assert coarse.offset == c.offset
    assert coarse.index(c.centre((first, first, first))) == (first >> level,) * 3


@pytest.mark.parametrize(
    ("start", "stop", "message"),
    [
        ((0, 0, 5), (1, 1, 4), r"Box \(0, 0, 5\) to \(1, 1, 4\) ends before it starts.*half-open.*swap start and stop"),
        ((0, 0), (1, 1), "three whole numbers"),
        ((0, 0, 0.5), (1, 1, 1), "three whole numbers"),
        ((0, 0, 0), (1, 1, math.inf), "Box stop was .*three whole numbers"),
        (0, (1, 1, 1), "Box start was 0.*three whole numbers"),
        ("000", (1, 1, 1), "Box start was '000'.*three whole numbers"),
        ((0, 0, 0), (1, 1, 1, 1), "three whole numbers"),
    ],
)
def test_boxes_that_make_no_sense(start: Any, stop: Any, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        Box(start, stop)


def test_boxes_of_two_levels_do_not_mix() -> None:
    with pytest.raises(BadRequest, match=r"boxes of level 0 and level 1 were combined"):
        _ = Box((0, 0, 0), (1, 1, 1)) & Box((0, 0, 0), (1, 1, 1), level=1)
    with pytest.raises(BadRequest, match="voxels of different levels differ in size"):
        _ = Box((0, 0, 0), (1, 1, 1)) | Box((0, 0, 0), (1, 1, 1), level=1)
    assert Box((0, 0, 0), (1, 1, 1)) not in Box((0, 0, 0), (2, 2, 2), level=1)
    assert "a box" not in Box((0, 0, 0), (1, 1, 1))


def test_check_names_the_legal_extent() -> None:
    box = Box((0, 0, 0), (1, 1, 9), level=2)
    assert box.check((1, 1, 9)) is box
    with pytest.raises(OutOfBounds, match=r"level 2 spans \(0, 0, 0\) to \(1, 1, 8\) in \(z, y, x\)") as caught:
        box.check((1, 1, 8))
    assert (caught.value.shape, caught.value.level) == ((1, 1, 8), 2)
    with pytest.raises(OutOfBounds):
        Box((-1, 0, 0), (1, 1, 1)).check((9, 9, 9))


def test_boxes_are_values() -> None:
    assert Box([0, 0, 0], [int(n) for n in np.array([1, 2, 3])]) == Box((0, 0, 0), (1, 2, 3))
    assert len({Box((0, 0, 0), (1, 2, 3)), Box((0, 0, 0), (1, 2, 3)), Box((0, 0, 0), (1, 2, 3), 1)}) == 2
    with pytest.raises(AttributeError):
        Box((0, 0, 0), (1, 1, 1)).level = 3  # type: ignore[misc]


# --- nanometres ---------------------------------------------------------------------------------------------------


@given(calibrations, corner, extent)
def test_voxels_to_nm_and_back(c: Calibration, at: tuple[int, int, int], n: tuple[int, int, int]) -> None:
    box = Box(at, [i + k for i, k in zip(at, n, strict=True)])
    assert c.nm(box).voxels(c) == box
    assert c.covering(c.nm(box)) == box


@given(calibrations, corner)
def test_centre_of_a_voxel_lies_in_that_voxel(c: Calibration, at: tuple[int, int, int]) -> None:
    assert c.index(c.centre(at)) == at
    assert c.nm(Box(at, [i + 1 for i in at])).voxels(c).start == at


@given(calibrations, st.lists(st.floats(-500, 500), min_size=2, max_size=6))
def test_neighbouring_nm_boxes_share_no_voxel_and_leave_none_out(c: Calibration, cuts: list[float]) -> None:
    cuts = sorted(cuts)
    one = Box.nm((cuts[0],) * 3, (cuts[-1],) * 3).voxels(c)
    parts = [Box.nm((a, cuts[0], cuts[0]), (b, cuts[-1], cuts[-1])).voxels(c) for a, b in itertools.pairwise(cuts)]
    assert parts[0].start == one.start
    assert parts[-1].stop == one.stop
    assert all(a.stop[0] == b.start[0] for a, b in itertools.pairwise(parts))


@given(calibrations, st.tuples(*[st.floats(-500, 500)] * 3), st.tuples(*[st.floats(0, 500)] * 3))
def test_covering_holds_every_voxel_that_the_space_touches(c: Calibration, at: Any, n: Any) -> None:
    space = NmBox(at, [a + k for a, k in zip(at, n, strict=True)])
    inner, outer = space.voxels(c), c.covering(space)
    assert inner.size == 0 or inner in outer
    assert all(c.nm(outer).start[i] <= space.start[i] + 1e-5 * c.voxel_size[i] for i in range(3))
    assert all(c.nm(outer).stop[i] >= space.stop[i] - 1e-5 * c.voxel_size[i] for i in range(3))


@pytest.mark.parametrize("size", [0.1, 0.3, 1 / 3, 4.7, 16.5, 29.0])
def test_rounding_of_decimal_voxel_sizes_moves_no_border(size: float) -> None:
    c = Calibration((size,) * 3, (0.1, 0.2, 0.7))
    for i in range(0, 2000, 7):
        total = [o + sum([size] * i) for o in c.offset]
        assert c.index(total) == (i, i, i)
        assert Box.nm(total, [t + size for t in total]).voxels(c) == Box((i, i, i), (i + 1, i + 1, i + 1))


@pytest.mark.parametrize(
    ("size", "offset", "message"),
    [
        ((0, 4, 4), (0, 0, 0), "three positive numbers of nanometres"),
        ((-40, 4, 4), (0, 0, 0), "three positive numbers"),
        ((math.nan, 4, 4), (0, 0, 0), "three positive numbers"),
        ((math.inf, 4, 4), (0, 0, 0), "three positive numbers"),
        ((4, 4), (0, 0, 0), "three positive numbers"),
        (4, (0, 0, 0), "voxel_size was 4.*three positive numbers"),
        ((4, "four", 4), (0, 0, 0), "three positive numbers"),
        ((4, 4, 4), (0, 0), "an offset is three numbers"),
        ((4, 4, 4), (0, 0, math.nan), "an offset is three numbers"),
    ],
)
def test_calibrations_that_make_no_sense(size: Any, offset: Any, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        Calibration(size, offset)


def test_nm_boxes_that_make_no_sense() -> None:
    with pytest.raises(BadRequest, match="ends before it starts"):
        Box.nm((0, 0, 5), (1, 1, 4))
    with pytest.raises(BadRequest, match="three finite numbers"):
        Box.nm((0, 0, math.nan), (1, 1, 4))
    with pytest.raises(BadRequest, match="three finite numbers"):
        Box.nm((0, 0), (1, 1))
    with pytest.raises(BadRequest, match=r"nm box 0 to 100.*three finite numbers"):
        Box.nm(0, 100)  # type: ignore[arg-type]


# --- blocks -------------------------------------------------------------------------------------------------------


@given(st.tuples(*[st.integers(0, 9)] * 3), st.tuples(*[st.integers(1, 5)] * 3))
def test_blocks_cover_every_voxel_once(shape: tuple[int, int, int], block: tuple[int, int, int]) -> None:
    grid = Grid(shape, block, level=3)
    counted = np.zeros(shape, int)
    for one in grid:
        counted[one.slices] += 1
        assert one.level == 3
        assert all(n <= k for n, k in zip(one.shape, block, strict=True))
    assert (counted == 1).all()
    assert len(grid) == len(list(grid)) == math.prod(grid.counts)
    assert [grid[i] for i in range(len(grid))] == list(grid)


@given(st.tuples(*[st.integers(0, 9)] * 3), st.tuples(*[st.integers(1, 5)] * 3), boxes)
def test_blocks_that_touch_a_box(shape: tuple[int, int, int], block: tuple[int, int, int], box: Box) -> None:
    grid = Grid(shape, block)
    assert list(grid.touching(box)) == [one for one in grid if (one & box).size]


def test_a_grid_costs_nothing_however_large() -> None:
    grid = Grid((10**6, 10**6, 10**6), (64, 64, 64))
    assert len(grid) == 15625**3
    assert grid[len(grid) - 1].stop == (10**6,) * 3
    assert len(list(grid.touching(Box((63, 0, 0), (65, 1, 1))))) == 2
    with pytest.raises(OutOfBounds, match="counted from 0"):
        _ = grid[len(grid)]
    with pytest.raises(BadRequest, match="at least 1 voxel"):
        Grid((4, 4, 4), (0, 1, 1))


# --- pyramids and chunks ------------------------------------------------------------------------------------------


@given(st.tuples(*[st.integers(1, 5000)] * 3), st.tuples(*[st.sampled_from([1, 2, 4, 5, 8, 16.5, 30, 40, 50])] * 3))
def test_pyramids_grow_isotropic_and_end_small(shape: tuple[int, int, int], size: tuple[float, float, float]) -> None:
    factors = pyramid_factors(shape, size)
    assert factors[0] == (1, 1, 1)
    assert max(level_shape(shape, factors[-1])) <= 64
    for fine, coarse in itertools.pairwise(factors):
        steps = [b / a for a, b in zip(fine, coarse, strict=True)]
        assert set(steps) <= {1, 2}
        assert 2 in steps
        spread = [_spread(shape, size, f) for f in (fine, coarse)]
        assert spread[1] <= max(spread[0], 2 * 1.0001)  # never less isotropic, up to one halving


def _spread(shape: Sequence[int], size: Sequence[float], factors: Sequence[int]) -> float:
    left = [
        v * f for v, f, n in zip(size, factors, level_shape(shape, factors), strict=True) if n > 1
    ] or [1.0]  # fmt: skip
    return max(left) / min(left)


def test_z_starts_shrinking_at_level_4_for_ten_to_one() -> None:
    """The originals' requirement 33: voxels of 3 x 3 x 30 nm are halved in xy only until they are near-isotropic."""
    factors = pyramid_factors((4000, 40000, 40000), (30, 3, 3))
    assert factors[:5] == [(1, 1, 1), (1, 2, 2), (1, 4, 4), (1, 8, 8), (2, 16, 16)]


@given(st.tuples(*[st.floats(0.5, 500)] * 3), st.sampled_from([1, 2, 4, 8]))
def test_chunks_hold_what_was_asked_and_are_near_cubic(size: tuple[float, float, float], item: int) -> None:
    chunk = chunk_shape(size, item)
    assert math.prod(chunk) * item == 256 * 1024
    assert all(n & (n - 1) == 0 for n in chunk)
    inside = [4 < n < 512 for n in chunk]
    sides = [n * v for n, v, free in zip(chunk, size, inside, strict=True) if free]
    assert not sides or max(sides) / min(sides) <= 4


def test_chunk_sizes_that_cannot_be() -> None:
    with pytest.raises(BadRequest, match=r"a chunk holds 2\^6 to 2\^27 voxels"):
        chunk_shape((4, 4, 4), 1, nbytes=8)


# --- Morton order -------------------------------------------------------------------------------------------------

bits21 = st.integers(0, 2**21 - 1)


@given(bits21, bits21, bits21)
def test_morton_round_trip_of_21_bits(z: int, y: int, x: int) -> None:
    assert morton_decode(morton_encode((z, y, x))) == (z, y, x)


@given(bits21, bits21, bits21)
def test_morton_interleaves_the_bits(z: int, y: int, x: int) -> None:
    text = "".join(a + b + c for a, b, c in zip(f"{z:021b}", f"{y:021b}", f"{x:021b}", strict=True))
    assert morton_encode((z, y, x)) == int(text, 2)


@given(st.integers(0, 2**63 - 1))
def test_morton_numbers_round_trip(number: int) -> None:
    assert morton_encode(morton_decode(number)) == number


@given(st.integers(0, 6), st.tuples(*[st.integers(0, 2**14)] * 3))
def test_an_aligned_cube_is_one_run_of_the_curve(k: int, at: tuple[int, int, int]) -> None:
    """Locality: every aligned cube of side 2**k is 8**k consecutive numbers, so it is one read on disk."""
    first = morton_encode([a << k for a in at])
    far = morton_encode([((a + 1) << k) - 1 for a in at])
    assert first % 8**k == 0
    assert far - first == 8**k - 1


def test_morton_order_is_more_local_than_c_order() -> None:
    """Locality: pages of 512 numbers that an 8-cube anywhere in a 64-cube touches, against C order."""
    morton, c_order = [], []
    for at in itertools.product(range(0, 56, 9), repeat=3):
        inside = list(itertools.product(*(range(a, a + 8) for a in at)))
        morton.append(len({morton_encode(one) // 512 for one in inside}))
        c_order.append(len({(z * 4096 + y * 64 + x) // 512 for z, y, x in inside}))
    assert max(morton) == 8  # never more than the cubes around it
    assert np.mean(morton) < 0.5 * np.mean(c_order)


@pytest.mark.parametrize("index", [(-1, 0, 0), (0, 2**21, 0)])
def test_morton_refuses_what_does_not_fit(index: tuple[int, int, int]) -> None:
    with pytest.raises(OutOfBounds, match="21 bits"):
        morton_encode(index)
