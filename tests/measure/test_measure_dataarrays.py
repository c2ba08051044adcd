"""DataArrays are measured as the Volumes they describe, in memory and behind Dask, for any chunks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndlab import measure
from ndlab.errors import BadRequest, Conflict
from ndlab.volume import Volume
from tests.measure.oracles import BLOCKS, OFFSET, VOXEL_SIZE, Array, label_arrays, labels_volume

DIMS = ("z", "y", "x")


def data_array(values: Array, data: Any = None) -> Any:
    """`values`, or `data` in their place, at the centres of the voxels of `labels_volume`."""
    import xarray as xr

    coords = {
        axis: (axis, offset + (np.arange(n) + 0.5) * size, {"units": "nm"})
        for axis, n, size, offset in zip(DIMS, values.shape, VOXEL_SIZE, OFFSET, strict=True)
    }
    return xr.DataArray(values if data is None else data, dims=DIMS, coords=coords, attrs={"kind": "labels"})


def plain(answer: Any) -> Any:
    """What can be compared: rows, voxels, or the numbers of statistics."""
    if isinstance(answer, measure.Table):
        return answer.rows.tolist()
    return answer.to_json() if isinstance(answer, measure.Statistics) else answer.read().tolist()


VERBS: dict[str, Callable[..., Any]] = {
    "components": lambda a, **how: measure.components(a, by_label=True, **how),
    "contacts": measure.contacts,
    "regions": lambda a, **how: measure.regions(a, a, **how),
    "statistics": lambda a, **how: measure.statistics(a, mask=a, percentiles=(10, 50), **how),
    "unique": measure.unique,
}


@pytest.mark.parametrize("verb", VERBS)
@settings(max_examples=15)
@given(values=label_arrays().filter(lambda v: min(v.shape) > 1), block=BLOCKS, data=st.data())
def test_answers_do_not_depend_on_the_container(
    verb: str, values: Array, block: tuple[int, int, int], data: st.DataObject
) -> None:
    import dask.array as da

    whole = plain(VERBS[verb](labels_volume(values)))
    chunks = data.draw(BLOCKS)
    lazy = data_array(values, da.from_array(values, chunks=chunks))
    turned = lazy.transpose(*data.draw(st.permutations(DIMS)))
    for array in (data_array(values), lazy, turned):
        assert plain(VERBS[verb](array, block=block)) == whole
    assert plain(VERBS[verb](lazy)) == whole


def test_blocks_are_whole_chunks_of_dask_and_each_is_computed_once() -> None:
    import dask.array as da

    seen: list[int] = []

    def chunk(block_id: tuple[int, ...] = (0, 0, 0)) -> Array:
        seen.append(block_id[0])
        return np.full((4, 8, 8), 1 + block_id[0], np.uint32)

    lazy = da.map_blocks(chunk, chunks=((4,) * 6, (8,), (8,)), dtype=np.uint32, meta=np.empty((0, 0, 0), np.uint32))
    array = data_array(np.empty((24, 8, 8), np.uint32), lazy)
    assert measure.unique(array, block=(4, 8, 8))["size"].tolist() == [256] * 6
    assert sorted(seen) == list(range(6))
    seen.clear()
    measure.unique(array)
    assert sorted(seen) == list(range(6))


def test_dask_is_computed_where_dask_computes_and_not_inside_a_task() -> None:
    import dask.array as da
    from distributed import Client, LocalCluster

    values = np.arange(1, 513, dtype="u4").reshape(8, 8, 8) // 64
    lazy = data_array(values, da.from_array(values, chunks=4))
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster):
        assert plain(measure.unique(lazy, block=4)) == plain(measure.unique(labels_volume(values)))
        assert plain(measure.contacts(data_array(values), block=4)) == plain(measure.contacts(labels_volume(values)))


def test_stored_components_of_a_dask_array_resume_by_what_it_computes(tmp_path: Path) -> None:
    import dask.array as da

    values = (np.indices((6, 6, 6)).sum(0) % 3 > 0).astype("u1")
    out = str(tmp_path / "c")
    first = measure.components(data_array(values, da.from_array(values, chunks=3)), out=out)
    again = measure.components(data_array(values, da.from_array(values.copy(), chunks=3)), out=out)
    np.testing.assert_array_equal(first.read(), again.read())
    for other in (da.from_array(1 - values, chunks=3), 1 - values):
        with pytest.raises(Conflict, match="other settings"):
            measure.components(data_array(values, other), out=out)


@pytest.mark.parametrize("verb", VERBS)
def test_what_has_no_voxel_size_is_told_what_to_do(verb: str) -> None:
    import xarray as xr

    bare = xr.DataArray(np.ones((2, 2, 2), "u4"), dims=DIMS)
    with pytest.raises(BadRequest, match=r"no voxel size[\s\S]*Volume.from_array\(values, voxel_size"):
        VERBS[verb](bare)
    with pytest.raises(BadRequest, match="take a Volume or a DataArray"):
        VERBS[verb](np.ones((2, 2, 2), "u4"))
    assert len(measure.unique(Volume.from_array(bare, (1, 1, 1)))) == 1
