"""Layouts: every voxel in one unit, no unit shared between tasks, sizes by rule, whatever the volume."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab.geometry import Int3
from ndlab.store.layout import LevelPlan, plan, stages

SIDES = st.tuples(*[st.one_of(st.integers(1, 100), st.integers(1, 200_000))] * 3)
SIZES = st.tuples(*[st.sampled_from([0.5, 4.0, 8.0, 30.0, 40.0, 1000.0])] * 3)
ITEMS = st.sampled_from([1, 2, 4, 8])


@given(SIDES, ITEMS, SIZES, st.booleans())
def test_every_layout_keeps_the_rules(shape: Int3, itemsize: int, voxel_size: Int3, sharded: bool) -> None:
    levels = plan(shape, itemsize, voxel_size, sharded=sharded)
    assert levels[0].shape == shape
    for level in levels:
        assert level.shape == tuple((n - 1) // f + 1 for n, f in zip(shape, level.factors, strict=True))
        assert all(u % c == 0 for u, c in zip(level.unit, level.chunk, strict=True))
        assert math.prod(level.unit) * itemsize <= 128 << 20
        assert math.prod(level.chunk) * itemsize <= 256 << 10
        if not sharded:
            assert level.unit == level.chunk
    assert max(levels[-1].shape) <= 64
    check_stages(levels, itemsize)


def check_stages(levels: tuple[LevelPlan, ...], itemsize: int) -> None:
    """Each level is made once, in units that one task holds whole."""
    passes = stages(levels, itemsize)
    assert [n for stage in passes for n in stage.targets] == list(range(1, len(levels)))
    for stage in passes:
        base = levels[stage.source]
        for number in stage.targets:
            level = levels[number]
            step = [a // b for a, b in zip(level.factors, base.factors, strict=True)]
            for region, unit, f, n in zip(stage.region, level.unit, step, base.shape, strict=True):
                assert region % (unit * f) == 0 or region >= n


@given(
    SIDES,
    ITEMS,
    SIZES,
    st.tuples(*[st.sampled_from([16, 25, 32, 100])] * 3),
    st.tuples(*[st.sampled_from([1, 2, 3])] * 3),
)
def test_given_chunks_and_shards(shape: Int3, itemsize: int, voxel_size: Int3, chunk: Int3, times: Int3) -> None:
    shard = tuple(c * n for c, n in zip(chunk, times, strict=True))
    levels = plan(shape, itemsize, voxel_size, chunk=chunk, shard=shard)
    assert (levels[0].chunk, levels[0].unit) == (chunk, shard)
    assert all(u % c == 0 for level in levels for u, c in zip(level.unit, level.chunk, strict=True))
    check_stages(levels, itemsize)


def test_one_base_shard_makes_one_shard_of_each_level() -> None:
    levels = plan((4096, 4096, 4096), 1, (8, 8, 8))
    first = stages(levels, 1)[0]
    assert first.region == levels[0].unit == (512, 512, 512)
    assert [levels[n].unit for n in first.targets] == [(256,) * 3, (128,) * 3, (64,) * 3]


@pytest.mark.parametrize(("itemsize", "shard"), [(1, (512, 512, 512)), (2, (256, 512, 512)), (8, (64, 512, 512))])
def test_base_shards_hold_128_mib(itemsize: int, shard: Int3) -> None:
    assert plan((5000, 5000, 5000), itemsize, (8, 8, 8))[0].unit == shard


def test_small_volumes_get_small_shards() -> None:
    assert plan((50, 100, 200), 1, (10, 10, 10))[0].unit == (64, 128, 256)


def test_a_memory_limit_makes_shards_smaller() -> None:
    levels = plan((5000, 5000, 5000), 8, (8, 8, 8), nbytes=16 << 20)
    assert math.prod(levels[0].unit) * 8 == 16 << 20


def test_anisotropic_volumes_shrink_in_plane_first() -> None:
    """3 x 3 x 30 nm: z begins to shrink at level 4, when in-plane voxels have reached 24 nm."""
    levels = plan((1000, 40_000, 40_000), 1, (30, 3, 3))
    assert [level.factors[0] for level in levels[:6]] == [1, 1, 1, 1, 2, 4]
    assert levels[4].factors == (2, 16, 16)
