"""Down-sampling against plain numpy, for every kind of voxel, factor and clipped edge."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ndlab.errors import BadRequest
from ndlab.geometry import level_shape
from ndlab.store.downsample import Rule, downsample

WHOLE = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64)
FACTORS = st.one_of(st.sampled_from([(1, 2, 2), (2, 2, 2)]), st.tuples(*[st.integers(1, 4)] * 3))


def cells(values: np.ndarray[Any, Any], factors: tuple[int, int, int]) -> Any:
    for index in np.ndindex(level_shape(values.shape, factors)):
        yield index, values[tuple(slice(i * f, (i + 1) * f) for i, f in zip(index, factors, strict=True))]


def mean_oracle(values: np.ndarray[Any, Any], factors: tuple[int, int, int]) -> np.ndarray[Any, Any]:
    """Round half to even in exact whole numbers: numpy's, and Python's where 64 bits are not enough."""
    total: Any = values.astype(object if values.dtype.itemsize == 8 else np.int64)
    count: Any = np.int64(1)
    for axis, f in enumerate(factors):
        edges = range(0, values.shape[axis], f)
        total = np.add.reduceat(total, edges, axis)
        count = count * np.add.reduceat(np.ones(values.shape[axis], int), edges).reshape(
            [-1 if i == axis else 1 for i in range(3)]
        )
    q, r = total // count, total % count
    found: np.ndarray[Any, Any] = (q + ((2 * r > count) | ((2 * r == count) & (q % 2 == 1)))).astype(values.dtype)
    return found


def majority_oracle(values: np.ndarray[Any, Any], factors: tuple[int, int, int]) -> np.ndarray[Any, Any]:
    """Count every voxel of a cell against every other; zeros fill the clipped cells, for they do not count."""
    pad = [(0, -n % f) for n, f in zip(values.shape, factors, strict=True)]
    full = np.pad(values, pad)
    fz, fy, fx = factors
    views = np.stack([full[k::fz, j::fy, i::fx] for k, j, i in np.ndindex(fz, fy, fx)])
    counts = np.stack([((views == one) & (one != 0)).sum(axis=0) for one in views])
    most = counts.max(axis=0)
    # Sorted by id, the first that reaches the highest count is the smallest of them.
    order = np.argsort(views, axis=0, kind="stable")
    ids, ranked = np.take_along_axis(views, order, 0), np.take_along_axis(counts, order, 0)
    first = np.argmax((ranked == most) & (ids != 0), axis=0)
    found = np.take_along_axis(ids, first[None], 0)[0]
    return np.where(most == 0, 0, found).astype(values.dtype)


SHAPES = hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=9)


@given(
    values=st.sampled_from(WHOLE).flatmap(lambda dtype: hnp.arrays(dtype, SHAPES)),
    factors=FACTORS,
)
def test_mean_of_whole_numbers_is_exact(values: np.ndarray[Any, Any], factors: tuple[int, int, int]) -> None:
    found = downsample(values, factors, "mean")
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, mean_oracle(values, factors))


@pytest.mark.parametrize("dtype", WHOLE)
@pytest.mark.parametrize("factors", [(1, 2, 2), (2, 2, 2), (3, 1, 2)])
def test_mean_at_the_ends_of_the_type(dtype: Any, factors: tuple[int, int, int]) -> None:
    info = np.iinfo(dtype)
    values = np.random.default_rng(1).choice(np.array([info.min, info.max, info.max - 1], dtype), (5, 7, 9))
    np.testing.assert_array_equal(downsample(values, factors), mean_oracle(values, factors))


@pytest.mark.parametrize("dtype", WHOLE[:6])
def test_mean_rounds_like_numpy(dtype: Any) -> None:
    values = np.random.default_rng(2).integers(0, 100, (8, 32, 64)).astype(dtype)
    blocks = values.reshape(4, 2, 16, 2, 32, 2)
    np.testing.assert_array_equal(downsample(values, (2, 2, 2)), np.rint(blocks.mean(axis=(1, 3, 5))).astype(dtype))


@given(values=st.sampled_from(WHOLE).flatmap(
    lambda dtype: hnp.arrays(dtype, SHAPES, elements=st.integers(0, 4).map(dtype))), factors=FACTORS)  # fmt: skip
def test_majority_of_few_ids(values: np.ndarray[Any, Any], factors: tuple[int, int, int]) -> None:
    """Few different ids, so that ties and clipped cells are common."""
    np.testing.assert_array_equal(downsample(values, factors, "majority"), majority_oracle(values, factors))


@given(values=hnp.arrays(np.uint64, SHAPES), factors=FACTORS)
def test_majority_never_makes_up_an_id(values: np.ndarray[Any, Any], factors: tuple[int, int, int]) -> None:
    found = downsample(values, factors, "majority")
    assert set(np.unique(found)) <= set(np.unique(values))
    np.testing.assert_array_equal(found, majority_oracle(values, factors))


@pytest.mark.parametrize("factors", [(1, 2, 2), (2, 2, 2)])
def test_majority_of_every_cell_of_four_values(factors: tuple[int, int, int]) -> None:
    every = list(itertools.product(range(4), repeat=int(np.prod(factors))))
    values = np.array(every, np.uint32).reshape(-1, *factors).transpose(1, 2, 0, 3).reshape(*factors[:2], -1)
    counts = np.stack([(np.array(every) == value).sum(axis=1) for value in (1, 2, 3)])
    expected = np.where(counts.any(axis=0), counts.argmax(axis=0) + 1, 0)  # argmax takes the first: the smallest id
    np.testing.assert_array_equal(downsample(values, factors, "majority").reshape(-1), expected)


def test_majority_keeps_a_thin_segment() -> None:
    """A sheet one voxel thick is lost in half the cases by striding, never by majority."""
    values = np.zeros((8, 8, 8), np.uint32)
    values[:, :, 3] = 7
    assert not (values[::2, ::2, ::2] == 7).any()
    assert (downsample(values, (2, 2, 2), "majority")[:, :, 1] == 7).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("factors", [(1, 2, 2), (2, 2, 2), (2, 3, 1)])
def test_mean_of_floats(dtype: Any, factors: tuple[int, int, int]) -> None:
    values = np.random.default_rng(3).normal(size=(5, 9, 11)).astype(dtype)
    found = downsample(values, factors)
    assert found.dtype == dtype
    for index, cell in cells(values, factors):
        mean = cell.astype(np.float64).mean()
        assert found[index] == pytest.approx(mean, rel=2 * float(np.finfo(dtype).eps), abs=1e-7)
    values[0, 0, 0] = np.nan
    assert np.isnan(downsample(values, factors)[0, 0, 0])
    assert not np.isnan(downsample(values, factors)[1:]).any()


def test_bool_masks() -> None:
    mask = np.random.default_rng(4).random((5, 6, 7)) < 0.5
    found = downsample(mask, (2, 2, 2), "majority")
    assert found.dtype == np.bool_
    np.testing.assert_array_equal(found, majority_oracle(mask, (2, 2, 2)))
    np.testing.assert_array_equal(downsample(mask, (1, 2, 2)), mean_oracle(mask.astype(np.uint8), (1, 2, 2)) > 0)


@given(
    values=hnp.arrays(np.uint8, SHAPES),
    factors=FACTORS,
    rule=st.sampled_from(["mean", "majority"]),
    cut=st.integers(0, 8),
)
def test_blocks_give_the_same(
    values: np.ndarray[Any, Any], factors: tuple[int, int, int], rule: Rule, cut: int
) -> None:
    """A cut along cell borders, on every axis in turn, changes nothing."""
    whole = downsample(values, factors, rule)
    for axis in range(3):
        at = min(cut, values.shape[axis] // factors[axis]) * factors[axis]
        parts = [p for p in np.split(values, [at], axis) if p.size]
        joined = np.concatenate([downsample(p, factors, rule) for p in parts], axis)
        np.testing.assert_array_equal(joined, whole)


@pytest.mark.parametrize("order", ["transposed", "strided", "readonly", "big-endian"])
def test_any_memory_layout(order: str) -> None:
    plain = np.random.default_rng(5).integers(0, 9, (6, 8, 10)).astype(np.uint16)
    layouts = {
        "transposed": np.asfortranarray(plain),
        "strided": np.repeat(plain, 2, axis=2)[:, :, ::2],
        "readonly": plain.copy(),
        "big-endian": plain.astype(">u2"),
    }
    values = layouts[order]
    values.flags.writeable = order != "readonly"
    for rule, factors in itertools.product(("mean", "majority"), ((1, 2, 2), (2, 2, 2), (1, 1, 1), (1, 3, 1))):
        found = downsample(values, factors, rule)  # type: ignore[arg-type]
        assert found.dtype == values.dtype
        oracle = mean_oracle if rule == "mean" else majority_oracle
        np.testing.assert_array_equal(found, oracle(plain, factors))


def test_into_a_given_array() -> None:
    values = np.arange(4 * 4 * 4, dtype=np.uint8).reshape(4, 4, 4)
    out = np.empty((2, 2, 2), np.uint8)
    assert downsample(values, (2, 2, 2), out=out) is out
    np.testing.assert_array_equal(out, mean_oracle(values, (2, 2, 2)))


@pytest.mark.parametrize(
    ("values", "factors", "rule", "message"),
    [
        (np.zeros((2, 2), np.uint8), (1, 2, 2), "mean", "2-D array"),
        (np.zeros((2, 2, 2), complex), (1, 2, 2), "mean", "complex128"),
        (np.zeros((2, 2, 2), np.float32), (1, 2, 2), "majority", "labels are whole numbers"),
        (np.zeros((2, 2, 2), np.uint8), (0, 2, 2), "mean", "at least 1"),
        (np.zeros((2, 2, 2), np.uint8), (2, 2), "mean", "three whole numbers"),
        (np.zeros((2, 2, 2), np.uint8), (1, 2, 2), "mode", "'mean' .images. and 'majority' .labels."),
    ],
)
def test_bad_requests(values: np.ndarray[Any, Any], factors: Any, rule: Any, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        downsample(values, factors, rule)


@pytest.mark.parametrize("rule", ["mean", "majority"])
@pytest.mark.parametrize("factors", [(1, 2, 2), (2, 2, 2), (3, 2, 1)])
def test_a_large_view_is_reduced_in_pieces(rule: Rule, factors: tuple[int, int, int]) -> None:
    whole = np.random.default_rng(6).integers(0, 4, (41, 333, 1001), dtype=np.uint8)
    view = whole[:, 1:, 3:998]
    assert view.nbytes > 2 * (4 << 20)
    np.testing.assert_array_equal(downsample(view, factors, rule), downsample(view.copy(), factors, rule))
